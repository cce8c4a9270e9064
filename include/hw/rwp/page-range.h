/*
 * Ranges of pages, and covering many of them by few
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arming costs per system call and, much less, per page.  Pages that are
 * armed already cost almost nothing to arm again, so neighbouring hot ranges
 * are bridged: armed together with the cold gap between them.
 *
 * All is inline: it is called for each region that a scan tells.
 */

#ifndef HW_RWP_PAGE_RANGE_H
#define HW_RWP_PAGE_RANGE_H

/* Pages @first to @first + @count - 1. */
typedef struct RwpPageRange {
    uint64_t first;
    uint64_t count;
} RwpPageRange;

/*
 * rwp_page_range_append: add [@first, @first + @count) to the @nr ascending
 * ranges of @ranges, joining it to the last one if the gap between them is at
 * most @max_gap pages.  @first must not lie before the end of the last range,
 * @count must not be 0, and @ranges must have room for one more.
 *
 * Returns the new number of ranges.
 */
static inline size_t rwp_page_range_append(RwpPageRange *ranges, size_t nr,
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

#endif /* HW_RWP_PAGE_RANGE_H */
