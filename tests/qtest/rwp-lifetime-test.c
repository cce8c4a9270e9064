/*
 * memory-backend-rwp: epochs, and what happens to a guest while it is tracked
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/socket.h>
#include "libqmp.h"
#include "rwp-ages.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE    (16 * MiB)

/* The shortest interval, in milliseconds. */
#define SHORT   100

static void set_interval(QTestState *qts, uint32_t ms)
{
    g_autofree char *value = g_strdup_printf("%" PRIu32, ms);

    rwp_qom_set(qts, "interval", value);
    g_assert_cmpuint(rwp_query_int(qts, "ram0", "interval"), ==, ms);
}

static uint64_t epochs(QTestState *qts)
{
    return rwp_query_int(qts, "ram0", "epochs");
}

/* No epoch may begin in the time that several would take. */
static void assert_no_epochs(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + 5 * SHORT * 1000;
    uint64_t before;

    /* This comes after whatever is under way. */
    rwp_scan(qts, "ram0");
    before = epochs(qts);
    while (g_get_monotonic_time() < end) {
        g_assert_cmpuint(epochs(qts), ==, before);
    }
}

static void test_interval(void)
{
    RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    QTestState *qts = vm->qts;
    g_autoptr(RwpAges) ages = NULL;

    /* Shorter: in force at once, though the long one has just begun. */
    set_interval(qts, SHORT);
    rwp_wait_epochs(qts, "ram0", epochs(qts) + 3);

    /* Longer. */
    set_interval(qts, 86400000);
    assert_no_epochs(qts);
    set_interval(qts, SHORT);
    rwp_wait_epochs(qts, "ram0", epochs(qts) + 3);
    set_interval(qts, 86400000);
    ages = rwp_export(qts, "ram0");
    g_assert_cmpuint(ages->interval_ms, ==, 86400000);

    /* Epochs of all lengths count the same. */
    rwp_vm_detach(vm);
    vm = rwp_vm_attach(qts, rwp_memory("anon"), "ram0", rwp_vm_base(), SIZE);
    rwp_vm_write(vm, 0, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
}

static void test_stopped(void)
{
    RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    QTestState *qts = vm->qts;

    set_interval(qts, SHORT);
    rwp_wait_epochs(qts, "ram0", epochs(qts) + 2);
    qtest_qmp_assert_success(qts, "{ 'execute': 'stop' }");
    assert_no_epochs(qts);
    rwp_assert_state(qts, "ram0", "active", NULL);

    /* One can still ask for a scan, and have tracking start anew. */
    rwp_vm_detach(vm);
    vm = rwp_vm_attach(qts, rwp_memory("anon"), "ram0", rwp_vm_base(), SIZE);
    rwp_vm_write(vm, 4 * MiB, 1);
    rwp_vm_scan(vm);
    rwp_qom_set(qts, "tracking", "'off'");
    rwp_qom_set(qts, "tracking", "'on'");
    assert_no_epochs(qts);

    qtest_qmp_assert_success(qts, "{ 'execute': 'cont' }");
    rwp_wait_epochs(qts, "ram0", epochs(qts) + 2);
    rwp_vm_free(vm);
}

/* What the guest runs between two stops adds up to intervals. */
static void test_stopped_often(void)
{
    RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    QTestState *qts = vm->qts;
    uint64_t before = epochs(qts);
    int64_t start = 0;

    set_interval(qts, 2000);
    while (epochs(qts) < before + 2) {
        qtest_qmp_assert_success(qts, "{ 'execute': 'stop' }");
        qtest_qmp_assert_success(qts, "{ 'execute': 'cont' }");
        rwp_deadline(&start, "the end of an interval");
    }
    rwp_vm_free(vm);
}

/* -S: the guest has not run at all yet. */
static void test_not_started(void)
{
    RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, "-S");

    set_interval(vm->qts, SHORT);
    assert_no_epochs(vm->qts);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    rwp_wait_epochs(vm->qts, "ram0", epochs(vm->qts) + 2);
    rwp_vm_free(vm);
}

static void test_turned_off_and_on(const void *data)
{
    const RwpMemory *memory = data;
    g_autoptr(QDict) info = NULL;
    QTestState *qts;
    RwpVm *vm;

    if (!rwp_memory_usable(memory, SIZE)) {
        return;
    }
    vm = rwp_vm_new(memory, SIZE, " ");
    qts = vm->qts;
    rwp_vm_write(vm, 0, 8 * MiB);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);

    /* What is the same already changes nothing. */
    rwp_qom_set(qts, "tracking", "'on'");
    rwp_vm_check(vm);
    rwp_qom_set(qts, "tracking", "'auto'");
    rwp_vm_check(vm);
    rwp_vm_scan(vm);

    rwp_qom_set(qts, "tracking", "'off'");
    rwp_assert_state(qts, "ram0", "off", NULL);
    info = rwp_query(qts, "ram0");
    g_assert_cmpuint(qdict_get_int(info, "untracked"), ==, SIZE);
    g_assert_cmpstr(qdict_get_str(info, "untracked-reason"), ==,
                    "tracking=off");
    g_assert_cmpuint(qdict_get_int(info, "epochs"), ==, 0);
    rwp_assert_error(qts, "accesses to the memory of 'ram0' are not tracked:"
                     " tracking is off", "{ 'execute': 'scan-working-set',"
                     " 'arguments': { 'id': 'ram0' } }");
    rwp_assert_error(qts, "nothing is known about the pages of 'ram0':"
                     " tracking is off", "{ 'execute': 'export-working-set',"
                     " 'arguments': { 'id': 'ram0',"
                     " 'filename': '/dev/null' } }");
    qtest_memset(qts, vm->base, 1, SIZE / 4);
    rwp_qom_set(qts, "tracking", "'off'");

    /* Back: what is populated is known, but not since when. */
    rwp_qom_set(qts, "tracking", "'auto'");
    rwp_vm_detach(vm);
    vm = rwp_vm_attach(qts, memory, "ram0", rwp_vm_base(), SIZE);
    for (uint64_t i = 0; i < vm->npages; i++) {
        g_assert_cmpint(vm->age[i], ==,
                        i < vm->npages / 2 ? 1 : RWP_ABSENT);
    }
    rwp_vm_write(vm, 2 * MiB, 1);
    rwp_vm_read(vm, 12 * MiB, 1);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
}

/* Those that read or write guest memory by its physical address. */
static void test_dump(void)
{
    RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    g_autofree char *file = rwp_temp_name("dump");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *data = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    rwp_vm_write(vm, 1 * MiB, 1 * MiB);
    rwp_vm_scan(vm);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'pmemsave', 'arguments': {"
                             " 'val': %" PRIu64 ", 'size': 1048576,"
                             " 'filename': %s } }", vm->base + MiB, file);
    rwp_vm_touch(vm, 1 * MiB, 1 * MiB);
    rwp_vm_scan(vm);
    g_file_get_contents(file, &data, &length, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(length, ==, MiB);
    for (gsize i = 0; i < length; i++) {
        g_assert_cmphex((uint8_t)data[i], ==, 0xa5);
    }

    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'dump-guest-memory',"
                             " 'arguments': { 'paging': false,"
                             " 'protocol': %s } }", uri);
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    unlink(file);

    /* It has read everything, present or not. */
    rwp_vm_touch(vm, 0, SIZE);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 0, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
}

static void test_reset(void)
{
    RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");

    rwp_vm_write(vm, 0, 1 * MiB);
    rwp_vm_scan(vm);
    qtest_system_reset(vm->qts);
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 512 * KiB, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
}

/* A scan that is going on, or waits to, must not keep QEMU from ending. */
static void test_quit_while_scanning(void)
{
    QTestState *qts;

    /*
     * One takes a moment to scan, even if nothing of it is populated, the
     * other is scanned all the time.  (Not by SIGTERM: a command that arrives
     * when the monitor is being shut down can crash QEMU 10.0.)
     */
    for (int i = 0; i < 3; i++) {
        qts = qtest_init("-machine none -nodefaults"
                         " -object memory-backend-rwp,id=ram0,size=1T,"
                         "reserve=off,tracking=on," RWP_NEVER
                         " -object memory-backend-rwp,id=ram1,size=1T,"
                         "reserve=off,tracking=on,interval=100");
        qtest_qmp_send(qts, "{ 'execute': 'scan-working-set' }");
        qtest_qmp_send(qts, "{ 'execute': 'quit' }");
        qtest_wait_qemu(qts);
        qtest_quit(qts);
    }
}

/* A scan that the end of tracking overtakes says so. */
static void test_turned_off_while_scanning(void)
{
    const char *overtaken = "tracking ended before the scan was complete";
    int monitor[2];
    QTestState *qts;

    /* While one monitor waits for its answer, another one has the word. */
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, monitor), ==, 0);
    qts = qtest_initf("-machine none -nodefaults"
                      " -chardev socket,id=second,fd=%d"
                      " -mon chardev=second,mode=control"
                      " -object memory-backend-rwp,id=ram0,size=1T,reserve=off,"
                      "tracking=on,%s", monitor[1], RWP_NEVER);
    close(monitor[1]);
    qobject_unref(qmp_fd_receive(monitor[0]));
    qobject_unref(qmp_fd(monitor[0], "{ 'execute': 'qmp_capabilities' }"));

    for (int i = 0; i < 10; i++) {
        g_autoptr(QDict) rsp = NULL;

        qmp_fd_send(monitor[0], "{ 'execute': 'scan-working-set',"
                    " 'arguments': { 'id': 'ram0' } }");
        rwp_qom_set(qts, "tracking", "'off'");
        rsp = qmp_fd_receive(monitor[0]);
        if (qdict_haskey(rsp, "error")) {
            const char *desc = qdict_get_str(qdict_get_qdict(rsp, "error"),
                                             "desc");

            /* Or it came to it only when it was off already. */
            g_test_message("%s", desc);
            g_assert_true(g_str_equal(desc, overtaken) ||
                          g_str_has_suffix(desc, "tracking is off"));
        }
        rwp_qom_set(qts, "tracking", "'on'");
        rwp_assert_state(qts, "ram0", "active", NULL);
    }
    rwp_scan(qts, "ram0");
    qtest_quit(qts);
    close(monitor[0]);
}

static void test_options(void)
{
    static const char * const options[] = {
        "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
        "resourcecontrol=deny",
        "-overcommit mem-lock=on",
    };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, "%s", options[i]);

        rwp_vm_write(vm, 0, 1);
        rwp_vm_read(vm, 1 * MiB, 1);
        rwp_vm_scan(vm);
        rwp_vm_scan(vm);
        /* Tracking can be started within, too. */
        rwp_qom_set(vm->qts, "tracking", "'off'");
        rwp_qom_set(vm->qts, "tracking", "'on'");
        rwp_scan(vm->qts, "ram0");
        rwp_vm_free(vm);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    rwp_qtest_add("/rwp/life/interval", test_interval);
    rwp_qtest_add("/rwp/life/stopped", test_stopped);
    rwp_qtest_add("/rwp/life/stopped-often", test_stopped_often);
    rwp_qtest_add("/rwp/life/not-started", test_not_started);
    for (const RwpMemory *m = rwp_memories; m->name; m++) {
        g_autofree char *path =
            g_strdup_printf("/rwp/life/turned-off-and-on/%s", m->name);

        rwp_qtest_add_data(path, m, test_turned_off_and_on);
    }
    rwp_qtest_add("/rwp/life/dump", test_dump);
    rwp_qtest_add("/rwp/life/reset", test_reset);
    rwp_qtest_add("/rwp/life/quit-while-scanning", test_quit_while_scanning);
    rwp_qtest_add("/rwp/life/turned-off-while-scanning",
                  test_turned_off_while_scanning);
    rwp_qtest_add("/rwp/life/options", test_options);
    return g_test_run();
}
