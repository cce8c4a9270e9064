/*
 * Reading swapped-out pages of RAM blocks for a migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * page-heat-out.h, for what the migration thread sends.  Whoever reads pages
 * beside it, as postcopy-preempt does for those that are urgent, does without.
 */

#ifndef MIGRATION_PAGE_HEAT_READING_H
#define MIGRATION_PAGE_HEAT_READING_H

#include "exec/cpu-common.h"

/* Milliseconds; a guest that runs on the destination waits for pages, too. */
#define PAGE_HEAT_READING_WAIT_MS 50
#define PAGE_HEAT_READING_WAIT_POSTCOPY_MS 5

typedef struct PageHeatReading PageHeatReading;

/*
 * page_heat_reading_start: a migration begins.  With the BQL.
 *
 * Returns NULL if the capability is off.  The other functions take NULL and do
 * nothing.
 */
PageHeatReading *page_heat_reading_start(void);

/* page_heat_reading_free: nothing is read any more.  With the BQL. */
void page_heat_reading_free(PageHeatReading *reading);

/*
 * page_heat_reading_page: a target page is about to be read, by the migration
 * thread or somebody it hands it to.  May wait for swap.
 *
 * @offset: bytes from the start of @block
 */
void page_heat_reading_page(PageHeatReading *reading, RAMBlock *block,
                            ram_addr_t offset);

/*
 * page_heat_reading_late: is more of what was read on its way back to swap than
 * should be in?  Then page_heat_reading_wait() is to be called soon.  Always
 * false with the BQL.
 */
bool page_heat_reading_late(const PageHeatReading *reading);

/*
 * page_heat_reading_wait: if so, wait for it to become less, for some
 * milliseconds (PAGE_HEAT_READING_WAIT_MS) at most: a host that writes to swap
 * too slowly makes a migration slow, but does not stop it.  By the migration
 * thread, without bitmap_mutex and not in an RCU read-side critical section.
 * With the BQL it does not wait.
 */
void page_heat_reading_wait(PageHeatReading *reading);

#endif /* MIGRATION_PAGE_HEAT_READING_H */
