/*
 * Length of chunks, with simulated costs of a system call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "hw/rwp/chunk-pace.h"

#define TARGET RWP_PACE_TARGET_NS

/* More doublings or halvings than this do not fit between any bounds here. */
#define STEPS 24

/* What a call costs: a fixed part, and one for each page. */
typedef struct Cost {
    int64_t call_ns;
    int64_t page_ps;        /* picoseconds: base pages take less than 1 ns */
} Cost;

static int64_t cost_of(const Cost *cost, uint64_t pages)
{
    return cost->call_ns + pages * cost->page_ps / 1000;
}

static void check_bounds(const RwpChunkPace *pace)
{
    g_assert_cmpuint(pace->pages, >=, pace->min);
    g_assert_cmpuint(pace->pages, <=, pace->max);
}

/* A call of full length.  Returns what it took. */
static int64_t call(RwpChunkPace *pace, const Cost *cost)
{
    int64_t ns = cost_of(cost, pace->pages);

    rwp_chunk_pace_update(pace, pace->pages, ns);
    check_bounds(pace);
    return ns;
}

/* Has come to rest: as long as the target allows, within a factor of 4. */
static void check_settled(const RwpChunkPace *pace, const Cost *cost)
{
    int64_t ns = cost_of(cost, pace->pages);

    g_assert_true(ns <= TARGET || pace->pages == pace->min);
    g_assert_true(ns >= TARGET / 4 || pace->pages == pace->max);
}

static void random_pace(RwpChunkPace *pace)
{
    uint64_t min = g_test_rand_int_range(1, 1000);
    uint64_t max = min + g_test_rand_int_range(0, 1 << 20);
    uint64_t start = min + g_test_rand_int_range(0, max - min + 1);

    rwp_chunk_pace_init(pace, start, min, max);
    g_assert_cmpuint(pace->pages, ==, start);
    g_assert_cmpuint(pace->min, ==, min);
    g_assert_cmpuint(pace->max, ==, max);
}

/* From next to nothing to more than the target for a single page. */
static void random_cost(Cost *cost)
{
    cost->call_ns = g_test_rand_int_range(0, TARGET / 8);
    cost->page_ps = 1 + (g_test_rand_int() >> g_test_rand_int_range(1, 32));
}

static void test_examples(void)
{
    RwpChunkPace pace;

    rwp_chunk_pace_init(&pace, 64, 4, 300);
    /* Right on the target, and on a quarter of it: as it should be. */
    rwp_chunk_pace_update(&pace, 64, TARGET);
    g_assert_cmpuint(pace.pages, ==, 64);
    rwp_chunk_pace_update(&pace, 64, TARGET / 4);
    g_assert_cmpuint(pace.pages, ==, 64);
    /* Beyond, but it may have been preempted; the next one was not. */
    rwp_chunk_pace_update(&pace, 64, TARGET + 1);
    g_assert_cmpuint(pace.pages, ==, 64);
    rwp_chunk_pace_update(&pace, 64, TARGET);
    rwp_chunk_pace_update(&pace, 64, TARGET + 1);
    g_assert_cmpuint(pace.pages, ==, 64);
    /* Beyond, once more. */
    rwp_chunk_pace_update(&pace, 64, TARGET + 1);
    g_assert_cmpuint(pace.pages, ==, 32);
    rwp_chunk_pace_update(&pace, 32, TARGET / 4 - 1);
    g_assert_cmpuint(pace.pages, ==, 64);
    rwp_chunk_pace_update(&pace, 64, 0);
    g_assert_cmpuint(pace.pages, ==, 128);
    rwp_chunk_pace_update(&pace, 128, 0);
    g_assert_cmpuint(pace.pages, ==, 256);
    /* To the bounds and no further. */
    rwp_chunk_pace_update(&pace, 256, 0);
    g_assert_cmpuint(pace.pages, ==, 300);
    rwp_chunk_pace_update(&pace, 300, 0);
    g_assert_cmpuint(pace.pages, ==, 300);
    for (int i = 0; i < 8; i++) {
        rwp_chunk_pace_update(&pace, pace.pages, INT64_MAX);
    }
    g_assert_cmpuint(pace.pages, ==, 4);
}

/* No room at all, and all that there is. */
static void test_bounds(void)
{
    RwpChunkPace pace;

    rwp_chunk_pace_init(&pace, 1, 1, 1);
    rwp_chunk_pace_update(&pace, 1, 0);
    g_assert_cmpuint(pace.pages, ==, 1);
    rwp_chunk_pace_update(&pace, 1, INT64_MAX);
    g_assert_cmpuint(pace.pages, ==, 1);

    rwp_chunk_pace_init(&pace, 1, 1, UINT64_MAX);
    for (int i = 0; i < 70; i++) {
        uint64_t before = pace.pages;

        rwp_chunk_pace_update(&pace, pace.pages, 0);
        check_bounds(&pace);
        g_assert_cmpuint(pace.pages, >=, before);
    }
    g_assert_cmpuint(pace.pages, ==, UINT64_MAX);
    for (int i = 0; i < 70; i++) {
        rwp_chunk_pace_update(&pace, pace.pages, INT64_MAX);
        check_bounds(&pace);
    }
    g_assert_cmpuint(pace.pages, ==, 1);
}

static void test_constant(void)
{
    for (int i = 0; i < 2000; i++) {
        bool within = false;
        RwpChunkPace pace;
        Cost cost;

        random_pace(&pace);
        random_cost(&cost);
        for (int n = 0; n < STEPS; n++) {
            int64_t ns = cost_of(&cost, pace.pages);

            /* Once within the target, never to leave it again. */
            g_assert_false(within && ns > TARGET);
            within |= ns <= TARGET;
            call(&pace, &cost);
        }
        check_settled(&pace, &cost);
    }
}

/* Costs that change for good, as when huge pages are split or collapsed. */
static void test_changing(void)
{
    for (int i = 0; i < 200; i++) {
        RwpChunkPace pace;
        Cost cost;

        random_pace(&pace);
        for (int change = 0; change < 20; change++) {
            bool within = false;

            random_cost(&cost);
            for (int n = 0; n < STEPS; n++) {
                int64_t ns = call(&pace, &cost);

                g_assert_false(within && ns > TARGET);
                within |= ns <= TARGET;
            }
            check_settled(&pace, &cost);
        }
    }
}

/* Dear for a while and cheap again: it grows as far as before. */
static void test_regrow(void)
{
    const Cost cheap = { .call_ns = 1000, .page_ps = 300 };
    const Cost dear = { .call_ns = 1000, .page_ps = 900000 };
    RwpChunkPace pace;
    uint64_t long_chunk;

    rwp_chunk_pace_init(&pace, 512, 64, 1 << 20);
    for (int round = 0; round < 4; round++) {
        for (int n = 0; n < STEPS; n++) {
            call(&pace, &cheap);
        }
        check_settled(&pace, &cheap);
        long_chunk = pace.pages;
        for (int n = 0; n < STEPS; n++) {
            call(&pace, &dear);
        }
        check_settled(&pace, &dear);
        g_assert_cmpuint(pace.pages, <, long_chunk / 100);
    }
}

/*
 * A call in a few is held up by something else: that alone does no harm, and
 * what two of them in a row do passes.
 */
static void test_spiky(void)
{
    for (int i = 0; i < 100; i++) {
        RwpChunkPace pace;
        bool slow = false;
        Cost cost;

        random_pace(&pace);
        random_cost(&cost);
        for (int n = 0; n < 300; n++) {
            uint64_t before = pace.pages;

            if (g_test_rand_int_range(0, 5)) {
                slow = call(&pace, &cost) > TARGET;
                continue;
            }
            rwp_chunk_pace_update(&pace, pace.pages,
                                  TARGET + g_test_rand_int_range(1, 1 << 30));
            check_bounds(&pace);
            g_assert_cmpuint(pace.pages, ==,
                             slow ? MAX(before / 2, pace.min) : before);
            slow = true;
        }
        for (int n = 0; n < STEPS; n++) {
            call(&pace, &cost);
        }
        check_settled(&pace, &cost);
    }
}

/* The last chunk of a block is short: its time must not make longer ones. */
static void test_short(void)
{
    for (int i = 0; i < 20000; i++) {
        RwpChunkPace pace;
        uint64_t before, pages;

        random_pace(&pace);
        before = pace.pages;
        if (before == 1) {
            continue;
        }
        pages = g_test_rand_int_range(1, before);

        rwp_chunk_pace_update(&pace, pages,
                              g_test_rand_int_range(0, TARGET + 1));
        g_assert_cmpuint(pace.pages, ==, before);

        rwp_chunk_pace_update(&pace, pages,
                              TARGET + g_test_rand_int_range(1, 1 << 30));
        g_assert_cmpuint(pace.pages, ==, before);
        if (pages > 1) {
            /* Shorter still, and not slow: that proves nothing. */
            rwp_chunk_pace_update(&pace, pages - 1,
                                  g_test_rand_int_range(0, TARGET + 1));
            g_assert_cmpuint(pace.pages, ==, before);
        }
        rwp_chunk_pace_update(&pace, pages,
                              TARGET + g_test_rand_int_range(1, 1 << 30));
        check_bounds(&pace);
        g_assert_cmpuint(pace.pages, <=, MAX(before / 2, pace.min));
    }
}

/* Calls of any length that take any time. */
static void test_bounds_random(void)
{
    for (int i = 0; i < 200; i++) {
        RwpChunkPace pace;

        random_pace(&pace);
        for (int n = 0; n < 200; n++) {
            uint64_t before = pace.pages;
            uint64_t pages = g_test_rand_int_range(1, 2 * pace.max + 1);
            int64_t ns = g_test_rand_int() >> g_test_rand_int_range(0, 32);

            rwp_chunk_pace_update(&pace, pages, ns);
            check_bounds(&pace);
            g_assert_cmpuint(pace.pages, <=, before * 2);
            if (ns >= TARGET / 4) {
                g_assert_cmpuint(pace.pages, <=, before);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/chunk-pace/examples", test_examples);
    g_test_add_func("/rwp/chunk-pace/bounds", test_bounds);
    g_test_add_func("/rwp/chunk-pace/bounds/random", test_bounds_random);
    g_test_add_func("/rwp/chunk-pace/constant", test_constant);
    g_test_add_func("/rwp/chunk-pace/changing", test_changing);
    g_test_add_func("/rwp/chunk-pace/regrow", test_regrow);
    g_test_add_func("/rwp/chunk-pace/spiky", test_spiky);
    g_test_add_func("/rwp/chunk-pace/short", test_short);

    return g_test_run();
}
