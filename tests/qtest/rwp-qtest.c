/*
 * Helpers for the tests of memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>
#include "rwp-qtest.h"

/* Newer than the headers that QEMU is built with. */
#define FEATURE_RWP         (1ULL << 17)
#define FEATURE_RWP_ASYNC   (1ULL << 18)
#define USER_MODE_ONLY      1

#define WAIT_US             (60 * G_USEC_PER_SEC)
#define POLL_US             2000

const RwpMemory rwp_memories[] = {
    { "anon", "thp=off", 4 * KiB, 4 * KiB, false },
    { "thp", "thp=on", 4 * KiB, 2 * MiB, false },
    { "memfd", "share=on", 4 * KiB, 4 * KiB, true },
    { "hugetlb-shared", "hugetlb=on,hugetlbsize=2M,share=on",
      2 * MiB, 2 * MiB, true },
    { "hugetlb-private", "hugetlb=on,hugetlbsize=2M,share=off",
      2 * MiB, 2 * MiB, false },
    { }
};

const RwpMemory *rwp_memory(const char *name)
{
    const RwpMemory *memory = rwp_memories;

    while (strcmp(memory->name, name)) {
        memory++;
        g_assert(memory->name);
    }
    return memory;
}

const char *rwp_qtest_no_rwp(void)
{
    struct uffdio_api api = { .api = UFFD_API };
    const uint64_t needed = FEATURE_RWP | FEATURE_RWP_ASYNC;
    int fd;

    if (qemu_real_host_page_size() != 4 * KiB) {
        return "RWP is only tested with pages of 4 KiB";
    }
    fd = syscall(__NR_userfaultfd, O_CLOEXEC | USER_MODE_ONLY);
    if (fd < 0) {
        return "the host has no userfaultfd with RWP (Linux 7.3), or forbids"
               " to use it";
    }
    if (ioctl(fd, UFFDIO_API, &api)) {
        api.features = 0;
    }
    close(fd);
    return (api.features & needed) == needed ? NULL :
           "the host's kernel has no userfaultfd RWP (Linux 7.3)";
}

typedef struct Test {
    void (*fn)(void);
    GTestDataFunc data_fn;
    const void *data;
} Test;

static void run_test(const void *opaque)
{
    const Test *test = opaque;
    const char *reason = rwp_qtest_no_rwp();

    if (reason) {
        g_test_skip(reason);
    } else if (test->fn) {
        test->fn();
    } else {
        test->data_fn(test->data);
    }
}

static void add_test(const char *path, Test test)
{
    qtest_add_data_func_full(path, g_memdup2(&test, sizeof(test)), run_test,
                             g_free);
}

void rwp_qtest_add(const char *path, void (*fn)(void))
{
    add_test(path, (Test) { .fn = fn });
}

void rwp_qtest_add_data(const char *path, const void *data, GTestDataFunc fn)
{
    add_test(path, (Test) { .data_fn = fn, .data = data });
}

void rwp_qtest_add_each(const char *path, const char *memories,
                        GTestDataFunc fn)
{
    g_auto(GStrv) names = g_strsplit(memories, " ", 0);

    for (char **name = names; *name; name++) {
        g_autofree char *full = g_strdup_printf("%s/%s", path, *name);

        rwp_qtest_add_data(full, rwp_memory(*name), fn);
    }
}

bool rwp_memory_usable(const RwpMemory *memory, uint64_t size)
{
    g_autofree char *text = NULL;

    if (memory->page_size == 2 * MiB) {
        const char *file = "/sys/kernel/mm/hugepages/hugepages-2048kB/"
                           "free_hugepages";

        if (!g_file_get_contents(file, &text, NULL, NULL) ||
            g_ascii_strtoull(text, NULL, 10) < size / (2 * MiB)) {
            g_test_skip("this RWP test needs more free huge pages of 2 MiB"
                        " (vm.nr_hugepages)");
            return false;
        }
    } else if (memory->granule == 2 * MiB) {
        const char *file = "/sys/kernel/mm/transparent_hugepage/enabled";

        if (!g_file_get_contents(file, &text, NULL, NULL) ||
            strstr(text, "[never]")) {
            g_test_skip("this RWP test needs transparent huge pages");
            return false;
        }
    }
    return true;
}

void rwp_deadline(int64_t *start, const char *what)
{
    int64_t now = g_get_monotonic_time();

    if (!*start) {
        *start = now;
    }
    if (now - *start > WAIT_US) {
        g_error("waited in vain for %s", what);
    }
    g_usleep(POLL_US);
}

static uint64_t sum_of(QDict *info, const char *list, const char *member)
{
    const QListEntry *entry;
    uint64_t sum = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, list), entry) {
        sum += qdict_get_int(qobject_to(QDict, qlist_entry_obj(entry)),
                             member);
    }
    return sum;
}

static void check_idle_ages(QDict *info)
{
    const QListEntry *entry;
    int64_t next = 0;

    /* The classes follow on each other and leave no age out. */
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "idle-ages"), entry) {
        QDict *idle = qobject_to(QDict, qlist_entry_obj(entry));

        g_assert_cmpint(qdict_get_int(idle, "min-age"), ==, next);
        if (!qdict_haskey(idle, "max-age")) {
            g_assert(!qlist_next(entry));
            break;
        }
        g_assert_cmpint(qdict_get_int(idle, "max-age"), >=, next);
        next = qdict_get_int(idle, "max-age") + 1;
        g_assert(qlist_next(entry));
    }
    g_assert_cmpint(next, ==, RWP_AGE_LIMIT);
}

static void check_windows(QDict *info)
{
    const QListEntry *entry;
    bool complete = true;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "working-set"), entry) {
        QDict *window = qobject_to(QDict, qlist_entry_obj(entry));

        g_assert_cmpint(qdict_get_int(window, "bytes"), <=,
                        qdict_get_int(info, "present"));
        /* The default ones, shortest first. */
        g_assert(complete || !qdict_get_bool(window, "complete"));
        complete = qdict_get_bool(window, "complete");
    }
}

void rwp_check_info(QDict *info)
{
    uint64_t size = qdict_get_int(info, "size");
    uint64_t present = qdict_get_int(info, "present");
    uint64_t absent = qdict_get_int(info, "absent");
    uint64_t untracked = qdict_get_int(info, "untracked");
    const char *state = qdict_get_str(info, "state");
    g_autofree char *path = g_strdup_printf("/objects/%s",
                                            qdict_get_str(info, "id"));

    g_assert_cmpstr(qdict_get_str(info, "qom-path"), ==, path);
    g_assert_cmpuint(present + absent + untracked, ==, size);
    g_assert_cmpuint(qdict_get_int(info, "accessed"), <=, size);
    g_assert_cmpuint(sum_of(info, "idle-ages", "bytes"), ==, present);
    g_assert_cmpuint(sum_of(info, "resolution", "bytes"), ==, present);
    check_idle_ages(info);
    check_windows(info);
    g_assert_cmpint(qdict_haskey(info, "untracked-reason"), ==,
                    untracked != 0);
    g_assert_cmpint(qdict_haskey(info, "sample-age"), ==,
                    qdict_get_int(info, "epochs") != 0);
    g_assert_cmpint(qdict_haskey(info, "reason"), ==,
                    g_str_equal(state, "suspended") ||
                    g_str_equal(state, "unavailable"));
}

QDict *rwp_query(QTestState *qts, const char *id)
{
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'query-working-set',"
                           " 'arguments': { 'id': %s } }", id);
    QList *list;
    QDict *info;

    g_assert(qdict_haskey(rsp, "return"));
    list = qdict_get_qlist(rsp, "return");
    g_assert_cmpuint(qlist_size(list), ==, 1);
    info = qobject_to(QDict, qlist_pop(list));
    qobject_unref(rsp);
    g_assert_cmpstr(qdict_get_str(info, "id"), ==, id);
    rwp_check_info(info);
    return info;
}

QDict *rwp_query_window(QTestState *qts, const char *id, int seconds)
{
    g_autoptr(QDict) rsp =
        qtest_qmp(qts, "{ 'execute': 'query-working-set', 'arguments': {"
                  " 'id': %s, 'windows': [ %d ] } }", id, seconds);
    QDict *info = qobject_to(QDict,
                             qlist_peek(qdict_get_qlist(rsp, "return")));
    QList *windows = qdict_get_qlist(info, "working-set");

    return qobject_ref(qobject_to(QDict, qlist_peek(windows)));
}

uint64_t rwp_query_int(QTestState *qts, const char *id, const char *member)
{
    g_autoptr(QDict) info = rwp_query(qts, id);

    return qdict_get_int(info, member);
}

static char *query_state(QTestState *qts, const char *id)
{
    g_autoptr(QDict) info = rwp_query(qts, id);

    return g_strdup(qdict_get_str(info, "state"));
}

void rwp_assert_state(QTestState *qts, const char *id, const char *state,
                      const char *reason)
{
    g_autoptr(QDict) info = rwp_query(qts, id);

    g_assert_cmpstr(qdict_get_str(info, "state"), ==, state);
    g_assert_cmpstr(qdict_get_try_str(info, "reason"), ==, reason);
}

void rwp_wait_state(QTestState *qts, const char *id, const char *state)
{
    int64_t start = 0;

    while (true) {
        g_autofree char *now = query_state(qts, id);

        if (g_str_equal(now, state)) {
            return;
        }
        rwp_deadline(&start, state);
    }
}

void rwp_wait_epochs(QTestState *qts, const char *id, uint64_t epochs)
{
    int64_t start = 0;

    while (rwp_query_int(qts, id, "epochs") < epochs) {
        rwp_deadline(&start, "epochs");
    }
}

void rwp_scan(QTestState *qts, const char *id)
{
    if (id) {
        qtest_qmp_assert_success(qts, "{ 'execute': 'scan-working-set',"
                                 " 'arguments': { 'id': %s } }", id);
    } else {
        qtest_qmp_assert_success(qts, "{ 'execute': 'scan-working-set' }");
    }
}

void rwp_assert_error(QTestState *qts, const char *message, const char *fmt,
                      ...)
{
    g_autoptr(QDict) error = NULL;
    const char *desc;
    va_list ap;

    va_start(ap, fmt);
    error = qtest_vqmp_assert_failure_ref(qts, fmt, ap);
    va_end(ap);
    desc = qdict_get_str(error, "desc");
    if (!g_str_has_prefix(desc, message)) {
        g_test_message("expected an error that begins: %s", message);
        g_assert_cmpstr(desc, ==, message);
    }
}

static QDict *qom_set(QTestState *qts, const char *property,
                      const char *value)
{
    qtest_qmp_send_raw(qts, "{ 'execute': 'qom-set', 'arguments': {"
                       " 'path': '/objects/ram0', 'property': '%s',"
                       " 'value': %s } }", property, value);
    return qtest_qmp_receive(qts);
}

void rwp_qom_set(QTestState *qts, const char *property, const char *value)
{
    g_autoptr(QDict) rsp = qom_set(qts, property, value);

    if (!qdict_haskey(rsp, "return")) {
        g_error("cannot set %s to %s: %s", property, value,
                qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"));
    }
}

char *rwp_qom_set_fails(QTestState *qts, const char *property,
                        const char *value)
{
    g_autoptr(QDict) rsp = qom_set(qts, property, value);

    g_assert_true(qdict_haskey(rsp, "error"));
    return g_strdup(qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"));
}

char *rwp_start_fails(const char *fmt, ...)
{
    g_autofree char *args = NULL;
    g_autofree char *command = NULL;
    char *argv[] = { (char *)"/bin/sh", (char *)"-c", NULL, NULL };
    g_autoptr(GError) error = NULL;
    char *said = NULL;
    int status;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    /* Should it start after all, it gets nothing to wait for. */
    command = g_strdup_printf("exec %s -display none -nodefaults -accel qtest"
                              " -chardev null,id=null -qtest chardev:null"
                              " -monitor stdio %s </dev/null",
                              getenv("QTEST_QEMU_BINARY"), args);
    argv[2] = command;
    g_test_message("starting QEMU: %s", command);
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                 NULL, &said, &status, &error);
    g_assert_no_error(error);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
        g_test_message("status 0x%x, stderr: %s", status, said);
        g_assert_cmpint(status, ==, 1 << 8);
    }
    return said;
}

char *rwp_temp_name(const char *what)
{
    static unsigned count;

    return g_strdup_printf("%s/rwp-%d-%u.%s", g_get_tmp_dir(), getpid(),
                           count++, what);
}

uint64_t rwp_host_address(QTestState *qts, uint64_t gpa)
{
    g_autofree char *said = qtest_hmp(qts, "gpa2hva 0x%" PRIx64, gpa);
    const char *value = strstr(said, ") is 0x");

    g_assert_nonnull(value);
    return g_ascii_strtoull(value + strlen(") is "), NULL, 16);
}

uint64_t *rwp_pagemap(QTestState *qts, uint64_t host, uint64_t size)
{
    g_autofree char *name = g_strdup_printf("/proc/%d/pagemap",
                                            (int)qtest_pid(qts));
    size_t page = qemu_real_host_page_size();
    size_t length = size / page * sizeof(uint64_t);
    uint64_t *entries = g_malloc(length);
    int fd = open(name, O_RDONLY);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, entries, length, host / page * sizeof(*entries)),
                    ==, length);
    close(fd);
    return entries;
}
