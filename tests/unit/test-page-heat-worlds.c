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
#include "../../migration/page-heat-writes.h"

#define PAGE 4096ull
#define SHIFT 9

typedef struct World {
    /* What it is */
    unsigned long pages;
    unsigned long write_first, write_step, write_pages;
    bool in_turn;                           /* else writes are random */
    unsigned long read_first, read_pages;   /* hot, but not written to */
    unsigned long warm_first, warm_pages;
    bool warm_random;                       /* else one after the other */
    double warm_per_page_sent;
    double writes_per_page_sent;
    unsigned long other_first, other_pages;     /* without heat */
    double other_per_page_sent;
    unsigned long threshold;                /* pages */
    bool throttles;
    bool always_syncs;                      /* each time that it could */
    bool stops_in_vain;                     /* when that is said */
    /* What happens */
    bool policy;
    unsigned long *dirty, *hot, *log, *told, *unwatched;
    unsigned long *stale;                   /* on the destination */
    PageHeatWindows windows;
    PageHeatWrites *writes;
    unsigned long ndirty, cursor;
    uint64_t sent, live, syncs, last_sync_sent, max_stuck;
    double writes_due, warm_due, other_due;
    unsigned long write_at, warm_at;
    unsigned throttled;
    bool gave_up;
    uint64_t gave_up_sent;
    PageHeatOrder order;
    uint64_t period_sent, period_dirty;
    int high;
} World;

/* 10 pages a ms */
#define MS(world) ((int64_t)((world)->sent / 10))
#define GIVE_UP 40

static unsigned long written_page(World *w)
{
    unsigned long n = w->in_turn ? w->write_at++ % w->write_pages
                                 : g_test_rand_int_range(0, w->write_pages);

    return w->write_first + w->write_step * n;
}

static void guest_writes(World *w, unsigned long page)
{
    set_bit(page, w->log);
    set_bit(page, w->stale);
}

static void guest_runs(World *w)
{
    double speed = (100 - w->throttled) / 100.0;

    w->writes_due += w->writes_per_page_sent * speed;
    while (w->writes_due >= 1) {
        guest_writes(w, written_page(w));
        w->writes_due -= 1;
    }
    w->warm_due += w->warm_per_page_sent * speed;
    while (w->warm_due >= 1) {
        guest_writes(w, w->warm_first +
                        (w->warm_random
                         ? g_test_rand_int_range(0, w->warm_pages)
                         : w->warm_at++ % w->warm_pages));
        w->warm_due -= 1;
    }
    w->other_due += w->other_per_page_sent * speed;
    while (w->other_due >= 1) {
        guest_writes(w, w->other_first +
                        g_test_rand_int_range(0, w->other_pages));
        w->other_due -= 1;
    }
}

/* Of what was not told yet, nothing is lost. */
static void clear_log(World *w, unsigned long page)
{
    unsigned long chunk = page >> SHIFT;
    unsigned long end = MIN((chunk + 1) << SHIFT, w->pages);

    if (test_and_clear_bit(chunk, w->unwatched)) {
        for (unsigned long i = BIT_WORD(chunk << SHIFT);
             i < BITS_TO_LONGS(end); i++) {
            w->log[i] &= ~w->told[i];
        }
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

static bool has_heat(const World *w, unsigned long page)
{
    return page < w->other_first || page >= w->other_first + w->other_pages;
}

static uint64_t count_other(const World *w)
{
    unsigned long count = 0;

    for (unsigned long p = w->other_first; !has_heat(w, p); p++) {
        count += test_bit(p, w->dirty);
    }
    return count * PAGE;
}

static uint64_t count_hot(const World *w)
{
    return page_heat_order_count(w->dirty, w->hot, w->pages) * PAGE;
}

/* As page-heat-precopy.c does it */
static uint64_t find_hot(World *w)
{
    uint64_t threshold = w->threshold * PAGE;
    uint64_t dirty = w->ndirty * PAGE - count_other(w);
    uint64_t hot;

    bitmap_clear(w->hot, w->other_first, w->other_pages);
    hot = count_hot(w);
    if (page_heat_order_keeps(&w->order, dirty, hot, threshold)) {
        return hot;
    }
    for (unsigned times = 1;
         times <= page_heat_windows_times_max(&w->windows); times++) {
        page_heat_writes_find(w->writes, times, w->hot, w->pages);
        bitmap_clear(w->hot, w->other_first, w->other_pages);
        hot = count_hot(w);
        if (page_heat_order_worth_a_pass(&w->order, dirty, hot, threshold)) {
            break;
        }
    }
    return hot;
}

static void world_sync(World *w)
{
    PageHeatFold fold = { };
    bool new_window = page_heat_windows_next(&w->windows, MS(w));
    unsigned long *window = w->writes->window[w->windows.newest];

    /* As KVM, which tells of a page until its chunk was cleared. */
    bitmap_copy(w->told, w->log, w->pages);
    if (new_window) {
        bitmap_clear(window, 0, w->pages);
    }
    page_heat_writes_fold(window, w->dirty, w->hot, w->told, w->unwatched,
                          SHIFT, w->pages, &fold);
    bitmap_set(w->unwatched, 0, DIV_ROUND_UP(w->pages, 1ul << SHIFT));
    w->ndirty += fold.again;
    w->syncs++;
    w->period_dirty += fold.again;

    if (w->policy) {
        PageHeatSync sync = {
            .now_ms = MS(w),
            .dirty = w->ndirty * PAGE,
            .other = count_other(w),
            .hot = find_hot(w),
            .written = fold.written * PAGE,
            .again = fold.again * PAGE,
            .threshold = w->threshold * PAGE,
            .transferred = w->sent * PAGE,
            .tolerated = 50,
        };

        page_heat_order_synced(&w->order, &sync);
        if (!w->gave_up && page_heat_order_gives_up(&w->order)) {
            w->gave_up = true;
            w->gave_up_sent = w->sent;
        }
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
            clear_bit(page, w->stale);
            w->ndirty--;
            w->sent++;
            w->cursor = page;
            if (has_heat(w, page)) {
                page_heat_order_sent(&w->order, PAGE, true);
            }
            return true;
        }
        w->cursor = 0;
    }
    page_heat_order_pass_done(&w->order);
    return false;
}

/* What is not on the destination as it is here will be sent. */
static void nothing_is_lost(const World *w)
{
    for (unsigned long i = 0; i < BITS_TO_LONGS(w->pages); i++) {
        g_assert_cmpuint(w->stale[i] & ~(w->dirty[i] | w->log[i]), ==, 0);
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
    w->told = bitmap_new(w->pages);
    w->unwatched = bitmap_new(DIV_ROUND_UP(w->pages, 1ul << SHIFT));
    w->writes = page_heat_writes_new(w->pages);
    w->stale = bitmap_new(w->pages);
    bitmap_set(w->dirty, 0, w->pages);
    bitmap_set(w->stale, 0, w->pages);
    bitmap_set(w->log, 0, w->pages);
    bitmap_set(w->told, 0, w->pages);
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
    page_heat_order_begin(&w->order, 0, w->pages * PAGE, w->pages * PAGE,
                          count_hot(w), 0);
    page_heat_windows_begin(&w->windows, 0);
    if (!policy) {
        page_heat_order_end(&w->order);
    }

    while (!done && !(w->stops_in_vain && w->gave_up) &&
           w->sent < GIVE_UP * w->pages) {
        bool exact = page_heat_order_wants_sync(&w->order, w->ndirty * PAGE,
                                                w->threshold * PAGE);
        bool sent = false;

        if (exact || w->always_syncs) {
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
        nothing_is_lost(w);
    }

    w->live = w->sent;
    page_heat_order_end(&w->order);
    world_sync(w);
    do {
        done_sending = !send_next(w);
    } while (!done_sending);
    g_assert_cmpuint(w->ndirty, ==, 0);
    g_assert_true(bitmap_empty(w->stale, w->pages));

    g_free(w->dirty);
    g_free(w->hot);
    g_free(w->log);
    g_free(w->told);
    g_free(w->unwatched);
    page_heat_writes_free(w->writes);
    g_free(w->stale);
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

/*
 * The hot set is gone through again and again, in a time that is longer than
 * that between two syncs near the end.  What is not hot is written to now and
 * then, so that it does not fit for long.
 */
static void test_world_in_turn(void)
{
    static const int period_ms[] = { 300, 1000, 2000 };
    static const int hot_pages[] = { 20000, 31000 };
    bool stock_done, done;

    for (int i = 0; i < ARRAY_SIZE(period_ms) * ARRAY_SIZE(hot_pages); i++) {
        int hot = hot_pages[i % ARRAY_SIZE(hot_pages)];
        int period = period_ms[i / ARRAY_SIZE(hot_pages)];
        World world = {
            .pages = 180000,
            .write_first = 1000, .write_step = 2, .write_pages = hot,
            .in_turn = true,
            .writes_per_page_sent = hot / 10.0 / period,
            .warm_first = 100000, .warm_pages = 36000,
            .warm_random = true,
            .warm_per_page_sent = 0.24,
            .threshold = hot / 6 * 7,
        };
        World busy = world;

        g_assert_cmpfloat(compare(world, &stock_done, &done), <=, 0.85);
        g_assert_true(done && stock_done);
        migrate(&world, true);
        g_assert_cmpfloat(world.sent, <=, 1.07 * world.pages);

        /* More syncs make it no worse. */
        busy.always_syncs = true;
        migrate(&busy, true);
        g_assert_cmpfloat(busy.sent, <=, 1.07 * busy.pages);
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
    static const double writes[] = { 0.05, 0.2, 0.4 };
    World fast = {
        .pages = WORLD_PAGES,
        .write_step = 1, .write_pages = WORLD_PAGES,
        .threshold = 3000,
    };
    bool stock_done, done;

    for (int i = 0; i < ARRAY_SIZE(writes); i++) {
        World world = fast;

        world.writes_per_page_sent = writes[i];
        g_assert_cmpfloat(compare(world, &stock_done, &done), <=, 1.03);
        g_assert_true(done && stock_done);
    }

    fast.writes_per_page_sent = 5;
    fast.throttles = true;
    g_assert_cmpfloat(compare(fast, &stock_done, &done), <=, 1.03);
    g_assert_true(done);
}

/*
 * A screen without heat is drawn all the time, and what is hot is gone through
 * so slowly that it can be sent.  That must not be held back for ever, as there
 * is always something else to be sent.
 */
static void test_world_other(void)
{
    World world = {
        .pages = WORLD_PAGES,
        .write_first = 1000, .write_step = 1, .write_pages = 16000,
        .in_turn = true,
        .writes_per_page_sent = 0.25,
        .other_first = 60000, .other_pages = 2000,
        .other_per_page_sent = 1,
        .threshold = 9500,
    };
    bool stock_done, done;

    g_assert_cmpfloat(compare(world, &stock_done, &done), <=, 1.03);
    g_assert_true(done && stock_done);
}

/* All is written to faster than it is sent: that it is in vain is said soon. */
static void test_world_gives_up(void)
{
    static const double writes[] = { 1.2, 2, 4, 8 };

    for (int i = 0; i < ARRAY_SIZE(writes); i++) {
        for (int part = 1; part <= 4; part *= 2) {
            World world = {
                .pages = WORLD_PAGES,
                .write_step = part, .write_pages = WORLD_PAGES / part,
                .writes_per_page_sent = writes[i],
                .threshold = 3000,
                .stops_in_vain = true,
            };

            g_assert_false(migrate(&world, true));
            g_assert_true(world.gave_up);
            g_test_message("%g writes for each page sent, to one of %d: gave "
                           "up when %.2f of each was sent", writes[i], part,
                           world.gave_up_sent / (double)world.pages);
            g_assert_cmpuint(world.gave_up_sent, <=, 3 * world.pages);
        }
    }
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
            .in_turn = run & 2,
            .warm_first = g_test_rand_int_range(0, pages / 2),
            .warm_pages = g_test_rand_int_range(1, pages / 2),
            .warm_per_page_sent = g_test_rand_double_range(0, 1),
            .other_first = g_test_rand_int_range(0, pages / 2),
            .other_pages = g_test_rand_int_range(1, pages / 2),
            .other_per_page_sent = run & 4 ? g_test_rand_double_range(0, 1) : 0,
            .threshold = g_test_rand_int_range(1, pages),
            .throttles = run & 1,
            .always_syncs = run & 8,
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
    g_test_add_func("/page-heat-worlds/in-turn", test_world_in_turn);
    g_test_add_func("/page-heat-worlds/slow", test_world_slow);
    g_test_add_func("/page-heat-worlds/reads", test_world_reads);
    g_test_add_func("/page-heat-worlds/uniform", test_world_uniform);
    g_test_add_func("/page-heat-worlds/other", test_world_other);
    g_test_add_func("/page-heat-worlds/gives-up", test_world_gives_up);
    g_test_add_func("/page-heat-worlds/random", test_world_random);
    return g_test_run();
}
