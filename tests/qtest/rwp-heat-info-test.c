/*
 * memory-backend-rwp: what is told of hot memory before, during and after a
 * migration, and what is refused
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With the qtest accelerator nothing but the test writes to memory, so what is
 * hot is known to the byte.
 */

#include "qemu/osdep.h"
#include "rwp-migration.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE        (16 * MiB)
#define FILLED      (6 * MiB)
#define HOT         (1 * MiB)
#define BLOCK       (32 * KiB)      /* longer qtest commands cost the square */
#define PAGE        (4 * KiB)

/* Takes all that it is sent. */
#define SINK        "exec:cat >/dev/null"

/* Some memory that is hot, more that is not, and more that is absent. */
static RwpVm *start_source(void)
{
    RwpVm *vm = rwp_vm_new(rwp_memory("anon"), SIZE, " ");

    for (uint64_t at = 0; at < FILLED; at += BLOCK) {
        rwp_vm_write(vm, at, BLOCK);
    }
    rwp_vm_scan(vm);
    for (uint64_t at = 0; at < HOT; at += BLOCK) {
        rwp_vm_write(vm, FILLED / 2 + at, BLOCK);
    }
    rwp_vm_scan(vm);
    g_assert_cmpuint(vm->accessed, ==, HOT);
    return vm;
}

/* The member page-heat of query-migrate, or NULL. */
static QDict *heat_info(QTestState *qts)
{
    g_autoptr(QDict) info = rwp_migration_info(qts);
    QDict *heat = qdict_get_qdict(info, "page-heat");

    return heat ? qobject_ref(heat) : NULL;
}

static uint64_t count(const QDict *heat, const char *name)
{
    return qdict_get_int(heat, name);
}

/* Of the next migration this is told, and of an old one nothing. */
static void check_forecast(QTestState *qts)
{
    g_autoptr(QDict) heat = heat_info(qts);

    g_assert_nonnull(heat);
    g_assert_cmpuint(count(heat, "hot-bytes"), ==, HOT);
    g_assert_cmpuint(count(heat, "hot-pages"), ==, 0);
    g_assert_cmpuint(count(heat, "cold-pages"), ==, 0);
    g_assert_cmpuint(count(heat, "deferred-pages"), ==, 0);
    g_assert_cmpuint(count(heat, "resent-pages"), ==, 0);
    g_assert_false(qdict_haskey(heat, "write-rate"));
}

static void test_absent(void)
{
    g_autoptr(RwpVm) vm = start_source();
    g_autoptr(QDict) heat = heat_info(vm->qts);

    g_assert_null(heat);
}

/* Memory of which nothing is known, and none that could be. */
static void test_nothing_known(void)
{
    g_autofree char *args = rwp_vm_args(rwp_memory("anon"), SIZE,
                                        "tracking=off");
    const char *machines[] = { args, "-machine pc -m 32M" };

    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        QTestState *qts = qtest_init(machines[i]);
        g_autoptr(QDict) heat = NULL;

        rwp_migration_capability(qts, "page-heat", true);
        heat = heat_info(qts);
        g_assert_null(heat);
        qtest_quit(qts);
    }
}

/* What QEMU says on stderr of a migration by a machine that @args make. */
static char *said(const char *args, bool heat)
{
    g_autofree char *path = rwp_temp_name("stderr");
    QTestState *qts = qtest_initf("%s 2>%s", args, path);
    char *text;

    rwp_migration_capability(qts, "page-heat", heat);
    rwp_migration_speed(qts, RWP_MIGRATION_FAST);
    rwp_migrate(qts, SINK);
    rwp_wait_migration(qts, "completed");
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    unlink(path);
    return text;
}

/* Only who has asked for it is told that it is in vain. */
static void test_warning(void)
{
    const char warning[] = "page-heat has no effect on this migration";
    const char *machine = "-machine pc -m 32M";
    g_autofree char *off = said(machine, false);
    g_autofree char *on = said(machine, true);

    g_assert_null(strstr(off, "page-heat"));
    g_assert_nonnull(strstr(on, warning));
}

/* Sent within the downtime limit to the millisecond, or not. */
static void test_before(void)
{
    g_autoptr(RwpVm) vm = start_source();

    rwp_migration_capability(vm->qts, "page-heat", true);
    for (uint64_t ms = 400; ms <= 1600; ms *= 2) {
        g_autoptr(QDict) heat = NULL;

        check_forecast(vm->qts);
        rwp_migration_parameter(vm->qts, "avail-switchover-bandwidth",
                                HOT * 1000 / 800);
        rwp_migration_parameter(vm->qts, "downtime-limit", ms);
        heat = heat_info(vm->qts);
        g_assert_cmpint(qdict_get_bool(heat, "converges"), ==, ms >= 800);
        g_assert_cmpuint(count(heat, "postcopy-stall"), ==, 800);
    }
}

/* By which bandwidth, if several or none are set. */
static void test_bandwidth(void)
{
    g_autoptr(RwpVm) vm = start_source();
    QTestState *qts = vm->qts;
    g_autoptr(QDict) by_default = NULL, by_max = NULL, by_link = NULL;
    g_autoptr(QDict) by_postcopy = NULL, unknown = NULL;

    rwp_migration_capability(qts, "page-heat", true);
    rwp_migration_parameter(qts, "downtime-limit", 1000);
    by_default = heat_info(qts);
    g_assert_true(qdict_get_bool(by_default, "converges"));

    rwp_migration_parameter(qts, "max-bandwidth", HOT / 2);
    by_max = heat_info(qts);
    g_assert_false(qdict_get_bool(by_max, "converges"));
    g_assert_cmpuint(count(by_max, "postcopy-stall"), ==, 2000);

    rwp_migration_parameter(qts, "avail-switchover-bandwidth", HOT);
    by_link = heat_info(qts);
    g_assert_true(qdict_get_bool(by_link, "converges"));
    g_assert_cmpuint(count(by_link, "postcopy-stall"), ==, 1000);

    rwp_migration_parameter(qts, "max-postcopy-bandwidth", HOT / 4);
    by_postcopy = heat_info(qts);
    g_assert_true(qdict_get_bool(by_postcopy, "converges"));
    g_assert_cmpuint(count(by_postcopy, "postcopy-stall"), ==, 4000);

    rwp_migration_parameter(qts, "max-postcopy-bandwidth", 0);
    rwp_migration_parameter(qts, "avail-switchover-bandwidth", 0);
    rwp_migration_parameter(qts, "max-bandwidth", 0);
    unknown = heat_info(qts);
    g_assert_false(qdict_haskey(unknown, "converges"));
    g_assert_false(qdict_haskey(unknown, "postcopy-stall"));
    check_forecast(qts);
}

/* While it goes on, and when it was cancelled. */
static void test_meanwhile(void)
{
    g_autoptr(RwpVm) vm = start_source();
    QTestState *qts = vm->qts;
    g_autoptr(QDict) heat = NULL;

    rwp_migration_capability(qts, "page-heat", true);
    rwp_migration_speed(qts, RWP_MIGRATION_SLOW);
    rwp_migrate(qts, SINK);
    rwp_wait_migration(qts, "active");
    heat = heat_info(qts);
    g_assert_cmpuint(count(heat, "deferred-pages"), ==, HOT / PAGE);
    g_assert_cmpuint(count(heat, "hot-bytes"), ==, HOT);
    g_assert_cmpuint(count(heat, "hot-pages"), ==, 0);
    g_assert_cmpuint(count(heat, "resent-pages"), ==, 0);

    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate_cancel' }");
    rwp_wait_migration(qts, "cancelled");
    check_forecast(qts);
}

/* Each page once, for nobody writes; what is hot last. */
static void check_completed(QTestState *qts)
{
    g_autoptr(QDict) heat = heat_info(qts);

    g_assert_cmpuint(count(heat, "deferred-pages"), ==, HOT / PAGE);
    g_assert_cmpuint(count(heat, "hot-pages"), ==, HOT / PAGE);
    g_assert_cmpuint(count(heat, "cold-pages"), ==, (SIZE - HOT) / PAGE);
    g_assert_cmpuint(count(heat, "resent-pages"), ==, 0);
}

static void test_completed(void)
{
    g_autoptr(RwpVm) vm = start_source();
    QTestState *qts = vm->qts;

    rwp_migration_capability(qts, "page-heat", true);
    rwp_migration_speed(qts, RWP_MIGRATION_FAST);
    rwp_migrate(qts, SINK);
    rwp_wait_migration(qts, "completed");
    check_completed(qts);

    /* Of one without it nothing is left. */
    rwp_migration_capability(qts, "page-heat", false);
    g_assert_null(heat_info(qts));
}

/* Nothing is held back of a guest that does not run: it is all a forecast. */
static void test_paused(void)
{
    g_autoptr(RwpVm) vm = start_source();
    QTestState *qts = vm->qts;

    rwp_migration_capability(qts, "page-heat", true);
    rwp_migration_speed(qts, RWP_MIGRATION_FAST);
    qtest_qmp_assert_success(qts, "{ 'execute': 'stop' }");
    rwp_migrate(qts, SINK);
    rwp_wait_migration(qts, "completed");
    check_forecast(qts);
}

/* All of it, and nothing with the capability off. */
static void test_hmp(void)
{
    const char *before[] = {
        "\nhot memory: 1024 kbytes\r\n", "\ncold pages sent: 0 pages\r\n",
        "\nhot pages sent: 0 pages\r\n", "\nhot pages deferred: 0 pages\r\n",
        "\npages to be sent again: 0 pages\r\n",
        "\nexpected to converge: no\r\n",
        "\nexpected stall of postcopy: 2000 ms\r\n",
    };
    g_autoptr(RwpVm) vm = start_source();
    g_autofree char *without = NULL, *with = NULL, *after = NULL;

    rwp_migration_parameter(vm->qts, "max-bandwidth", HOT / 2);
    without = qtest_hmp(vm->qts, "info migrate");
    g_assert_null(strstr(without, "hot"));

    rwp_migration_capability(vm->qts, "page-heat", true);
    with = qtest_hmp(vm->qts, "info migrate");
    for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
        if (!strstr(with, before[i])) {
            g_error("'%s' is not in '%s'", before[i], with);
        }
    }

    rwp_migration_speed(vm->qts, RWP_MIGRATION_FAST);
    rwp_migrate(vm->qts, SINK);
    rwp_wait_migration(vm->qts, "completed");
    after = qtest_hmp(vm->qts, "info migrate");
    g_assert_nonnull(strstr(after, "\nhot pages sent: 256 pages\r\n"));
    g_assert_nonnull(strstr(after, "\ncold pages sent: 3840 pages\r\n"));
}

static void assert_refused(QTestState *qts, const char *name, bool on,
                           const char *message)
{
    rwp_assert_error(qts, message, "{ 'execute': 'migrate-set-capabilities',"
                     " 'arguments': { 'capabilities': ["
                     " { 'capability': %s, 'state': %i } ] } }", name, on);
}

/* What does not go together, or not alone, says so at once. */
static void test_capabilities(void)
{
    QTestState *qts = qtest_init("-machine none");

    rwp_migration_capability(qts, "background-snapshot", true);
    assert_refused(qts, "page-heat", true, "Capability 'page-heat' is not"
                   " compatible with 'background-snapshot'");
    rwp_migration_capability(qts, "background-snapshot", false);

    assert_refused(qts, "auto-postcopy", true,
                   "Capability 'auto-postcopy' requires 'page-heat'");
    rwp_migration_capability(qts, "page-heat", true);
    assert_refused(qts, "background-snapshot", true, "Capability 'page-heat'"
                   " is not compatible with 'background-snapshot'");
    assert_refused(qts, "auto-postcopy", true,
                   "Capability 'auto-postcopy' requires 'postcopy-ram'");
    rwp_migration_capability(qts, "postcopy-ram", true);
    rwp_migration_capability(qts, "auto-postcopy", true);
    assert_refused(qts, "page-heat", false,
                   "Capability 'auto-postcopy' requires 'page-heat'");
    assert_refused(qts, "postcopy-ram", false,
                   "Capability 'auto-postcopy' requires 'postcopy-ram'");
    qtest_quit(qts);
}

/*
 * Postcopy needs a way back.  That matters to who sends: whoever receives may
 * have the capability on for the next migration.
 */
static void test_one_way(void)
{
    const char *uris[] = { "file:/dev/null", SINK };
    QTestState *qts = qtest_init("-machine none");
    g_autofree char *path = rwp_temp_name("stream");
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    QTestState *to;

    rwp_migration_capability(qts, "page-heat", true);
    rwp_migration_capability(qts, "postcopy-ram", true);
    rwp_migration_capability(qts, "auto-postcopy", true);
    for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
        rwp_assert_error(qts, "Capability 'auto-postcopy' needs a way back",
                         "{ 'execute': 'migrate',"
                         " 'arguments': { 'uri': %s } }", uris[i]);
    }
    rwp_migration_capability(qts, "auto-postcopy", false);
    rwp_migration_capability(qts, "postcopy-ram", false);
    rwp_migrate(qts, uri);
    rwp_wait_migration(qts, "completed");
    qtest_quit(qts);

    to = qtest_init("-machine none -incoming defer");
    rwp_migration_capability(to, "page-heat", true);
    rwp_migration_capability(to, "postcopy-ram", true);
    rwp_migration_capability(to, "auto-postcopy", true);
    rwp_receive(to, uri);
    rwp_wait_migration(to, "completed");
    qtest_quit(to);
    unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    rwp_qtest_add("/rwp/heat-info/absent", test_absent);
    rwp_qtest_add("/rwp/heat-info/nothing-known", test_nothing_known);
    rwp_qtest_add("/rwp/heat-info/warning", test_warning);
    rwp_qtest_add("/rwp/heat-info/before", test_before);
    rwp_qtest_add("/rwp/heat-info/bandwidth", test_bandwidth);
    rwp_qtest_add("/rwp/heat-info/meanwhile", test_meanwhile);
    rwp_qtest_add("/rwp/heat-info/completed", test_completed);
    rwp_qtest_add("/rwp/heat-info/paused", test_paused);
    rwp_qtest_add("/rwp/heat-info/hmp", test_hmp);
    rwp_qtest_add("/rwp/heat-info/capabilities", test_capabilities);
    rwp_qtest_add("/rwp/heat-info/one-way", test_one_way);
    return g_test_run();
}
