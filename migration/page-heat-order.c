/*
 * In which order precopy sends pages: the policy
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <math.h>
#include "qemu/bitmap.h"
#include "qemu/bitops.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "page-heat-order.h"

/*
 * A sync goes over all of the dirty log, and over as much of our own: so much
 * must be sent before the next, in bytes, and this share of all memory.
 * Our part takes 50 to 100 ms for a TiB (Xeon, 2026), the log's about as long.
 * 1/512 of it takes 1.7 s at 10 Gbit/s.
 */
#define WORTH_A_SYNC MiB
#define WORTH_A_SYNC_SHARE 512

/*
 * A pass but the first one has a sync after this share of what is dirty.  What
 * is written to between a sync and sending is told by the next sync and sent
 * twice, if its log was cleared before, as that of all that was ever held back.
 */
#define NEXT_LOOK_SHARE 8

/* Shorter than that, and a rate says nothing. */
#define RATE_MIN_MS 50

/*
 * A guest is not made faster again, and postcopy is not taken back: what the
 * guest does for less than this time is no reason for either.
 */
#define CERTAIN_MS 500

/*
 * What was written to in a pass that takes a minute was written to more often
 * than once, nobody knows how often.  If all of what was sent is dirty again,
 * that is taken for so many times.
 */
#define WRITES_MAX 20

/*
 * Bytes after which a pass that holds @hot bytes back has a sync.  What matters
 * when only the hot set is left is what is written to while some of it is sent,
 * so it is watched anew when the rest of @cold takes about so long.
 */
static uint64_t until_last_look(const PageHeatOrder *order, uint64_t cold,
                                uint64_t hot)
{
    uint64_t last = MAX(hot / 2, order->worth_a_sync);

    return cold / 2 >= last ? cold - last : UINT64_MAX;
}

/* A pass that sends @dirty bytes, but for those that are @hot */
static void begin_pass(PageHeatOrder *order, uint64_t dirty, uint64_t hot)
{
    uint64_t cold = dirty - MIN(dirty, hot);

    order->pass_sent = 0;
    order->pass_late = MIN(until_last_look(order, cold, hot), cold);
    order->pass_dirty = dirty;
}

/* Has as much been sent as the pass was for, and did most of it come back? */
static bool pass_was_in_vain(const PageHeatOrder *order, uint64_t dirty)
{
    return order->pass_sent >= order->pass_late &&
           dirty + order->pass_sent / 2 >= order->pass_dirty;
}

void page_heat_order_begin(PageHeatOrder *order, int64_t now_ms,
                           uint64_t memory, uint64_t dirty, uint64_t hot,
                           uint64_t transferred)
{
    *order = (PageHeatOrder) {
        .hold = PAGE_HEAT_HOLD_AGED,
        .synced_ms = now_ms,
        .transferred = transferred,
        .worth_a_sync = MAX(memory / WORTH_A_SYNC_SHARE, WORTH_A_SYNC),
    };
    begin_pass(order, dirty, hot);
    order->slice = until_last_look(order, dirty - MIN(dirty, hot), hot);
}

void page_heat_order_end(PageHeatOrder *order)
{
    order->hold = PAGE_HEAT_HOLD_NONE;
    order->slice = UINT64_MAX;
    order->ended = true;
    qatomic_set(&order->wants_sync, false);
    qatomic_set(&order->looks_late, false);
}

bool page_heat_order_worth_a_pass(const PageHeatOrder *order, uint64_t dirty,
                                  uint64_t hot, uint64_t threshold)
{
    /*
     * The sync that ends it costs as much as any, but a pass of its own brings
     * more than a look on the way: a quarter of what lies between two of those.
     */
    uint64_t sync = MAX(order->worth_a_sync / 4, WORTH_A_SYNC);
    uint64_t least = MAX(MAX(threshold / 8, dirty / 16), sync);

    return dirty - MIN(dirty, hot) >= least;
}

bool page_heat_order_keeps(const PageHeatOrder *order, uint64_t dirty,
                           uint64_t hot, uint64_t threshold)
{
    if (order->hold == PAGE_HEAT_HOLD_AGED) {
        return !order->pass_done;
    }
    return page_heat_order_worth_a_pass(order, dirty, hot, threshold) &&
           MIN(dirty, hot) <= threshold;
}

void page_heat_order_sent(PageHeatOrder *order, uint64_t bytes, bool watched)
{
    order->sent += bytes;
    if (order->sent >= order->slice && watched) {
        qatomic_set(&order->wants_sync, true);
    }
}

void page_heat_order_pass_done(PageHeatOrder *order)
{
    /*
     * If nothing is held back, then there is nothing dirty left, and whether
     * that is worth a sync is not for us to say.
     */
    if (order->hold != PAGE_HEAT_HOLD_NONE) {
        order->pass_done = true;
        qatomic_set(&order->wants_sync, true);
    }
}

bool page_heat_order_wants_sync(const PageHeatOrder *order, uint64_t dirty,
                                uint64_t threshold)
{
    if (qatomic_read(&order->looks_late)) {
        threshold -= threshold / 8;
    }
    return dirty < threshold || qatomic_read(&order->wants_sync);
}

/*
 * How often each page was written to on average, if writes are random, @again
 * bytes became dirty again, and that could have happened to @of bytes.
 */
static double writes_to_each(double again, double of)
{
    return MIN(-log(1 - MIN(again / of, 1)), WRITES_MAX);
}

static void measure(PageHeatOrder *order, const PageHeatSync *sync, int64_t ms)
{
    if (ms < RATE_MIN_MS || sync->transferred <= order->transferred) {
        return;
    }

    order->bandwidth = (sync->transferred - order->transferred) * 1000.0 / ms;

    if (order->hold != PAGE_HEAT_HOLD_NONE) {
        uint64_t hot = MIN(sync->hot, sync->written);
        uint64_t to_send = hot - MIN(hot, sync->threshold);
        double known = sync->written * 1000.0 / ms * to_send / MAX(hot, 1);

        /*
         * What comes back now; or, if that is more, of what was written to, the
         * share that will have been sent when the rest fits.  At least that:
         * some pages were written to more than once.  What is hot and was not
         * written to since the last sync can be sent.
         */
        order->write_rate = MAX(known, sync->again * 1000.0 / ms);
        order->measured = true;
    } else if (order->sent >= WORTH_A_SYNC) {
        /*
         * That is what was clean all the time, and what was sent: the log of
         * what is hot is cleared right after a sync, so it also tells of those
         * writes that came before the page was sent.
         */
        double clean = order->hot_set - MIN(order->hot_set, order->dirty);
        double writes = writes_to_each(sync->again, clean + order->sent);
        uint64_t to_send = order->hot_set -
                           MIN(order->hot_set, sync->threshold);

        /* This is what comes back when so much is clean that the rest fits. */
        order->write_rate = writes * to_send * 1000.0 / ms;
        order->measured = true;
    }
}

static bool rate_is_tolerated(const PageHeatOrder *order, unsigned tolerated)
{
    return order->write_rate <= order->bandwidth * (double)tolerated / 100;
}

static PageHeatOutlook look_out(const PageHeatOrder *order,
                                const PageHeatSync *sync)
{
    /*
     * What is not held back although it was written to lately may be written to
     * again just as soon.
     */
    uint64_t hot = MAX(sync->hot, sync->written);
    uint64_t at_last = order->hold == PAGE_HEAT_HOLD_NONE ?
                       sync->dirty : hot + sync->other;

    if (at_last <= sync->threshold) {
        return PAGE_HEAT_OUTLOOK_CONVERGES;
    }
    if (!order->bandwidth) {
        return PAGE_HEAT_OUTLOOK_UNKNOWN;
    }
    if (!rate_is_tolerated(order, sync->tolerated)) {
        return PAGE_HEAT_OUTLOOK_DIVERGES;
    }
    /*
     * In passes that hold pages back, the rate is but a lower bound.  Of memory
     * without heat, nothing is known.
     */
    return order->hold == PAGE_HEAT_HOLD_NONE &&
           sync->other <= sync->threshold ? PAGE_HEAT_OUTLOOK_CONVERGES
                                          : PAGE_HEAT_OUTLOOK_UNKNOWN;
}

/*
 * In the first pass the bandwidth may be that of reading memory from swap, or
 * of finding out that it is all zero.
 */
static void note_divergence(PageHeatOrder *order, int64_t ms)
{
    if (!order->measured || order->hold == PAGE_HEAT_HOLD_AGED) {
        return;
    }
    if (order->outlook != PAGE_HEAT_OUTLOOK_DIVERGES) {
        order->diverging_ms = 0;
        return;
    }
    order->least_rate = order->diverging_ms ?
                        MIN(order->least_rate, order->write_rate) :
                        order->write_rate;
    order->diverging_ms += ms;
}

void page_heat_order_synced(PageHeatOrder *order, const PageHeatSync *sync)
{
    /* Of memory with heat: what has none is sent in any case. */
    uint64_t dirty = sync->dirty - MIN(sync->dirty, sync->other);
    uint64_t cold = dirty - MIN(dirty, sync->hot);
    int64_t ms = sync->now_ms - order->synced_ms;
    bool first = order->hold == PAGE_HEAT_HOLD_AGED && !order->pass_done;
    /* What cannot be sent must not be waited for. */
    bool in_vain = order->pass_done && !order->sent &&
                   sync->transferred == order->transferred;
    uint64_t next_look;
    bool late;

    order->measured = false;
    if (order->ended) {
        return;
    }

    measure(order, sync, ms);
    order->outlook = look_out(order, sync);
    note_divergence(order, ms);
    order->pass_sent += order->sent;
    order->came_late = order->hold == PAGE_HEAT_HOLD_NONE ||
                       order->pass_done || pass_was_in_vain(order, dirty);

    if (!first) {
        if (page_heat_order_worth_a_pass(order, dirty, sync->hot,
                                         sync->threshold) && !in_vain) {
            if (order->hold != PAGE_HEAT_HOLD_WRITTEN || order->pass_done ||
                order->pass_sent >= order->pass_late) {
                begin_pass(order, dirty, sync->hot);
            }
            order->hold = PAGE_HEAT_HOLD_WRITTEN;
        } else {
            if (order->hold != PAGE_HEAT_HOLD_NONE) {
                order->hot_set = 0;
            }
            order->hold = PAGE_HEAT_HOLD_NONE;
            order->hot_set = MAX(order->hot_set, dirty);
        }
    }

    late = order->hold != PAGE_HEAT_HOLD_NONE &&
           sync->hot >= sync->threshold / 2;
    next_look = MAX(dirty / NEXT_LOOK_SHARE, order->worth_a_sync);
    /* One that finds that the rest just fits would be the last, too soon. */
    if (first || (late && sync->dirty - MIN(sync->dirty, next_look) <
                          sync->threshold)) {
        next_look = UINT64_MAX;
    }
    order->slice = order->hold == PAGE_HEAT_HOLD_NONE
                   ? next_look
                   : MIN(next_look, until_last_look(order, cold, sync->hot));
    order->sent = 0;
    order->synced_ms = sync->now_ms;
    order->transferred = sync->transferred;
    order->dirty = dirty;
    order->pass_done = false;
    qatomic_set(&order->wants_sync, false);
    qatomic_set(&order->looks_late, late);
}

bool page_heat_order_diverges(const PageHeatOrder *order)
{
    return order->measured && order->diverging_ms >= CERTAIN_MS;
}

bool page_heat_order_gives_up(const PageHeatOrder *order)
{
    return order->came_late && page_heat_order_diverges(order);
}

unsigned page_heat_order_throttle(PageHeatOrder *order, unsigned now,
                                  unsigned tolerated)
{
    double may_run;

    if (!page_heat_order_diverges(order)) {
        return now;
    }

    /* What was measured was with what it is throttled by now. */
    may_run = (100 - now) * (order->bandwidth * (double)tolerated / 100) /
              MAX(order->least_rate, 1);
    order->diverging_ms = 0;
    return MAX(now, ceil(100 - MIN(may_run, 100)));
}

void page_heat_order_widen(unsigned long *hot, unsigned long unit,
                           unsigned long pages)
{
    unsigned long page = 0;

    while ((page = find_next_bit(hot, pages, page)) < pages) {
        unsigned long start = QEMU_ALIGN_DOWN(page, unit);

        page = MIN(pages, start + unit);
        bitmap_set(hot, start, page - start);
    }
}

uint64_t page_heat_order_count(const unsigned long *dirty,
                               const unsigned long *hot, unsigned long pages)
{
    uint64_t count = 0;

    for (unsigned long i = 0; i < BITS_TO_LONGS(pages); i++) {
        /* Near the end most is clean, and not both need be read of a TiB. */
        if (dirty[i]) {
            count += ctpopl(dirty[i] & hot[i]);
        }
    }
    return count;
}

unsigned long page_heat_order_next(const unsigned long *dirty,
                                   const unsigned long *hot,
                                   unsigned long pages, unsigned long from)
{
    unsigned long i = BIT_WORD(from);
    unsigned long found;

    if (from >= pages) {
        return pages;
    }

    found = dirty[i] & ~hot[i] & BITMAP_FIRST_WORD_MASK(from);
    while (!found) {
        if (++i >= BITS_TO_LONGS(pages)) {
            return pages;
        }
        found = dirty[i] & ~hot[i];
    }
    return MIN(pages, i * BITS_PER_LONG + ctzl(found));
}
