/*
 * Which pages are out, against an array of all pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The model is written from the words of hw/rwp/out-map.h alone.
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "hw/rwp/out-map.h"
#include "test-rwp-random.h"

typedef enum Where {
    IN,
    OUT,
    KEPT,
} Where;

/* The map under test, and the model that it is compared with. */
typedef struct Pair {
    RwpOutMap *map;
    uint64_t npages;
    Where *where;           /* by page */
} Pair;

static void pair_init(Pair *t, uint64_t npages)
{
    t->map = rwp_out_map_new(npages);
    t->npages = npages;
    t->where = g_new0(Where, npages);
}

static void pair_destroy(Pair *t)
{
    rwp_out_map_free(t->map);
    g_free(t->where);
}

/* How many pages of the range are @where. */
static uint64_t model_count(const Pair *t, uint64_t first, uint64_t count,
                            Where where)
{
    uint64_t nr = 0;

    for (uint64_t p = first; p < first + count; p++) {
        nr += t->where[p] == where;
    }
    return nr;
}

static void pair_set_out(Pair *t, uint64_t first, uint64_t count)
{
    uint64_t news = count - model_count(t, first, count, OUT);

    g_assert_cmpuint(rwp_out_map_set_out(t->map, first, count), ==, news);
    for (uint64_t p = first; p < first + count; p++) {
        t->where[p] = OUT;
    }
}

static void pair_set_kept(Pair *t, uint64_t first, uint64_t count)
{
    rwp_out_map_set_kept(t->map, first, count);
    for (uint64_t p = first; p < first + count; p++) {
        t->where[p] = t->where[p] == OUT ? OUT : KEPT;
    }
}

static void pair_set_in(Pair *t, uint64_t first, uint64_t count)
{
    uint64_t back = model_count(t, first, count, OUT);

    g_assert_cmpuint(rwp_out_map_set_in(t->map, first, count), ==, back);
    for (uint64_t p = first; p < first + count; p++) {
        t->where[p] = IN;
    }
}

static void pair_retry(Pair *t)
{
    rwp_out_map_retry(t->map);
    for (uint64_t p = 0; p < t->npages; p++) {
        t->where[p] = t->where[p] == OUT ? OUT : IN;
    }
}

static void pair_reset(Pair *t)
{
    rwp_out_map_reset(t->map);
    memset(t->where, 0, t->npages * sizeof(*t->where));
}

static void check_next_in(const Pair *t, uint64_t from, uint64_t end)
{
    uint64_t first = from, stop;
    RwpPageRange run;
    bool some;

    while (first < end && t->where[first] != IN) {
        first++;
    }
    stop = first;
    while (stop < end && t->where[stop] == IN) {
        stop++;
    }
    some = rwp_out_map_next_in(t->map, from, end, &run);
    g_assert_cmpint(some, ==, first < stop);
    if (some) {
        g_assert_cmpuint(run.first, ==, first);
        g_assert_cmpuint(run.count, ==, stop - first);
    }
}

static void check_same(const Pair *t, uint64_t from, uint64_t end)
{
    uint64_t stop = from;
    bool out;

    g_assert_cmpuint(rwp_out_map_count(t->map, from, end - from), ==,
                     model_count(t, from, end - from, OUT));
    if (from == end) {
        return;
    }
    while (stop < end && (t->where[stop] == OUT) == (t->where[from] == OUT)) {
        stop++;
    }
    g_assert_cmpuint(rwp_out_map_same(t->map, from, end, &out), ==,
                     stop - from);
    g_assert_cmpint(out, ==, t->where[from] == OUT);
}

/* Ask everything there is to ask. */
static void check(const Pair *t)
{
    g_assert_cmpuint(rwp_out_map_out(t->map), ==,
                     model_count(t, 0, t->npages, OUT));
    g_assert_cmpuint(rwp_out_map_kept(t->map), ==,
                     model_count(t, 0, t->npages, KEPT));
    check_next_in(t, 0, t->npages);
    for (int i = 0; i < 8; i++) {
        uint64_t from = between(0, t->npages);

        check_next_in(t, from, t->npages);
        check_same(t, from, t->npages);
        check_same(t, from, between(from, t->npages));
        check_next_in(t, from, between(from, t->npages));
        check_next_in(t, 0, from);
    }
}

/* Long ones at times, short ones mostly, none now and then. */
static void some_range(const Pair *t, uint64_t *first, uint64_t *count)
{
    uint64_t longest;

    *first = some_page(0, t->npages, BITS_PER_LONG);
    longest = t->npages - *first;
    if (!one_in(6)) {
        longest = MIN(longest, 1 + t->npages / 8);
    }
    *count = some_page(0, longest, BITS_PER_LONG);
}

static void random_run(uint64_t npages)
{
    Pair t;

    pair_init(&t, npages);
    check(&t);
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t first, count;

        some_range(&t, &first, &count);
        switch (between(0, 60)) {
        case 0:
            pair_reset(&t);
            break;
        case 1 ... 3:
            pair_retry(&t);
            break;
        case 4 ... 20:
            pair_set_kept(&t, first, count);
            break;
        case 21 ... 36:
            pair_set_in(&t, first, count);
            break;
        default:
            pair_set_out(&t, first, count);
            break;
        }
        if (one_in(1 + npages / 200)) {
            check(&t);
        }
    }
    check(&t);
    pair_destroy(&t);
}

static void test_random(const void *opaque)
{
    random_run(GPOINTER_TO_UINT(opaque));
}

static void check_run(const RwpOutMap *map, uint64_t from, uint64_t end,
                      uint64_t first, uint64_t count)
{
    RwpPageRange run;

    g_assert_true(rwp_out_map_next_in(map, from, end, &run));
    g_assert_cmpuint(run.first, ==, first);
    g_assert_cmpuint(run.count, ==, count);
}

/* What the manual says of each state, on ten pages. */
static void test_examples(void)
{
    g_autoptr(RwpOutMap) map = rwp_out_map_new(10);
    RwpPageRange run;

    check_run(map, 0, 10, 0, 10);

    /* Only what was not out before is new. */
    g_assert_cmpuint(rwp_out_map_set_out(map, 2, 3), ==, 3);
    g_assert_cmpuint(rwp_out_map_set_out(map, 3, 4), ==, 2);
    g_assert_cmpuint(rwp_out_map_out(map), ==, 5);
    check_run(map, 0, 10, 0, 2);
    check_run(map, 2, 10, 7, 3);

    /* What is out cannot be kept. */
    rwp_out_map_set_kept(map, 5, 4);
    g_assert_cmpuint(rwp_out_map_kept(map), ==, 2);
    g_assert_cmpuint(rwp_out_map_out(map), ==, 5);
    check_run(map, 2, 10, 9, 1);
    g_assert_false(rwp_out_map_next_in(map, 2, 9, &run));

    /* It may be tried again, and then it may go. */
    rwp_out_map_retry(map);
    g_assert_cmpuint(rwp_out_map_kept(map), ==, 0);
    check_run(map, 2, 10, 7, 3);
    rwp_out_map_set_kept(map, 7, 3);
    g_assert_cmpuint(rwp_out_map_set_out(map, 7, 1), ==, 1);
    g_assert_cmpuint(rwp_out_map_kept(map), ==, 2);
    g_assert_cmpuint(rwp_out_map_out(map), ==, 6);

    /* What comes back was out, or was not; what was kept may be tried again */
    g_assert_cmpuint(rwp_out_map_set_in(map, 6, 3), ==, 2);
    g_assert_cmpuint(rwp_out_map_set_in(map, 6, 3), ==, 0);
    g_assert_cmpuint(rwp_out_map_out(map), ==, 4);
    g_assert_cmpuint(rwp_out_map_kept(map), ==, 1);
    check_run(map, 2, 10, 6, 3);

    rwp_out_map_reset(map);
    g_assert_cmpuint(rwp_out_map_out(map), ==, 0);
    g_assert_cmpuint(rwp_out_map_kept(map), ==, 0);
    check_run(map, 0, 10, 0, 10);
}

static void test_one_page(void)
{
    g_autoptr(RwpOutMap) map = rwp_out_map_new(1);
    RwpPageRange run;

    check_run(map, 0, 1, 0, 1);
    g_assert_false(rwp_out_map_next_in(map, 0, 0, &run));
    g_assert_false(rwp_out_map_next_in(map, 1, 1, &run));
    rwp_out_map_set_kept(map, 0, 1);
    g_assert_false(rwp_out_map_next_in(map, 0, 1, &run));
    g_assert_cmpuint(rwp_out_map_set_out(map, 0, 1), ==, 1);
    g_assert_cmpuint(rwp_out_map_kept(map), ==, 0);
    g_assert_false(rwp_out_map_next_in(map, 0, 1, &run));
    g_assert_cmpuint(rwp_out_map_set_in(map, 0, 1), ==, 1);
    check_run(map, 0, 1, 0, 1);
}

/* 1 TiB: what lies between two pages that are far apart is one run. */
static void test_tib(void)
{
    const uint64_t npages = UINT64_C(1) << 28;
    g_autoptr(RwpOutMap) map = rwp_out_map_new(npages);

    g_assert_cmpuint(rwp_out_map_set_out(map, npages - 1, 1), ==, 1);
    check_run(map, 0, npages, 0, npages - 1);
    rwp_out_map_set_kept(map, 0, 1);
    check_run(map, 0, npages, 1, npages - 2);
    g_assert_cmpuint(rwp_out_map_set_out(map, 0, npages), ==, npages - 1);
    g_assert_cmpuint(rwp_out_map_out(map), ==, npages);
    g_assert_cmpuint(rwp_out_map_kept(map), ==, 0);
    g_assert_cmpuint(rwp_out_map_set_in(map, 0, npages), ==, npages);
    check_run(map, 0, npages, 0, npages);
}

/* Next to nothing until it is used, then two bits a page. */
static void test_metadata(void)
{
    const uint64_t npages = 1 << 20;

    for (int kept = 0; kept < 2; kept++) {
        g_autoptr(RwpOutMap) map = rwp_out_map_new(npages);

        g_assert_cmpuint(rwp_out_map_metadata(map), <, 1024);
        rwp_out_map_set_in(map, 0, npages);
        rwp_out_map_retry(map);
        g_assert_cmpuint(rwp_out_map_metadata(map), <, 1024);
        if (kept) {
            rwp_out_map_set_kept(map, npages - 1, 1);
        } else {
            rwp_out_map_set_out(map, npages - 1, 1);
        }
        g_assert_cmpuint(rwp_out_map_metadata(map), >=, npages / 4);
        g_assert_cmpuint(rwp_out_map_metadata(map), <, npages / 4 + 1024);
    }
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {
        1, 2, 63, 64, 65, 127, 128, 129, 512, 1000, 4097,
    };

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/out-map/examples", test_examples);
    g_test_add_func("/rwp/out-map/one-page", test_one_page);
    g_test_add_func("/rwp/out-map/1-tib", test_tib);
    g_test_add_func("/rwp/out-map/metadata", test_metadata);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/out-map/random/%u",
                                                sizes[i]);

        g_test_add_data_func(path, GUINT_TO_POINTER(sizes[i]), test_random);
    }

    return g_test_run();
}
