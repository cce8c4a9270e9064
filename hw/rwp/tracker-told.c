/*
 * What the tracker is told of pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * That they are discarded, that the hardware failed in them, and what somebody
 * else saw of contents that are on their way.
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "trace.h"
#include "tracker-internal.h"

void rwp_tracker_reset_ages(RwpTracker *t)
{
    t->warmth = TRACKER_COLD;
    rwp_age_map_reset(t->map, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    if (t->listener.reset) {
        t->listener.reset(t->listener.opaque);
    }
}

void rwp_tracker_discard_pages(RwpTracker *t, uint64_t first, uint64_t count)
{
    /*
     * Memory is discarded to make room for what is on its way, too.  What does
     * not come is found out by the blind pass.
     */
    if (t->warmth != TRACKER_WARMING && t->warmth != TRACKER_WARM) {
        rwp_age_map_discard(t->map, first, count);
    }
    tracker_tell_in(t, first, count, false);
}

void rwp_tracker_discard_begin(RwpTracker *t)
{
    tracker_lock(t);
}

void rwp_tracker_discard_end(RwpTracker *t, uint64_t start, uint64_t length)
{
    uint64_t page = t->memory.page_size;
    uint64_t first = start / page, end = first + length / page;

    if (length) {
        rwp_tracker_discard_pages(t, first, end - first);
    }
    for (guint i = t->poisoned->len; i-- > 0; ) {
        uint64_t bad = tracker_poisoned_page(t, i);

        if (bad >= first && bad < end) {
            g_array_remove_index(t->poisoned, i);
        }
    }
    trace_rwp_discard(t->name, start, length);
    tracker_unlock(t);
}

void rwp_tracker_poison(RwpTracker *t, uint64_t offset)
{
    uint64_t bad = offset / t->memory.page_size;
    guint i = 0;

    tracker_lock(t);
    while (i < t->poisoned->len && tracker_poisoned_page(t, i) < bad) {
        i++;
    }
    if (i == t->poisoned->len || tracker_poisoned_page(t, i) != bad) {
        g_array_insert_val(t->poisoned, i, bad);
        rwp_tracker_discard_pages(t, bad, 1);
        trace_rwp_poison(t->name, offset);
    }
    tracker_unlock(t);
}

uint64_t rwp_tracker_poisoned(const RwpTracker *t)
{
    return t->poisoned->len;
}

bool rwp_tracker_warm_begin(RwpTracker *t, uint64_t intervals,
                            uint32_t interval_ms)
{
    if (!t->started || !t->held) {
        return false;
    }
    tracker_lock(t);
    rwp_tracker_reset_ages(t);
    /* As the first epoch is no interval. */
    rwp_age_map_resume(t->map, intervals + (intervals < UINT64_MAX));
    t->warm_interval_ms = interval_ms;
    t->warmth = TRACKER_WARMING;
    tracker_unlock(t);
    return true;
}

void rwp_tracker_warm(RwpTracker *t, uint64_t first, uint64_t count,
                      unsigned age)
{
    tracker_lock(t);
    if (t->warmth == TRACKER_WARMING) {
        rwp_age_map_seen(t->map, first, count, age);
    }
    tracker_unlock(t);
}

void rwp_tracker_warm_end(RwpTracker *t)
{
    tracker_lock(t);
    if (t->warmth == TRACKER_WARMING) {
        rwp_age_map_set_times(t->map, t->warm_interval_ms * (int64_t)SCALE_MS,
                              qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
        t->warmth = TRACKER_WARM;
        trace_rwp_warm(t->name, rwp_age_map_epochs(t->map),
                       rwp_age_map_present(t->map));
    }
    tracker_unlock(t);
}
