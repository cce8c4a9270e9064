/*
 * What is known about the working set of a memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "qemu/timer.h"
#include "hw/rwp/eviction-info.h"
#include "hw/rwp/working-set-info.h"

/* Windows that are told if none are asked for, in seconds. */
static const uint32_t default_windows[] = { 60, 120, 600, 3600 };

/* Youngest age of each class of the histogram; each ends before the next. */
static const uint32_t age_classes[] = {
    0, 1, 2, 4, 8, 16, 32, 64, 128, RWP_AGE_LIMIT
};

static void add_window(WorkingSetWindowList ***tail, const RwpAgeMap *map,
                       uint64_t page_size, uint32_t seconds)
{
    WorkingSetWindow *window = g_new0(WorkingSetWindow, 1);

    window->seconds = seconds;
    window->bytes = page_size *
        rwp_age_map_working_set(map, seconds * NANOSECONDS_PER_SECOND,
                                &window->complete);
    QAPI_LIST_APPEND(*tail, window);
}

static WorkingSetWindowList *windows_of(const RwpAgeMap *map,
                                        uint64_t page_size,
                                        uint32List *windows)
{
    WorkingSetWindowList *list = NULL, **tail = &list;

    for (uint32List *w = windows; w; w = w->next) {
        add_window(&tail, map, page_size, w->value);
    }
    for (size_t i = 0; !windows && i < ARRAY_SIZE(default_windows); i++) {
        add_window(&tail, map, page_size, default_windows[i]);
    }
    return list;
}

static WorkingSetIdleAgeList *idle_ages_of(const RwpAgeMap *map,
                                           uint64_t page_size)
{
    WorkingSetIdleAgeList *list = NULL, **tail = &list;
    uint64_t pages[RWP_AGE_LIMIT + 1];
    uint32_t age = 0;

    rwp_age_map_idle(map, pages);
    for (size_t i = 0; i < ARRAY_SIZE(age_classes); i++) {
        WorkingSetIdleAge *idle = g_new0(WorkingSetIdleAge, 1);
        bool last = i + 1 == ARRAY_SIZE(age_classes);
        uint32_t end = last ? RWP_AGE_LIMIT + 1 : age_classes[i + 1];

        idle->min_age = age_classes[i];
        idle->has_max_age = !last;
        idle->max_age = end - 1;
        for (; age < end; age++) {
            idle->bytes += pages[age] * page_size;
        }
        QAPI_LIST_APPEND(tail, idle);
    }
    return list;
}

static void add_resolution(WorkingSetResolutionList ***tail,
                           uint64_t page_size, uint64_t bytes)
{
    WorkingSetResolution *resolution = g_new0(WorkingSetResolution, 1);

    resolution->page_size = page_size;
    resolution->bytes = bytes;
    QAPI_LIST_APPEND(*tail, resolution);
}

static WorkingSetResolutionList *resolution_of(const RwpAgeMap *map,
                                               uint64_t page_size, bool thp)
{
    uint64_t huge = rwp_age_map_huge(map) * page_size;
    WorkingSetResolutionList *list = NULL, **tail = &list;

    add_resolution(&tail, page_size,
                   rwp_age_map_present(map) * page_size - huge);
    if (thp) {
        add_resolution(&tail, page_size * RWP_EXTENT_PAGES, huge);
    }
    return list;
}

WorkingSetInfo *rwp_working_set_info(RwpBackend *backend, uint32List *windows,
                                     uint32List *thresholds)
{
    HostMemoryBackend *host = MEMORY_BACKEND(backend);
    RAMBlock *block = host->mr.ram_block;
    RwpTracker *tracker = rwp_backend_tracker(backend);
    uint64_t page_size = qemu_ram_pagesize(block);
    WorkingSetInfo *info = g_new0(WorkingSetInfo, 1);
    const RwpAgeMap *map;
    RwpEvictStatus evict;
    RwpScanCost cost;

    info->id = g_strdup(rwp_backend_id(backend));
    info->qom_path = object_get_canonical_path(OBJECT(backend));
    info->size = qemu_ram_get_max_length(block);
    info->page_size = page_size;
    info->share = host->share;
    info->thp = rwp_backend_thp(backend);
    info->split_thp = rwp_backend_split_thp(backend);
    info->state = rwp_backend_state(backend);
    info->reason = g_strdup(rwp_backend_reason(backend));
    info->interval = rwp_backend_interval(backend);

    map = rwp_tracker_lock(tracker);
    cost = rwp_tracker_cost(tracker);
    info->scan_time = cost.scan_us;
    info->arm_time = cost.arm_us;
    info->arm_calls = cost.arm_calls;
    info->epochs = rwp_age_map_epochs(map);
    info->accessed = rwp_age_map_accessed(map) * page_size;
    info->metadata = rwp_tracker_metadata(tracker) +
                     rwp_evictor_metadata(rwp_backend_evictor(backend));
    info->present = rwp_age_map_present(map) * page_size;
    if (info->epochs) {
        int64_t age_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) -
                         rwp_age_map_last_end(map);

        info->has_sample_age = true;
        info->sample_age = MAX(age_ns, 0) / SCALE_MS;
        info->untracked = rwp_tracker_poisoned(tracker) * page_size;
        if (info->untracked) {
            info->untracked_reason = g_strdup("the hardware failed there");
        }
        info->absent = info->size - info->present - info->untracked;
    } else if (info->present < info->size) {
        /* Some may be known already: the first scan is under way. */
        info->untracked = info->size - info->present;
        info->untracked_reason = g_strdup(info->reason ?:
            info->state == WORKING_SET_STATE_OFF ? "tracking=off" :
            "not scanned yet");
    }
    info->resolution = resolution_of(map, page_size, info->thp);
    info->working_set = windows_of(map, page_size, windows);
    info->idle_ages = idle_ages_of(map, page_size);
    info->what_if = rwp_what_if_list(backend, map, thresholds);
    info->eviction = rwp_eviction_info(backend);
    rwp_evictor_status(rwp_backend_evictor(backend), &evict);
    info->resident = info->present - MIN(info->present, evict.out * page_size);
    rwp_tracker_unlock(tracker);
    return info;
}
