/*
 * Unit tests of hw/rwp/epoch-clock.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/epoch-clock.h"

/* Pages of @age are idle for @idle_ns, and not for a nanosecond more. */
static void check_idle(const RwpEpochClock *clock, unsigned age,
                       int64_t idle_ns)
{
    g_assert_true(rwp_epoch_clock_idle(clock, age, idle_ns));
    g_assert_false(rwp_epoch_clock_idle(clock, age, idle_ns + 1));
}

/* The last @ns were watched without a gap, and not a nanosecond more. */
static void check_watched(const RwpEpochClock *clock, int64_t ns)
{
    g_assert_true(rwp_epoch_clock_watched(clock, ns));
    g_assert_false(rwp_epoch_clock_watched(clock, ns + 1));
}

/* The last @window_ns are covered, and not a nanosecond more. */
static void check_covers(const RwpEpochClock *clock, int64_t window_ns)
{
    g_assert_true(rwp_epoch_clock_covers(clock, window_ns));
    g_assert_false(rwp_epoch_clock_covers(clock, window_ns + 1));
}

static void test_start(void)
{
    RwpEpochClock clock;

    memset(&clock, 0xff, sizeof(clock));
    rwp_epoch_clock_start(&clock, 1000);
    g_assert_cmpint(clock.last_end_ns, ==, 1000);
    check_covers(&clock, 0);
    rwp_epoch_clock_end(&clock, 1003);
    g_assert_cmpint(clock.last_end_ns, ==, 1003);
    check_covers(&clock, 3);
    check_watched(&clock, 3);
    check_idle(&clock, 0, 0);

    /* It forgets all. */
    rwp_epoch_clock_start(&clock, 2000);
    check_covers(&clock, 0);
}

/* Each epoch is longer than the one before, and the ring wraps twice. */
static void test_lengths(void)
{
    RwpEpochClock clock;
    int64_t now_ns = 0;

    rwp_epoch_clock_start(&clock, 0);
    for (int epoch = 1; epoch <= 3 * RWP_AGE_LIMIT; epoch++) {
        int64_t idle_ns = 0;

        now_ns += epoch;
        rwp_epoch_clock_end(&clock, now_ns);
        check_covers(&clock, now_ns);
        check_watched(&clock, now_ns);
        for (int age = 0; age < epoch && age <= RWP_AGE_LIMIT; age++) {
            check_idle(&clock, age, idle_ns);
            idle_ns += epoch - age;
        }
    }
}

static void test_assume(void)
{
    RwpEpochClock clock;

    rwp_epoch_clock_assume(&clock, 3, 10, 1000);
    g_assert_cmpint(clock.last_end_ns, ==, 1000);
    check_covers(&clock, 30);
    check_watched(&clock, 0);
    check_idle(&clock, 2, 20);
    rwp_epoch_clock_end(&clock, 1001);
    check_covers(&clock, 31);
    check_watched(&clock, 1);
    check_idle(&clock, 0, 0);
    check_idle(&clock, 1, 1);
    check_idle(&clock, 3, 21);

    /* What no honest stream tells is as long as can be told. */
    rwp_epoch_clock_assume(&clock, UINT64_MAX, INT64_MAX, INT64_MAX / 2);
    check_covers(&clock, 0);
    check_idle(&clock, RWP_AGE_LIMIT, 0);
    rwp_epoch_clock_assume(&clock, UINT64_MAX, 1, 1000);
    check_idle(&clock, RWP_AGE_LIMIT, RWP_AGE_LIMIT);
    check_covers(&clock, INT64_MAX / 4);
}

/* The time in which nobody watched counts nowhere but in last_end_ns. */
static void test_unwatched(void)
{
    RwpEpochClock clock;

    rwp_epoch_clock_start(&clock, 0);
    rwp_epoch_clock_end(&clock, 10);
    rwp_epoch_clock_end(&clock, 30);
    rwp_epoch_clock_unwatched(&clock, 1000);
    g_assert_cmpint(clock.last_end_ns, ==, 30);
    check_idle(&clock, 1, 20);
    check_covers(&clock, 30);
    check_watched(&clock, 0);
    rwp_epoch_clock_end(&clock, 1005);
    g_assert_cmpint(clock.last_end_ns, ==, 1005);
    check_idle(&clock, 1, 5);
    check_idle(&clock, 2, 25);
    check_covers(&clock, 35);
    check_watched(&clock, 5);

    /* Twice without an epoch in between is one long gap. */
    rwp_epoch_clock_unwatched(&clock, 2000);
    rwp_epoch_clock_unwatched(&clock, 3000);
    check_idle(&clock, 2, 25);
    check_covers(&clock, 35);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rwp/epoch-clock/start", test_start);
    g_test_add_func("/rwp/epoch-clock/lengths", test_lengths);
    g_test_add_func("/rwp/epoch-clock/assume", test_assume);
    g_test_add_func("/rwp/epoch-clock/unwatched", test_unwatched);
    return g_test_run();
}
