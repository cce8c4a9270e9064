/*
 * Precopy that holds hot pages back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What ram.c calls to have page-heat-order.h at work: bitmaps of RAMBlocks,
 * the clock, the counters in mig_stats.  A RAMBlock has a hot_bmap if its
 * memory has heat, the guest runs and pages are held back; all others, and all
 * memory without the capability, are migrated as ever.
 *
 * ram_state.bitmap_mutex is held for all calls, but where it is said otherwise.
 */

#ifndef MIGRATION_PAGE_HEAT_PRECOPY_H
#define MIGRATION_PAGE_HEAT_PRECOPY_H

#include "exec/cpu-common.h"
#include "exec/ramblock.h"
#include "migration/page-heat.h"

typedef struct PageHeatPrecopy PageHeatPrecopy;

/*
 * page_heat_precopy_new: when RAM is set up, and after the first sync of the
 * dirty bitmap.  With the BQL, which it lets go of in between; the mutex is not
 * needed yet.
 *
 * Returns NULL if there is nothing to be held back.
 */
PageHeatPrecopy *page_heat_precopy_new(void);

/* page_heat_precopy_free: all blocks lose their hot_bmap.  With the BQL. */
void page_heat_precopy_free(PageHeatPrecopy *heat);

/*
 * page_heat_precopy_clear_shift: log2 of the pages of which @block's dirty log
 * is cleared at once, for a block that has clear_bmap_shift @shift without
 * heat.  What is written to after that and before the page is sent is sent
 * twice, so it should not be much.  With the BQL; the mutex is not needed.
 */
uint8_t page_heat_precopy_clear_shift(RAMBlock *block, uint8_t shift);

/*
 * page_heat_precopy_end: from now on each dirty page is found.  With the BQL,
 * by the thread of the migration; the mutex is not needed.
 */
void page_heat_precopy_end(PageHeatPrecopy *heat);

/*
 * page_heat_precopy_ended: was that called?  From then on there is but one
 * sync, before any other page is sent.  The guest waits for it, so nothing is
 * told of it but what is sent again.  (The timer of auto-converge, which syncs,
 * too, is of a clock that stands still with the guest.)
 */
bool page_heat_precopy_ended(const PageHeatPrecopy *heat);

/*
 * page_heat_precopy_next: the first page from @page on that is to be sent now,
 * or @pages.  @block has a hot_bmap.
 */
unsigned long page_heat_precopy_next(PageHeatPrecopy *heat, RAMBlock *block,
                                     unsigned long pages, unsigned long page);

/*
 * page_heat_precopy_watch: clears the dirty log of some of the memory that is
 * held back, so that the next sync tells what of it is written to.
 */
void page_heat_precopy_watch(PageHeatPrecopy *heat);

/* page_heat_precopy_sent: @page of @block was sent, which has a hot_bmap. */
void page_heat_precopy_sent(PageHeatPrecopy *heat, RAMBlock *block,
                            unsigned long page);

/*
 * page_heat_precopy_rest: the guest is stopped, and all that is dirty is about
 * to be sent, in any order.  It counts as sent, and all blocks lose their
 * hot_bmap, so that nothing is spent on the order of pages that the guest waits
 * for.  @heat may be NULL.
 */
void page_heat_precopy_rest(PageHeatPrecopy *heat);

/* page_heat_precopy_pass_done: the search went round and found nothing. */
void page_heat_precopy_pass_done(PageHeatPrecopy *heat);

/*
 * page_heat_precopy_sync_begin, page_heat_precopy_sync_end: before and after
 * the dirty log is merged into the bitmap of @block, which has a hot_bmap.
 * Between them block->bmap is another one, unless page_heat_precopy_ended().
 * @merged: pages that became dirty in the bitmap that it was merged into
 *
 * The latter returns the number of pages that were not dirty before.
 */
void page_heat_precopy_sync_begin(PageHeatPrecopy *heat, RAMBlock *block);
uint64_t page_heat_precopy_sync_end(PageHeatPrecopy *heat, RAMBlock *block,
                                    uint64_t merged);

/*
 * page_heat_precopy_synced: all blocks are merged, and @dirty bytes are to be
 * sent.
 */
void page_heat_precopy_synced(PageHeatPrecopy *heat, uint64_t dirty);

/*
 * page_heat_precopy_wants_sync: see page_heat_order_wants_sync(); the mutex is
 * not needed.  @heat may be NULL: it is time if @dirty bytes fit @threshold.
 */
bool page_heat_precopy_wants_sync(const PageHeatPrecopy *heat, uint64_t dirty,
                                  uint64_t threshold);

#endif /* MIGRATION_PAGE_HEAT_PRECOPY_H */
