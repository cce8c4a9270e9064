/*
 * Eviction and migration: what is out stays out, what was learned goes along
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "rwp-evict-learned.h"
#include "rwp-migration.h"

static bool migration_ended(EvictGuest *g)
{
    g_autofree char *status = rwp_migration_status(g->qts);

    g_assert_cmpstr(status, !=, "failed");
    return !g_strcmp0(status, "completed");
}

/* Pages that were out and are in now. */
static uint64_t pages_back(EvictGuest *g)
{
    uint64_t back = 0;

    evict_look(g);
    for (uint64_t i = 0; i < NPAGES; i++) {
        back += g->out[i] && g->in[i];
    }
    return back;
}

/*
 * Those of them that are mapped are in for QEMU, too.  But whoever looks at the
 * page of a file just when it goes makes the kernel keep it, unmapped: then it
 * is in for nobody before somebody accesses it.
 */
static void take_back(EvictGuest *g)
{
    g_autofree uint64_t *entries = rwp_pagemap(g->qts, g->host, SIZE);

    for (uint64_t i = 0; i < NPAGES; i++) {
        if (!g->out[i] || !g->in[i]) {
            continue;
        }
        if (entries[i] & RWP_PAGEMAP_PRESENT) {
            g->out[i] = false;
        } else {
            evict_touch(g, i, 1);
        }
    }
}

/*
 * A migration reads all that is out, and lets it go again: never is much of it
 * in.  That is no refault.
 */
static void test_given_back(const void *data)
{
    const uint64_t most = NPAGES / 2;
    g_autofree char *file = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    uint64_t back, evicted;
    int64_t start = 0;
    EvictGuest g;

    if (!evict_guest_start(&g, data, "tracking=on")) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    evict_epoch(&g);
    evict_epoch(&g);
    evict_touch(&g, 256, 64);
    evict_and_check(&g, SIZE, 0, 0, "min-age", evict_touched_bytes(&g, 0));
    rwp_vm_split(g.vm);
    g_assert_cmpuint(g.evicted, >, SIZE / 4 * 3);
    evicted = g.evicted;

    rwp_migration_capability(g.qts, "page-heat", true);
    rwp_migration_speed(g.qts, 4 * MiB);
    rwp_migrate(g.qts, uri);
    while (!migration_ended(&g)) {
        back = pages_back(&g);
        if (back > most) {
            g_error("%" PRIu64 " of %" PRIu64 " pages are in at once", back,
                    evicted / PAGE);
        }
        rwp_deadline(&start, "migration");
    }
    rwp_wait_state(g.qts, "ram0", "active");
    rwp_vm_suspended(g.vm);
    back = pages_back(&g);
    g_assert_cmpuint(back, <=, most);
    take_back(&g);
    g.evicted = evict_info_int(&g, "evicted");
    g_test_message("went again: %" PRIu64 " of %" PRIu64 " pages",
                   (g.evicted - evicted) / PAGE, evicted / PAGE);
    g_assert_cmpuint(g.evicted - evicted, >=, evicted - most * PAGE);

    evict_epoch(&g);
    evict_check(&g);
    evict_touch(&g, 1000, 10);
    evict_epoch(&g);
    evict_check(&g);
    evict_check_contents(&g);
    evict_guest_stop(&g);
    unlink(file);
}

/* What was cold before may have been used while nobody watched. */
static void test_not_watched(void)
{
    g_autofree char *file = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"), "tracking=on")) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    for (int epoch = 0; epoch < 2; epoch++) {
        evict_step_seconds(&g, 100);
        evict_epoch(&g);
    }
    rwp_migration_speed(g.qts, RWP_MIGRATION_SLOW);
    rwp_migrate(g.qts, uri);
    rwp_wait_state(g.qts, "ram0", "suspended");
    evict_step_seconds(&g, 600);
    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate_cancel' }");
    rwp_wait_migration(g.qts, "cancelled");
    rwp_wait_state(g.qts, "ram0", "active");
    rwp_vm_suspended(g.vm);

    evict_epoch(&g);
    evict_and_check(&g, SIZE, 1, 255, "min-age", 0);
    evict_step_seconds(&g, 30);
    evict_epoch(&g);
    evict_and_check(&g, SIZE, 31, 255, "min-age", 0);
    evict_and_check(&g, SIZE, 30, 1, "none", 0);
    g_assert_cmpuint(g.evicted, ==, SIZE);
    evict_check_contents(&g);
    evict_guest_stop(&g);
    unlink(file);
}

/* What is told of eviction by the other side of a migration. */
static uint64_t evicted_there(QTestState *qts, const char **limit)
{
    g_autoptr(QDict) info = rwp_query(qts, "ram0");
    QDict *evict = qdict_get_qdict(info, "eviction");

    *limit = g_intern_string(qdict_get_str(evict, "limit"));
    return qdict_get_int(evict, "evicted");
}

/*
 * What was learned goes along, if the capability is on: what is cold goes as
 * soon as a minute was seen there, too.
 */
static void test_goes_along(void)
{
    for (int heat = 0; heat < 2; heat++) {
        g_autofree char *file = rwp_temp_name("migration");
        g_autofree char *uri = g_strdup_printf("file:%s", file);
        g_autofree char *args =
            rwp_vm_args(rwp_memory("anon"), SIZE, "tracking=on," EPOCH
                        ",min-age=600,evict=pageout");
        int64_t start = 0;
        const char *limit;
        QTestState *to;
        EvictGuest g;

        if (!evict_start_learned(&g, "")) {
            return;
        }
        rwp_migration_capability(g.qts, "page-heat", heat);
        rwp_migration_speed(g.qts, RWP_MIGRATION_FAST);
        rwp_migrate(g.qts, uri);
        rwp_wait_migration(g.qts, "completed");
        evict_guest_stop(&g);

        to = qtest_initf("%s -machine pit=off -incoming defer", args);
        rwp_migration_capability(to, "page-heat", heat);
        rwp_receive(to, uri);
        rwp_wait_state(to, "ram0", "active");
        for (int epoch = 0; epoch < 3; epoch++) {
            for (unsigned page = 0; page < HOT; page++) {
                qtest_readb(to, rwp_vm_base() + page * PAGE);
            }
            g_assert_cmpuint(evicted_there(to, &limit), ==, 0);
            g_assert_cmpstr(limit, ==, "learning");
            qtest_clock_step(to, EPOCH_S * 1000000000LL);
            rwp_scan(to, "ram0");
            if (heat && epoch) {
                break;
            }
        }
        while (heat && evicted_there(to, &limit) < SIZE - HOT * PAGE) {
            rwp_deadline(&start, "eviction there");
        }
        g_assert_cmpuint(evicted_there(to, &limit), ==,
                         heat ? SIZE - HOT * PAGE : 0);
        g_assert_cmpstr(limit, ==, heat ? "min-age" : "learning");
        qtest_quit(to);
        unlink(file);
    }
}

int main(int argc, char **argv)
{
    evict_test_init(&argc, &argv);

    rwp_qtest_add_each("/rwp/evict-migration/given-back", "anon thp memfd",
                       test_given_back);
    rwp_qtest_add("/rwp/evict-migration/not-watched", test_not_watched);
    rwp_qtest_add("/rwp/evict-migration/goes-along", test_goes_along);
    return g_test_run();
}
