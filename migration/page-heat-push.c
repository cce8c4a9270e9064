/*
 * Which page postcopy sends next, when the destination asks for none
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "page-heat-push.h"

/* Bytes [from, end) of a block that are still to be looked at. */
typedef struct Range {
    uint64_t from;
    uint64_t end;
} Range;

/* Where the guest is on its way through memory. */
typedef struct Walker {
    unsigned block;
    Range ahead;
    Range behind;
} Walker;

/* How far the hot pages were gone through. */
typedef struct HotWalk {
    unsigned age;           /* the youngest of the band */
    unsigned block;
    uint64_t start;         /* of the stretch */
    Range rest;             /* of the stretch */
    uint64_t run_end;       /* up to which all of the rest is in the band */
} HotWalk;

struct PageHeatPush {
    const PageHeatPushOps *ops;
    void *opaque;
    unsigned hot_ages;      /* the most that a block has */
    HotWalk hot;
    Walker walkers[PAGE_HEAT_PUSH_WALKERS]; /* the one asked for last first */
    unsigned nwalkers;
    unsigned nblocks;
    PageHeatPushBlock blocks[];
};

/* The youngest age that is older than the band beginning with @age. */
static unsigned band_end(unsigned age)
{
    return age < 4 ? age + 1 : 2 * age;
}

/*
 * The first page that is unsent in @range; what comes before it is taken off
 * the range, and so is the page.
 */
static bool take_unsent(PageHeatPush *push, unsigned block, Range *range,
                        uint64_t *offset)
{
    uint64_t page_size = push->blocks[block].page_size;
    uint64_t unsent = range->end;

    if (range->from < range->end) {
        unsent = push->ops->next_unsent(push->opaque, block, range->from,
                                        range->end);
    }
    if (unsent >= range->end) {
        range->from = range->end;
        return false;
    }

    range->from = ROUND_DOWN(unsent, page_size) + page_size;
    *offset = unsent;
    return true;
}

static void enter_stretch(HotWalk *hot, uint64_t start, uint64_t end)
{
    hot->start = start;
    hot->rest.from = start;
    hot->rest.end = end;
    hot->run_end = start;
}

/* To the last stretch of a block; an empty one if it has no heat. */
static void enter_block(PageHeatPush *push, unsigned nr)
{
    const PageHeatPushBlock *block = &push->blocks[nr];
    uint64_t stretch = MAX(PAGE_HEAT_PUSH_STRETCH, block->page_size);

    push->hot.block = nr;
    if (block->length && block->hot_ages > push->hot.age) {
        enter_stretch(&push->hot, ROUND_DOWN(block->length - 1, stretch),
                      block->length);
    } else {
        enter_stretch(&push->hot, 0, 0);
    }
}

/* The stretch before this one, or the next block, or the next band. */
static void next_stretch(PageHeatPush *push)
{
    HotWalk *hot = &push->hot;

    if (hot->start) {
        uint64_t stretch = MAX(PAGE_HEAT_PUSH_STRETCH,
                               push->blocks[hot->block].page_size);

        enter_stretch(hot, hot->start - stretch, hot->start);
    } else if (hot->block + 1 < push->nblocks) {
        enter_block(push, hot->block + 1);
    } else {
        hot->age = band_end(hot->age);
        enter_block(push, 0);
    }
}

/*
 * Looks at the next run in the stretch.  If it is in the band, it is what
 * remains up to run_end; if not, it is passed over.  What is younger is in it,
 * too: if that was not sent in its turn, it is high time.
 */
static void look_at_run(PageHeatPush *push)
{
    HotWalk *hot = &push->hot;
    unsigned ages = MIN(band_end(hot->age), push->blocks[hot->block].hot_ages);
    PageHeatRun run;

    if (!push->ops->next_run(push->opaque, hot->block, hot->rest.from,
                             hot->rest.end, &run)) {
        hot->rest.from = hot->rest.end;
        return;
    }

    hot->run_end = run.offset + run.length;
    if (run.age < ages) {
        hot->rest.from = run.offset;
    } else {
        hot->rest.from = hot->run_end;
    }
}

static bool next_hot(PageHeatPush *push, unsigned *block, uint64_t *offset)
{
    HotWalk *hot = &push->hot;
    unsigned looks = 0;

    while (hot->age < push->hot_ages) {
        Range in_band = { hot->rest.from, hot->run_end };

        if (take_unsent(push, hot->block, &in_band, offset)) {
            hot->rest.from = in_band.from;
            *block = hot->block;
            return true;
        }
        hot->rest.from = MAX(hot->rest.from, hot->run_end);

        if (looks++ == PAGE_HEAT_PUSH_LOOKS) {
            break;
        }
        if (hot->rest.from < hot->rest.end) {
            look_at_run(push);
        } else {
            next_stretch(push);
        }
    }
    return false;
}

static bool next_near(PageHeatPush *push, unsigned *block, uint64_t *offset)
{
    for (unsigned i = 0; i < push->nwalkers; i++) {
        Walker *walker = &push->walkers[i];

        if (take_unsent(push, walker->block, &walker->ahead, offset) ||
            take_unsent(push, walker->block, &walker->behind, offset)) {
            *block = walker->block;
            return true;
        }
    }
    return false;
}

PageHeatPushWhy page_heat_push_next(PageHeatPush *push, unsigned *block,
                                    uint64_t *offset)
{
    if (next_hot(push, block, offset)) {
        return PAGE_HEAT_PUSH_HOT;
    }
    if (next_near(push, block, offset)) {
        return PAGE_HEAT_PUSH_NEAR;
    }
    return PAGE_HEAT_PUSH_NONE;
}

/*
 * Who is likely to have asked for @page: somebody who was close the last time
 * (that was where behind ends), or the number of walkers if nobody was.
 */
static unsigned find_walker(const PageHeatPush *push, unsigned block,
                            uint64_t page)
{
    unsigned i;

    for (i = 0; i < push->nwalkers; i++) {
        const Walker *walker = &push->walkers[i];

        if (walker->block == block && page < walker->ahead.end &&
            page + PAGE_HEAT_PUSH_BEHIND >= walker->behind.end) {
            break;
        }
    }
    return i;
}

void page_heat_push_asked(PageHeatPush *push, unsigned nr, uint64_t offset)
{
    const PageHeatPushBlock *block = &push->blocks[nr];
    uint64_t page = ROUND_DOWN(offset, block->page_size);
    uint64_t next = page + block->page_size;
    uint64_t ahead = MAX(PAGE_HEAT_PUSH_AHEAD, block->page_size);
    uint64_t behind = MAX(PAGE_HEAT_PUSH_BEHIND, block->page_size);
    unsigned i = find_walker(push, nr, page);
    Walker walker = {
        .block = nr,
        .ahead = { next, MIN(block->length, next + ahead) },
        .behind = { page - MIN(page, behind), page },
    };

    if (i == push->nwalkers) {
        /* Somebody new, in the place of who was not heard of for longest. */
        push->nwalkers = MIN(i + 1, PAGE_HEAT_PUSH_WALKERS);
        i = push->nwalkers - 1;
    }
    memmove(push->walkers + 1, push->walkers, i * sizeof(Walker));
    push->walkers[0] = walker;
}

void page_heat_push_restart(PageHeatPush *push)
{
    push->nwalkers = 0;
    push->hot.age = 0;
    enter_block(push, 0);
}

PageHeatPush *page_heat_push_new(const PageHeatPushBlock *blocks,
                                 unsigned nblocks, const PageHeatPushOps *ops,
                                 void *opaque)
{
    PageHeatPush *push;

    push = g_malloc0(sizeof(*push) + nblocks * sizeof(*blocks));
    push->ops = ops;
    push->opaque = opaque;
    push->nblocks = nblocks;
    memcpy(push->blocks, blocks, nblocks * sizeof(*blocks));
    for (unsigned i = 0; i < nblocks; i++) {
        push->hot_ages = MAX(push->hot_ages, blocks[i].hot_ages);
    }

    page_heat_push_restart(push);
    return push;
}

void page_heat_push_free(PageHeatPush *push)
{
    g_free(push);
}
