/*
 * Covering many ranges of pages by few, against a map of all pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "hw/rwp/page-range.h"

#define MAX_PAGES   20000
#define MAX_RANGES  200

static void check_range(const RwpPageRange *range, uint64_t first,
                        uint64_t count)
{
    g_assert_cmpuint(range->first, ==, first);
    g_assert_cmpuint(range->count, ==, count);
}

static void test_examples(void)
{
    RwpPageRange r[5];
    size_t nr = 0;

    /* Nothing to join to. */
    nr = rwp_page_range_append(r, nr, 10, 2, 3);
    g_assert_cmpuint(nr, ==, 1);
    check_range(&r[0], 10, 2);
    /* A gap of 3, just small enough. */
    nr = rwp_page_range_append(r, nr, 15, 1, 3);
    g_assert_cmpuint(nr, ==, 1);
    check_range(&r[0], 10, 6);
    /* A gap of 4. */
    nr = rwp_page_range_append(r, nr, 20, 1, 3);
    g_assert_cmpuint(nr, ==, 2);
    check_range(&r[0], 10, 6);
    check_range(&r[1], 20, 1);
    /* No gap: joined even if no gap may be bridged. */
    nr = rwp_page_range_append(r, nr, 21, 4, 0);
    g_assert_cmpuint(nr, ==, 2);
    check_range(&r[1], 20, 5);
    nr = rwp_page_range_append(r, nr, 26, 4, 0);
    g_assert_cmpuint(nr, ==, 3);
    check_range(&r[2], 26, 4);
    /* Any gap. */
    nr = rwp_page_range_append(r, nr, UINT64_C(1) << 52, 1, UINT64_MAX);
    g_assert_cmpuint(nr, ==, 3);
    check_range(&r[2], 26, (UINT64_C(1) << 52) - 26 + 1);
    check_range(&r[0], 10, 6);
    check_range(&r[1], 20, 5);
}

/* The first page there is, and the last that a range can end at. */
static void test_edges(void)
{
    RwpPageRange r[2];
    size_t nr = rwp_page_range_append(r, 0, 0, 1, 0);

    check_range(&r[0], 0, 1);
    nr = rwp_page_range_append(r, nr, UINT64_MAX - 1, 1, UINT64_MAX - 3);
    g_assert_cmpuint(nr, ==, 2);
    check_range(&r[0], 0, 1);
    check_range(&r[1], UINT64_MAX - 1, 1);

    nr = rwp_page_range_append(r, 1, UINT64_MAX - 1, 1, UINT64_MAX - 2);
    g_assert_cmpuint(nr, ==, 1);
    check_range(&r[0], 0, UINT64_MAX);
}

/* Gaps around @max_gap more often than others, for these decide. */
static unsigned random_gap(unsigned max_gap)
{
    switch (g_test_rand_int_range(0, 6)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return max_gap;
    case 3:
        return max_gap + 1;
    case 4:
        return max_gap ? max_gap - 1 : 0;
    default:
        return g_test_rand_int_range(0, 2 * max_gap + 5);
    }
}

static void random_run(unsigned max_gap)
{
    unsigned want_nr = g_test_rand_int_range(1, MAX_RANGES + 1);
    /* Room for as many as go in, and no more: overruns are to be found. */
    g_autofree RwpPageRange *in = g_new(RwpPageRange, want_nr);
    g_autofree RwpPageRange *out = g_new(RwpPageRange, want_nr);
    g_autofree bool *hot = g_new0(bool, MAX_PAGES);
    g_autofree bool *want = g_new0(bool, MAX_PAGES);
    g_autofree bool *got = g_new0(bool, MAX_PAGES);
    size_t in_nr = 0, nr = 0;
    uint64_t at = g_test_rand_int_range(0, 3);

    while (in_nr < want_nr) {
        uint64_t count = g_test_rand_bit() ? 1 : g_test_rand_int_range(1, 60);
        size_t before = nr;

        at += in_nr ? random_gap(max_gap) : 0;
        if (at + count > MAX_PAGES) {
            break;
        }
        in[in_nr++] = (RwpPageRange) { at, count };
        nr = rwp_page_range_append(out, nr, at, count, max_gap);
        g_assert_cmpuint(nr, >=, MAX(before, 1));
        g_assert_cmpuint(nr, <=, before + 1);
        at += count;
    }

    for (size_t i = 0; i < in_nr; i++) {
        for (uint64_t p = in[i].first; p < in[i].first + in[i].count; p++) {
            hot[p] = true;
        }
    }

    /* Hot pages, and what lies between two of them that are close. */
    for (uint64_t p = 0; p < MAX_PAGES; p++) {
        want[p] = hot[p];
        if (!hot[p]) {
            int64_t before = (int64_t)p - 1, after = p + 1;

            while (before >= 0 && !hot[before] && p - before <= max_gap + 1) {
                before--;
            }
            while (after < MAX_PAGES && !hot[after] &&
                   after - p <= max_gap + 1) {
                after++;
            }
            want[p] = before >= 0 && after < MAX_PAGES &&
                      hot[before] && hot[after] &&
                      after - before - 1 <= max_gap;
        }
    }

    for (size_t i = 0; i < nr; i++) {
        g_assert_cmpuint(out[i].count, >, 0);
        g_assert_cmpuint(out[i].first + out[i].count, <=, MAX_PAGES);
        /* A bridge has two ends. */
        g_assert_true(hot[out[i].first]);
        g_assert_true(hot[out[i].first + out[i].count - 1]);
        if (i) {
            uint64_t end = out[i - 1].first + out[i - 1].count;

            g_assert_cmpuint(out[i].first, >=, end);
            g_assert_cmpuint(out[i].first - end, >, max_gap);
        }
        for (uint64_t p = out[i].first; p < out[i].first + out[i].count;
             p++) {
            got[p] = true;
        }
    }
    g_assert_cmpmem(got, MAX_PAGES, want, MAX_PAGES);
}

static void test_random(const void *opaque)
{
    for (int i = 0; i < 40; i++) {
        random_run(GPOINTER_TO_UINT(opaque));
    }
}

int main(int argc, char **argv)
{
    static const unsigned gaps[] = { 0, 1, 2, 3, 7, 31, 64, 511 };

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/page-range/examples", test_examples);
    g_test_add_func("/rwp/page-range/edges", test_edges);
    for (unsigned i = 0; i < ARRAY_SIZE(gaps); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/page-range/random/%u",
                                                gaps[i]);

        g_test_add_data_func(path, GUINT_TO_POINTER(gaps[i]), test_random);
    }

    return g_test_run();
}
