/*
 * Helpers for the tests of memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
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

uint64_t rwp_query_int(QTestState *qts, const char *id, const char *member)
{
    g_autoptr(QDict) info = rwp_query(qts, id);

    return qdict_get_int(info, member);
}

char *rwp_query_state(QTestState *qts, const char *id)
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
        g_autofree char *now = rwp_query_state(qts, id);

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

static uint64_t get_le(const char **p, int bytes)
{
    uint64_t value = ldn_le_p(*p, bytes);

    *p += bytes;
    return value;
}

/* One run of pages; returns false for the record that ends the file. */
static bool decode_record(RwpAges *ages, const char **p, uint64_t *gpa_before)
{
    uint64_t gpa = get_le(p, 8);
    uint64_t offset = get_le(p, 8);
    uint64_t length = get_le(p, 4) * 4 * KiB;
    unsigned age = get_le(p, 2);
    unsigned flags = get_le(p, 2);

    if (!length) {
        g_assert_cmphex(gpa, ==, RWP_UNMAPPED);
        g_assert_cmphex(offset, ==, 0);
        g_assert_cmpuint(age, ==, 0);
        g_assert_cmpuint(flags, ==, 0);
        return false;
    }
    g_assert_cmpuint(age, <=, RWP_AGE_LIMIT);
    g_assert_cmpuint(flags & ~1, ==, 0);
    g_assert_cmphex(offset % ages->page_size, ==, 0);
    g_assert_cmphex(length % ages->page_size, ==, 0);
    g_assert_cmphex(offset + length, <=, ages->size);
    /* Ascending in the guest's memory; what is not in it comes last. */
    g_assert(gpa > *gpa_before || (gpa == RWP_UNMAPPED &&
                                   *gpa_before == RWP_UNMAPPED) ||
             (gpa == 0 && *gpa_before == 0));
    *gpa_before = gpa;

    for (uint64_t i = offset / ages->page_size;
         i < (offset + length) / ages->page_size; i++) {
        g_assert_cmpint(ages->age[i], ==, RWP_ABSENT);
        ages->age[i] = age;
        ages->huge[i] = flags & 1;
        ages->gpa[i] = gpa;
        gpa += gpa == RWP_UNMAPPED ? 0 : ages->page_size;
    }
    return true;
}

RwpAges *rwp_decode(const char *data, size_t length)
{
    RwpAges *ages = g_new0(RwpAges, 1);
    uint64_t gpa_before = 0;
    const char *p = data;

    g_assert_cmpuint(length, >=, 64 + 24);
    g_assert_cmpmem(p, 8, "QEMUAGES", 8);
    p += 8;
    g_assert_cmpuint(get_le(&p, 4), ==, 1);
    g_assert_cmpuint(get_le(&p, 4), ==, 64);
    ages->page_size = get_le(&p, 8);
    ages->epochs = get_le(&p, 8);
    ages->interval_ms = get_le(&p, 8);
    ages->size = get_le(&p, 8);
    g_assert_cmpuint(get_le(&p, 8), ==, 0);
    g_assert_cmpuint(get_le(&p, 8), ==, 0);

    g_assert(is_power_of_2(ages->page_size));
    g_assert_cmpuint(ages->size % ages->page_size, ==, 0);
    ages->npages = ages->size / ages->page_size;
    ages->age = g_new(int, ages->npages);
    ages->huge = g_new0(bool, ages->npages);
    ages->gpa = g_new0(uint64_t, ages->npages);
    for (uint64_t i = 0; i < ages->npages; i++) {
        ages->age[i] = RWP_ABSENT;
    }

    do {
        g_assert_cmpint(data + length - p, >=, 24);
    } while (decode_record(ages, &p, &gpa_before));
    g_assert_cmpint(data + length - p, ==, 0);
    return ages;
}

void rwp_ages_free(RwpAges *ages)
{
    if (ages) {
        g_free(ages->age);
        g_free(ages->huge);
        g_free(ages->gpa);
        g_free(ages);
    }
}

uint64_t rwp_ages_sum(const RwpAges *ages, int min, int max)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ages->npages; i++) {
        if (ages->age[i] >= min && ages->age[i] <= max) {
            sum += ages->page_size;
        }
    }
    return sum;
}

RwpAges *rwp_export(QTestState *qts, const char *id)
{
    g_autofree char *name = rwp_temp_name("ages");
    g_autofree char *data = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    qtest_qmp_assert_success(qts, "{ 'execute': 'export-working-set',"
                             " 'arguments': { 'id': %s, 'filename': %s } }",
                             id, name);
    g_file_get_contents(name, &data, &length, &error);
    g_assert_no_error(error);
    unlink(name);
    return rwp_decode(data, length);
}

uint64_t rwp_vm_base(void)
{
    /* The first DIMM of a pc, and the RAM of virt, which has none as such. */
    return g_str_equal(qtest_get_arch(), "x86_64") ? 4 * GiB : 1 * GiB;
}

char *rwp_vm_args(const RwpMemory *memory, uint64_t size, const char *options)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    const char *machine = x86 ?
        "-machine pc -m 32M,slots=4,maxmem=16G"
        " -device pc-dimm,id=dimm0,memdev=ram0" :
        "-machine virt,memory-backend=ram0 -cpu max";
    g_autofree char *ram = x86 ? g_strdup("") :
                           g_strdup_printf("-m %" PRIu64 "M", size / MiB);

    return g_strdup_printf("-nodefaults -object memory-backend-rwp,id=ram0,"
                           "size=%" PRIu64 ",%s,%s%s%s %s %s",
                           size, memory->options, RWP_NEVER,
                           options && *options ? "," : "", options ?: "",
                           machine, ram);
}

RwpVm *rwp_vm_attach(QTestState *qts, const RwpMemory *memory, const char *id,
                     uint64_t base, uint64_t size)
{
    RwpVm *vm = g_new0(RwpVm, 1);
    g_autoptr(RwpAges) ages = NULL;

    vm->qts = qts;
    vm->memory = memory;
    vm->id = g_strdup(id);
    vm->base = base;
    vm->size = size;
    vm->granule = memory->granule;
    vm->npages = size / memory->page_size;

    rwp_assert_state(qts, id, "active", NULL);
    rwp_scan(qts, id);
    ages = rwp_export(qts, id);
    g_assert_cmpuint(ages->size, ==, size);
    g_assert_cmpuint(ages->page_size, ==, memory->page_size);
    vm->age = g_memdup2(ages->age, vm->npages * sizeof(int));
    vm->touched = g_new0(bool, vm->npages);
    vm->accessed = rwp_query_int(qts, id, "accessed");
    vm->epochs = rwp_query_int(qts, id, "epochs");
    return vm;
}

RwpVm *rwp_vm_new(const RwpMemory *memory, uint64_t size, const char *fmt, ...)
{
    g_autofree char *more = NULL;
    g_autofree char *args = rwp_vm_args(memory, size, "tracking=on");
    QTestState *qts;
    va_list ap;

    va_start(ap, fmt);
    more = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qts = qtest_initf("%s %s", args, more);
    return rwp_vm_attach(qts, memory, "ram0", rwp_vm_base(), size);
}

void rwp_vm_detach(RwpVm *vm)
{
    if (vm) {
        g_free(vm->id);
        g_free(vm->age);
        g_free(vm->touched);
        g_free(vm);
    }
}

void rwp_vm_free(RwpVm *vm)
{
    if (vm) {
        qtest_quit(vm->qts);
        rwp_vm_detach(vm);
    }
}

/* The pages that an access to some bytes counts for. */
static void granules(RwpVm *vm, uint64_t offset, uint64_t length,
                     uint64_t *first, uint64_t *end)
{
    uint64_t stop = ROUND_UP(offset + length, vm->granule);

    g_assert_cmpuint(offset + length, <=, vm->size);
    *first = QEMU_ALIGN_DOWN(offset, vm->granule) / vm->memory->page_size;
    *end = MIN(stop, vm->size) / vm->memory->page_size;
}

void rwp_vm_touch(RwpVm *vm, uint64_t offset, uint64_t length)
{
    uint64_t page, end;

    for (granules(vm, offset, length, &page, &end); page < end; page++) {
        vm->touched[page] = true;
    }
}

void rwp_vm_write(RwpVm *vm, uint64_t offset, uint64_t length)
{
    qtest_memset(vm->qts, vm->base + offset, 0xa5, length);
    rwp_vm_touch(vm, offset, length);
}

void rwp_vm_read(RwpVm *vm, uint64_t offset, uint64_t length)
{
    g_autofree char *data = g_malloc(length);

    qtest_memread(vm->qts, vm->base + offset, data, length);
    rwp_vm_touch(vm, offset, length);
}

void rwp_vm_discarded(RwpVm *vm, uint64_t offset, uint64_t length)
{
    uint64_t page = offset / vm->memory->page_size;
    uint64_t end = page + length / vm->memory->page_size;

    for (; page < end; page++) {
        vm->age[page] = RWP_ABSENT;
        vm->touched[page] = false;
    }
}

void rwp_vm_suspended(RwpVm *vm)
{
    for (uint64_t i = 0; i < vm->npages; i++) {
        if (vm->touched[i] && vm->age[i] == RWP_ABSENT) {
            vm->age[i] = 0;
        }
        vm->touched[i] = false;
    }
}

static void check_sums(RwpVm *vm)
{
    g_autoptr(QDict) info = rwp_query(vm->qts, vm->id);
    const QListEntry *entry;
    uint64_t present = 0;

    for (uint64_t i = 0; i < vm->npages; i++) {
        present += vm->age[i] == RWP_ABSENT ? 0 : vm->memory->page_size;
    }
    g_assert_cmpuint(qdict_get_int(info, "epochs"), ==, vm->epochs);
    g_assert_cmpuint(qdict_get_int(info, "page-size"), ==,
                     vm->memory->page_size);
    g_assert_cmpuint(qdict_get_int(info, "size"), ==, vm->size);
    g_assert_cmpuint(qdict_get_int(info, "untracked"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "present"), ==, present);
    g_assert_cmpuint(qdict_get_int(info, "accessed"), ==, vm->accessed);

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "idle-ages"), entry) {
        QDict *idle = qobject_to(QDict, qlist_entry_obj(entry));
        int min = qdict_get_int(idle, "min-age");
        int max = qdict_get_try_int(idle, "max-age", RWP_AGE_LIMIT);
        uint64_t bytes = 0;

        for (uint64_t i = 0; i < vm->npages; i++) {
            if (vm->age[i] >= min && vm->age[i] <= max) {
                bytes += vm->memory->page_size;
            }
        }
        g_assert_cmpuint(qdict_get_int(idle, "bytes"), ==, bytes);
    }
}

void rwp_vm_check(RwpVm *vm)
{
    g_autoptr(RwpAges) ages = rwp_export(vm->qts, vm->id);

    g_assert_cmpuint(ages->epochs, ==, vm->epochs);
    g_assert_cmpuint(ages->npages, ==, vm->npages);
    for (uint64_t i = 0; i < vm->npages; i++) {
        uint64_t offset = i * ages->page_size;

        if (ages->age[i] != vm->age[i]) {
            g_test_message("page %" PRIu64 " of %" PRIu64 ": age %d, expected"
                           " %d", i, vm->npages, ages->age[i], vm->age[i]);
        }
        g_assert_cmpint(ages->age[i], ==, vm->age[i]);
        if (ages->age[i] != RWP_ABSENT) {
            g_assert_cmphex(ages->gpa[i], ==, vm->base + offset);
        }
    }
    check_sums(vm);
}

void rwp_vm_split(RwpVm *vm)
{
    vm->may_be_split = true;
    vm->granule = vm->memory->page_size;
}

/* What was touched of a page that turns out to be huge counts for all of it. */
static void widen_touched(RwpVm *vm)
{
    uint64_t extent = vm->memory->granule / vm->memory->page_size;
    g_autoptr(RwpAges) ages = rwp_export(vm->qts, vm->id);

    for (uint64_t i = 0; i < vm->npages; i++) {
        if (vm->touched[i] && ages->huge[i]) {
            uint64_t first = QEMU_ALIGN_DOWN(i, extent);

            for (i = first; i < first + extent; i++) {
                g_assert_true(ages->huge[i]);
                vm->touched[i] = true;
            }
            i--;
        }
    }
}

void rwp_vm_epoch(RwpVm *vm)
{
    rwp_scan(vm->qts, vm->id);
    if (vm->may_be_split) {
        widen_touched(vm);
    }
    vm->epochs++;
    vm->accessed = 0;
    for (uint64_t i = 0; i < vm->npages; i++) {
        if (vm->touched[i]) {
            vm->age[i] = 0;
            vm->accessed += vm->memory->page_size;
        } else if (vm->age[i] != RWP_ABSENT) {
            vm->age[i] = MIN(vm->age[i] + 1, RWP_AGE_LIMIT);
        }
        vm->touched[i] = false;
    }
}

void rwp_vm_scan(RwpVm *vm)
{
    rwp_vm_epoch(vm);
    rwp_vm_check(vm);
}
