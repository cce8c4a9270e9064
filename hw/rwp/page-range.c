/*
 * Ranges of pages, and covering many of them by few
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/page-range.h"

size_t rwp_page_range_append(RwpPageRange *ranges, size_t nr,
                             uint64_t first, uint64_t count,
                             uint64_t max_gap)
{
    RwpPageRange *last = nr ? &ranges[nr - 1] : NULL;

    assert(count);
    if (last) {
        uint64_t end = last->first + last->count;

        assert(first >= end);
        if (first - end <= max_gap) {
            last->count = first + count - last->first;
            return nr;
        }
    }

    ranges[nr] = (RwpPageRange) { .first = first, .count = count };
    return nr + 1;
}
