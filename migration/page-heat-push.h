/*
 * Which page postcopy sends next, when the destination asks for none
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * While postcopy runs, the guest waits for each page that it touches before
 * it was sent.  So pages are pushed in the order in which it is likely to touch
 * them:
 *
 * 1. hot pages, the youngest first.  Ages are told apart in bands: 0, 1 ... 7,
 *    8 to 15, 16 to 31 and so on.  A band is walked by stretches of
 *    PAGE_HEAT_PUSH_STRETCH bytes from the end of a block to its start, and
 *    each of them upwards.  A guest that walks up its memory, as most do, thus
 *    meets what was pushed only once; if both went the same way it would be
 *    at the heels of the pushing, and wait for every page.
 *
 *    But where the destination asks for a page, the others of that stretch that
 *    are of the band go first, those after it before those in front of it; the
 *    stretch that was asked for last before others.  Ages are often those of
 *    huge pages, and many of these were only touched here and there: it is
 *    those that are waited for again and again that the guest really uses.
 *
 *    And where nearly all that is asked for is of one older band, that one goes
 *    first, without what is younger: a guest that goes round in its memory
 *    comes to those pages next that it left alone for longest.  It stops when
 *    hardly any of that is asked for any more, for the band may have much in
 *    it that the guest does not need;
 *
 * 2. the neighbourhood of the pages that were asked for most recently: first
 *    PAGE_HEAT_PUSH_AHEAD bytes after them, then PAGE_HEAT_PUSH_BEHIND bytes
 *    before;
 *
 * 3. the rest, in the order of the caller, who is told that there is nothing
 *    else.
 *
 * All of it is but advice.  The caller alone knows what was sent: it is asked
 * about every page before that is named, and it must go on by itself until
 * everything was sent.  Nothing is remembered of a page, so memory is some
 * KiB, whatever the size of the guest.
 *
 * This file needs no guest.  Blocks are numbers below the one given at the
 * start.  Offsets and lengths are bytes from the start of a block, multiples of
 * the block's page size.  Not thread-safe: the caller has a lock for it, which
 * it should not hold for long, so that one question looks at no more than
 * PAGE_HEAT_PUSH_LOOKS runs of pages.
 */

#ifndef MIGRATION_PAGE_HEAT_PUSH_H
#define MIGRATION_PAGE_HEAT_PUSH_H

#include "qemu/units.h"
#include "migration/page-heat.h"

#define PAGE_HEAT_PUSH_STRETCH (2 * MiB)
#define PAGE_HEAT_PUSH_AHEAD (256 * KiB)
#define PAGE_HEAT_PUSH_BEHIND (64 * KiB)

/* Walkers through memory that are told apart. */
#define PAGE_HEAT_PUSH_WALKERS 4

/* Stretches that are remembered because a page of them was asked for. */
#define PAGE_HEAT_PUSH_ASKED 16

/*
 * Of so many requests, the newest ones, so many must be of one band that is to
 * come first; and then more than what is left of them.
 */
#define PAGE_HEAT_PUSH_RECENT 16
#define PAGE_HEAT_PUSH_SAME 12

#define PAGE_HEAT_PUSH_LOOKS 256

typedef struct PageHeatPush PageHeatPush;

typedef struct PageHeatPushBlock {
    uint64_t length;        /* bytes */
    uint64_t page_size;     /* bytes that are sent as one; a power of two */
    unsigned hot_ages;      /* younger pages are hot; 0: nothing is known */
} PageHeatPushBlock;

typedef struct PageHeatPushOps {
    /* As PageHeatClass.next_run.  Only asked of blocks with hot ages. */
    bool (*next_run)(void *opaque, unsigned block, uint64_t from, uint64_t end,
                     PageHeatRun *run);

    /* The first byte in [@from, @end) that must still be sent, or @end. */
    uint64_t (*next_unsent)(void *opaque, unsigned block, uint64_t from,
                            uint64_t end);
} PageHeatPushOps;

typedef enum PageHeatPushWhy {
    PAGE_HEAT_PUSH_NONE,    /* nothing to advise at the moment */
    PAGE_HEAT_PUSH_HOT,
    PAGE_HEAT_PUSH_NEAR,
} PageHeatPushWhy;

/*
 * page_heat_push_new: an order for @nblocks blocks, which are copied; at least
 * one.
 *
 * @opaque: for @ops, which are not copied
 */
PageHeatPush *page_heat_push_new(const PageHeatPushBlock *blocks,
                                 unsigned nblocks, const PageHeatPushOps *ops,
                                 void *opaque);

/* page_heat_push_free: @push may be NULL. */
void page_heat_push_free(PageHeatPush *push);

/*
 * page_heat_push_restart: what was sent may have to be sent again, because the
 * connection broke.  Begins with the hottest pages again.
 */
void page_heat_push_restart(PageHeatPush *push);

/*
 * page_heat_push_asked: the destination asked for the page at @offset of
 * @block, be it sent already or not.  A large page may be asked for piece by
 * piece: its first piece counts, the others do nothing; nor does what lies
 * beyond the block.
 */
void page_heat_push_asked(PageHeatPush *push, unsigned block, uint64_t offset);

/*
 * page_heat_push_next: which page to send next.
 *
 * @block, @offset: where the unsent part of that page begins; not touched if
 * there is none to advise.  That may be otherwise the next time.
 */
PageHeatPushWhy page_heat_push_next(PageHeatPush *push, unsigned *block,
                                    uint64_t *offset);

#endif /* MIGRATION_PAGE_HEAT_PUSH_H */
