/*
 * Which pages of a guest are hot: what migration asks of memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A memory backend that knows when its pages were accessed last implements the
 * interface "page-heat".  With the migration capability page-heat, migration
 * orders pages by what it answers.  Memory whose owner does not implement it,
 * or knows nothing at the moment, has no heat and is migrated as ever.
 *
 * All offsets and lengths are bytes from the start of the backend's memory
 * (its RAMBlock), multiples of the block's page size (@warm_run: of the
 * history's, a power of 2 that may be another); ranges are
 * [offset, offset + length) and lie within its used length.
 *
 * The age of a page is the number of complete intervals since the one in which
 * it was accessed last: 0 means in the newest one.  Ages are exact below
 * PAGE_HEAT_AGE_MAX and saturate there.  From SaveVMHandlers.save_prepare to
 * .save_cleanup no page grows older: the readers of a migration are not the
 * guest.
 */

#ifndef MIGRATION_PAGE_HEAT_H
#define MIGRATION_PAGE_HEAT_H

#include "exec/cpu-common.h"
#include "qom/object.h"

#define TYPE_PAGE_HEAT "page-heat"
typedef struct PageHeat PageHeat;
typedef struct PageHeatClass PageHeatClass;
DECLARE_CLASS_CHECKERS(PageHeatClass, PAGE_HEAT, TYPE_PAGE_HEAT)
#define PAGE_HEAT(obj) INTERFACE_CHECK(PageHeat, (obj), TYPE_PAGE_HEAT)

#define PAGE_HEAT_AGE_MAX 200

/* No host has smaller pages. */
#define PAGE_HEAT_PAGE_SIZE_MIN 4096

/* Pages accessed within so many ms are hot when migration begins. */
#define PAGE_HEAT_WINDOW_MS 10000

/* What the ages of a backend were made from. */
typedef struct PageHeatHistory {
    /* Bytes, PAGE_HEAT_PAGE_SIZE_MIN or more: below it, all have one age. */
    uint64_t page_size;
    uint64_t intervals;     /* complete ones that were seen, at least 1 */
    uint32_t interval_ms;   /* their length */
} PageHeatHistory;

/* Most past minutes that are told. */
#define PAGE_HEAT_PAST_MAX 60

/* How often memory that had been idle was accessed in a minute. */
typedef struct PageHeatMinute {
    uint64_t working_set;       /* pages */
    /* Accesses to pages of this age or more, so they do not rise with it. */
    uint32_t rate[PAGE_HEAT_AGE_MAX + 1];
} PageHeatMinute;

/* What was learned of that: from which age on a page is hardly missed. */
typedef struct PageHeatPast {
    uint64_t intervals;         /* that it was learned from */
    uint64_t ms;                /* how long that took */
    unsigned minutes;
    PageHeatMinute minute[PAGE_HEAT_PAST_MAX];      /* the oldest first */
} PageHeatPast;

/* Neighbouring pages with the same answer. */
typedef struct PageHeatRun {
    uint64_t offset;
    uint64_t length;        /* never 0 */
    unsigned age;           /* 0 to PAGE_HEAT_AGE_MAX */
    bool out;               /* in swap: reading brings them in */
} PageHeatRun;

struct PageHeatClass {
    InterfaceClass parent_class;

    /*
     * @history: what is known of the accesses to the memory.  With the BQL.
     *
     * Returns false if that is nothing, as when it is not being tracked.
     */
    bool (*history)(PageHeat *heat, PageHeatHistory *history);

    /*
     * @next_run: the first run of pages within [@from, @end) that were ever
     * seen accessed.  Pages between two runs were not: they are absent, or
     * nothing is known of them.  A long run may be told in pieces.  By any
     * thread; takes no lock for long.
     *
     * Returns false if there is none.
     */
    bool (*next_run)(PageHeat *heat, uint64_t from, uint64_t end,
                     PageHeatRun *run);

    /*
     * @past: what was learned from the accesses, by the intervals and of pages
     * of the size that @history tells.  By any thread.
     *
     * Returns false if that is nothing.
     */
    bool (*past)(PageHeat *heat, PageHeatPast *past);

    /*
     * @younger: pages whose age is below @age, in bytes.  With the BQL; quick,
     * whatever the size of the memory.
     */
    uint64_t (*younger)(PageHeat *heat, unsigned age);

    /*
     * @out: the pages in [@offset, @offset + @length) that are in swap, in
     * bytes, as far as the backend knows.  By any thread.
     */
    uint64_t (*out)(PageHeat *heat, uint64_t offset, uint64_t length);

    /*
     * @give_back: migration has read these pages, which were out before, and
     * does not need them any more; they may go out again, unless the guest
     * accessed them meanwhile.  By any thread; only notes it, the work is done
     * later or not at all.
     *
     * Returns false if more is on its way out now than should be in: then
     * @catch_up is to be called before much more is read.
     */
    bool (*give_back)(PageHeat *heat, uint64_t offset, uint64_t length);

    /*
     * @catch_up: wait until it is less, or @ms milliseconds have passed.  By
     * any thread that keeps the memory region from going, and without locks
     * (BQL, bitmap_mutex) or an RCU read-side critical section, for it is the
     * host's swap that is waited for.
     *
     * Returns false if it is still more, which is to be put up with.
     */
    bool (*catch_up)(PageHeat *heat, unsigned ms);

    /*
     * @warm_begin, @warm_run, @warm_end: what the source of an incoming
     * migration knew of this memory, between load_setup and load_cleanup, with
     * the BQL.  @warm_begin forgets what was told before; the runs come in
     * ascending order and do not overlap, and their @out tells of the source.
     * Tracking then starts with these ages.  @warm_past may come once in
     * between, with the same history: what is to be evicted is decided by that
     * then, too.
     *
     * @warm_begin returns false with an error if this history is of no use.
     */
    bool (*warm_begin)(PageHeat *heat, const PageHeatHistory *history,
                       Error **errp);
    void (*warm_run)(PageHeat *heat, const PageHeatRun *run);
    void (*warm_past)(PageHeat *heat, const PageHeatHistory *history,
                      const PageHeatPast *past);
    void (*warm_end)(PageHeat *heat);
};

/* page_heat_of: the heat of @block's memory, or NULL if it has none. */
PageHeat *page_heat_of(RAMBlock *block);

/*
 * page_heat_known: is something known of the accesses to @block, and wanted?
 *
 * Returns true, with @heat and @history set, if the capability page-heat is on
 * and the memory has heat.  With the BQL, not bitmap_mutex.
 */
bool page_heat_known(RAMBlock *block, PageHeat **heat,
                     PageHeatHistory *history);

/*
 * page_heat_young: pages younger than this many intervals of @history are hot
 * when a migration begins.  At least 1, at most PAGE_HEAT_AGE_MAX.
 */
static inline unsigned page_heat_young(const PageHeatHistory *history)
{
    uint64_t limit = DIV_ROUND_UP(PAGE_HEAT_WINDOW_MS,
                                  (uint64_t)MAX(history->interval_ms, 1));

    return MIN(limit, PAGE_HEAT_AGE_MAX);
}

#endif /* MIGRATION_PAGE_HEAT_H */
