/*
 * How much memory one system call may be given
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/chunk-pace.h"

void rwp_chunk_pace_init(RwpChunkPace *pace, uint64_t start, uint64_t min,
                         uint64_t max)
{
    assert(min && min <= start && start <= max);
    *pace = (RwpChunkPace) { .pages = start, .min = min, .max = max };
}

void rwp_chunk_pace_update(RwpChunkPace *pace, uint64_t pages, int64_t ns)
{
    if (ns > RWP_PACE_TARGET_NS) {
        if (pace->slow) {
            pace->pages = MAX(MIN(pages, pace->pages) / 2, pace->min);
        }
        pace->slow = MIN(pages, pace->pages);
        return;
    }
    if (pages >= pace->slow) {
        pace->slow = 0;
    }
    if (ns < RWP_PACE_TARGET_NS / 4 && pages >= pace->pages) {
        pace->pages += MIN(pace->pages, pace->max - pace->pages);
    }
}
