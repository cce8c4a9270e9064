/*
 * memory-backend-rwp: where export-working-set writes to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What it writes, rwp_vm_check() compares in all tests.
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE (16 * MiB)

static void test_refused(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    QTestState *qts = vm->qts;
    const char *one = "exactly one of 'filename' and 'fdname' must be given";
    int fds[2];

    rwp_assert_error(qts, one, "{ 'execute': 'export-working-set',"
                     " 'arguments': { 'id': 'ram0' } }");
    rwp_assert_error(qts, one, "{ 'execute': 'export-working-set',"
                     " 'arguments': { 'id': 'ram0', 'filename': '/dev/null',"
                     " 'fdname': 'x' } }");
    rwp_assert_error(qts, "Could not create '/nonexistent/file'",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'filename': '/nonexistent/file' } }");
    rwp_assert_error(qts, "Could not create '/proc'",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'filename': '/proc' } }");
    rwp_assert_error(qts, "File descriptor named 'x' has not been found",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'fdname': 'x' } }");
    /* It can be opened, but not written to. */
    rwp_assert_error(qts, "cannot write to '/dev/full': No space left",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'filename': '/dev/full' } }");
    /* One can read from it only, and: it is closed after an error, too. */
    g_assert_cmpint(pipe(fds), ==, 0);
    qtest_qmp_fds_assert_success(qts, &fds[0], 1, "{ 'execute': 'getfd',"
                                 " 'arguments': { 'fdname': 'x' } }");
    rwp_assert_error(qts, "cannot write to 'x'",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'fdname': 'x' } }");
    rwp_assert_error(qts, "File descriptor named 'x' has not been found",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'fdname': 'x' } }");
    /* Nobody reads it any more. */
    close(fds[0]);
    qtest_qmp_fds_assert_success(qts, &fds[1], 1, "{ 'execute': 'getfd',"
                                 " 'arguments': { 'fdname': 'y' } }");
    close(fds[1]);
    rwp_assert_error(qts, "cannot write to 'y': Broken pipe",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'fdname': 'y' } }");
    rwp_vm_check(vm);
}

static void export_to(QTestState *qts, const char *filename)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'export-working-set',"
                             " 'arguments': { 'id': 'ram0', 'filename': %s } }",
                             filename);
}

/* The monitor keeps a file descriptor for as long as QEMU has it open. */
static void test_fdset(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    g_autofree char *name = rwp_temp_name("fdset");
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    struct stat st;
    QDict *answer;

    g_assert_cmpint(fd, >=, 0);
    qtest_qmp_fds_assert_success(vm->qts, &fd, 1, "{ 'execute': 'add-fd',"
                                 " 'arguments': { 'fdset-id': 1 } }");
    export_to(vm->qts, "/dev/fdset/1");
    export_to(vm->qts, "/dev/fdset/1");
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, >, 64);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'remove-fd',"
                             " 'arguments': { 'fdset-id': 1 } }");
    answer = qtest_qmp(vm->qts, "{ 'execute': 'query-fdsets' }");
    g_assert_true(qlist_empty(qdict_get_qlist(answer, "return")));
    qobject_unref(answer);
    close(fd);
    unlink(name);
}

/* QEMU does not wait for who does not read: not at first, not at its end. */
static void test_nobody_reads(void)
{
    const RwpMemory *memory = rwp_memory("anon");
    RwpVm *vm = rwp_vm_new(memory, SIZE, " ");
    g_autofree char *fifo = rwp_temp_name("fifo");
    g_autofree char *message = g_strdup_printf("Could not create '%s': No such"
                                               " device", fifo);
    int fds[2], unread, capacity;
    int64_t start = 0;

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    rwp_assert_error(vm->qts, message, "{ 'execute': 'export-working-set',"
                     " 'arguments': { 'id': 'ram0', 'filename': %s } }", fifo);
    unlink(fifo);

    /* A record for each page, far more than the pipe has room for. */
    rwp_vm_write(vm, 0, SIZE);
    rwp_vm_scan(vm);
    for (uint64_t at = 0; at < SIZE; at += 2 * memory->page_size) {
        rwp_vm_write(vm, at, 1);
    }
    rwp_vm_scan(vm);
    g_assert_cmpint(pipe(fds), ==, 0);
    capacity = fcntl(fds[0], F_SETPIPE_SZ, 4096);
    g_assert_cmpint(capacity, >, 0);
    g_assert_cmpint(capacity, <, SIZE / memory->page_size * 24);
    qtest_qmp_fds_assert_success(vm->qts, &fds[1], 1, "{ 'execute': 'getfd',"
                                 " 'arguments': { 'fdname': 'out' } }");
    qtest_qmp_send(vm->qts, "{ 'execute': 'export-working-set', 'arguments': {"
                            " 'id': 'ram0', 'fdname': 'out' } }");
    do {
        rwp_deadline(&start, "a full pipe");
        g_assert_cmpint(ioctl(fds[0], FIONREAD, &unread), ==, 0);
    } while (unread < capacity);
    /* Fails if it has to be killed. */
    qtest_quit(vm->qts);
    rwp_vm_detach(vm);
    close(fds[0]);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rwp_qtest_add("/rwp/export/refused", test_refused);
    rwp_qtest_add("/rwp/export/fdset", test_fdset);
    rwp_qtest_add("/rwp/export/nobody-reads", test_nobody_reads);
    return g_test_run();
}
