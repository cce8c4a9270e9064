/*
 * Finding cold memory that is in
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Joins what the age map and the out map know.  Ages are in epochs, pages
 * counted from 0.  Nothing here locks: the owner of both maps holds his lock
 * during each call, and may let it go between calls: the maps may change then.
 */

#ifndef HW_RWP_COLD_WALK_H
#define HW_RWP_COLD_WALK_H

#include "hw/rwp/age-map.h"
#include "hw/rwp/out-map.h"

/*
 * rwp_cold_walk_next: the first run within [@from, @end) of pages that are in,
 * were not kept, and whose age is from @min_age to @max_age.  Returns false if
 * there is none.
 */
bool rwp_cold_walk_next(const RwpAgeMap *ages, const RwpOutMap *outs,
                        uint64_t from, uint64_t end,
                        unsigned min_age, unsigned max_age,
                        RwpPageRange *range);

/*
 * rwp_cold_walk_count: add the pages within [@from, @end) that are in, were
 * not kept, and are at least @min_age old to @pages, by age: RWP_AGE_LIMIT + 1
 * entries.
 */
void rwp_cold_walk_count(const RwpAgeMap *ages, const RwpOutMap *outs,
                         uint64_t from, uint64_t end, unsigned min_age,
                         uint64_t *pages);

/*
 * rwp_cold_walk_split: the age, at least @min_age, down to which pages have to
 * go if the coldest @budget of those in @pages (see rwp_cold_walk_count()) do.
 * All that are older fit; of those of that age, maybe only some.
 */
unsigned rwp_cold_walk_split(const uint64_t *pages, unsigned min_age,
                             uint64_t budget);

#endif /* HW_RWP_COLD_WALK_H */
