/*
 * memory-backend-rwp: what is refused, and what it says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message names the property or parameter, what is wrong, and the way out
 * where there is one.
 */

#include "qemu/osdep.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE (16 * MiB)

static void start_refused(const char *message, const char *object)
{
    g_autofree char *said = rwp_start_fails("-machine none -object"
                                            " memory-backend-rwp,id=ram0,%s",
                                            object);

    if (!strstr(said, message)) {
        g_test_message("expected: %s", message);
        g_assert_cmpstr(said, ==, message);
    }
}

static void test_start(void)
{
    static const char * const intervals[] = { "0", "99", "86400001" };
    static const char * const no_thp[] = {
        "thp=off", "share=on", "hugetlb=on"
    };

    for (size_t i = 0; i < ARRAY_SIZE(intervals); i++) {
        g_autofree char *object = g_strdup_printf("size=4M,interval=%s",
                                                  intervals[i]);
        g_autofree char *message =
            g_strdup_printf("property 'interval' of memory-backend-rwp doesn't"
                            " take value '%s', it must be between 100 and"
                            " 86400000 milliseconds", intervals[i]);

        start_refused(message, object);
    }
    start_refused("'interval'", "size=4M,interval=often");
    start_refused("'interval'", "size=4M,interval=-1");
    start_refused("'interval'", "size=4M,interval=4294967396");
    start_refused("'tracking'", "size=4M,tracking=maybe");
    start_refused("'thp'", "size=4M,thp=maybe");
    start_refused("'split-thp'", "size=4M,split-thp=maybe");
    for (size_t i = 0; i < ARRAY_SIZE(no_thp); i++) {
        g_autofree char *object = g_strdup_printf("size=4M,split-thp=on,%s",
                                                  no_thp[i]);

        start_refused("property 'split-thp' of memory-backend-rwp 'ram0' cannot"
                      " be 'on': the memory has no transparent huge pages; that"
                      " takes 'thp' on, 'share' and 'hugetlb' off when the"
                      " object is created, and a host whose huge pages have 512"
                      " pages", object);
    }
    start_refused("property 'size' of memory-backend-rwp doesn't take value"
                  " '0'", "size=0");
    start_refused("Parameter 'size' is missing", "tracking=off");
    start_refused("property 'merge' of memory-backend-rwp cannot be 'on':"
                  " merged pages lose their access marks",
                  "size=4M,merge=on");
    start_refused("'nonsense'", "size=4M,nonsense=1");
}

/* A number of the host's pool of 2 MiB pages; 0 if there is none. */
static uint64_t pool_number(const char *name)
{
    g_autofree char *file = g_build_filename("/sys/kernel/mm/hugepages/"
                                             "hugepages-2048kB", name, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(file, &text, NULL, NULL) ?
           g_ascii_strtoull(text, NULL, 10) : 0;
}

/* What another one has reserved cannot be had, even though it is unused. */
static void test_reserved_pool(void)
{
    uint64_t unused = pool_number("free_hugepages");
    g_autofree char *said = NULL;

    if (!unused || pool_number("resv_hugepages") ||
        pool_number("nr_overcommit_hugepages")) {
        return;
    }
    said = rwp_start_fails("-machine none -object memory-backend-rwp,id=ram1,"
                           "size=%" PRIu64 "M,hugetlb=on,hugetlbsize=2M"
                           " -object memory-backend-rwp,id=ram0,size=2M,"
                           "hugetlb=on,hugetlbsize=2M", unused * 2);
    g_assert_nonnull(strstr(said, "'ram0' cannot be 'on'"));
    g_assert_nonnull(strstr(said, "1 huge pages of 2048 KiB are needed, 0 are"
                                  " free"));
}

static void test_huge_page_pool(void)
{
    /* Not all of them need be free: some may be poisoned. */
    uint64_t pool = pool_number("nr_hugepages");
    g_autofree char *object = NULL;
    g_autofree char *needed = NULL;

    /* Beyond the pool, or without one. */
    object = g_strdup_printf("size=%" PRIu64 "M,hugetlb=on,hugetlbsize=2M",
                             2 * pool + 2);
    needed = g_strdup_printf("property 'hugetlb' of memory-backend-rwp 'ram0'"
                             " cannot be 'on': unable to map backing store for"
                             " guest RAM: Cannot allocate memory; %" PRIu64
                             " huge pages of 2048 KiB are needed, %" PRIu64
                             " are free, and /sys/kernel/mm/hugepages/"
                             "hugepages-2048kB/nr_hugepages sets how many",
                             pool + 1, pool_number("free_hugepages"));
    start_refused(needed, object);
    test_reserved_pool();
    start_refused("property 'hugetlbsize' of memory-backend-rwp 'ram0' doesn't"
                  " take value '3145728', it must be a power of 2",
                  "size=4M,hugetlb=on,hugetlbsize=3M");
    /* A size of pages that no processor has. */
    start_refused("property 'hugetlbsize' of memory-backend-rwp 'ram0' doesn't"
                  " take value '1099511627776': the host has no huge pages of"
                  " that size",
                  "size=1T,hugetlb=on,hugetlbsize=1T");
    /* Sizes that are no multiple of the page. */
    start_refused("property 'size' of memory-backend-rwp 'ram0' doesn't take"
                  " value '3145728', it must be a multiple of its huge pages,"
                  " 2097152 bytes each",
                  "size=3M,hugetlb=on,hugetlbsize=2M");
    start_refused("property 'hugetlbsize' of memory-backend-rwp 'ram0' needs"
                  " 'hugetlb' to be 'on'",
                  "size=4M,hugetlbsize=2M");
}

static void test_late(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    static const struct {
        const char *property;
        const char *value;      /* as JSON */
    } late[] = {
        { "share", "true" },
        { "hugetlb", "true" },
        { "hugetlbsize", "2097152" },
        { "size", "33554432" },
        { "policy", "'bind'" },
        { "host-nodes", "[ 0 ]" },
        { "reserve", "false" },
        { "seal", "false" },
    };

    rwp_vm_write(vm, 0, 1);
    for (size_t i = 0; i < ARRAY_SIZE(late); i++) {
        g_autofree char *message =
            g_strdup_printf("cannot change property '%s' of memory-backend-rwp:"
                            " the memory is allocated, set it when the object"
                            " is created", late[i].property);
        g_autofree char *said = rwp_qom_set_fails(vm->qts, late[i].property,
                                                  late[i].value);

        g_assert_cmpstr(said, ==, message);
    }
    rwp_assert_error(vm->qts, "property 'thp' of memory-backend-rwp cannot be"
                     " changed, the memory is allocated: set it when the"
                     " object is created", "{ 'execute': 'qom-set',"
                     " 'arguments': { 'path': '/objects/ram0',"
                     " 'property': 'thp', 'value': true } }");
    rwp_assert_error(vm->qts, "property 'split-thp' of memory-backend-rwp"
                     " 'ram0' cannot be 'on': ", "{ 'execute': 'qom-set',"
                     " 'arguments': { 'path': '/objects/ram0',"
                     " 'property': 'split-thp', 'value': true } }");
    rwp_assert_error(vm->qts, "property 'merge' of memory-backend-rwp cannot"
                     " be 'on': merged pages lose their access marks",
                     "{ 'execute': 'qom-set', 'arguments': {"
                     " 'path': '/objects/ram0', 'property': 'merge',"
                     " 'value': true } }");
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'qom-set',"
                             " 'arguments': { 'path': '/objects/ram0',"
                             " 'property': 'merge', 'value': false } }");
    rwp_vm_assert_untouched(vm);
}

static void test_set_interval(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    static const int64_t wrong[] = { 0, 99, 86400001, UINT32_MAX };

    rwp_vm_write(vm, 0, 1);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        g_autofree char *message =
            g_strdup_printf("property 'interval' of memory-backend-rwp doesn't"
                            " take value '%" PRId64 "', it must be between 100"
                            " and 86400000 milliseconds", wrong[i]);

        rwp_assert_error(vm->qts, message, "{ 'execute': 'qom-set',"
                         " 'arguments': { 'path': '/objects/ram0',"
                         " 'property': 'interval', 'value': %" PRId64 " } }",
                         wrong[i]);
    }
    rwp_assert_error(vm->qts, "Parameter 'interval' expects uint32_t",
                     "{ 'execute': 'qom-set', 'arguments': {"
                     " 'path': '/objects/ram0', 'property': 'interval',"
                     " 'value': -1 } }");
    rwp_assert_error(vm->qts, "Parameter 'interval' expects uint64",
                     "{ 'execute': 'qom-set',"
                     " 'arguments': { 'path': '/objects/ram0',"
                     " 'property': 'interval', 'value': 'often' } }");
    rwp_assert_error(vm->qts, "Parameter 'tracking' does not accept value"
                     " 'maybe'",
                     "{ 'execute': 'qom-set', 'arguments': {"
                     " 'path': '/objects/ram0', 'property': 'tracking',"
                     " 'value': 'maybe' } }");
    g_assert_cmpuint(rwp_query_int(vm->qts, "ram0", "interval"), ==, 86400000);
    rwp_vm_assert_untouched(vm);

    /* The bounds are inclusive. */
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/ram0',"
                             " 'property': 'interval', 'value': 100 } }");
    g_assert_cmpuint(rwp_query_int(vm->qts, "ram0", "interval"), ==, 100);
}

static void test_query(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE,
                                     "-object memory-backend-ram,id=other,"
                                     "size=4M");
    g_autoptr(GString) windows = g_string_new("1");
    QDict *error;

    rwp_assert_error(vm->qts, "Parameter 'windows' has 0 times, it must have"
                     " between 1 and 32", "{ 'execute': 'query-working-set',"
                     " 'arguments': { 'windows': [] } }");
    rwp_assert_error(vm->qts, "Parameter 'windows' has a 0, times must be at"
                     " least 1 second",
                     "{ 'execute': 'query-working-set',"
                     " 'arguments': { 'windows': [ 1, 0 ] } }");
    rwp_assert_error(vm->qts, "", "{ 'execute': 'query-working-set',"
                     " 'arguments': { 'windows': [ -1 ] } }");
    for (int i = 2; i <= 33; i++) {
        g_autofree char *cmd = NULL;
        g_autoptr(QDict) rsp = NULL;

        g_string_append_printf(windows, ", %d", i);
        if (i < 32) {
            continue;
        }
        cmd = g_strdup_printf("{ 'execute': 'query-working-set',"
                              " 'arguments': { 'windows': [ %s ] } }",
                              windows->str);
        qtest_qmp_send_raw(vm->qts, "%s", cmd);
        rsp = qtest_qmp_receive(vm->qts);
        g_assert_cmpint(qdict_haskey(rsp, "return"), ==, i == 32);
        if (i == 33) {
            g_assert_cmpstr(qdict_get_str(qdict_get_qdict(rsp, "error"),
                                          "desc"), ==,
                            "Parameter 'windows' has 33 times, it must have"
                            " between 1 and 32");
        }
    }

    /* IDs that name nothing, or something else. */
    for (int i = 0; i < 6; i++) {
        static const char * const commands[] = {
            "query-working-set", "scan-working-set", "export-working-set"
        };
        const char *id = i % 2 ? "nobody" : "other";
        g_autofree char *message =
            g_strdup_printf("there is no memory-backend-rwp object with the id"
                            " '%s'", id);

        if (i / 2 < 2) {
            error = qtest_qmp_assert_failure_ref(vm->qts, "{ 'execute': %s,"
                                                 " 'arguments': {"
                                                 " 'id': %s } }",
                                                 commands[i / 2], id);
        } else {
            error = qtest_qmp_assert_failure_ref(vm->qts, "{ 'execute': %s,"
                                                 " 'arguments': { 'id': %s,"
                                                 " 'filename': '/dev/null' } }",
                                                 commands[i / 2], id);
        }
        g_assert_cmpstr(qdict_get_str(error, "class"), ==, "DeviceNotFound");
        g_assert_cmpstr(qdict_get_str(error, "desc"), ==, message);
        qobject_unref(error);
    }
    rwp_vm_assert_untouched(vm);
}

static void test_off(void)
{
    QTestState *qts =
        qtest_init("-machine none -nodefaults"
                   " -object memory-backend-rwp,id=off,size=4M,tracking=off"
                   " -object memory-backend-rwp,id=on,size=4M,tracking=on,"
                   RWP_NEVER);
    uint64_t before;

    rwp_assert_state(qts, "off", "off", NULL);
    rwp_assert_error(qts, "accesses to the memory of 'off' are not tracked:"
                     " tracking is off", "{ 'execute': 'scan-working-set',"
                     " 'arguments': { 'id': 'off' } }");
    rwp_assert_error(qts, "nothing is known about the pages of 'off':"
                     " tracking is off", "{ 'execute': 'export-working-set',"
                     " 'arguments': { 'id': 'off',"
                     " 'filename': '/dev/null' } }");
    /* Without an ID the others are scanned. */
    rwp_scan(qts, "on");
    before = rwp_query_int(qts, "on", "epochs");
    rwp_scan(qts, NULL);
    g_assert_cmpuint(rwp_query_int(qts, "on", "epochs"), ==, before + 1);
    g_assert_cmpuint(rwp_query_int(qts, "off", "epochs"), ==, 0);
    qtest_quit(qts);
}

static void test_object_add(void)
{
    QTestState *qts = qtest_init("-machine none -nodefaults");
    g_autoptr(QDict) rsp = NULL;

    rwp_assert_error(qts, "property 'interval' of memory-backend-rwp doesn't"
                     " take value '5'", "{ 'execute': 'object-add',"
                     " 'arguments': { 'qom-type': 'memory-backend-rwp',"
                     " 'id': 'ram0', 'size': 4194304, 'interval': 5 } }");
    rwp_assert_error(qts, "property 'merge' of memory-backend-rwp cannot be"
                     " 'on'", "{ 'execute': 'object-add',"
                     " 'arguments': { 'qom-type': 'memory-backend-rwp',"
                     " 'id': 'ram0', 'size': 4194304, 'merge': true } }");
    rwp_assert_error(qts, "property 'size' of memory-backend-rwp doesn't take"
                     " value '0'", "{ 'execute': 'object-add',"
                     " 'arguments': { 'qom-type': 'memory-backend-rwp',"
                     " 'id': 'ram0', 'size': 0 } }");
    rwp_assert_error(qts, "", "{ 'execute': 'object-add',"
                     " 'arguments': { 'qom-type': 'memory-backend-rwp',"
                     " 'id': 'ram0', 'size': 4194304, 'interval': 'x' } }");
    /* Nothing is left of any of them. */
    rsp = qtest_qmp(qts, "{ 'execute': 'query-working-set' }");
    g_assert_cmpuint(qlist_size(qdict_get_qlist(rsp, "return")), ==, 0);
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-add',"
                             " 'arguments': {"
                             " 'qom-type': 'memory-backend-rwp',"
                             " 'id': 'ram0', 'size': 4194304 } }");
    rwp_assert_error(qts, "attempt to add duplicate property 'ram0'",
                     "{ 'execute': 'object-add',"
                     " 'arguments': { 'qom-type': 'memory-backend-rwp',"
                     " 'id': 'ram0', 'size': 4194304 } }");
    rwp_wait_state(qts, "ram0", "active");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    rwp_qtest_add("/rwp/refused/start", test_start);
    rwp_qtest_add("/rwp/refused/huge-page-pool", test_huge_page_pool);
    rwp_qtest_add("/rwp/refused/late", test_late);
    rwp_qtest_add("/rwp/refused/interval", test_set_interval);
    rwp_qtest_add("/rwp/refused/query", test_query);
    rwp_qtest_add("/rwp/refused/off", test_off);
    rwp_qtest_add("/rwp/refused/object-add", test_object_add);
    return g_test_run();
}
