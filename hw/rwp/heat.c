/*
 * What memory-backend-rwp tells migration about its pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ages are read beside the tracker, without its lock, as only
 * rwp_age_map_next_run() may.  Where pages are is protected by that lock, which
 * is free while a migration goes out, but for short moments.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "migration/page-heat.h"
#include "hw/rwp/backend.h"
#include "hw/rwp/heat.h"

QEMU_BUILD_BUG_ON(PAGE_HEAT_AGE_MAX != RWP_AGE_LIMIT);
QEMU_BUILD_BUG_ON(PAGE_HEAT_PAST_MAX != RWP_POLICY_HISTORY);

/* Pages that are looked through before others get the lock. */
#define WALK_PAGES (256 * 1024)

static uint64_t page_size_of(RwpBackend *rwp)
{
    return qemu_ram_pagesize(MEMORY_BACKEND(rwp)->mr.ram_block);
}

static bool heat_history(PageHeat *heat, PageHeatHistory *history)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    RwpTracker *tracker = rwp_backend_tracker(rwp);

    if (!tracker || rwp_backend_forgets(rwp)) {
        return false;
    }
    rwp_tracker_lock(tracker);
    *history = (PageHeatHistory) {
        .page_size = page_size_of(rwp),
        .intervals = rwp_tracker_intervals(tracker),
        .interval_ms = rwp_backend_interval(rwp),
    };
    rwp_tracker_unlock(tracker);
    return history->intervals;
}

static bool heat_next_run(PageHeat *heat, uint64_t from, uint64_t end,
                          PageHeatRun *run)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    RwpTracker *tracker = rwp_backend_tracker(rwp);
    uint64_t page = page_size_of(rwp);
    uint64_t at = from / page, stop = end / page;
    RwpAgeRun ages = { };
    bool out;

    while (tracker && at < stop && !ages.count) {
        uint64_t limit = MIN(at + WALK_PAGES, stop);

        rwp_age_map_next_run(rwp_tracker_map(tracker), at, limit, &ages);
        at = limit;
    }
    if (!ages.count) {
        return false;
    }
    rwp_tracker_lock(tracker);
    ages.count = rwp_out_map_same(rwp_evictor_outs(rwp_backend_evictor(rwp)),
                                  ages.first, ages.first + ages.count, &out);
    rwp_tracker_unlock(tracker);
    *run = (PageHeatRun) {
        .offset = ages.first * page,
        .length = ages.count * page,
        .age = ages.age,
        .out = out,
    };
    return true;
}

static bool heat_past(PageHeat *heat, PageHeatPast *past)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    RwpTracker *tracker = rwp_backend_tracker(rwp);
    g_autofree RwpPolicyPast *known = g_new(RwpPolicyPast, 1);

    if (!tracker) {
        return false;
    }
    rwp_tracker_lock(tracker);
    rwp_policy_past(rwp_evictor_policy(rwp_backend_evictor(rwp)), known);
    rwp_tracker_unlock(tracker);
    if (known->interval_ns != rwp_backend_interval(rwp) * (int64_t)SCALE_MS) {
        /* Nothing yet, or it was by an interval that is none any more. */
        return false;
    }

    past->intervals = known->epochs;
    past->ms = known->time_ns / SCALE_MS;
    past->minutes = known->minutes;
    for (unsigned i = 0; i < known->minutes; i++) {
        past->minute[i].working_set = known->minute[i].working_set;
        memcpy(past->minute[i].rate, known->minute[i].rate,
               sizeof(known->minute[i].rate));
    }
    return true;
}

static uint64_t heat_younger(PageHeat *heat, unsigned age)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    RwpTracker *tracker = rwp_backend_tracker(rwp);
    uint64_t by_age[RWP_AGE_LIMIT + 1];
    uint64_t pages = 0;

    if (!tracker) {
        return 0;
    }
    rwp_tracker_lock(tracker);
    rwp_age_map_idle(rwp_tracker_map(tracker), by_age);
    rwp_tracker_unlock(tracker);
    for (unsigned i = 0; i < MIN(age, ARRAY_SIZE(by_age)); i++) {
        pages += by_age[i];
    }
    return pages * page_size_of(rwp);
}

static uint64_t heat_out(PageHeat *heat, uint64_t offset, uint64_t length)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    RwpTracker *tracker = rwp_backend_tracker(rwp);
    uint64_t page = page_size_of(rwp);
    uint64_t at = offset / page, end = at + length / page;
    uint64_t pages = 0;

    while (tracker && at < end) {
        uint64_t count = MIN(WALK_PAGES, end - at);

        rwp_tracker_lock(tracker);
        pages += rwp_out_map_count(rwp_evictor_outs(rwp_backend_evictor(rwp)),
                                   at, count);
        rwp_tracker_unlock(tracker);
        at += count;
    }
    return pages * page;
}

static bool heat_give_back(PageHeat *heat, uint64_t offset, uint64_t length)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    RwpEvictor *evictor = rwp_backend_evictor(rwp);
    uint64_t page = page_size_of(rwp);

    return !evictor || rwp_evictor_give_back(evictor, offset / page,
                                             length / page);
}

static bool heat_catch_up(PageHeat *heat, unsigned ms)
{
    RwpEvictor *evictor = rwp_backend_evictor(MEMORY_BACKEND_RWP(heat));

    return !evictor || rwp_evictor_catch_up(evictor, ms);
}

static bool heat_warm_begin(PageHeat *heat, const PageHeatHistory *history,
                            Error **errp)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    RwpTracker *tracker = rwp_backend_tracker(rwp);
    uint32_t interval_ms = CLAMP(history->interval_ms, RWP_INTERVAL_MIN_MS,
                                 RWP_INTERVAL_MAX_MS);

    if (!tracker || !rwp_backend_forgets(rwp) ||
        !rwp_tracker_warm_begin(tracker, history->intervals, interval_ms)) {
        const char *reason = rwp_backend_reason(rwp);

        error_setg(errp, "accesses to the memory of '%s' are not tracked%s%s",
                   rwp_backend_id(rwp), reason ? ": " : "", reason ?: "");
        return false;
    }
    return true;
}

static void heat_warm_run(PageHeat *heat, const PageHeatRun *run)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    uint64_t page = page_size_of(rwp);
    /* The source may have told smaller pages apart: the youngest counts. */
    uint64_t first = run->offset / page;
    uint64_t end = DIV_ROUND_UP(run->offset + run->length, page);

    rwp_tracker_warm(rwp_backend_tracker(rwp), first, end - first, run->age);
}

static void heat_warm_past(PageHeat *heat, const PageHeatHistory *history,
                           const PageHeatPast *past)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);
    g_autofree RwpPolicyPast *known = NULL;

    if (history->page_size != page_size_of(rwp)) {
        /* More or less comes back with a page of another size. */
        return;
    }
    known = g_new(RwpPolicyPast, 1);
    known->interval_ns = history->interval_ms * (int64_t)SCALE_MS;
    known->time_ns = MIN(past->ms, INT64_MAX / SCALE_MS) * SCALE_MS;
    known->epochs = past->intervals;
    known->minutes = past->minutes;
    for (unsigned i = 0; i < past->minutes; i++) {
        known->minute[i].working_set = past->minute[i].working_set;
        memcpy(known->minute[i].rate, past->minute[i].rate,
               sizeof(known->minute[i].rate));
    }
    rwp_evictor_resume(rwp_backend_evictor(rwp), known);
}

static void heat_warm_end(PageHeat *heat)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(heat);

    rwp_tracker_warm_end(rwp_backend_tracker(rwp));
}

void rwp_heat_class_init(ObjectClass *oc)
{
    PageHeatClass *phc = PAGE_HEAT_CLASS(oc);

    phc->history = heat_history;
    phc->next_run = heat_next_run;
    phc->past = heat_past;
    phc->younger = heat_younger;
    phc->out = heat_out;
    phc->give_back = heat_give_back;
    phc->catch_up = heat_catch_up;
    phc->warm_begin = heat_warm_begin;
    phc->warm_run = heat_warm_run;
    phc->warm_past = heat_warm_past;
    phc->warm_end = heat_warm_end;
}
