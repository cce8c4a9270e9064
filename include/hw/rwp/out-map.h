/*
 * Which pages are out
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A page of the map is in, out, or in and kept: it should have gone out, but
 * the host kept it, and it is not worth another try for now.
 *
 * Pages are counted from 0, as in hw/rwp/age-map.h; ranges are given as first
 * page and number of pages, and must lie within the map.
 *
 * Nothing here locks: the owner serialises all calls.
 *
 * Memory: two bits a page, allocated by the kernel when first used.
 */

#ifndef HW_RWP_OUT_MAP_H
#define HW_RWP_OUT_MAP_H

#include "hw/rwp/page-range.h"

typedef struct RwpOutMap RwpOutMap;

/* rwp_out_map_new: a map of @npages pages that are all in. */
RwpOutMap *rwp_out_map_new(uint64_t npages);

void rwp_out_map_free(RwpOutMap *map);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RwpOutMap, rwp_out_map_free)

/*
 * rwp_out_map_set_out: the pages are out.  Returns how many of them were not
 * before.
 */
uint64_t rwp_out_map_set_out(RwpOutMap *map, uint64_t first, uint64_t count);

/* rwp_out_map_set_kept: those of the pages that are in were kept. */
void rwp_out_map_set_kept(RwpOutMap *map, uint64_t first, uint64_t count);

/*
 * rwp_out_map_set_in: the pages are in, or absent, and may be tried again.
 * Returns how many of them were out.
 */
uint64_t rwp_out_map_set_in(RwpOutMap *map, uint64_t first, uint64_t count);

/* rwp_out_map_retry: pages that were kept may be tried again. */
void rwp_out_map_retry(RwpOutMap *map);

/* rwp_out_map_reset: all pages are in. */
void rwp_out_map_reset(RwpOutMap *map);

/* rwp_out_map_out, rwp_out_map_kept: how many pages are. */
uint64_t rwp_out_map_out(const RwpOutMap *map);
uint64_t rwp_out_map_kept(const RwpOutMap *map);

/*
 * rwp_out_map_next_in: the first run of pages within [@from, @end) that are
 * in and were not kept.  Returns false if there is none.
 */
bool rwp_out_map_next_in(const RwpOutMap *map, uint64_t from, uint64_t end,
                         RwpPageRange *run);

/*
 * rwp_out_map_same: how many pages from @from on, which is below @end, are out
 * like it, or in like it; only those below @end are looked at.
 *
 * @out: set to which of the two
 */
uint64_t rwp_out_map_same(const RwpOutMap *map, uint64_t from, uint64_t end,
                          bool *out);

/* rwp_out_map_count: how many pages of the range are out. */
uint64_t rwp_out_map_count(const RwpOutMap *map, uint64_t first,
                           uint64_t count);

/*
 * rwp_out_map_metadata: bytes of host memory that the map occupies now, at
 * most.
 */
uint64_t rwp_out_map_metadata(const RwpOutMap *map);

#endif /* HW_RWP_OUT_MAP_H */
