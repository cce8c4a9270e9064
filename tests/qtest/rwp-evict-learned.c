/*
 * A guest that the evictor has learned about, and what it does by itself
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "rwp-evict-learned.h"

void evict_settle(EvictGuest *g)
{
    /* What follows from an epoch may have to wait for one of these. */
    for (int i = 0; i < 3; i++) {
        qobject_unref(evict_by_hand(g, PAGE, NEVER_COLD));
    }
}

void evict_wait_state(EvictGuest *g, const char *state, const char *limit)
{
    g_autofree char *what = g_strdup_printf("%s, limit %s", state, limit);
    int64_t start = 0;

    while (true) {
        g_autoptr(QDict) info = evict_info(g);

        if (g_str_equal(qdict_get_str(info, "state"), state) &&
            g_str_equal(qdict_get_str(info, "limit"), limit)) {
            return;
        }
        rwp_deadline(&start, what);
    }
}

void evict_wait_event(EvictGuest *g, const char **state, const char **limit)
{
    while (true) {
        g_autoptr(QDict) event =
            qtest_qmp_eventwait_ref(g->qts, "EVICTION_STATE_CHANGE");
        QDict *data = qdict_get_qdict(event, "data");

        g_assert_cmpstr(qdict_get_str(data, "id"), ==, "ram0");
        g_assert_cmpstr(qdict_get_str(data, "qom-path"), ==, "/objects/ram0");
        if (g_strcmp0(qdict_get_str(data, "state"), *state) ||
            g_strcmp0(qdict_get_str(data, "limit"), *limit)) {
            *state = g_intern_string(qdict_get_str(data, "state"));
            *limit = g_intern_string(qdict_get_str(data, "limit"));
            g_test_message("eviction is %s, limit %s", *state, *limit);
            return;
        }
    }
}

void evict_busy_epoch(EvictGuest *g, unsigned seconds)
{
    evict_touch(g, 0, HOT);
    evict_step_seconds(g, seconds);
    evict_epoch(g);
}

bool evict_start_learned_on(EvictGuest *g, const RwpMemory *memory,
                            const char *options)
{
    g_autofree char *all = g_strdup_printf("tracking=on," EPOCH ",min-age=600"
                                           "%s", options);

    if (!evict_guest_start(g, memory, all)) {
        return false;
    }
    evict_fill(g, 0, NPAGES);
    while (g->vm->epochs < 24) {
        evict_busy_epoch(g, EPOCH_S);
    }
    return true;
}

bool evict_start_learned(EvictGuest *g, const char *options)
{
    return evict_start_learned_on(g, rwp_memory("anon"), options);
}

void evict_expect(EvictGuest *g, uint64_t bytes)
{
    evict_wait(g, g->evicted + bytes);
    evict_settle(g);
    g_assert_cmpuint(evict_model(g, 1, bytes), ==, bytes);
    evict_check(g);
}
