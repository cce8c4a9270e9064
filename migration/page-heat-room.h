/*
 * Room for hot pages before they come
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * On the destination of a precopy migration: memory of the host for pages that
 * will come late, when the guest waits for them.  It is only an advice: where
 * there is no room, a page gets its memory when it comes.
 *
 * All functions are called with the BQL.  None of them waits for memory but for
 * what is said of page_heat_room_free().
 */

#ifndef MIGRATION_PAGE_HEAT_ROOM_H
#define MIGRATION_PAGE_HEAT_ROOM_H

#include "exec/cpu-common.h"

typedef struct PageHeatRoom PageHeatRoom;

/*
 * page_heat_room_new: begin to make room, for what page_heat_room_want() will
 * say.  It ends by itself when the guest is started.
 */
PageHeatRoom *page_heat_room_new(void);

/*
 * page_heat_room_want: have room for @length bytes at @offset of @block, which
 * lie within it, sooner or later.  If they do not begin at a page of the host,
 * nothing happens.  The block is referenced until page_heat_room_free().
 *
 * The memory must not be discarded meanwhile, for it may be populated again.
 * Nor must postcopy be about to come: it wants it absent.
 */
void page_heat_room_want(PageHeatRoom *room, RAMBlock *block, uint64_t offset,
                         uint64_t length);

/*
 * page_heat_room_free: nobody needs room any more.  What was not made is not
 * waited for, but for the 16 MiB, or one huge page, that are under way.
 * @room may be NULL.
 */
void page_heat_room_free(PageHeatRoom *room);

#endif /* MIGRATION_PAGE_HEAT_ROOM_H */
