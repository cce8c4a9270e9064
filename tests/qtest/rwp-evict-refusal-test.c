/*
 * Eviction: what is refused, and what it says
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
    g_autofree char *said = rwp_qom_set_fails(qts, property, value);

    assert_says(said, words);
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

            rwp_qom_set(vm->qts, property, *value);
            rsp = qtest_qmp(vm->qts, "{ 'execute': 'qom-get', 'arguments': {"
                            " 'path': '/objects/ram0', 'property': %s } }",
                            property);
            g_assert_true(qdict_haskey(rsp, "return"));
        }
        for (const char * const *value = bounds[i].refused; *value; value++) {
            g_autofree char *object = g_strdup_printf("size=4M,%s=%s",
                                                      property, *value);
            g_autofree char *name = g_strdup_printf("'%s'", property);
            g_autofree char *said = NULL;

            set_refused(vm->qts, property, *value, name);
            g_strdelimit(object, "'", 'y');
            said = rwp_start_fails("-machine none -object"
                                   " memory-backend-rwp,id=ram0,%s", object);
            assert_says(said, property);
        }
    }
    rwp_vm_assert_untouched(vm);
}

/* The same on the running guest, and all stays as it was. */
static void test_evict_late(void)
{
    g_autoptr(RwpVm) vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");
    QTestState *qts;

    rwp_vm_write(vm, 0, 1);
    rwp_qom_set(vm->qts, "evict", "'pageout'");
    set_refused(vm->qts, "tracking", "'off'", "'tracking'|evict");
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    assert_eviction(vm->qts, "learning", "learning");
    rwp_qom_set(vm->qts, "evict", "'off'");
    assert_eviction(vm->qts, "off", "none");
    rwp_vm_assert_untouched(vm);

    rwp_qom_set(vm->qts, "tracking", "'off'");
    set_refused(vm->qts, "evict", "'pageout'", "'evict'|'pageout'|tracking");
    assert_eviction(vm->qts, "off", "none");
    rwp_qom_set(vm->qts, "tracking", "'on'");
    rwp_qom_set(vm->qts, "evict", "'pageout'");
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
    rwp_vm_assert_untouched(vm);
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
    rwp_vm_assert_untouched(vm);
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

    rwp_qtest_add("/rwp/evict-refused/start", test_evict_start);
    rwp_qtest_add("/rwp/evict-refused/confidential", test_confidential);
    rwp_qtest_add("/rwp/evict-refused/bounds", test_evict_bounds);
    rwp_qtest_add("/rwp/evict-refused/late", test_evict_late);
    rwp_qtest_add("/rwp/evict-refused/command", test_evict_command);
    rwp_qtest_add("/rwp/evict-refused/thresholds", test_thresholds);
    rwp_qtest_add("/rwp/evict-refused/no-swap", test_no_swap);
    return g_test_run();
}
