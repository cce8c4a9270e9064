/*
 * What is evicted by itself, and what holds it back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "rwp-evict-learned.h"
#include "rwp-migration.h"

static void test_by_itself(void)
{
    const char *state = NULL, *limit = NULL;
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"),
                           "tracking=on," EPOCH ",min-age=600")) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    evict_busy_epoch(&g, EPOCH_S);
    evict_busy_epoch(&g, EPOCH_S);
    /* Nothing goes that was not asked to. */
    evict_wait_state(&g, "off", "none");
    rwp_qom_set(g.qts, "evict", "'pageout'");
    evict_wait_state(&g, "learning", "learning");
    evict_wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "learning");
    g_assert_cmpstr(limit, ==, "learning");
    while (g.vm->epochs < 23) {
        evict_busy_epoch(&g, EPOCH_S);
        evict_settle(&g);
        evict_check(&g);
    }
    g_assert_false(g.evicted);

    evict_busy_epoch(&g, EPOCH_S);
    evict_wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "active");
    g_assert_cmpstr(limit, ==, "min-age");
    evict_expect(&g, (NPAGES - HOT) * PAGE);

    /* And that was that. */
    evict_busy_epoch(&g, EPOCH_S);
    evict_settle(&g);
    evict_check(&g);

    rwp_qom_set(g.qts, "evict", "'off'");
    evict_wait_state(&g, "off", "none");
    evict_step_seconds(&g, 2);
    evict_wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "off");
    evict_fill(&g, HOT, 100);
    for (int i = 0; i < 5; i++) {
        evict_busy_epoch(&g, EPOCH_S);
        evict_settle(&g);
        evict_check(&g);
    }
    evict_guest_stop(&g);
}

static void test_min_resident(void)
{
    EvictGuest g;

    if (!evict_start_learned(&g, ",evict=pageout,min-resident=10M")) {
        return;
    }
    evict_expect(&g, SIZE - 10 * MiB);
    evict_busy_epoch(&g, EPOCH_S);
    evict_wait_state(&g, "limited", "min-resident");
    evict_settle(&g);
    evict_check(&g);
    evict_guest_stop(&g);
}

/* Have the pages [@first, NPAGES) mapped by this process, too, or not. */
static void pin(EvictGuest *g, uint64_t first, bool on)
{
    g_assert_cmpint(madvise(g->file + first * PAGE, SIZE - first * PAGE,
                            on ? MADV_POPULATE_READ : MADV_DONTNEED), ==, 0);
}

/*
 * The kernel keeps what is mapped twice: a part, all of it, and no more.  No
 * evict_settle() in between, by which it would be asked again.
 */
static void test_kept(void)
{
    const uint64_t half = NPAGES / 2;
    uint64_t evicted, batches;
    EvictGuest g;

    if (!evict_start_learned_on(&g, rwp_memory("memfd"), "")) {
        return;
    }
    pin(&g, half, true);
    rwp_qom_set(g.qts, "evict", "'pageout'");
    evict_busy_epoch(&g, EPOCH_S);
    evict_wait_state(&g, "limited", "kept");
    /* But for what has not come to the kernel's LRU lists yet. */
    evicted = evict_info_int(&g, "evicted");
    g_assert_cmpuint(evicted, <=, (half - HOT) * PAGE);
    g_assert_cmpuint(evicted, >, (half - HOT - 64) * PAGE);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==,
                     SIZE - evicted);

    /* Nothing new is cold: it is what it was. */
    batches = evict_info_int(&g, "batches");
    for (int i = 0; i < 3; i++) {
        evict_busy_epoch(&g, EPOCH_S);
    }
    evict_wait_state(&g, "limited", "kept");
    g_assert_cmpuint(evict_info_int(&g, "batches"), ==, batches);

    /* It is not forgotten that there is more. */
    pin(&g, 0, false);
    for (int i = 0; i < 16; i++) {
        evict_busy_epoch(&g, EPOCH_S);
    }
    evict_wait(&g, (NPAGES - HOT) * PAGE);
    evict_wait_state(&g, "active", "min-age");
    evict_guest_stop(&g);

    /* All that could go. */
    g_assert_true(evict_start_learned_on(&g, rwp_memory("memfd"), ""));
    pin(&g, HOT, true);
    rwp_qom_set(g.qts, "evict", "'pageout'");
    evict_busy_epoch(&g, EPOCH_S);
    evict_wait_state(&g, "stuck", "kept");
    g_assert_cmpuint(evict_info_int(&g, "evicted"), ==, 0);
    evict_busy_epoch(&g, EPOCH_S);
    evict_wait_state(&g, "stuck", "kept");
    evict_guest_stop(&g);
}

/* Intervals that were ended early are no time. */
static void test_what_if_early(void)
{
    g_autoptr(QDict) info = NULL;
    const QListEntry *entry;
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"), "tracking=on," EPOCH)) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    for (int i = 0; i < 8; i++) {
        evict_busy_epoch(&g, 1);
    }
    info = rwp_query(g.qts, "ram0");
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "what-if"), entry) {
        QDict *what_if = qobject_to(QDict, qlist_entry_obj(entry));

        g_assert_false(qdict_get_bool(what_if, "complete"));
    }
    evict_guest_stop(&g);
}

static void test_target_resident(void)
{
    EvictGuest g;

    if (!evict_start_learned(&g, ",evict=pageout,target-resident=8M")) {
        return;
    }
    evict_expect(&g, SIZE - 8 * MiB);
    evict_busy_epoch(&g, EPOCH_S);
    evict_wait_state(&g, "limited", "target-resident");
    evict_settle(&g);
    evict_check(&g);

    /* By hand it may be less. */
    evict_and_check(&g, 2 * MiB, 600, 2, "none", 0);
    rwp_qom_set(g.qts, "target-resident", "4194304");
    evict_busy_epoch(&g, EPOCH_S);
    evict_expect(&g, 2 * MiB);
    evict_guest_stop(&g);
}

/* In any time, it is the rate times that time. */
static void test_max_rate(void)
{
    EvictGuest g;

    if (!evict_start_learned(&g, "")) {
        return;
    }
    evict_qom_set_size(&g, "max-rate", 2 * MiB);
    rwp_qom_set(g.qts, "evict", "'pageout'");
    for (int i = 0; i < 4; i++) {
        evict_busy_epoch(&g, 1);
        evict_expect(&g, 2 * MiB);
        evict_wait_state(&g, "limited", "max-rate");
    }
    /* Without a limit, the rest. */
    evict_qom_set_size(&g, "max-rate", 0);
    evict_busy_epoch(&g, 1);
    evict_expect(&g, SIZE - HOT * PAGE - 8 * MiB);
    evict_guest_stop(&g);
}

/* A sixth of the day's budget in an hour. */
static void test_write_budget(void)
{
    unsigned hour = 3600 / EPOCH_S;
    EvictGuest g;

    if (!evict_start_learned(&g, ",evict=pageout,write-budget=36M")) {
        return;
    }
    evict_expect(&g, 6 * MiB);
    for (unsigned i = 1; i < hour; i++) {
        evict_busy_epoch(&g, EPOCH_S);
        evict_settle(&g);
        evict_check(&g);
        evict_wait_state(&g, "limited", "write-budget");
    }
    for (unsigned i = 0; i < 2; i++) {
        evict_busy_epoch(&g, EPOCH_S);
    }
    evict_expect(&g, 6 * MiB);

    /* What goes by hand counts as well. */
    evict_and_check(&g, 1 * MiB, 0, 0, "none", 0);
    evict_qom_set_size(&g, "write-budget", 42 * MiB);
    for (unsigned i = 1; i < 3; i++) {
        evict_busy_epoch(&g, EPOCH_S);
        evict_wait_state(&g, "limited", "write-budget");
        evict_settle(&g);
        evict_check(&g);
    }
    evict_guest_stop(&g);
}

/* A host that is never that short of memory. */
static void test_host_pressure(void)
{
    EvictGuest g;

    if (access("/proc/pressure/memory", R_OK)) {
        g_test_skip("the host does not tell its memory pressure");
        return;
    }
    if (!evict_start_learned(&g, ",evict=pageout,host-pressure=100")) {
        return;
    }
    evict_wait_state(&g, "limited", "host-pressure");
    evict_check(&g);
    /* By hand it does not matter. */
    evict_and_check(&g, 1 * MiB, 0, 0, "none", 0);
    rwp_qom_set(g.qts, "host-pressure", "0");
    evict_busy_epoch(&g, EPOCH_S);
    evict_expect(&g, SIZE - HOT * PAGE - 1 * MiB);
    evict_guest_stop(&g);
}

/* While tracking stands aside, nothing goes. */
static void test_inhibited(void)
{
    g_autofree char *file = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    const char *state = NULL, *limit = NULL;
    EvictGuest g;

    if (!evict_start_learned(&g, ",evict=pageout")) {
        return;
    }
    evict_expect(&g, SIZE - HOT * PAGE);
    evict_fill(&g, HOT, 512);
    evict_epoch(&g);
    evict_step_seconds(&g, 2);
    do {
        evict_wait_event(&g, &state, &limit);
    } while (g_str_equal(state, "learning"));

    /* So slow that it does not end by itself. */
    rwp_migration_speed(g.qts, RWP_MIGRATION_SLOW);
    rwp_migrate(g.qts, uri);
    rwp_wait_state(g.qts, "ram0", "suspended");
    evict_wait_state(&g, "inhibited", "inhibited");
    evict_step_seconds(&g, 2);
    do {
        evict_wait_event(&g, &state, &limit);
    } while (!g_str_equal(state, "inhibited"));
    g_assert_cmpstr(limit, ==, "inhibited");
    rwp_assert_error(g.qts, "", "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'id': 'ram0', 'bytes': 4096,"
                     " 'min-age': 0 } }");
    g_assert_cmpuint(evict_info_int(&g, "evicted"), ==, g.evicted);

    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate_cancel' }");
    rwp_wait_state(g.qts, "ram0", "active");
    unlink(file);
    evict_step_seconds(&g, 2);
    do {
        evict_wait_event(&g, &state, &limit);
    } while (g_str_equal(state, "inhibited"));
    evict_guest_stop(&g);
}

int main(int argc, char **argv)
{
    evict_test_init(&argc, &argv);

    rwp_qtest_add("/rwp/evict-policy/by-itself", test_by_itself);
    rwp_qtest_add("/rwp/evict-policy/min-resident", test_min_resident);
    rwp_qtest_add("/rwp/evict-policy/kept", test_kept);
    rwp_qtest_add("/rwp/evict-policy/what-if-early", test_what_if_early);
    rwp_qtest_add("/rwp/evict-policy/target-resident", test_target_resident);
    rwp_qtest_add("/rwp/evict-policy/max-rate", test_max_rate);
    rwp_qtest_add("/rwp/evict-policy/write-budget", test_write_budget);
    rwp_qtest_add("/rwp/evict-policy/host-pressure", test_host_pressure);
    rwp_qtest_add("/rwp/evict-policy/inhibited", test_inhibited);
    return g_test_run();
}
