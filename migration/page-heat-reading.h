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

#endif /* MIGRATION_PAGE_HEAT_READING_H */
