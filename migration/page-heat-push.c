/*
 * Which page postcopy sends next, when the destination asks for none
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
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

/*
 * How far the hot pages between @low and somewhere above were gone through:
 * by stretches of @step bytes, the highest first, and each of them upwards.
 */
typedef struct Descent {
    unsigned block;
    uint64_t low;
    uint64_t step;
    uint64_t start;         /* of the stretch */
    Range rest;             /* of the stretch */
    uint64_t run_end;       /* up to which all of the rest is in the band */
} Descent;

/* How far all of a band were. */
typedef struct BandWalk {
    unsigned age;           /* the youngest of the band */
    Descent descent;
} BandWalk;

/* 0, 1, ... 7, 8 to 15, 16 to 31, ... 128 to 255; and what is not hot. */
#define SINGLE_AGES 8
#define BANDS (SINGLE_AGES + 5)
#define NO_BAND BANDS
QEMU_BUILD_BUG_ON(PAGE_HEAT_AGE_MAX > 255);

struct PageHeatPush {
    const PageHeatPushOps *ops;
    void *opaque;
    unsigned hot_ages;      /* the most that a block has */
    BandWalk hot;           /* one band after the other */
    BandWalk preferred;     /* without what is younger; if it is asked for */
    bool prefers;
    bool was_preferred[BANDS];  /* to its end */
    uint8_t recent[PAGE_HEAT_PUSH_RECENT];  /* bands of pages asked for; ring */
    unsigned next_recent;
    Descent asked[PAGE_HEAT_PUSH_ASKED];    /* the one asked for last first */
    unsigned nasked;
    Walker walkers[PAGE_HEAT_PUSH_WALKERS]; /* the one asked for last first */
    unsigned nwalkers;
    unsigned nblocks;
    PageHeatPushBlock blocks[];
};

/* The number of the band that @age is of. */
static unsigned band_of(unsigned age)
{
    return age < SINGLE_AGES ? age
                             : SINGLE_AGES + clz32(SINGLE_AGES) - clz32(age);
}

/* The youngest age of a band. */
static unsigned band_start(unsigned band)
{
    return band < SINGLE_AGES ? band
                              : SINGLE_AGES << (band - SINGLE_AGES);
}

/* The youngest age that is older than the band beginning with @age. */
static unsigned band_end(unsigned age)
{
    return band_start(band_of(age) + 1);
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

/* From @end down to @low, which is a multiple of @step. */
static Descent descend(unsigned block, uint64_t low, uint64_t end,
                       uint64_t step)
{
    uint64_t start = end > low ? ROUND_DOWN(end - 1, step) : low;

    return (Descent) {
        .block = block,
        .low = low,
        .step = step,
        .start = start,
        .rest = { start, end },
    };
}

/* To the stretch below; false if there is none. */
static bool next_stretch(Descent *descent)
{
    if (descent->start == descent->low) {
        return false;
    }
    descent->rest.end = descent->start;
    descent->start -= descent->step;
    descent->rest.from = descent->start;
    descent->run_end = 0;
    return true;
}

static uint64_t stretch_size(const PageHeatPush *push, unsigned nr)
{
    return MAX(PAGE_HEAT_PUSH_STRETCH, push->blocks[nr].page_size);
}

/* To all of a block; to nothing if it has no heat. */
static void enter_block(const PageHeatPush *push, BandWalk *walk, unsigned nr)
{
    const PageHeatPushBlock *block = &push->blocks[nr];
    bool some = block->hot_ages > walk->age;

    walk->descent = descend(nr, 0, some ? block->length : 0,
                            stretch_size(push, nr));
}

static BandWalk *current_walk(PageHeatPush *push)
{
    return push->prefers ? &push->preferred : &push->hot;
}

/* The stretch below, or the next block, or the next band. */
static void walk_on(PageHeatPush *push)
{
    BandWalk *walk = current_walk(push);
    unsigned next = walk->descent.block + 1;

    if (next_stretch(&walk->descent)) {
        return;
    }
    if (next < push->nblocks) {
        enter_block(push, walk, next);
    } else if (push->prefers) {
        push->was_preferred[band_of(walk->age)] = true;
        push->prefers = false;
    } else {
        walk->age = band_end(walk->age);
        enter_block(push, walk, 0);
    }
}

/* The same around a page that was asked for, or what was asked for before. */
static void asked_on(PageHeatPush *push)
{
    if (!next_stretch(&push->asked[0])) {
        push->nasked--;
        memmove(push->asked, push->asked + 1,
                push->nasked * sizeof(push->asked[0]));
    }
}

/*
 * Looks at the next run in the stretch.  If it is in the band, it is what
 * remains up to run_end; if not, it is passed over.  What is younger is in it,
 * too: if that was not sent in its turn, it is high time.
 */
static void look_at_run(PageHeatPush *push, Descent *descent)
{
    const BandWalk *walk = current_walk(push);
    unsigned ages = MIN(band_end(walk->age),
                        push->blocks[descent->block].hot_ages);
    PageHeatRun run;

    if (!push->ops->next_run(push->opaque, descent->block, descent->rest.from,
                             descent->rest.end, &run)) {
        descent->rest.from = descent->rest.end;
        return;
    }

    descent->run_end = run.offset + run.length;
    if (run.age < ages && !(push->prefers && run.age < walk->age)) {
        descent->rest.from = run.offset;
    } else {
        descent->rest.from = descent->run_end;
    }
}

static bool next_hot(PageHeatPush *push, unsigned *block, uint64_t *offset)
{
    unsigned looks = 0;

    while (push->hot.age < push->hot_ages) {
        Descent *descent = push->nasked ? &push->asked[0]
                                        : &current_walk(push)->descent;
        Range in_band = { descent->rest.from, descent->run_end };

        if (take_unsent(push, descent->block, &in_band, offset)) {
            descent->rest.from = in_band.from;
            *block = descent->block;
            return true;
        }
        descent->rest.from = MAX(descent->rest.from, descent->run_end);

        if (looks++ == PAGE_HEAT_PUSH_LOOKS) {
            break;
        }
        if (descent->rest.from < descent->rest.end) {
            look_at_run(push, descent);
        } else if (push->nasked) {
            asked_on(push);
        } else {
            walk_on(push);
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

/* The hot pages around @page, of a block with heat, come next. */
static void note_asked(PageHeatPush *push, unsigned nr, uint64_t page)
{
    const PageHeatPushBlock *block = &push->blocks[nr];
    uint64_t low = ROUND_DOWN(page, stretch_size(push, nr));
    uint64_t end = MIN(low + stretch_size(push, nr), block->length);
    Descent descent = descend(nr, low, end, MAX(PAGE_HEAT_PUSH_BEHIND,
                                                block->page_size));
    unsigned i = 0;

    while (i < push->nasked &&
           (push->asked[i].block != nr || push->asked[i].low != low)) {
        i++;
    }
    if (i < push->nasked) {
        descent = push->asked[i];
    } else {
        /* In the place of the one that was asked for longest ago. */
        push->nasked = MIN(i + 1, PAGE_HEAT_PUSH_ASKED);
        i = push->nasked - 1;
    }
    memmove(push->asked + 1, push->asked, i * sizeof(push->asked[0]));
    push->asked[0] = descent;
}

/* The band of @page, or NO_BAND. */
static unsigned band_of_page(PageHeatPush *push, unsigned nr, uint64_t page)
{
    const PageHeatPushBlock *block = &push->blocks[nr];
    PageHeatRun run;

    if (!block->hot_ages ||
        !push->ops->next_run(push->opaque, nr, page, page + block->page_size,
                             &run) || run.age >= block->hot_ages) {
        return NO_BAND;
    }
    return band_of(run.age);
}

/* How many of the newest requests are of a band. */
static unsigned count_recent(const PageHeatPush *push, unsigned band)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PAGE_HEAT_PUSH_RECENT; i++) {
        n += push->recent[i] == band;
    }
    return n;
}

/*
 * If nearly all that is asked for is of one older band, that one comes next,
 * for as long as at least some of it is.
 */
static void note_band(PageHeatPush *push, unsigned band)
{
    unsigned age = band_start(band), same;

    push->recent[push->next_recent] = band;
    push->next_recent = (push->next_recent + 1) % PAGE_HEAT_PUSH_RECENT;
    if (push->prefers && count_recent(push, band_of(push->preferred.age)) <=
                         PAGE_HEAT_PUSH_RECENT - PAGE_HEAT_PUSH_SAME) {
        push->prefers = false;
        /* There, only what is of that band was looked for. */
        push->nasked = 0;
    }
    same = count_recent(push, band);
    if (same < PAGE_HEAT_PUSH_SAME || band == NO_BAND ||
        age <= push->hot.age || push->was_preferred[band] ||
        (push->prefers && push->preferred.age == age)) {
        return;
    }

    push->prefers = true;
    push->preferred.age = age;
    enter_block(push, &push->preferred, 0);
    push->nasked = 0;
}

void page_heat_push_asked(PageHeatPush *push, unsigned nr, uint64_t offset)
{
    const PageHeatPushBlock *block = &push->blocks[nr];
    uint64_t page = ROUND_DOWN(offset, block->page_size);
    uint64_t next = page + block->page_size;
    uint64_t ahead = MAX(PAGE_HEAT_PUSH_AHEAD, block->page_size);
    uint64_t behind = MAX(PAGE_HEAT_PUSH_BEHIND, block->page_size);
    unsigned i;
    Walker walker = {
        .block = nr,
        .ahead = { next, MIN(block->length, next + ahead) },
        .behind = { page - MIN(page, behind), page },
    };

    /* Of a piece, or one request would be as much evidence as many. */
    if (offset > page || offset >= block->length) {
        return;
    }
    i = find_walker(push, nr, page);
    if (i == push->nwalkers) {
        /* Somebody new, in the place of who was not heard of for longest. */
        push->nwalkers = MIN(i + 1, PAGE_HEAT_PUSH_WALKERS);
        i = push->nwalkers - 1;
    }
    memmove(push->walkers + 1, push->walkers, i * sizeof(Walker));
    push->walkers[0] = walker;

    if (push->hot.age >= push->hot_ages) {
        /* No hot page is left whose turn that could change. */
        return;
    }
    note_band(push, band_of_page(push, nr, page));
    if (block->hot_ages) {
        note_asked(push, nr, page);
    }
}

void page_heat_push_restart(PageHeatPush *push)
{
    push->nwalkers = 0;
    push->nasked = 0;
    push->prefers = false;
    memset(push->was_preferred, 0, sizeof(push->was_preferred));
    memset(push->recent, NO_BAND, sizeof(push->recent));
    push->hot.age = 0;
    enter_block(push, &push->hot, 0);
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
