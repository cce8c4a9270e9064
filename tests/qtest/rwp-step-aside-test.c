/*
 * memory-backend-rwp: tracking steps aside for those who read all memory or
 * watch it themselves, and returns
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A migration is held in its middle by a bandwidth that lets a page or two
 * pass a second.
 */

#include "qemu/osdep.h"
#include <sys/resource.h>
#include "rwp-ages.h"
#include "rwp-migration.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE        (16 * MiB)
#define FILLED      (6 * MiB)
#define BLOCK       (32 * KiB)      /* longer qtest commands cost the square */

#define SECOND_NS   1000000000LL

/* Wait for the event that tells of @state; the others before it are dropped. */
static void wait_event(QTestState *qts, const char *state, const char *reason)
{
    while (true) {
        g_autoptr(QDict) event =
            qtest_qmp_eventwait_ref(qts, "WORKING_SET_STATE_CHANGE");
        QDict *data = qdict_get_qdict(event, "data");

        g_assert_cmpstr(qdict_get_str(data, "id"), ==, "ram0");
        g_assert_cmpstr(qdict_get_str(data, "qom-path"), ==, "/objects/ram0");
        if (g_str_equal(qdict_get_str(data, "state"), state)) {
            g_assert_cmpstr(qdict_get_try_str(data, "reason"), ==, reason);
            return;
        }
    }
}

/* Let go of the events that are held back for being too many a second. */
static void release_events(QTestState *qts)
{
    qtest_clock_step(qts, 2 * SECOND_NS);
}

/* Start a machine, and give its pages contents and different ages. */
static RwpVm *start(const RwpMemory *memory)
{
    RwpVm *vm = rwp_vm_new(memory, SIZE, " ");

    release_events(vm->qts);
    rwp_vm_write(vm, 0, FILLED);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 2 * MiB, 1);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 4 * MiB, 4 * KiB);
    rwp_vm_scan(vm);
    return vm;
}

/* While tracking stands aside, all is told as of the last scan. */
static void check_aside(RwpVm *vm, const char *reason)
{
    g_autofree char *error =
        g_strdup_printf("accesses to the memory of 'ram0' are not tracked:"
                        " tracking is suspended, %s", reason);

    rwp_wait_state(vm->qts, "ram0", "suspended");
    rwp_assert_state(vm->qts, "ram0", "suspended", reason);
    rwp_vm_check(vm);
    rwp_assert_error(vm->qts, error, "{ 'execute': 'scan-working-set',"
                     " 'arguments': { 'id': 'ram0' } }");
    /* Without an ID it scans those that can be, here none. */
    rwp_scan(vm->qts, NULL);
    rwp_vm_check(vm);
}

/* After it has returned, ages go on from where they were. */
static void check_return(RwpVm *vm)
{
    rwp_wait_state(vm->qts, "ram0", "active");
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    rwp_vm_suspended(vm);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 1 * MiB, 1);
    rwp_vm_read(vm, 2 * MiB, 1);
    rwp_vm_write(vm, SIZE - 1, 1);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);
}

/*
 * Whoever reads an absent page in a file, or one that must be huge, makes a
 * page of it; elsewhere he sees the page of zeroes that all share.
 */
static bool reading_populates(const RwpMemory *memory)
{
    return memory->shared || memory->page_size != 4 * KiB;
}

/* Pages that are touched in the meantime: known, unknown. */
static void touch_meanwhile(RwpVm *vm)
{
    rwp_vm_write(vm, 0, 8 * KiB);
    rwp_vm_write(vm, 12 * MiB, 1);
}

static void test_outgoing(const void *data)
{
    const RwpMemory *memory = data;
    g_autofree char *file = rwp_temp_name("stream");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    RwpVm *vm;

    if (!rwp_memory_usable(memory, SIZE)) {
        return;
    }
    vm = start(memory);
    rwp_migration_speed(vm->qts, RWP_MIGRATION_SLOW);
    rwp_migrate(vm->qts, uri);
    check_aside(vm, "outgoing migration");
    wait_event(vm->qts, "suspended", "outgoing migration");
    touch_meanwhile(vm);
    rwp_vm_check(vm);

    rwp_migration_speed(vm->qts, RWP_MIGRATION_FAST);
    rwp_wait_migration(vm->qts, "completed");
    if (reading_populates(memory)) {
        rwp_vm_touch(vm, 0, SIZE);
    }
    check_return(vm);

    /* The event's clock is the guest's under qtest, and stands still. */
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    release_events(vm->qts);
    wait_event(vm->qts, "active", NULL);
    rwp_vm_write(vm, 3 * MiB, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
    unlink(file);
}

static void test_cancelled(void)
{
    g_autofree char *file = rwp_temp_name("stream");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    RwpVm *vm = start(rwp_memory("anon"));

    for (int i = 0; i < 2; i++) {
        rwp_migration_speed(vm->qts, RWP_MIGRATION_SLOW);
        rwp_migrate(vm->qts, uri);
        check_aside(vm, "outgoing migration");
        touch_meanwhile(vm);
        qtest_qmp_assert_success(vm->qts, "{ 'execute': 'migrate_cancel' }");
        rwp_wait_migration(vm->qts, "cancelled");
        check_return(vm);
    }
    rwp_vm_free(vm);
    unlink(file);
}

/* What is told of a window of so many seconds. */
static void check_window(RwpVm *vm, int seconds, uint64_t bytes, bool complete)
{
    g_autoptr(QDict) window = rwp_query_window(vm->qts, "ram0", seconds);

    g_assert_cmpuint(qdict_get_int(window, "bytes"), ==, bytes);
    g_assert(qdict_get_bool(window, "complete") == complete);
}

/* The time in which nobody watched is no time in which memory was idle. */
static void test_time_aside(void)
{
    g_autofree char *file = rwp_temp_name("stream");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    RwpVm *vm = start(rwp_memory("anon"));

    /* After 2 s, all of them, and then one after 12 s. */
    qtest_clock_step(vm->qts, 10 * SECOND_NS);
    rwp_vm_scan(vm);
    rwp_migration_speed(vm->qts, RWP_MIGRATION_SLOW);
    rwp_migrate(vm->qts, uri);
    check_aside(vm, "outgoing migration");
    qtest_clock_step(vm->qts, 600 * SECOND_NS);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'migrate_cancel' }");
    rwp_wait_migration(vm->qts, "cancelled");
    rwp_wait_state(vm->qts, "ram0", "active");
    rwp_vm_scan(vm);
    qtest_clock_step(vm->qts, 10 * SECOND_NS);
    rwp_vm_scan(vm);

    check_window(vm, 20, 0, true);
    check_window(vm, 21, FILLED, true);
    check_window(vm, 22, FILLED, true);
    check_window(vm, 23, FILLED, false);
    rwp_vm_free(vm);
    unlink(file);
}

/* A migration that comes to nothing must not leave tracking aside. */
static void test_failed(void)
{
    RwpVm *vm = start(rwp_memory("anon"));
    g_autoptr(QDict) rsp =
        qtest_qmp(vm->qts, "{ 'execute': 'migrate',"
                  " 'arguments': { 'uri': 'unix:/nonexistent/socket' } }");
    int64_t start_us = 0;

    while (true) {
        g_autofree char *status = rwp_migration_status(vm->qts);

        if (!status || g_str_equal(status, "failed") ||
            g_str_equal(status, "none")) {
            break;
        }
        rwp_deadline(&start_us, "failure");
    }
    check_return(vm);
    rwp_vm_free(vm);
}

/*
 * A background snapshot goes as fast as it can, whatever its bandwidth should
 * be: who takes it does not read before he is told to, by @fifo.
 */
static char *snapshot_uri(const char *fifo)
{
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    return g_strdup_printf("exec:read line <%s; exec cat >/dev/null", fifo);
}

static void let_read(const char *fifo)
{
    int fd = open(fifo, O_WRONLY);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "\n", 1), ==, 1);
    close(fd);
}

static void test_background_snapshot(const void *data)
{
    const RwpMemory *memory = data;
    g_autofree char *fifo = rwp_temp_name("fifo");
    g_autofree char *uri = NULL;
    RwpVm *vm;

    if (!rwp_memory_usable(memory, SIZE)) {
        return;
    }
    uri = snapshot_uri(fifo);
    vm = start(memory);
    /* Nothing has stepped aside yet: the probe must not need that. */
    rwp_migration_capability(vm->qts, "background-snapshot", true);
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    rwp_migrate(vm->qts, uri);
    check_aside(vm, "background snapshot");
    wait_event(vm->qts, "suspended", "background snapshot");
    let_read(fifo);
    /* Waits until the snapshot has the page. */
    rwp_vm_write(vm, 4 * MiB, 1);
    rwp_wait_migration(vm->qts, "completed");
    if (reading_populates(memory)) {
        rwp_vm_touch(vm, 0, SIZE);
    }
    if (memory->page_size != memory->granule) {
        /* They were released from write protection page by page. */
        rwp_vm_split(vm);
    }
    check_return(vm);
    release_events(vm->qts);
    wait_event(vm->qts, "active", NULL);

    /* It can be repeated. */
    rwp_migrate(vm->qts, uri);
    check_aside(vm, "background snapshot");
    let_read(fifo);
    rwp_wait_migration(vm->qts, "completed");
    check_return(vm);
    rwp_vm_free(vm);
    unlink(fifo);
}

/* The lowest descriptor that @pid would have without its userfaultfd. */
static int free_descriptor(pid_t pid)
{
    for (int fd = 0; ; fd++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", pid, fd);
        g_autofree char *what = g_file_read_link(path, NULL);

        if (!what || strstr(what, "userfaultfd")) {
            return fd;
        }
    }
}

/*
 * QEMU has no descriptor left when the snapshot is over: it says so, and
 * returns once there is one.
 */
static void test_no_descriptor(void)
{
    g_autofree char *fifo = rwp_temp_name("fifo");
    g_autofree char *uri = snapshot_uri(fifo);
    const char *reason = "its return is tried each second: cannot open a"
                         " userfaultfd: Too many open files";
    struct rlimit before, few;
    RwpVm *vm;
    pid_t pid;

    vm = start(rwp_memory("anon"));
    pid = qtest_pid(vm->qts);
    g_assert_cmpint(prlimit(pid, RLIMIT_NOFILE, NULL, &before), ==, 0);
    few = (struct rlimit) { free_descriptor(pid), before.rlim_max };
    rwp_migration_capability(vm->qts, "background-snapshot", true);
    rwp_migrate(vm->qts, uri);
    check_aside(vm, "background snapshot");
    g_assert_cmpint(prlimit(pid, RLIMIT_NOFILE, &few, NULL), ==, 0);
    let_read(fifo);
    rwp_wait_migration(vm->qts, "completed");
    wait_event(vm->qts, "suspended", "background snapshot");
    release_events(vm->qts);
    wait_event(vm->qts, "suspended", reason);
    rwp_assert_state(vm->qts, "ram0", "suspended", reason);

    g_assert_cmpint(prlimit(pid, RLIMIT_NOFILE, &before, NULL), ==, 0);
    check_return(vm);
    release_events(vm->qts);
    wait_event(vm->qts, "active", NULL);
    rwp_vm_free(vm);
    unlink(fifo);
}

static void test_cpr(void)
{
    g_autofree char *file = rwp_temp_name("stream");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    RwpVm *vm = start(rwp_memory("anon"));

    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'migrate-set-parameters',"
                             " 'arguments': { 'mode': 'cpr-reboot' } }");
    rwp_migration_speed(vm->qts, RWP_MIGRATION_SLOW);
    rwp_migrate(vm->qts, uri);
    check_aside(vm, "live update (CPR)");
    rwp_migration_speed(vm->qts, RWP_MIGRATION_FAST);
    rwp_wait_migration(vm->qts, "completed");
    check_return(vm);
    rwp_vm_free(vm);
    unlink(file);
}

/* Contents by which a page in the wrong place shows, zeroes beyond FILLED. */
static void make_pattern(uint64_t offset, uint64_t *data, size_t size)
{
    for (size_t i = 0; i < size / sizeof(*data); i++) {
        uint64_t at = offset + i * sizeof(*data);

        data[i] = at < FILLED ? at * 0x9e3779b97f4a7c15 + 1 : 0;
    }
}

static void write_pattern(RwpVm *vm)
{
    uint64_t data[BLOCK / sizeof(uint64_t)];

    for (uint64_t offset = 0; offset < FILLED; offset += BLOCK) {
        make_pattern(offset, data, BLOCK);
        qtest_bufwrite(vm->qts, vm->base + offset, data, BLOCK);
    }
    rwp_vm_touch(vm, 0, FILLED);
}

static void check_pattern(QTestState *qts, uint64_t base)
{
    uint64_t data[BLOCK / sizeof(uint64_t)];
    uint64_t expected[BLOCK / sizeof(uint64_t)];

    for (uint64_t offset = 0; offset < SIZE;
         offset += offset < FILLED ? BLOCK : MiB) {
        qtest_bufread(qts, base + offset, data, BLOCK);
        make_pattern(offset, expected, BLOCK);
        g_assert_cmpmem(data, BLOCK, expected, BLOCK);
    }
}

static QTestState *start_destination(const RwpMemory *memory,
                                     const char *incoming)
{
    g_autofree char *args = rwp_vm_args(memory, SIZE, "tracking=on");

    return qtest_initf("%s -incoming %s", args, incoming);
}

static void check_waiting(QTestState *qts)
{
    g_autoptr(QDict) info = NULL;

    rwp_assert_state(qts, "ram0", "suspended",
                     "waiting for an incoming migration");
    info = rwp_query(qts, "ram0");
    g_assert_cmpuint(qdict_get_int(info, "epochs"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "untracked"), ==, SIZE);
    g_assert_cmpstr(qdict_get_str(info, "untracked-reason"), ==,
                    "waiting for an incoming migration");
    rwp_assert_error(qts, "accesses to the memory of 'ram0' are not tracked:"
                     " tracking is suspended, waiting for an incoming"
                     " migration",
                     "{ 'execute': 'scan-working-set',"
                     " 'arguments': { 'id': 'ram0' } }");
    rwp_assert_error(qts, "nothing is known about the pages of 'ram0':"
                     " tracking is suspended, waiting for an incoming"
                     " migration",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'filename': '/dev/null' } }");
}

/* The guest has arrived: it is tracked, and only what it has is present. */
static void check_arrived(QTestState *qts, const RwpMemory *memory)
{
    RwpVm *vm;

    rwp_wait_state(qts, "ram0", "active");
    vm = rwp_vm_attach(qts, memory, "ram0", rwp_vm_base(), SIZE);
    for (uint64_t i = 0; i < vm->npages; i++) {
        uint64_t offset = i * memory->page_size;

        if (offset < FILLED) {
            g_assert_cmpint(vm->age[i], !=, RWP_ABSENT);
        } else if (!reading_populates(memory)) {
            g_assert_cmpint(vm->age[i], ==, RWP_ABSENT);
        }
    }
    check_pattern(qts, vm->base);
    rwp_scan(qts, "ram0");
    rwp_vm_detach(vm);

    vm = rwp_vm_attach(qts, memory, "ram0", rwp_vm_base(), SIZE);
    if (memory->page_size != memory->granule) {
        /* It may have come in pieces of huge pages. */
        rwp_vm_split(vm);
    }
    rwp_vm_write(vm, 0, 1);
    rwp_vm_read(vm, 3 * MiB, 1);
    rwp_vm_write(vm, SIZE - 1, 1);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);
    rwp_vm_detach(vm);
}

/* To a file, and from there. */
static void test_file(const void *data)
{
    const RwpMemory *memory = data;
    g_autofree char *file = rwp_temp_name("stream");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    QTestState *to;
    RwpVm *from;

    if (!rwp_memory_usable(memory, 2 * SIZE)) {
        return;
    }
    from = start(memory);
    write_pattern(from);
    rwp_migration_speed(from->qts, RWP_MIGRATION_FAST);
    rwp_migrate(from->qts, uri);
    rwp_wait_migration(from->qts, "completed");
    rwp_vm_free(from);

    to = start_destination(memory, "defer");
    check_waiting(to);
    qtest_qmp_assert_success(to, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s } }", uri);
    check_arrived(to, memory);
    qtest_quit(to);
    unlink(file);
}

static void test_precopy(const void *data)
{
    const RwpMemory *memory = data;
    g_autofree char *path = rwp_temp_name("sock");
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    QTestState *to;
    RwpVm *from;

    if (!rwp_memory_usable(memory, 2 * SIZE)) {
        return;
    }
    to = start_destination(memory, uri);
    check_waiting(to);
    from = start(memory);
    write_pattern(from);
    rwp_migration_speed(from->qts, RWP_MIGRATION_SLOW);
    rwp_migrate(from->qts, uri);
    rwp_wait_state(from->qts, "ram0", "suspended");
    /* The reason is another one once the stream has begun. */
    rwp_wait_state(to, "ram0", "suspended");
    rwp_migration_speed(from->qts, RWP_MIGRATION_FAST);
    rwp_wait_migration(from->qts, "completed");
    rwp_wait_migration(to, "completed");
    check_arrived(to, memory);

    /* The source is still there, and knows its pages. */
    check_pattern(from->qts, from->base);
    rwp_wait_state(from->qts, "ram0", "active");
    rwp_scan(from->qts, "ram0");
    rwp_vm_free(from);
    qtest_quit(to);
    unlink(path);
}

static void test_postcopy(const void *data)
{
    const RwpMemory *memory = data;
    g_autofree char *path = rwp_temp_name("sock");
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    QTestState *to;
    RwpVm *from;

    if (!rwp_memory_usable(memory, 2 * SIZE)) {
        return;
    }
    to = start_destination(memory, "defer");
    rwp_migration_capability(to, "postcopy-ram", true);
    qtest_qmp_assert_success(to, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s } }", uri);
    from = start(memory);
    rwp_migration_capability(from->qts, "postcopy-ram", true);
    write_pattern(from);
    rwp_migration_speed(from->qts, RWP_MIGRATION_SLOW);
    rwp_migrate(from->qts, uri);
    rwp_wait_state(from->qts, "ram0", "suspended");
    rwp_wait_migration(from->qts, "active");
    rwp_migration_parameter(from->qts, "max-postcopy-bandwidth",
                            RWP_MIGRATION_SLOW);
    qtest_qmp_assert_success(from->qts,
                             "{ 'execute': 'migrate-start-postcopy' }");
    rwp_wait_migration(from->qts, "postcopy-active");
    rwp_wait_migration(to, "postcopy-active");
    rwp_assert_state(from->qts, "ram0", "suspended", "outgoing migration");
    rwp_assert_state(to, "ram0", "suspended",
                     "incoming migration or snapshot");
    rwp_migration_parameter(from->qts, "max-postcopy-bandwidth", 0);
    rwp_wait_migration(from->qts, "completed");
    check_arrived(to, memory);
    rwp_vm_free(from);
    qtest_quit(to);
    unlink(path);
}

/* Asked to track while it stands aside: it does as soon as it may. */
static void test_turned_on_meanwhile(void)
{
    g_autofree char *file = rwp_temp_name("stream");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    RwpVm *vm = start(rwp_memory("anon"));
    QTestState *qts = vm->qts;

    rwp_migration_speed(qts, RWP_MIGRATION_SLOW);
    rwp_migrate(qts, uri);
    rwp_wait_state(qts, "ram0", "suspended");
    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/ram0',"
                             " 'property': 'tracking', 'value': 'off' } }");
    rwp_assert_state(qts, "ram0", "off", NULL);
    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/ram0',"
                             " 'property': 'tracking', 'value': 'on' } }");
    rwp_assert_state(qts, "ram0", "suspended", "outgoing migration");
    /* And an object that is new. */
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-rwp', 'id': 'new',"
                             " 'size': 4194304, 'tracking': 'on' } }");
    rwp_assert_state(qts, "new", "suspended", "outgoing migration");
    qtest_clock_step(qts, 600 * SECOND_NS);
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate_cancel' }");
    rwp_wait_state(qts, "ram0", "active");
    rwp_wait_state(qts, "new", "active");
    rwp_scan(qts, NULL);
    g_assert_cmpuint(rwp_query_int(qts, "new", "absent"), ==, 4 * MiB);
    check_window(vm, 1, rwp_query_int(qts, "ram0", "present"), false);
    rwp_vm_detach(vm);

    vm = rwp_vm_attach(qts, rwp_memory("anon"), "ram0", rwp_vm_base(), SIZE);
    rwp_vm_write(vm, 0, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
    unlink(file);
}

static const struct {
    const char *name;
    GTestDataFunc fn;
    const char *memories;
} cases[] = {
    { "outgoing", test_outgoing, "anon thp memfd hugetlb-shared"
                                 " hugetlb-private" },
    { "file", test_file, "anon hugetlb-shared" },
    { "precopy", test_precopy, "thp memfd hugetlb-private" },
    { "postcopy", test_postcopy, "anon thp memfd hugetlb-shared" },
    { "background-snapshot", test_background_snapshot,
      "anon thp memfd hugetlb-shared" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/aside/%s",
                                                cases[i].name);

        rwp_qtest_add_each(path, cases[i].memories, cases[i].fn);
    }
    rwp_qtest_add("/rwp/aside/cancelled", test_cancelled);
    rwp_qtest_add("/rwp/aside/time", test_time_aside);
    rwp_qtest_add("/rwp/aside/failed", test_failed);
    rwp_qtest_add("/rwp/aside/no-descriptor", test_no_descriptor);
    rwp_qtest_add("/rwp/aside/cpr", test_cpr);
    rwp_qtest_add("/rwp/aside/turned-on-meanwhile", test_turned_on_meanwhile);
    return g_test_run();
}
