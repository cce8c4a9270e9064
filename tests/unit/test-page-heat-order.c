/*
 * In which order precopy sends pages: bitmaps, and one decision at a time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Functions on bitmaps are compared with models of one page at a time; the
 * random ones are reproducible with --seed.  Whole migrations are in
 * test-page-heat-worlds.c.
 */

#include "qemu/osdep.h"
#include <math.h>
#include "qemu/bitmap.h"
#include "qemu/units.h"
#include "migration/page-heat.h"
#include "../../migration/page-heat-order.h"
#include "test-page-heat-bitmap.h"

/* Bitmaps */

static void test_find(void)
{
    for (int run = 0; run < 100; run++) {
        unsigned long pages = g_test_rand_int_range(1, 700);
        unsigned long unit = 1ul << g_test_rand_int_range(1, 8);
        g_autofree unsigned long *dirty = random_bitmap(pages, 1 + run % 70);
        g_autofree unsigned long *hot = random_bitmap(pages, 1 + run % 5);
        g_autofree unsigned long *wide = bitmap_new(pages);
        unsigned long want = pages;
        uint64_t both = 0;

        g_assert_cmpuint(page_heat_order_next(dirty, hot, pages, pages), ==,
                         pages);
        for (unsigned long p = pages; p-- > 0;) {
            if (test_bit(p, dirty) && !test_bit(p, hot)) {
                want = p;
            }
            both += test_bit(p, dirty) && test_bit(p, hot);
            g_assert_cmpuint(page_heat_order_next(dirty, hot, pages, p), ==,
                             want);
        }
        g_assert_cmpuint(page_heat_order_count(dirty, hot, pages), ==, both);

        bitmap_copy(wide, hot, pages);
        page_heat_order_widen(wide, unit, pages);
        for (unsigned long p = 0; p < pages; p++) {
            unsigned long start = QEMU_ALIGN_DOWN(p, unit);
            unsigned long end = MIN(pages, start + unit);

            g_assert(test_bit(p, wide) ==
                     (find_next_bit(hot, end, start) < end));
        }
    }
}

static void test_young(void)
{
    static const struct {
        uint32_t interval_ms;
        unsigned limit;
    } cases[] = {
        { 30000, 1 }, { 10000, 1 }, { 9999, 2 }, { 1000, 10 },
        { 1, PAGE_HEAT_AGE_MAX }, { 0, PAGE_HEAT_AGE_MAX }, { UINT32_MAX, 1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        PageHeatHistory history = { .interval_ms = cases[i].interval_ms };

        g_assert_cmpuint(page_heat_young(&history), ==, cases[i].limit);
    }
}

/* One decision at a time */

static const PageHeatSync sync_template = {
    .now_ms = 10000,
    .dirty = 100 * MiB,
    .hot = 100 * MiB,
    .threshold = 10 * MiB,
    .transferred = 1000 * MiB,
    .tolerated = 50,
};

/*
 * All of the hot set was written to, 160 MiB/s, and half of it is to be sent.
 * Bandwidth is 100 MiB/s.
 */
static const PageHeatSync busy_template = {
    .now_ms = 10000,
    .dirty = 10000 * MiB,
    .hot = 1600 * MiB,
    .written = 1600 * MiB,
    .threshold = 800 * MiB,
    .transferred = 1000 * MiB,
    .tolerated = 50,
};

static PageHeatOrder order_after(PageHeatSync sync, bool pass_done)
{
    PageHeatOrder order;

    page_heat_order_begin(&order, 0, 1000 * MiB, 1000 * MiB, 100 * MiB, 0);
    if (pass_done) {
        page_heat_order_pass_done(&order);
    }
    page_heat_order_synced(&order, &sync);
    return order;
}

/* The same of the pass after the first one, which has seen nothing. */
static PageHeatOrder order_after_next(PageHeatSync sync, bool pass_done)
{
    PageHeatSync first = sync;
    PageHeatOrder order;

    first.written = 0;
    order = order_after(first, true);
    if (pass_done) {
        page_heat_order_pass_done(&order);
    }
    sync.now_ms += first.now_ms;
    sync.transferred += first.transferred;
    page_heat_order_synced(&order, &sync);
    return order;
}

/* However much is dirty. */
static bool wants_sync(const PageHeatOrder *order)
{
    return page_heat_order_wants_sync(order, UINT64_MAX, 0);
}

/* The more memory, the more a sync costs. */
static void test_large(void)
{
    PageHeatSync sync = sync_template;
    PageHeatOrder order;

    /* Whether it has heat or not. */
    page_heat_order_begin(&order, 0, TiB, 1000 * MiB, 100 * MiB, 0);
    g_assert_false(page_heat_order_worth_a_pass(&order, GiB, GiB / 2 + 1, 0));
    g_assert_true(page_heat_order_worth_a_pass(&order, GiB, GiB / 2, 0));
    page_heat_order_pass_done(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_NONE);
    page_heat_order_sent(&order, 2 * GiB - 1, true);
    g_assert_false(wants_sync(&order));
    page_heat_order_sent(&order, 1, true);
    g_assert_true(wants_sync(&order));
}

static void test_first_pass(void)
{
    PageHeatSync sync = sync_template;
    PageHeatOrder order;

    page_heat_order_begin(&order, 0, 1000 * MiB, 1000 * MiB, 100 * MiB, 0);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_AGED);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_UNKNOWN);
    g_assert_true(page_heat_order_keeps(&order, 100, 100, 0));

    /* Near the end is a sync, just one; it changes nothing. */
    page_heat_order_sent(&order, 850 * MiB - 1, true);
    g_assert_false(wants_sync(&order));
    page_heat_order_sent(&order, 1, true);
    g_assert_true(wants_sync(&order));
    g_assert_true(page_heat_order_keeps(&order, 100, 100, 0));
    page_heat_order_synced(&order, &sync);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_AGED);
    page_heat_order_sent(&order, UINT64_MAX / 2, true);
    g_assert_false(wants_sync(&order));

    page_heat_order_pass_done(&order);
    g_assert_true(wants_sync(&order));
    /* Now it is known what is written to; there would be enough else. */
    g_assert_false(page_heat_order_keeps(&order, 100 * MiB, 0, 0));
    page_heat_order_synced(&order, &sync);
    g_assert_false(wants_sync(&order));
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_NONE);
}

static void test_worth(void)
{
    PageHeatSync sync = sync_template;

    /* A sixteenth of what is dirty, */
    sync.hot = sync.dirty - sync.dirty / 16;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    sync.hot++;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_NONE);

    /* an eighth of the threshold, */
    sync.threshold = sync.dirty;
    sync.hot = sync.dirty - sync.threshold / 8;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    sync.hot++;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_NONE);

    /* or a MiB must be cold. */
    sync.threshold = 0;
    sync.dirty = sync.hot = 2 * MiB;
    sync.hot = MiB;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    sync.hot++;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_NONE);

    /* What has no heat does not count. */
    sync = sync_template;
    sync.other = 50 * MiB;
    sync.hot = 50 * MiB - 50 * MiB / 16;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    sync.hot++;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_NONE);

    /* More is hot than is dirty: cannot be, and does no harm. */
    sync.hot = 51 * MiB;
    g_assert_cmpint(order_after(sync, true).hold, ==, PAGE_HEAT_HOLD_NONE);
}

/* What was not written to for long is enough: go on with it. */
static void test_keeps(void)
{
    PageHeatOrder order = order_after(sync_template, true);

    g_assert_true(page_heat_order_keeps(&order, 100 * MiB, 10 * MiB,
                                        10 * MiB));
    g_assert_false(page_heat_order_keeps(&order, 100 * MiB, 10 * MiB + 1,
                                         10 * MiB));
    /* Not if there is next to nothing of it. */
    g_assert_true(page_heat_order_keeps(&order, 64 * MiB, 56 * MiB, 64 * MiB));
    g_assert_false(page_heat_order_keeps(&order, 64 * MiB, 56 * MiB + 1,
                                         64 * MiB));
    g_assert_false(page_heat_order_keeps(&order, 32 * MiB, 64 * MiB, 0));
    g_assert_true(page_heat_order_worth_a_pass(&order, 64 * MiB, 56 * MiB, 0));
}

static void test_slices(void)
{
    PageHeatSync sync = sync_template;
    PageHeatOrder order = order_after(sync_template, true);

    page_heat_order_sent(&order, 100 * MiB / 8 - 1, true);
    g_assert_false(wants_sync(&order));
    page_heat_order_sent(&order, 1, true);
    g_assert_true(wants_sync(&order));

    /* Not before the log was cleared that it is to tell of. */
    order = order_after(sync_template, true);
    page_heat_order_sent(&order, 50 * MiB, false);
    g_assert_false(wants_sync(&order));
    page_heat_order_sent(&order, 1, true);
    g_assert_true(wants_sync(&order));

    /* The next one is counted from here. */
    page_heat_order_synced(&order, &sync);
    page_heat_order_sent(&order, 100 * MiB / 8 - 1, true);
    g_assert_false(wants_sync(&order));

    /* The hot set is what there was since nothing was cold. */
    sync.dirty = sync.hot = 50 * MiB;
    page_heat_order_synced(&order, &sync);
    g_assert_cmpuint(order.hot_set, ==, 100 * MiB);
    sync.hot = 0;
    page_heat_order_synced(&order, &sync);
    sync.dirty = sync.hot = 30 * MiB;
    page_heat_order_synced(&order, &sync);
    g_assert_cmpuint(order.hot_set, ==, 30 * MiB);

    /* The same while something is held back, */
    sync = sync_template;
    sync.hot = MiB;
    order = order_after(sync, true);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    page_heat_order_sent(&order, 100 * MiB / 8 - 1, true);
    g_assert_false(wants_sync(&order));
    page_heat_order_sent(&order, 1, true);
    g_assert_true(wants_sync(&order));

    /* but not if the next one would find that the rest just fits. */
    sync.hot = 80 * MiB;
    sync.threshold = 88 * MiB;
    order = order_after(sync, true);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    page_heat_order_sent(&order, 20 * MiB, true);
    g_assert_false(wants_sync(&order));

    /* Nothing is left: this must not become a loop of syncs. */
    order = order_after(sync_template, true);
    page_heat_order_pass_done(&order);
    g_assert_false(wants_sync(&order));
}

/* For hot pages the guest is not stopped before most of the others are sent. */
static void test_looks_late(void)
{
    const uint64_t late = sync_template.threshold / 8 * 7;
    PageHeatSync sync = sync_template;
    PageHeatOrder order;

    /* Half of what the guest may be stopped for is hot, */
    sync.hot = sync.threshold / 2;
    order = order_after(sync, true);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    g_assert_false(page_heat_order_wants_sync(&order, late, sync.threshold));
    g_assert_true(page_heat_order_wants_sync(&order, late - 1,
                                             sync.threshold));

    /* but no later than at the end of the pass, */
    page_heat_order_pass_done(&order);
    g_assert_true(wants_sync(&order));

    /* or less is hot, */
    sync.hot--;
    order = order_after(sync, true);
    g_assert_false(page_heat_order_wants_sync(&order, sync.threshold,
                                              sync.threshold));
    g_assert_true(page_heat_order_wants_sync(&order, sync.threshold - 1,
                                             sync.threshold));

    /* or nothing else is left, or it is over. */
    sync.hot = sync.dirty;
    order = order_after(sync, true);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_NONE);
    g_assert_true(page_heat_order_wants_sync(&order, sync.threshold - 1,
                                             sync.threshold));
    sync.hot = sync.threshold;
    order = order_after(sync, false);
    g_assert_false(page_heat_order_wants_sync(&order, late, sync.threshold));
    page_heat_order_end(&order);
    g_assert_true(page_heat_order_wants_sync(&order, late, sync.threshold));
}

static void test_end(void)
{
    PageHeatSync sync = sync_template;
    PageHeatOrder order;

    page_heat_order_begin(&order, 0, 1000 * MiB, 1000 * MiB, 100 * MiB, 0);
    page_heat_order_pass_done(&order);
    page_heat_order_end(&order);
    g_assert_false(wants_sync(&order));
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_NONE);

    sync.hot = 0;
    page_heat_order_synced(&order, &sync);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_NONE);
    page_heat_order_sent(&order, UINT64_MAX / 2, true);
    page_heat_order_pass_done(&order);
    g_assert_false(wants_sync(&order));
}

/* A copy, as asking changes it. */
static unsigned throttle(PageHeatOrder order, unsigned now)
{
    return page_heat_order_throttle(&order, now, 50);
}

static void test_outlook(void)
{
    PageHeatSync sync = sync_template;
    PageHeatOrder order;

    /* The hot set fits. */
    sync.hot = sync.threshold;
    g_assert_cmpint(order_after(sync, false).outlook, ==,
                    PAGE_HEAT_OUTLOOK_CONVERGES);

    /* It does but for one byte, which comes back slowly. */
    sync.hot++;
    sync.written = sync.hot;
    g_assert_cmpint(order_after(sync, false).outlook, ==,
                    PAGE_HEAT_OUTLOOK_UNKNOWN);

    /*
     * It does not: bandwidth is 100 MiB/s, written to was at least 2 MiB/s, and
     * half of that is to be sent.
     */
    sync.hot = 2 * sync.threshold;
    sync.written = 20 * MiB;
    order = order_after(sync, false);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_UNKNOWN);
    g_assert_cmpuint(order.bandwidth, ==, 100 * MiB);
    g_assert_cmpuint(order.write_rate, ==, MiB);
    g_assert_cmpuint(throttle(order, 0), ==, 0);

    /* What was not written to since the last sync can be sent. */
    sync.hot = sync.dirty;
    g_assert_cmpuint(order_after(sync, false).write_rate, ==, MiB);
    sync.written = sync.threshold;
    order = order_after(sync, false);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_UNKNOWN);
    g_assert_cmpuint(order.write_rate, ==, 0);

    /* What was written to is not sure to fit, held back or not. */
    sync.written = 20 * MiB;
    sync.hot = sync.threshold;
    g_assert_cmpint(order_after(sync, false).outlook, ==,
                    PAGE_HEAT_OUTLOOK_UNKNOWN);

    /* What comes back can be more than that. */
    sync.hot = 0;
    sync.again = 500 * MiB;
    order = order_after(sync, false);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_UNKNOWN);
    g_assert_cmpuint(order.write_rate, ==, 50 * MiB);
    sync.again += MiB;
    g_assert_cmpint(order_after(sync, false).outlook, ==,
                    PAGE_HEAT_OUTLOOK_DIVERGES);

    /* 80 MiB/s are more than half of the bandwidth: five eighths will do. */
    sync = busy_template;
    order = order_after_next(sync, true);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_DIVERGES);
    g_assert_cmpuint(throttle(order, 0), ==, 38);
    g_assert_cmpuint(throttle(order, 90), ==, 94);
    g_assert_cmpuint(throttle(order, 99), ==, 100);

    /* A sync too soon after: what the 38 % do is not known, so no more. */
    page_heat_order_synced(&order, &(PageHeatSync) {
        .now_ms = order.synced_ms + 1,
        .dirty = sync.dirty,
        .hot = sync.hot,
        .threshold = sync.threshold,
        .transferred = order.transferred,
    });
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_DIVERGES);
    g_assert_cmpuint(throttle(order, 38), ==, 38);

    /* Nor is there any use in it at the end. */
    order = order_after_next(sync, true);
    page_heat_order_end(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_cmpuint(throttle(order, 38), ==, 38);

    /* What is written to in memory without heat is not known. */
    sync = sync_template;
    sync.hot = sync.threshold;
    sync.dirty = 70 * MiB;
    sync.other = 50 * MiB;
    order = order_after(sync, true);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_UNKNOWN);
    sync.other = 0;
    g_assert_cmpint(order_after(sync, true).outlook, ==,
                    PAGE_HEAT_OUTLOOK_CONVERGES);

    /* A pass in which nothing could be sent is not repeated. */
    page_heat_order_pass_done(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_NONE);

    /* What was sent before it began is none of its bandwidth. */
    sync = sync_template;
    page_heat_order_begin(&order, 0, 1000 * MiB, 1000 * MiB, 100 * MiB,
                          sync.transferred - 10 * MiB);
    page_heat_order_synced(&order, &sync);
    g_assert_cmpuint(order.bandwidth, ==, MiB);

    /* No time has passed: nothing is known. */
    sync = sync_template;
    sync.now_ms = 1;
    order = order_after(sync, false);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_UNKNOWN);
    g_assert_cmpuint(order.bandwidth, ==, 0);
}

/* @less bytes are dirty each time that 400 MiB were sent of 2400 MiB. */
static bool gives_up_after_a_pass(uint64_t less)
{
    PageHeatSync sync = busy_template;
    PageHeatOrder order;

    sync.hot = 7600 * MiB;
    sync.written = sync.hot;
    order = order_after_next(sync, false);
    for (int sent = 0; sent < 2400; sent += 400) {
        g_assert_false(page_heat_order_gives_up(&order));
        page_heat_order_sent(&order, 400 * MiB, true);
        sync.now_ms = order.synced_ms + 4000;
        sync.transferred = order.transferred + 400 * MiB;
        sync.dirty -= less;
        page_heat_order_synced(&order, &sync);
        g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_WRITTEN);
        g_assert_true(page_heat_order_diverges(&order));
    }
    return page_heat_order_gives_up(&order);
}

/* Half a second has shown that it is in vain, after the first pass. */
static void test_gives_up(void)
{
    PageHeatSync sync = busy_template;
    PageHeatOrder order;

    for (int done = 0; done < 2; done++) {
        order = order_after(sync, done);
        g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_DIVERGES);
        g_assert_false(page_heat_order_gives_up(&order));
    }
    order = order_after_next(sync, true);
    g_assert_cmpint(order.hold, ==, PAGE_HEAT_HOLD_WRITTEN);
    g_assert_true(page_heat_order_gives_up(&order));

    /* Much is left that is cold: this is not the time. */
    order = order_after_next(sync, false);
    g_assert_true(page_heat_order_diverges(&order));
    g_assert_false(page_heat_order_gives_up(&order));

    /* It is when as much was sent, however many syncs there were meanwhile, */
    g_assert_true(gives_up_after_a_pass(0));
    /* and half of it is dirty again. */
    g_assert_true(gives_up_after_a_pass(200 * MiB));
    g_assert_false(gives_up_after_a_pass(201 * MiB));

    /* A sync too soon after says nothing, */
    order = order_after_next(sync, true);
    sync.now_ms = order.synced_ms + 1;
    sync.transferred = order.transferred + MiB;
    page_heat_order_pass_done(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_false(page_heat_order_gives_up(&order));

    /* nor one before which there were only pages that are all zero. */
    sync.now_ms += 1000;
    page_heat_order_pass_done(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_false(page_heat_order_gives_up(&order));

    /* One moment is not enough. */
    sync = busy_template;
    sync.written = 0;
    order = order_after(sync, true);
    sync.written = sync.hot;
    sync.now_ms += 400;
    sync.transferred += 40 * MiB;
    page_heat_order_pass_done(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_cmpint(order.outlook, ==, PAGE_HEAT_OUTLOOK_DIVERGES);
    g_assert_false(page_heat_order_gives_up(&order));
    sync.now_ms += 100;
    sync.transferred += 10 * MiB;
    page_heat_order_pass_done(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_true(page_heat_order_gives_up(&order));

    page_heat_order_end(&order);
    page_heat_order_synced(&order, &sync);
    g_assert_false(page_heat_order_gives_up(&order));
}

/* What was sent in a slice of the last pass tells how fast the guest writes. */
static void test_write_rate(void)
{
    static const struct {
        double writes;          /* to each page, while the slice is sent */
        bool converges;
    } cases[] = { { 0, true }, { 0.05, true }, { 0.1, true }, { 0.3, false },
                  { 1, false }, { 3, false }, { 50, false } };
    PageHeatSync sync = sync_template;

    for (int i = 0; i < ARRAY_SIZE(cases); i++) {
        PageHeatOrder order = order_after(sync_template, true);
        double x = cases[i].writes;
        double true_rate = x * 90 * MiB / 0.25;
        unsigned pct;

        /* 25 MiB in 250 ms */
        page_heat_order_sent(&order, 25 * MiB, true);
        sync.now_ms = sync_template.now_ms + 250;
        sync.transferred = sync_template.transferred + 25 * MiB;
        sync.again = (1 - exp(-x)) * 25 * MiB;
        sync.dirty = sync.hot = 75 * MiB + sync.again;
        page_heat_order_synced(&order, &sync);
        g_assert_cmpuint(order.bandwidth, ==, 100 * MiB);
        g_assert_cmpint(order.outlook, ==, cases[i].converges
                                           ? PAGE_HEAT_OUTLOOK_CONVERGES
                                           : PAGE_HEAT_OUTLOOK_DIVERGES);
        if (x < 10) {
            g_assert_cmpfloat(fabs(order.write_rate - true_rate), <=,
                              true_rate / 100);
        } else {
            /* All is dirty again: as good as it gets */
            g_assert_cmpfloat(order.write_rate, >=, 15 * 360.0 * MiB);
        }
        /* Too short to judge by. */
        g_assert_cmpuint(throttle(order, 0), ==, 0);
        page_heat_order_sent(&order, 25 * MiB, true);
        sync.now_ms += 250;
        sync.transferred += 25 * MiB;
        order.dirty = sync_template.dirty;
        page_heat_order_synced(&order, &sync);
        pct = throttle(order, 0);
        if (cases[i].converges) {
            g_assert_cmpuint(pct, ==, 0);
        } else {
            g_assert_cmpuint(pct, >=, 50);
            g_assert_cmpuint(pct, <=, 100);
        }
        /* One that says otherwise, and it begins anew. */
        page_heat_order_sent(&order, 25 * MiB, true);
        sync.now_ms += 250;
        sync.transferred += 25 * MiB;
        sync.again = 0;
        page_heat_order_synced(&order, &sync);
        g_assert_cmpuint(throttle(order, 0), ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-heat-order/find", test_find);
    g_test_add_func("/page-heat-order/young", test_young);
    g_test_add_func("/page-heat-order/large", test_large);
    g_test_add_func("/page-heat-order/first-pass", test_first_pass);
    g_test_add_func("/page-heat-order/worth", test_worth);
    g_test_add_func("/page-heat-order/keeps", test_keeps);
    g_test_add_func("/page-heat-order/slices", test_slices);
    g_test_add_func("/page-heat-order/looks-late", test_looks_late);
    g_test_add_func("/page-heat-order/end", test_end);
    g_test_add_func("/page-heat-order/outlook", test_outlook);
    g_test_add_func("/page-heat-order/gives-up", test_gives_up);
    g_test_add_func("/page-heat-order/write-rate", test_write_rate);
    return g_test_run();
}
