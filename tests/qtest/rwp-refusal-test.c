/*
 * memory-backend-rwp: what is refused, and what it says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A message names the property or parameter, what is wrong, and the way out
 * where there is one.
 */

#include "qemu/osdep.h"
#include <sys/sysinfo.h>
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
                      " object is created", object);
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

/* A failed property must leave all as it was. */
static void assert_untouched(RwpVm *vm)
{
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    rwp_vm_scan(vm);
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
        g_autofree char *cmd =
            g_strdup_printf("{ 'execute': 'qom-set', 'arguments': {"
                            " 'path': '/objects/ram0', 'property': '%s',"
                            " 'value': %s } }", late[i].property,
                            late[i].value);
        g_autoptr(QDict) rsp = NULL;

        qtest_qmp_send_raw(vm->qts, "%s", cmd);
        rsp = qtest_qmp_receive(vm->qts);
        g_assert(qdict_haskey(rsp, "error"));
        g_assert_cmpstr(qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"),
                        ==, message);
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
    assert_untouched(vm);
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
    assert_untouched(vm);

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
    assert_untouched(vm);
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

/* Everything that an error must name: property, value, what else, way out. */
static void assert_says(const char *said, const char *words)
{
    g_auto(GStrv) all = g_strsplit(words, "|", 0);

    g_test_message("%s", said);
    for (char **word = all; *word; word++) {
        if (!strstr(said, *word)) {
            g_error("'%s' does not say '%s'", said, *word);
        }
    }
}

static void set_refused(QTestState *qts, const char *property,
                        const char *value, const char *words)
{
    g_autoptr(QDict) rsp = NULL;

    qtest_qmp_send_raw(qts, "{ 'execute': 'qom-set', 'arguments': {"
                       " 'path': '/objects/ram0', 'property': '%s',"
                       " 'value': %s } }", property, value);
    rsp = qtest_qmp_receive(qts);
    g_assert_true(qdict_haskey(rsp, "error"));
    assert_says(qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"), words);
}

static void set(QTestState *qts, const char *property, const char *value)
{
    g_autoptr(QDict) rsp = NULL;

    qtest_qmp_send_raw(qts, "{ 'execute': 'qom-set', 'arguments': {"
                       " 'path': '/objects/ram0', 'property': '%s',"
                       " 'value': %s } }", property, value);
    rsp = qtest_qmp_receive(qts);
    g_test_message("%s=%s", property, value);
    g_assert_true(qdict_haskey(rsp, "return"));
}

static void assert_eviction(QTestState *qts, const char *state,
                            const char *limit)
{
    g_autoptr(QDict) info = rwp_query(qts, "ram0");
    QDict *evict = qdict_get_qdict(info, "eviction");

    g_assert_cmpstr(qdict_get_str(evict, "state"), ==, state);
    g_assert_cmpstr(qdict_get_str(evict, "limit"), ==, limit);
}

/* Memory that the host does not page out. */
static void test_evict_start(void)
{
    static const struct {
        const char *args;
        const char *words;
    } starts[] = {
        { "-object memory-backend-rwp,id=ram0,size=4M,hugetlb=on,"
          "hugetlbsize=2M,evict=pageout", "'evict'|'pageout'|hugetlb" },
        { "-object memory-backend-rwp,id=ram0,size=4M,evict=pageout,"
          "share=off,hugetlb=on,hugetlbsize=2M", "'evict'|'pageout'|hugetlb" },
        { "-overcommit mem-lock=on"
          " -object memory-backend-rwp,id=ram0,size=4M,evict=pageout",
          "'evict'|'pageout'|mem-lock" },
        { "-object memory-backend-rwp,id=ram0,size=4M,tracking=off,"
          "evict=pageout", "'evict'|'pageout'|tracking" },
        { "-object memory-backend-rwp,id=ram0,size=4M,evict=pageout,"
          "tracking=off", "'evict'|'pageout'|tracking" },
        { "-object memory-backend-rwp,id=ram0,size=4M,evict=often",
          "'evict'|'often'" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        g_autofree char *said = rwp_start_fails("-machine none %s",
                                                starts[i].args);

        assert_says(said, starts[i].words);
    }
}

/* Memory of a confidential guest; that needs no such host to be refused. */
static void test_confidential(void)
{
    static const struct {
        const char *options;
        const char *words;
    } starts[] = {
        { "evict=pageout", "'evict'|'pageout'|confidential|'off'" },
        { "tracking=on", "'tracking'|'on'|confidential|'auto'" },
        { "tracking=on,evict=pageout", "'evict'|'pageout'|confidential" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        g_autofree char *said =
            rwp_start_fails("-object sev-snp-guest,id=sev0,cbitpos=51,"
                            "reduced-phys-bits=1"
                            " -machine q35,confidential-guest-support=sev0"
                            " -object memory-backend-rwp,id=ram0,size=4M,%s",
                            starts[i].options);

        assert_says(said, starts[i].words);
    }
}

/* Bounds of the properties; those that are not refused are inclusive. */
static const struct {
    const char *property;
    const char *refused[6];     /* as JSON */
    const char *taken[4];
} bounds[] = {
    { "refault-target", { "-0.1", "100.1", "1e30", "'x'" },
      { "0", "0.2", "100" } },
    { "refault-history", { "0", "61", "-1", "4294967297" }, { "1", "60" } },
    { "working-set-window", { "0", "86401", "-1", "4294967297" },
      { "1", "86400" } },
    { "min-age", { "-1", "4294967296", "'x'" }, { "0", "120" } },
    { "max-rate", { "'x'", "-1", "9223372036854775808" },
      { "0", "4096", "9223372036854775807" } },
    { "min-resident", { "'x'", "-1", "9223372036854775808" },
      { "0", "4096", "9223372036854775807" } },
    { "target-resident", { "'x'", "-1", "9223372036854775808" },
      { "0", "4096", "9223372036854775807" } },
    { "write-budget", { "'x'", "-1", "9223372036854775808" },
      { "0", "4096", "9223372036854775807" } },
    { "host-pressure", { "-0.1", "100.1", "'x'" }, { "0" } },
    { "evict", { "'often'", "1" }, { "'pageout'", "'off'" } },
};

static void test_evict_bounds(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");

    rwp_vm_write(vm, 0, 1);
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        const char *property = bounds[i].property;

        for (const char * const *value = bounds[i].taken; *value; value++) {
            g_autoptr(QDict) rsp = NULL;

            set(vm->qts, property, *value);
            rsp = qtest_qmp(vm->qts, "{ 'execute': 'qom-get', 'arguments': {"
                            " 'path': '/objects/ram0', 'property': %s } }",
                            property);
            g_assert_true(qdict_haskey(rsp, "return"));
        }
        for (const char * const *value = bounds[i].refused; *value; value++) {
            g_autofree char *object = g_strdup_printf("size=4M,%s=%s",
                                                      property, *value);
            g_autofree char *name = g_strdup_printf("'%s'", property);

            set_refused(vm->qts, property, *value, name);
            g_strdelimit(object, "'", 'y');
            start_refused(property, object);
        }
    }
    assert_untouched(vm);
}

/* The same on the running guest, and all stays as it was. */
static void test_evict_late(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    QTestState *qts;

    rwp_vm_write(vm, 0, 1);
    set(vm->qts, "evict", "'pageout'");
    set_refused(vm->qts, "tracking", "'off'", "'tracking'|evict");
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    assert_eviction(vm->qts, "learning", "learning");
    set(vm->qts, "evict", "'off'");
    assert_eviction(vm->qts, "off", "none");
    assert_untouched(vm);

    set(vm->qts, "tracking", "'off'");
    set_refused(vm->qts, "evict", "'pageout'", "'evict'|'pageout'|tracking");
    assert_eviction(vm->qts, "off", "none");
    set(vm->qts, "tracking", "'on'");
    set(vm->qts, "evict", "'pageout'");
    rwp_wait_state(vm->qts, "ram0", "active");

    qts = qtest_init("-machine none -nodefaults -object"
                     " memory-backend-rwp,id=ram0,size=4M,hugetlb=on,"
                     "hugetlbsize=2M");
    set_refused(qts, "evict", "'pageout'", "'evict'|'pageout'|hugetlb");
    assert_eviction(qts, "off", "none");
    rwp_assert_error(qts, "", "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'id': 'ram0', 'bytes': 4096,"
                     " 'min-age': 0 } }");
    qtest_quit(qts);
}

static void test_evict_command(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE,
                                     "-object memory-backend-ram,id=other,"
                                     "size=4M -object memory-backend-rwp,"
                                     "id=off,size=4M,tracking=off");

    for (int i = 0; i < 2; i++) {
        const char *id = i ? "nobody" : "other";
        g_autofree char *message =
            g_strdup_printf("there is no memory-backend-rwp object with the id"
                            " '%s'", id);
        g_autoptr(QDict) error =
            qtest_qmp_assert_failure_ref(vm->qts, "{ 'execute':"
                                         " 'evict-cold-memory', 'arguments': {"
                                         " 'id': %s, 'bytes': 4096 } }", id);

        g_assert_cmpstr(qdict_get_str(error, "class"), ==, "DeviceNotFound");
        g_assert_cmpstr(qdict_get_str(error, "desc"), ==, message);
    }
    rwp_assert_error(vm->qts, "Parameter 'bytes'", "{ 'execute':"
                     " 'evict-cold-memory', 'arguments': { 'id': 'ram0',"
                     " 'bytes': 0 } }");
    rwp_assert_error(vm->qts, "Parameter 'bytes' is -1,", "{ 'execute':"
                     " 'evict-cold-memory', 'arguments': { 'id': 'ram0',"
                     " 'bytes': -1 } }");
    rwp_assert_error(vm->qts, "", "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'id': 'ram0' } }");
    rwp_assert_error(vm->qts, "", "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'bytes': 4096 } }");
    rwp_assert_error(vm->qts, "", "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'id': 'ram0', 'bytes': 4096,"
                     " 'min-age': -1 } }");
    rwp_assert_error(vm->qts, "cannot evict memory of 'off': it is not known"
                     " what is cold (tracking=off)",
                     "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'id': 'off', 'bytes': 4096 } }");
    assert_untouched(vm);
}

static void test_thresholds(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    g_autoptr(GString) thresholds = g_string_new("1");

    rwp_assert_error(vm->qts, "Parameter 'thresholds' has 0", "{ 'execute':"
                     " 'query-working-set', 'arguments': {"
                     " 'thresholds': [] } }");
    rwp_assert_error(vm->qts, "Parameter 'thresholds' has a", "{ 'execute':"
                     " 'query-working-set', 'arguments': {"
                     " 'thresholds': [ 7, 0 ] } }");
    rwp_assert_error(vm->qts, "", "{ 'execute': 'query-working-set',"
                     " 'arguments': { 'thresholds': [ -1 ] } }");
    for (int i = 2; i <= 33; i++) {
        g_autoptr(QDict) rsp = NULL;

        g_string_append_printf(thresholds, ", %d", i);
        if (i < 32) {
            continue;
        }
        qtest_qmp_send_raw(vm->qts, "{ 'execute': 'query-working-set',"
                           " 'arguments': { 'thresholds': [ %s ] } }",
                           thresholds->str);
        rsp = qtest_qmp_receive(vm->qts);
        g_assert_cmpint(qdict_haskey(rsp, "return"), ==, i == 32);
        if (i == 33) {
            assert_says(qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"),
                        "'thresholds'|33|between 1 and 32");
        }
    }
    assert_untouched(vm);
}

/* Without swap on the host, it is only said that nothing can go. */
static void test_no_swap(void)
{
    g_autofree char *args = rwp_vm_args(rwp_memory("anon"), SIZE,
                                        "tracking=on,evict=pageout,"
                                        "interval=300000,min-age=300");
    g_autofree char *log = rwp_temp_name("stderr");
    g_autofree char *said = NULL;
    g_autoptr(QDict) answer = NULL;
    struct sysinfo host;
    int64_t start = 0;
    RwpVm *vm;

    g_assert_cmpint(sysinfo(&host), ==, 0);
    if (host.totalswap) {
        g_test_skip("this host has swap space");
        return;
    }
    vm = rwp_vm_attach(qtest_initf("%s -machine pit=off 2>%s", args, log),
                       rwp_memory("anon"), "ram0", rwp_vm_base(), SIZE);
    rwp_vm_write(vm, 0, SIZE);
    while (vm->epochs < 26) {
        qtest_clock_step(vm->qts, 300000000000LL);
        rwp_vm_epoch(vm);
    }
    while (true) {
        g_autoptr(QDict) info = rwp_query(vm->qts, "ram0");
        QDict *evict = qdict_get_qdict(info, "eviction");

        g_assert_cmpint(qdict_get_int(evict, "evicted"), ==, 0);
        if (g_str_equal(qdict_get_str(evict, "state"), "stuck")) {
            g_assert_cmpstr(qdict_get_str(evict, "limit"), ==, "host-swap");
            assert_says(qdict_get_str(evict, "reason"), "swap");
            break;
        }
        rwp_deadline(&start, "being stuck");
    }
    answer = qtest_qmp_assert_success_ref(vm->qts, "{ 'execute':"
                                          " 'evict-cold-memory',"
                                          " 'arguments': { 'id': 'ram0',"
                                          " 'bytes': 4096, 'min-age': 0 } }");
    g_assert_cmpint(qdict_get_int(answer, "evicted"), ==, 0);
    g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "host-swap");
    rwp_vm_check(vm);
    g_assert_cmpuint(rwp_query_int(vm->qts, "ram0", "resident"), ==, SIZE);
    rwp_vm_free(vm);

    g_assert_true(g_file_get_contents(log, &said, NULL, NULL));
    unlink(log);
    assert_says(said, "warning|'ram0'|swap");
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
    rwp_qtest_add("/rwp/refused/evict/start", test_evict_start);
    rwp_qtest_add("/rwp/refused/confidential", test_confidential);
    rwp_qtest_add("/rwp/refused/evict/bounds", test_evict_bounds);
    rwp_qtest_add("/rwp/refused/evict/late", test_evict_late);
    rwp_qtest_add("/rwp/refused/evict/command", test_evict_command);
    rwp_qtest_add("/rwp/refused/evict/thresholds", test_thresholds);
    rwp_qtest_add("/rwp/refused/evict/no-swap", test_no_swap);
    return g_test_run();
}
