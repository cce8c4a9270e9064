/*
 * What there is to tell about eviction from a memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "qemu/timer.h"
#include "hw/rwp/eviction-info.h"

/* Thresholds that are told if none are asked for, in seconds. */
static const uint32_t default_thresholds[] = { 120, 300, 600, 1800, 3600 };

EvictionSkipped *rwp_eviction_skipped(const RwpEvictCount *count,
                                      uint64_t page_size)
{
    EvictionSkipped *skipped = g_new0(EvictionSkipped, 1);

    skipped->accessed = count->accessed * page_size;
    skipped->huge_page = count->huge * page_size;
    skipped->kept = count->kept * page_size;
    return skipped;
}

EvictionInfo *rwp_eviction_info(RwpBackend *backend)
{
    RAMBlock *block = MEMORY_BACKEND(backend)->mr.ram_block;
    uint64_t page_size = qemu_ram_pagesize(block);
    EvictionInfo *info = g_new0(EvictionInfo, 1);
    RwpEvictStatus status;

    rwp_evictor_status(rwp_backend_evictor(backend), &status);
    info->engine = rwp_backend_eviction_engine(backend);
    info->state = status.is.state;
    info->reason = g_strdup(status.is.reason);
    info->limit = status.is.limit;
    if (info->engine != EVICTION_ENGINE_OFF &&
        status.cold_age != RWP_POLICY_NONE) {
        info->has_cold_age = true;
        info->cold_age = status.cold_age;
    }
    info->promotions = status.decision.promotions * page_size;
    info->refaults = status.decision.refaulted * page_size;
    info->allowed = status.decision.allowed * page_size;
    info->evicted = status.count.evicted * page_size;
    info->refaulted = status.refaulted * page_size;
    info->skipped = rwp_eviction_skipped(&status.count, page_size);
    info->batches = status.count.batches;
    info->ranges = status.count.ranges;
    info->evict_time = status.count.ns / SCALE_US;
    return info;
}

static void add_what_if(WorkingSetWhatIfList ***tail, RwpBackend *backend,
                        const RwpAgeMap *map, const uint64_t *idle,
                        uint32_t seconds)
{
    RAMBlock *block = MEMORY_BACKEND(backend)->mr.ram_block;
    uint64_t page_size = qemu_ram_pagesize(block);
    WorkingSetWhatIf *entry = g_new0(WorkingSetWhatIf, 1);
    uint64_t ms = seconds * UINT64_C(1000);
    uint64_t min_age = DIV_ROUND_UP(ms, rwp_backend_interval(backend));
    /* Intervals may have been shorter, or ended early. */
    unsigned known = rwp_age_map_idle_age(map, ms * SCALE_MS);
    RwpPolicyWhatIf what_if;

    entry->seconds = seconds;
    if (known <= RWP_AGE_LIMIT) {
        min_age = MAX(min_age, known);
    }
    entry->min_age = MIN(min_age, UINT32_MAX);
    entry->complete = known <= RWP_AGE_LIMIT && min_age <= RWP_AGE_LIMIT &&
                      min_age < rwp_age_map_epochs(map);
    if (entry->complete) {
        rwp_policy_what_if(rwp_evictor_policy(rwp_backend_evictor(backend)),
                           idle, min_age, &what_if);
        entry->bytes = what_if.bytes_out;
        entry->promotions = what_if.promotions_mean * page_size;
        entry->promotions_max = what_if.promotions_max * page_size;
        entry->minutes = what_if.minutes;
    }
    QAPI_LIST_APPEND(*tail, entry);
}

WorkingSetWhatIfList *rwp_what_if_list(RwpBackend *backend,
                                       const RwpAgeMap *map,
                                       uint32List *thresholds)
{
    WorkingSetWhatIfList *list = NULL, **tail = &list;
    uint64_t idle[RWP_AGE_LIMIT + 1];

    rwp_age_map_idle(map, idle);
    for (uint32List *t = thresholds; t; t = t->next) {
        add_what_if(&tail, backend, map, idle, t->value);
    }
    for (size_t i = 0; !thresholds && i < ARRAY_SIZE(default_thresholds);
         i++) {
        add_what_if(&tail, backend, map, idle, default_thresholds[i]);
    }
    return list;
}
