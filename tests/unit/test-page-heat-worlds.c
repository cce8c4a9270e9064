/*
 * In which order precopy sends pages: whole migrations, in a world of bitmaps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy is run against a guest that writes, a log that works in chunks as
 * KVM's does, and a link; without the policy the same world is migrated as
 * ever, and what was sent can be compared.
 *
 * Random worlds are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "../../migration/page-heat-order.h"

#define PAGE 4096ull
#define SHIFT 9

typedef struct World {
    /* What it is */
    unsigned long pages;
    unsigned long write_first, write_step, write_pages; /* random writes */
    unsigned long read_first, read_pages;   /* hot, but not written to */
    unsigned long warm_first, warm_pages;   /* one after the other */
    double warm_per_page_sent;
    double writes_per_page_sent;
    unsigned long threshold;                /* pages */
    bool throttles;
    /* What happens */
    bool policy;
    unsigned long *dirty, *hot, *log, *unwatched;
    bool *sent_before;
    unsigned long ndirty, cursor;
    uint64_t sent, live, syncs, last_sync_sent, max_stuck;
    double writes_due, warm_due;
    unsigned long warm_at;
    unsigned throttled;
    bool gave_up;
    PageHeatOrder order;
    uint64_t period_sent, period_dirty;
    int high;
} World;

/* 10 pages a ms */
#define MS(world) ((int64_t)((world)->sent / 10))
#define GIVE_UP 40

static unsigned long written_page(const World *w)
{
    return w->write_first +
           w->write_step * g_test_rand_int_range(0, w->write_pages);
}

static void guest_runs(World *w)
{
    w->writes_due += w->writes_per_page_sent * (100 - w->throttled) / 100;
    while (w->writes_due >= 1) {
        set_bit(written_page(w), w->log);
        w->writes_due -= 1;
    }
    w->warm_due += w->warm_per_page_sent * (100 - w->throttled) / 100;
    while (w->warm_due >= 1) {
        set_bit(w->warm_first + w->warm_at++ % w->warm_pages, w->log);
        w->warm_due -= 1;
    }
}

static void clear_log(World *w, unsigned long page)
{
    unsigned long chunk = page >> SHIFT;

    if (test_and_clear_bit(chunk, w->unwatched)) {
        bitmap_clear(w->log, chunk << SHIFT,
                     MIN(1ul << SHIFT, w->pages - (chunk << SHIFT)));
    }
}

static void stock_throttle(World *w)
{
    uint64_t sent = w->sent - w->period_sent;

    if (sent < 10000) {
        return;
    }
    if (w->period_dirty * 2 > sent && ++w->high >= 2) {
        w->high = 0;
        w->throttled = w->throttled ? MIN(w->throttled + 10, 99) : 20;
    }
    w->period_sent = w->sent;
    w->period_dirty = 0;
}

static void world_sync(World *w)
{
    PageHeatFold fold = { };
    g_autofree unsigned long *log = bitmap_new(w->pages);
    bool keep;

    /* As KVM, which tells of a page until its chunk was cleared. */
    bitmap_copy(log, w->log, w->pages);
    keep = page_heat_order_keeps(&w->order, w->ndirty * PAGE,
                                 page_heat_order_count(w->dirty, w->hot,
                                                       w->pages) * PAGE,
                                 w->threshold * PAGE);
    page_heat_order_fold(w->dirty, w->hot, log, w->unwatched, SHIFT, keep,
                         w->pages, &fold);
    bitmap_set(w->unwatched, 0, DIV_ROUND_UP(w->pages, 1ul << SHIFT));
    w->ndirty += fold.again;
    w->syncs++;
    w->period_dirty += fold.again;

    if (w->policy) {
        PageHeatSync sync = {
            .now_ms = MS(w),
            .dirty = w->ndirty * PAGE,
            .hot = page_heat_order_count(w->dirty, w->hot, w->pages) * PAGE,
            .written = fold.written * PAGE,
            .again = fold.again * PAGE,
            .threshold = w->threshold * PAGE,
            .transferred = w->sent * PAGE,
            .tolerated = 50,
        };

        page_heat_order_synced(&w->order, &sync);
        w->gave_up |= page_heat_order_gives_up(&w->order);
        if (w->throttles) {
            w->throttled = MIN(99, page_heat_order_throttle(&w->order,
                                                            w->throttled, 50));
        }
        for (unsigned long p = 0; p < w->pages; p++) {
            if (test_bit(p, w->hot)) {
                clear_log(w, p);
            }
        }
    }
    if (w->throttles) {
        stock_throttle(w);
    }
}

static bool send_next(World *w)
{
    for (int round = 0; round < 2; round++) {
        unsigned long page =
            w->order.hold == PAGE_HEAT_HOLD_NONE
            ? find_next_bit(w->dirty, w->pages, w->cursor)
            : page_heat_order_next(w->dirty, w->hot, w->pages, w->cursor);

        if (page < w->pages) {
            clear_log(w, page);
            clear_bit(page, w->dirty);
            w->sent_before[page] = true;
            w->ndirty--;
            w->sent++;
            w->cursor = page;
            page_heat_order_sent(&w->order, PAGE);
            return true;
        }
        w->cursor = 0;
    }
    page_heat_order_pass_done(&w->order);
    return false;
}

static void is_sent_or_dirty(const World *w)
{
    for (unsigned long p = 0; p < w->pages; p++) {
        g_assert(w->sent_before[p] || test_bit(p, w->dirty));
    }
}

/* Returns whether it converged. */
static bool migrate(World *w, bool policy)
{
    bool done = false, done_sending;
    int idle = 0;

    w->policy = policy;
    w->dirty = bitmap_new(w->pages);
    w->hot = bitmap_new(w->pages);
    w->log = bitmap_new(w->pages);
    w->unwatched = bitmap_new(DIV_ROUND_UP(w->pages, 1ul << SHIFT));
    w->sent_before = g_new0(bool, w->pages);
    bitmap_set(w->dirty, 0, w->pages);
    bitmap_set(w->log, 0, w->pages);
    bitmap_set(w->unwatched, 0, DIV_ROUND_UP(w->pages, 1ul << SHIFT));
    w->ndirty = w->pages;
    if (policy) {
        for (unsigned long i = 0; i < w->write_pages; i++) {
            set_bit(w->write_first + w->write_step * i, w->hot);
        }
        bitmap_set(w->hot, w->read_first, w->read_pages);
        bitmap_set(w->hot, w->warm_first, w->warm_pages);
        for (unsigned long p = 0; p < w->pages; p++) {
            if (test_bit(p, w->hot)) {
                clear_log(w, p);
            }
        }
    }
    page_heat_order_begin(&w->order, 0, w->pages * PAGE,
                          page_heat_order_count(w->dirty, w->hot, w->pages) *
                          PAGE, 0);
    if (!policy) {
        page_heat_order_end(&w->order);
    }

    while (!done && w->sent < GIVE_UP * w->pages) {
        bool exact = page_heat_order_wants_sync(&w->order, w->ndirty * PAGE,
                                                w->threshold * PAGE);
        bool sent = false;

        if (exact) {
            world_sync(w);
        }
        done = exact && w->ndirty < w->threshold;
        for (int i = 0; !done && i < 1000 && send_next(w); i++) {
            guest_runs(w);
            sent = true;
        }
        /* Never a busy loop */
        idle = sent ? 0 : idle + 1;
        g_assert_cmpint(idle, <=, 2);
        is_sent_or_dirty(w);
    }

    w->live = w->sent;
    page_heat_order_end(&w->order);
    world_sync(w);
    do {
        done_sending = !send_next(w);
    } while (!done_sending);
    g_assert_cmpuint(w->ndirty, ==, 0);
    for (unsigned long p = 0; p < w->pages; p++) {
        g_assert(w->sent_before[p]);
    }

    g_free(w->dirty);
    g_free(w->hot);
    g_free(w->log);
    g_free(w->unwatched);
    g_free(w->sent_before);
    return done;
}

/* What is sent with the policy, as a part of what is sent without it. */
static double compare(World world, bool *stock_done, bool *done)
{
    World stock = world;

    *stock_done = migrate(&stock, false);
    *done = migrate(&world, true);
    g_test_message("sent %" PRIu64 " instead of %" PRIu64 " pages of %lu, "
                   "stopped for %" PRIu64 " instead of %" PRIu64
                   ", %" PRIu64 " syncs instead of %" PRIu64
                   ", throttled %u instead of %u %%",
                   world.sent, stock.sent, world.pages,
                   world.sent - world.live, stock.sent - stock.live,
                   world.syncs, stock.syncs, world.throttled, stock.throttled);
    if (*done && *stock_done) {
        /* No longer stopped, but for what is written in a tenth of a second */
        g_assert_cmpuint(world.sent - world.live, <=, world.threshold);
    }
    if (*done && !world.throttles) {
        /* That would have been wrong. */
        g_assert_false(world.gave_up);
    }
    g_assert_cmpuint(world.syncs, <, 16 + 16 * (world.sent / world.pages + 1));
    return world.sent / (double)stock.sent;
}

#define WORLD_PAGES 65536

/* The hot set fits the threshold: each of its pages is sent just once. */
static void test_world_fits(void)
{
    static const unsigned long steps[] = { 1, 10 };
    bool stock_done, done;

    for (int i = 0; i < ARRAY_SIZE(steps); i++) {
        World world = {
            .pages = WORLD_PAGES,
            .write_step = steps[i],
            .write_pages = WORLD_PAGES / 10,
            .writes_per_page_sent = 5,
            .threshold = WORLD_PAGES / 8,
        };
        World again = world;
        double ratio = compare(world, &stock_done, &done);

        g_assert_true(done && stock_done);
        g_assert_cmpfloat(ratio, <=, 0.93);
        migrate(&again, true);
        g_assert_cmpuint(again.sent, ==, WORLD_PAGES);
    }
}

/* It does not fit and is written to faster than it is sent. */
static void test_world_throttled(void)
{
    static const int parts[] = { 10, 4 };
    bool stock_done, done;

    for (int i = 0; i < ARRAY_SIZE(parts); i++) {
        for (int step = 1; step <= 3; step += 2) {
            World world = {
                .pages = WORLD_PAGES,
                .write_first = 1000, .write_step = step,
                .write_pages = WORLD_PAGES / parts[i],
                .writes_per_page_sent = 5,
                .threshold = 3000,
                .throttles = true,
            };
            double ratio = compare(world, &stock_done, &done);

            g_assert_true(done);
            g_assert_cmpfloat(ratio, <=, 0.76);
        }
    }
}

/* The hottest part of it would fit, some is written to now and then. */
static void test_world_warm(void)
{
    bool stock_done, done;

    for (int i = 0; i < 4; i++) {
        World world = {
            .pages = WORLD_PAGES,
            .write_first = i & 1 ? 1000 : 50000, .write_step = 1,
            .write_pages = WORLD_PAGES / 8,
            .warm_first = i & 2 ? 30000 : 10000,
            .warm_pages = WORLD_PAGES / 6,
            .writes_per_page_sent = 4,
            .warm_per_page_sent = 0.3,
            .threshold = WORLD_PAGES / 5,
        };
        double ratio = compare(world, &stock_done, &done);

        g_assert_true(done);
        g_assert_cmpfloat(ratio, <=, 0.85);
    }
}

/* It does not fit, but is written to slowly. */
static void test_world_slow(void)
{
    World world = {
        .pages = WORLD_PAGES,
        .write_first = 1000, .write_step = 2,
        .write_pages = WORLD_PAGES / 4,
        .writes_per_page_sent = 0.5,
        .threshold = 3000,
    };
    bool stock_done, done;
    double ratio = compare(world, &stock_done, &done);

    g_assert_true(done);
    g_assert_cmpfloat(ratio, <=, 0.93);
}

/* Hot pages that are only read cost nothing. */
static void test_world_reads(void)
{
    World world = {
        .pages = WORLD_PAGES,
        .write_first = 40000, .write_step = 1, .write_pages = 1000,
        .read_first = 5000, .read_pages = WORLD_PAGES / 2,
        .writes_per_page_sent = 1,
        .threshold = 3000,
    };
    bool stock_done, done;
    double ratio = compare(world, &stock_done, &done);

    g_assert_true(done && stock_done);
    g_assert_cmpfloat(ratio, <=, 1.0);
}

/* All is hot: as ever. */
static void test_world_uniform(void)
{
    World world = {
        .pages = WORLD_PAGES,
        .write_step = 1, .write_pages = WORLD_PAGES,
        .threshold = 3000,
    };
    bool stock_done, done;
    double ratio;

    world.writes_per_page_sent = 0.3;
    ratio = compare(world, &stock_done, &done);
    g_assert_true(done && stock_done);
    g_assert_cmpfloat(ratio, <=, 1.03);

    world.writes_per_page_sent = 5;
    world.throttles = true;
    ratio = compare(world, &stock_done, &done);
    g_assert_true(done);
    g_assert_cmpfloat(ratio, <=, 1.03);
}

/* Nothing that happens makes it lose a page or spin. */
static void test_world_random(void)
{
    for (int run = 0; run < 60; run++) {
        unsigned long pages = g_test_rand_int_range(600, 6000);
        unsigned long step = g_test_rand_int_range(1, 5);
        unsigned long writes = g_test_rand_int_range(1, pages / step);
        World world = {
            .pages = pages,
            .write_first = g_test_rand_int_range(0, pages - writes * step + 1),
            .write_step = step,
            .write_pages = writes,
            .read_first = g_test_rand_int_range(0, pages / 2),
            .read_pages = g_test_rand_int_range(0, pages / 2),
            .writes_per_page_sent = g_test_rand_double_range(0, 4),
            .threshold = g_test_rand_int_range(1, pages),
            .throttles = run & 1,
        };

        migrate(&world, true);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-heat-worlds/fits", test_world_fits);
    g_test_add_func("/page-heat-worlds/throttled", test_world_throttled);
    g_test_add_func("/page-heat-worlds/warm", test_world_warm);
    g_test_add_func("/page-heat-worlds/slow", test_world_slow);
    g_test_add_func("/page-heat-worlds/reads", test_world_reads);
    g_test_add_func("/page-heat-worlds/uniform", test_world_uniform);
    g_test_add_func("/page-heat-worlds/random", test_world_random);
    return g_test_run();
}
