/*
 * Idle age of each page of a memory backend
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The age map remembers, in one byte a page, the epoch in which the page was
 * last seen accessed, and keeps the histograms that follow from it up to date
 * as it learns.  An epoch without accesses therefore costs next to nothing,
 * and asking costs the same for 1 GiB and for 1 TiB.
 *
 * Life of an epoch: rwp_age_map_begin(), any number of rwp_age_map_record() and
 * rwp_age_map_record_ranges(), rwp_age_map_end().  Epochs are numbered from 1.
 * The age of a page is the number of completed epochs since the one that last
 * saw it accessed; while an epoch is being recorded, ages are those of the last
 * completed one, except that pages that were recorded already have age 0.
 *
 * States of a page here: absent (never recorded, or discarded since) or
 * present with an age of 0 to RWP_AGE_LIMIT.  Ages are exact below
 * RWP_AGE_LIMIT and saturate there.
 *
 * Pages are counted from 0 in units of the page size that the owner chose;
 * ranges are given as first page and number of pages, and must lie within the
 * map.  Times are nanoseconds on any clock that does not go backwards; the
 * map has no clock of its own.
 *
 * Nothing here locks: the owner serialises all calls, except that
 * rwp_age_map_next_run() may run beside them and then sees each page either
 * before or after a change.
 *
 * Memory: at most one byte a page, allocated by the kernel when first used,
 * and up to eleven bits for each RWP_EXTENT_PAGES pages.
 */

#ifndef HW_RWP_AGE_MAP_H
#define HW_RWP_AGE_MAP_H

#include "hw/rwp/epoch-clock.h"
#include "hw/rwp/page-range.h"

/*
 * Pages that are looked at together: what one transparent huge page of 2 MiB
 * covers in pages of 4 KiB.
 */
#define RWP_EXTENT_PAGES 512

/* Answer of rwp_age_map_get() for an absent page. */
#define RWP_AGE_ABSENT (-1)

typedef struct RwpAgeMap RwpAgeMap;

/* Neighbouring present pages of the same age and mapping. */
typedef struct RwpAgeRun {
    uint64_t first;     /* first page */
    uint64_t count;     /* number of pages, never 0 */
    unsigned age;       /* 0 to RWP_AGE_LIMIT */
    bool huge;          /* mapped by a huge page when last recorded */
} RwpAgeRun;

/*
 * rwp_age_map_new: a map of @npages absent pages (at least 1), @now_ns being
 * the time from which accesses are seen.  Aborts if there is no address space
 * for it.
 */
RwpAgeMap *rwp_age_map_new(uint64_t npages, int64_t now_ns);

void rwp_age_map_free(RwpAgeMap *map);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RwpAgeMap, rwp_age_map_free)

/* rwp_age_map_reset: forget everything, as if the map were new. */
void rwp_age_map_reset(RwpAgeMap *map, int64_t now_ns);

/*
 * Ages that were seen elsewhere, as by the source of a migration, for a map
 * that is new or was just reset: rwp_age_map_resume() says how many epochs
 * were completed there, at least 1; then come any number of rwp_age_map_seen(),
 * of pages that become present, and rwp_age_map_set_times() says that all of
 * these epochs were @interval_ns long and the last one ended at @now_ns.
 *
 * A page that is seen more than once has the youngest of these ages, but is
 * never older than the number of epochs allows.
 */
void rwp_age_map_resume(RwpAgeMap *map, uint64_t epochs);
void rwp_age_map_seen(RwpAgeMap *map, uint64_t first, uint64_t count,
                      unsigned age);
void rwp_age_map_set_times(RwpAgeMap *map, int64_t interval_ns, int64_t now_ns);

/*
 * rwp_age_map_begin: open the next epoch.  While one is open already (its
 * scan was interrupted), recording goes on in that one.
 */
void rwp_age_map_begin(RwpAgeMap *map);

/*
 * rwp_age_map_record: @count pages from @first on were accessed in the open
 * epoch.  Recording a page twice in an epoch is harmless.
 *
 * @huge: they are mapped by huge pages that can be told from base pages.
 */
void rwp_age_map_record(RwpAgeMap *map, uint64_t first, uint64_t count,
                        bool huge);

/*
 * rwp_age_map_record_ranges: what rwp_age_map_record() does, for the @nr ranges
 * of @ranges, which may have any order.  Many pages that lie alone cost much
 * less here.
 */
void rwp_age_map_record_ranges(RwpAgeMap *map, const RwpPageRange *ranges,
                               size_t nr, bool huge);

/* rwp_age_map_end: the open epoch is complete at time @now_ns. */
void rwp_age_map_end(RwpAgeMap *map, int64_t now_ns);

/*
 * rwp_age_map_unwatched: not all accesses were seen since the last completed
 * epoch ended (there is one), and they are from @now_ns on.  What is told of
 * windows and idle times leaves that time out.
 */
void rwp_age_map_unwatched(RwpAgeMap *map, int64_t now_ns);

/*
 * rwp_age_map_sweep: do a little of the map's housekeeping, which grows with
 * the memory, after rwp_age_map_end().  Returns whether there is more of it to
 * do; what is left then, rwp_age_map_begin() does.
 */
bool rwp_age_map_sweep(RwpAgeMap *map);

/* rwp_age_map_discard: @count pages from @first on have become absent. */
void rwp_age_map_discard(RwpAgeMap *map, uint64_t first, uint64_t count);

/*
 * rwp_age_map_populate: @count pages from @first on are known to be present,
 * but not when they were accessed.  Present ones keep their age; absent ones
 * become present with the age 0.
 */
void rwp_age_map_populate(RwpAgeMap *map, uint64_t first, uint64_t count);

/*
 * rwp_age_map_set_huge: the pages are mapped by huge pages, or are not,
 * without having been accessed.
 */
void rwp_age_map_set_huge(RwpAgeMap *map, uint64_t first, uint64_t count,
                          bool huge);

/* rwp_age_map_get: age of @page, or RWP_AGE_ABSENT. */
int rwp_age_map_get(const RwpAgeMap *map, uint64_t page);

/*
 * rwp_age_map_next_run: the first run of present pages within
 * [@from, @end); both are page numbers.
 *
 * Returns false if there is none.
 */
bool rwp_age_map_next_run(const RwpAgeMap *map, uint64_t from, uint64_t end,
                          RwpAgeRun *run);

/* rwp_age_map_epochs: number of completed epochs. */
uint64_t rwp_age_map_epochs(const RwpAgeMap *map);

/* rwp_age_map_last_end: when the last completed epoch ended, in ns. */
int64_t rwp_age_map_last_end(const RwpAgeMap *map);

/* rwp_age_map_accessed: pages recorded in the last completed epoch. */
uint64_t rwp_age_map_accessed(const RwpAgeMap *map);

/* rwp_age_map_present: pages that are not absent. */
uint64_t rwp_age_map_present(const RwpAgeMap *map);

/* rwp_age_map_huge: present pages last recorded as mapped by huge pages. */
uint64_t rwp_age_map_huge(const RwpAgeMap *map);

/*
 * rwp_age_map_idle: present pages by age.  @pages has RWP_AGE_LIMIT + 1
 * entries; the last one counts all ages from RWP_AGE_LIMIT on.
 */
void rwp_age_map_idle(const RwpAgeMap *map, uint64_t *pages);

/*
 * rwp_age_map_promotions: how often a page of each age was accessed, since
 * the map was made or reset.  @pages has RWP_AGE_LIMIT + 1 entries, by the age
 * that the page had reached before the access.  First accesses to absent
 * pages are not counted.  This is the promotion histogram of Lagar-Cavilla et
 * al., "Software-Defined Far Memory in Warehouse-Scale Computers" (2019).
 */
void rwp_age_map_promotions(const RwpAgeMap *map, uint64_t *pages);

/*
 * rwp_age_map_working_set: pages accessed within the last @window_ns before
 * the end of the last completed epoch, and always those of that epoch.
 *
 * @complete: set to whether accesses were seen and ages told apart for all of
 *            the window.
 */
uint64_t rwp_age_map_working_set(const RwpAgeMap *map, int64_t window_ns,
                                 bool *complete);

/*
 * rwp_age_map_idle_age: the smallest age of which all pages were idle for
 * @idle_ns or longer when the last completed epoch ended, or RWP_AGE_LIMIT + 1
 * if that cannot be told of any.  Epochs need not be of one length.
 */
unsigned rwp_age_map_idle_age(const RwpAgeMap *map, int64_t idle_ns);

/*
 * rwp_age_map_watched: were all accesses seen, by this map and without a gap,
 * in the last @ns before the end of the last completed epoch?
 */
bool rwp_age_map_watched(const RwpAgeMap *map, int64_t ns);

/* rwp_age_map_metadata: bytes of host memory that the map occupies now. */
uint64_t rwp_age_map_metadata(const RwpAgeMap *map);

#endif /* HW_RWP_AGE_MAP_H */
