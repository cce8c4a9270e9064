/*
 * Which pages were written to, and how often lately
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Functions on bitmaps are compared with models of one page at a time; random
 * ones are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "../../migration/page-heat-writes.h"
#include "test-page-heat-bitmap.h"

static unsigned long *copy_bitmap(const unsigned long *map, unsigned long pages)
{
    unsigned long *copy = bitmap_new(pages);

    bitmap_copy(copy, map, pages);
    return copy;
}

static void check_fold(unsigned long pages, unsigned shift)
{
    unsigned long chunks = DIV_ROUND_UP(pages, 1ul << shift);
    g_autofree unsigned long *window = random_bitmap(pages, 5);
    g_autofree unsigned long *dirty = random_bitmap(pages, 2);
    g_autofree unsigned long *hot = random_bitmap(pages, 3);
    g_autofree unsigned long *log = random_bitmap(pages, 4);
    g_autofree unsigned long *unwatched = random_bitmap(chunks, 2);
    g_autofree unsigned long *window_before = copy_bitmap(window, pages);
    g_autofree unsigned long *dirty_before = copy_bitmap(dirty, pages);
    g_autofree unsigned long *hot_before = copy_bitmap(hot, pages);
    PageHeatFold fold = { .written = 7, .again = 5 };
    uint64_t written = 7, again = 5;

    page_heat_writes_fold(window, dirty, hot, log, unwatched, shift, pages,
                          &fold);

    for (unsigned long p = 0; p < pages; p++) {
        bool watched = !test_bit(p >> shift, unwatched);
        bool was_hot = test_bit(p, hot_before);
        bool was_dirty = test_bit(p, dirty_before);
        bool logged = test_bit(p, log);
        bool known = logged && (watched || !was_dirty);

        written += known;
        again += logged && !was_dirty;
        g_assert(test_bit(p, dirty) == (logged || was_dirty));
        g_assert(test_bit(p, hot) == (known || was_hot));
        g_assert(test_bit(p, window) == (known || (!watched && was_hot) ||
                                         test_bit(p, window_before)));
    }
    g_assert_cmpuint(fold.written, ==, written);
    g_assert_cmpuint(fold.again, ==, again);
}

static void test_fold(void)
{
    for (int run = 0; run < 200; run++) {
        check_fold(g_test_rand_int_range(1, 3000),
                   g_test_rand_int_range(6, 11));
    }
}

static void test_find(void)
{
    for (int run = 0; run < 100; run++) {
        unsigned long pages = g_test_rand_int_range(1, 700);
        g_autofree unsigned long *hot = random_bitmap(pages, 2);
        PageHeatWrites *writes = page_heat_writes_new(pages);

        for (int i = 0; i < PAGE_HEAT_WINDOWS; i++) {
            g_assert_cmpuint(find_first_bit(writes->window[i], pages), ==,
                             pages);
            g_free(writes->window[i]);
            writes->window[i] = random_bitmap(pages, 2);
        }
        for (unsigned times = 1; times <= PAGE_HEAT_WINDOWS; times++) {
            page_heat_writes_find(writes, times, hot, pages);
            for (unsigned long p = 0; p < pages; p++) {
                unsigned found = 0;

                for (int i = 0; i < PAGE_HEAT_WINDOWS; i++) {
                    found += test_bit(p, writes->window[i]);
                }
                g_assert(test_bit(p, hot) == (found >= times));
            }
        }
        page_heat_writes_free(writes);
    }
}

static unsigned times_max(const PageHeatWindows *windows)
{
    return page_heat_windows_times_max(windows);
}

/* Syncs come as they like, windows are a second long or longer. */
static void test_windows(void)
{
    PageHeatWindows windows;

    page_heat_windows_begin(&windows, 5000);
    g_assert_cmpuint(times_max(&windows), ==, 1);

    /* The first one is as long as it is. */
    g_assert_false(page_heat_windows_next(&windows, 25000));
    g_assert_cmpuint(windows.newest, ==, 0);
    g_assert_cmpuint(times_max(&windows), ==, 1);
    g_assert_true(page_heat_windows_next(&windows, 25600));
    g_assert_cmpuint(windows.newest, ==, 1);
    g_assert_cmpuint(times_max(&windows), ==, 1);

    g_assert_false(page_heat_windows_next(&windows, 25999));
    g_assert_cmpuint(times_max(&windows), ==, 1);
    g_assert_false(page_heat_windows_next(&windows, 26000));
    g_assert_cmpuint(times_max(&windows), ==, 2);
    g_assert_true(page_heat_windows_next(&windows, 26001));
    g_assert_cmpuint(windows.newest, ==, 2);
    g_assert_cmpuint(times_max(&windows), ==, 2);

    /* It began at 26000. */
    g_assert_false(page_heat_windows_next(&windows, 26999));
    g_assert_cmpuint(times_max(&windows), ==, 2);
    g_assert_false(page_heat_windows_next(&windows, 30000));
    g_assert_cmpuint(times_max(&windows), ==, 3);
    g_assert_true(page_heat_windows_next(&windows, 30000));
    g_assert_cmpuint(windows.newest, ==, 0);
    g_assert_cmpuint(times_max(&windows), ==, 2);
    g_assert_false(page_heat_windows_next(&windows, 31000));
    g_assert_cmpuint(times_max(&windows), ==, 3);
}

/* A migration that is over in a second has windows, too. */
static void test_short_windows(void)
{
    PageHeatWindows windows;

    page_heat_windows_begin(&windows, 0);
    /* Nothing happens in no time. */
    g_assert_false(page_heat_windows_next(&windows, 0));
    g_assert_false(page_heat_windows_next(&windows, 0));
    g_assert_false(page_heat_windows_next(&windows, 400));
    g_assert_true(page_heat_windows_next(&windows, 440));
    /* An eighth of 440 ms */
    g_assert_false(page_heat_windows_next(&windows, 454));
    g_assert_false(page_heat_windows_next(&windows, 460));
    g_assert_true(page_heat_windows_next(&windows, 470));
    g_assert_cmpuint(windows.newest, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-heat-writes/fold", test_fold);
    g_test_add_func("/page-heat-writes/find", test_find);
    g_test_add_func("/page-heat-writes/windows", test_windows);
    g_test_add_func("/page-heat-writes/short-windows", test_short_windows);
    return g_test_run();
}
