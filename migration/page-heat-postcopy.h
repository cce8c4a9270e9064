/*
 * The order in which postcopy pushes the pages of RAM blocks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * page-heat-push.h, for what migration sends.  What was sent is read in the
 * blocks' dirty bitmaps: the caller of all but _start and _free holds the lock
 * that protects them, and none of it takes long.
 */

#ifndef MIGRATION_PAGE_HEAT_POSTCOPY_H
#define MIGRATION_PAGE_HEAT_POSTCOPY_H

#include "exec/cpu-common.h"

typedef struct PageHeatPostcopy PageHeatPostcopy;

/*
 * page_heat_postcopy_start: the guest has been stopped, and its pages are to be
 * pushed.  With the BQL and the RCU read lock.
 *
 * Returns NULL if the capability is off, or no memory has heat; then pages are
 * pushed as ever.  The other functions take NULL and do nothing.
 */
PageHeatPostcopy *page_heat_postcopy_start(void);

/* page_heat_postcopy_free: with the BQL. */
void page_heat_postcopy_free(PageHeatPostcopy *postcopy);

/* page_heat_postcopy_resume: the dirty bitmaps were made anew. */
void page_heat_postcopy_resume(PageHeatPostcopy *postcopy);

/*
 * page_heat_postcopy_asked: the destination asked for a page.
 *
 * @page: number of the target page
 */
void page_heat_postcopy_asked(PageHeatPostcopy *postcopy, RAMBlock *block,
                              unsigned long page);

/*
 * page_heat_postcopy_next: the page to send next, which is dirty.
 *
 * Returns false, and leaves @block and @page alone, if there is none to prefer
 * to the others at the moment.
 */
bool page_heat_postcopy_next(PageHeatPostcopy *postcopy, RAMBlock **block,
                             unsigned long *page);

#endif /* MIGRATION_PAGE_HEAT_POSTCOPY_H */
