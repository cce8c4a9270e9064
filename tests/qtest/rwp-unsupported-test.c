/*
 * memory-backend-rwp on a host whose kernel cannot track accesses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE (16 * MiB)

static const RwpMemory *memories[] = { NULL, NULL };

/* What all messages say that refuse tracking=on: object, what, the way out. */
static void check_refusal(const char *said, const char *id)
{
    g_autofree char *begin =
        g_strdup_printf("property 'tracking' of memory-backend-rwp '%s' cannot"
                        " be 'on': ", id);

    g_test_message("%s", said);
    g_assert_nonnull(strstr(said, begin));
    g_assert_nonnull(strstr(said, "; with 'auto' the guest runs untracked"));
    /* Either the kernel is too old, or it does not let us. */
    g_assert_true(strstr(said, "read-write protection (UFFD_FEATURE_RWP)") ||
                  strstr(said, "cannot open a userfaultfd"));
    g_assert_true(strstr(said, "the host needs Linux 7.3 or newer") ||
                  strstr(said, "security policy"));
}

static void test_start(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(memories); i++) {
        g_autofree char *args = rwp_vm_args(memories[i], SIZE, "tracking=on");
        g_autofree char *said = rwp_start_fails("%s", args);

        check_refusal(said, "ram0");
    }
}

static void test_at_run_time(void)
{
    g_autofree char *args = rwp_vm_args(memories[0], SIZE, "tracking=off");
    QTestState *qts = qtest_init(args);
    QDict *error;

    error = qtest_qmp_assert_failure_ref(qts, "{ 'execute': 'qom-set',"
                                         " 'arguments': {"
                                         " 'path': '/objects/ram0',"
                                         " 'property': 'tracking',"
                                         " 'value': 'on' } }");
    check_refusal(qdict_get_str(error, "desc"), "ram0");
    qobject_unref(error);
    /* Nothing has changed. */
    rwp_assert_state(qts, "ram0", "off", NULL);

    error = qtest_qmp_assert_failure_ref(qts, "{ 'execute': 'object-add',"
                                         " 'arguments': {"
                                         " 'qom-type': 'memory-backend-rwp',"
                                         " 'id': 'late', 'size': 4194304,"
                                         " 'tracking': 'on' } }");
    check_refusal(qdict_get_str(error, "desc"), "late");
    qobject_unref(error);
    error = qtest_qmp_assert_failure_ref(qts, "{ 'execute':"
                                         " 'query-working-set',"
                                         " 'arguments': { 'id': 'late' } }");
    g_assert_cmpstr(qdict_get_str(error, "class"), ==, "DeviceNotFound");
    qobject_unref(error);
    qtest_quit(qts);
}

static void check_untracked(QTestState *qts, const char *id, uint64_t size)
{
    g_autoptr(QDict) info = rwp_query(qts, id);
    const char *reason = qdict_get_str(info, "reason");

    g_assert_cmpstr(qdict_get_str(info, "state"), ==, "unavailable");
    g_assert_cmpuint(qdict_get_int(info, "size"), ==, size);
    g_assert_cmpuint(qdict_get_int(info, "untracked"), ==, size);
    g_assert_cmpstr(qdict_get_str(info, "untracked-reason"), ==, reason);
    g_assert_true(strstr(reason, "UFFD_FEATURE_RWP") ||
                  strstr(reason, "cannot open a userfaultfd"));
    g_assert_cmpuint(qdict_get_int(info, "epochs"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "accessed"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "present"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "absent"), ==, 0);
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    while ((text = strstr(text, what))) {
        text += strlen(what);
        n++;
    }
    return n;
}

static char *read_and_unlink(const char *file)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(file, &text, NULL, &error);
    g_assert_no_error(error);
    unlink(file);
    return text;
}

static void check_memory(QTestState *qts)
{
    uint64_t base = rwp_vm_base();

    for (uint64_t offset = 0; offset < SIZE; offset += MiB) {
        qtest_writeq(qts, base + offset, offset ^ 0x5555);
    }
    for (uint64_t offset = 0; offset < SIZE; offset += MiB) {
        g_assert_cmphex(qtest_readq(qts, base + offset), ==, offset ^ 0x5555);
    }
}

static void test_auto(const void *data)
{
    const RwpMemory *memory = *(const RwpMemory **)data;
    g_autofree char *args = rwp_vm_args(memory, SIZE, NULL);
    g_autofree char *log = rwp_temp_name("stderr");
    QTestState *qts = qtest_initf("%s 2>%s", args, log);
    g_autofree char *hmp = NULL;
    g_autofree char *said = NULL;
    g_autoptr(QDict) stats = NULL;
    QDict *result;

    check_memory(qts);
    for (int i = 0; i < 3; i++) {
        check_untracked(qts, "ram0", SIZE);
    }
    rwp_assert_error(qts, "accesses to the memory of 'ram0' are not tracked:"
                     " tracking is unavailable, ",
                     "{ 'execute': 'scan-working-set',"
                     " 'arguments': { 'id': 'ram0' } }");
    /* Without an ID there is nothing to scan. */
    rwp_scan(qts, NULL);
    rwp_assert_error(qts, "nothing is known about the pages of 'ram0':"
                     " tracking is unavailable, ",
                     "{ 'execute': 'export-working-set', 'arguments': {"
                     " 'id': 'ram0', 'filename': '/dev/null' } }");

    hmp = qtest_hmp(qts, "info working-set");
    g_assert_true(g_str_has_prefix(hmp, "ram0: 16 MiB, "));
    g_assert_nonnull(strstr(hmp, "tracking is unavailable: "));
    /* Why is in the first line, and not said again. */
    g_assert_true(g_str_has_suffix(hmp, "  untracked                  16 MiB"
                                        " 100.0 %\r\n"));

    stats = qtest_qmp(qts, "{ 'execute': 'query-stats', 'arguments': {"
                      " 'target': 'vm', 'providers': ["
                      " { 'provider': 'working-set',"
                      "   'names': [ 'untracked' ] } ] } }");
    result = qobject_to(QDict, qlist_peek(qdict_get_qlist(stats, "return")));
    result = qobject_to(QDict, qlist_peek(qdict_get_qlist(result, "stats")));
    g_assert_cmpuint(qdict_get_int(result, "value"), ==, SIZE);

    /* The rest of the guest's life. */
    qtest_qmp_assert_success(qts, "{ 'execute': 'stop' }");
    qtest_qmp_assert_success(qts, "{ 'execute': 'cont' }");
    qtest_system_reset(qts);
    check_memory(qts);
    qtest_quit(qts);

    said = read_and_unlink(log);
    g_test_message("%s", said);
    g_assert_cmpuint(count(said, "memory-backend-rwp 'ram0': accesses are not"
                                 " tracked: "), ==, 1);
    g_assert_cmpuint(count(said, "warning"), ==, 1);
}

static void test_off(void)
{
    g_autofree char *args = rwp_vm_args(memories[0], SIZE, "tracking=off");
    g_autofree char *log = rwp_temp_name("stderr");
    QTestState *qts = qtest_initf("%s 2>%s", args, log);
    g_autofree char *said = NULL;
    g_autofree char *hmp = NULL;
    g_autoptr(QDict) info = rwp_query(qts, "ram0");

    g_assert_cmpstr(qdict_get_str(info, "state"), ==, "off");
    g_assert_cmpstr(qdict_get_str(info, "untracked-reason"), ==,
                    "tracking=off");
    hmp = qtest_hmp(qts, "info working-set");
    g_assert_nonnull(strstr(hmp, "100.0 %\r\n    (tracking=off)"));
    check_memory(qts);
    qtest_quit(qts);
    said = read_and_unlink(log);
    g_assert_cmpstr(said, ==, "");
}

/* Every backend says it for itself, and each time that it is asked to. */
static void test_object_add(void)
{
    g_autofree char *log = rwp_temp_name("stderr");
    QTestState *qts = qtest_initf("-machine none -nodefaults 2>%s", log);
    g_autofree char *said = NULL;

    for (int i = 0; i < 2; i++) {
        g_autofree char *id = g_strdup_printf("m%d", i);

        qtest_qmp_assert_success(qts, "{ 'execute': 'object-add',"
                                 " 'arguments': {"
                                 " 'qom-type': 'memory-backend-rwp',"
                                 " 'id': %s, 'size': 4194304 } }", id);
        check_untracked(qts, id, 4 * MiB);
    }
    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/m0', 'property': 'tracking',"
                             " 'value': 'off' } }");
    rwp_assert_state(qts, "m0", "off", NULL);
    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/m0', 'property': 'tracking',"
                             " 'value': 'auto' } }");
    check_untracked(qts, "m0", 4 * MiB);
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-del',"
                             " 'arguments': { 'id': 'm0' } }");
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-del',"
                             " 'arguments': { 'id': 'm1' } }");
    qtest_quit(qts);
    said = read_and_unlink(log);
    g_assert_cmpuint(count(said, "'m0': accesses are not tracked: "), ==, 2);
    g_assert_cmpuint(count(said, "'m1': accesses are not tracked: "), ==, 1);
}

static void check_inhibited(QTestState *qts)
{
    g_autoptr(QDict) info = rwp_query(qts, "ram0");
    QDict *evict = qdict_get_qdict(info, "eviction");
    g_autofree char *hmp = qtest_hmp(qts, "info working-set");

    g_assert_cmpstr(qdict_get_str(evict, "engine"), ==, "pageout");
    g_assert_cmpstr(qdict_get_str(evict, "state"), ==, "inhibited");
    g_assert_cmpstr(qdict_get_str(evict, "limit"), ==, "inhibited");
    g_assert_false(qdict_haskey(evict, "cold-age"));
    g_assert_cmpuint(qdict_get_int(evict, "evicted"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "resident"), ==, 0);
    g_assert_nonnull(strstr(hmp, "\r\n  eviction by pageout is inhibited,"
                                 " limit: inhibited\r\n"));
}

/* What is not seen does not go; and nobody is told that it could. */
static void test_evict(void)
{
    g_autofree char *args = rwp_vm_args(memories[0], SIZE, "evict=pageout");
    g_autofree char *refused = rwp_vm_args(memories[0], SIZE,
                                           "tracking=on,evict=pageout");
    g_autofree char *said = rwp_start_fails("%s", refused);
    QTestState *qts = qtest_init(args);
    g_autoptr(QDict) rsp = NULL;
    const QListEntry *entry;
    QDict *info;

    check_refusal(said, "ram0");
    check_inhibited(qts);
    rwp_assert_error(qts, "accesses to the memory of 'ram0' are not tracked:"
                     " tracking is unavailable, ",
                     "{ 'execute': 'evict-cold-memory', 'arguments': {"
                     " 'id': 'ram0', 'bytes': 4096, 'min-age': 0 } }");
    rsp = qtest_qmp(qts, "{ 'execute': 'query-working-set' }");
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "what-if"), entry) {
        QDict *w = qobject_to(QDict, qlist_entry_obj(entry));

        g_assert_false(qdict_get_bool(w, "complete"));
        g_assert_cmpuint(qdict_get_int(w, "bytes"), ==, 0);
        g_assert_cmpuint(qdict_get_int(w, "promotions"), ==, 0);
    }
    check_memory(qts);
    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/ram0', 'property': 'evict',"
                             " 'value': 'off' } }");
    qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/ram0', 'property': 'evict',"
                             " 'value': 'pageout' } }");
    check_inhibited(qts);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    memories[0] = rwp_memory("anon");
    memories[1] = rwp_memory("memfd");
    if (!rwp_qtest_no_rwp()) {
        g_test_message("this host has RWP");
        printf("1..0 # SKIP this host can track accesses\n");
        return 0;
    }
    qtest_add_func("/rwp/unsupported/start", test_start);
    qtest_add_func("/rwp/unsupported/at-run-time", test_at_run_time);
    qtest_add_data_func("/rwp/unsupported/auto/anon", &memories[0], test_auto);
    qtest_add_data_func("/rwp/unsupported/auto/memfd", &memories[1], test_auto);
    qtest_add_func("/rwp/unsupported/off", test_off);
    qtest_add_func("/rwp/unsupported/object-add", test_object_add);
    qtest_add_func("/rwp/unsupported/evict", test_evict);
    return g_test_run();
}
