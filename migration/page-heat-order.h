/*
 * In which order precopy sends pages: the policy
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A page that the guest writes to all the time is sent in vain as long as the
 * guest runs.  So precopy goes over memory in passes that hold hot pages back:
 *
 *   PAGE_HEAT_HOLD_AGED     The first.  Held back is what was accessed lately
 *                           when migration began.
 *   PAGE_HEAT_HOLD_WRITTEN  Held back is what was written to, at any time as
 *                           long as there is enough else.  When there is not,
 *                           what was written to in one of the last windows of
 *                           time (page-heat-writes.h), then in two of them, and
 *                           so on.  What was only read is sent now.
 *   PAGE_HEAT_HOLD_NONE     Hardly anything else is left, so it has to go, in
 *                           the hope that it is not written to again soon.
 *
 * A pass ends with a sync of the dirty bitmap, and each sync decides how to go
 * on.  The first pass, if it is long, has one near its end, too, so that the
 * last one tells what was written to lately.  Later ones have one after each
 * eighth of what is dirty, unless that one could be the last.  Syncs also come
 * at other times; they do no harm.
 * Migration switches over after any sync if what is dirty, held back or not,
 * fits its threshold.
 *
 * A pass only leaves pages out.  It is never said that one is to be sent
 * again, or before another one, so the search goes round as it always does.
 *
 * Nothing here knows of guests, clocks or locks.  The caller serializes all
 * calls, but for page_heat_order_wants_sync().  Bitmaps have a bit for each
 * target page; "bytes" are those of pages, as if none were compressed.
 */

#ifndef MIGRATION_PAGE_HEAT_ORDER_H
#define MIGRATION_PAGE_HEAT_ORDER_H

typedef enum PageHeatHold {
    PAGE_HEAT_HOLD_NONE,
    PAGE_HEAT_HOLD_AGED,
    PAGE_HEAT_HOLD_WRITTEN,
} PageHeatHold;

typedef enum PageHeatOutlook {
    PAGE_HEAT_OUTLOOK_UNKNOWN,
    PAGE_HEAT_OUTLOOK_CONVERGES,
    PAGE_HEAT_OUTLOOK_DIVERGES,
} PageHeatOutlook;

/* What is known right after a sync of the dirty bitmap. */
typedef struct PageHeatSync {
    int64_t now_ms;         /* never goes back */
    uint64_t dirty;         /* bytes that are still to be sent */
    uint64_t other;         /* those of them in memory that has no heat */
    uint64_t hot;           /* those of them that are hot */
    uint64_t written;       /* bytes known to be written to since the last */
    uint64_t again;         /* those of them that were clean at the last */
    uint64_t threshold;     /* bytes that may be dirty at the switch-over */
    /* Bytes sent so far, but for pages that are all zero. */
    uint64_t transferred;
    unsigned tolerated;     /* %: writing may be so fast, of the bandwidth */
} PageHeatSync;

typedef struct PageHeatOrder {
    PageHeatHold hold;
    bool pass_done;
    bool ended;
    /*
     * The last sync came when next to all was sent that is not held back, or as
     * much as that, and most of it is dirty again.
     */
    bool came_late;
    /* Read without a lock by page_heat_order_wants_sync(). */
    bool wants_sync;
    bool looks_late;
    /* Bytes to be sent before a sync is wanted in the middle of a pass. */
    uint64_t slice;
    uint64_t sent;          /* bytes since the last sync */
    /*
     * Syncs in the middle of a pass let more become cold, so it could go on for
     * ever.  Bytes sent since it began, until the last sync; after how many it
     * is as good as over; and what was dirty when it began.
     */
    uint64_t pass_sent;
    uint64_t pass_late;
    uint64_t pass_dirty;
    /* Bytes: not less is sent before a sync in the middle of a pass. */
    uint64_t worth_a_sync;
    /* At the last sync: */
    int64_t synced_ms;
    uint64_t transferred;
    uint64_t dirty;
    /* The largest set that was dirty since there was nothing cold left. */
    uint64_t hot_set;
    /* Bytes/s, 0: not known. */
    uint64_t bandwidth;
    /* Bytes/s by which the hot set becomes dirty again; 0: not known. */
    uint64_t write_rate;
    bool measured;          /* at the last sync; else it is of an older one */
    /* For how long it was too high, and what it was at the least meanwhile. */
    int64_t diverging_ms;
    uint64_t least_rate;
    PageHeatOutlook outlook;
} PageHeatOrder;

/*
 * page_heat_order_begin: before the first page is sent, after the first sync.
 * @memory: bytes that a sync goes over, with heat or without
 * @dirty: bytes that are to be sent of memory with heat, @hot of them are hot
 * @transferred: what PageHeatSync counts from
 */
void page_heat_order_begin(PageHeatOrder *order, int64_t now_ms,
                           uint64_t memory, uint64_t dirty, uint64_t hot,
                           uint64_t transferred);

/*
 * page_heat_order_end: hold nothing back and want nothing, for ever.  Syncs
 * and pages may still be told of.
 */
void page_heat_order_end(PageHeatOrder *order);

/*
 * page_heat_order_keeps: does what is hot remain so, at a sync that has come
 * now?  What was not written to for long is the best to be sent, so that is
 * only forgotten after the first pass, and when there is not enough else for
 * the rest to fit.
 * @dirty: bytes that are to be sent of memory with heat, after this sync
 * @hot: those of them that are hot
 * @threshold: as above
 */
bool page_heat_order_keeps(const PageHeatOrder *order, uint64_t dirty,
                           uint64_t hot, uint64_t threshold);

/*
 * page_heat_order_worth_a_pass: is so much of what is @dirty not @hot that it
 * is sent in a pass of its own?  Bytes as above.
 */
bool page_heat_order_worth_a_pass(const PageHeatOrder *order, uint64_t dirty,
                                  uint64_t hot, uint64_t threshold);

/*
 * page_heat_order_sent: @bytes were sent, of memory with heat.
 * @watched: the log of all that is held back was cleared since the last sync,
 *           so the next one will tell of it.  No sync is wanted before.
 */
void page_heat_order_sent(PageHeatOrder *order, uint64_t bytes, bool watched);

/* page_heat_order_pass_done: all that is not held back was sent. */
void page_heat_order_pass_done(PageHeatOrder *order);

/*
 * page_heat_order_wants_sync: is it time for a sync, and to switch over if it
 * finds that what is dirty fits?  @dirty bytes are, as far as is known.
 *
 * That is so if they fit the @threshold.  But while something that is not held
 * back is left to be sent, and most of what the guest will be stopped for is
 * held back, they must be an eighth less: the guest is stopped for less then.
 *
 * And if more is dirty: after a good part of that was sent since the last sync,
 * when the first pass is about to end, and when a pass that holds pages back
 * ends.
 */
bool page_heat_order_wants_sync(const PageHeatOrder *order, uint64_t dirty,
                                uint64_t threshold);

/*
 * page_heat_order_synced: the dirty bitmap was synchronized, and it is known
 * what is hot.  Decides what is held back from now on, and says how it will
 * end.
 */
void page_heat_order_synced(PageHeatOrder *order, const PageHeatSync *sync);

/*
 * page_heat_order_diverges: is it certain that precopy does not converge?  That
 * is, all syncs of the last half second, the newest one included, measured that
 * the guest writes too fast.  What the first pass measures does not count.
 */
bool page_heat_order_diverges(const PageHeatOrder *order);

/*
 * page_heat_order_gives_up: does nothing remain but what is hot, and that is
 * so?
 */
bool page_heat_order_gives_up(const PageHeatOrder *order);

/*
 * page_heat_order_throttle: by how much the guest must be slowed down for
 * migration to converge, in % of its speed without throttling.
 * @now: how much it is at present, 0 to 99; the answer is never less.
 *       Nor is it more, unless page_heat_order_diverges().
 * @tolerated: as above.
 */
unsigned page_heat_order_throttle(PageHeatOrder *order, unsigned now,
                                  unsigned tolerated);

/*
 * page_heat_order_widen: makes all of each @unit pages hot of which one is.
 * @unit: pages, a power of two; host pages are only ever sent as a whole.
 */
void page_heat_order_widen(unsigned long *hot, unsigned long unit,
                           unsigned long pages);

/* page_heat_order_count: the pages that are in both bitmaps. */
uint64_t page_heat_order_count(const unsigned long *dirty,
                               const unsigned long *hot, unsigned long pages);

/*
 * page_heat_order_next: the first page from @from on that is dirty and not
 * hot, or @pages.
 */
unsigned long page_heat_order_next(const unsigned long *dirty,
                                   const unsigned long *hot,
                                   unsigned long pages, unsigned long from);

#endif /* MIGRATION_PAGE_HEAT_ORDER_H */
