/*
 * Finding cold memory that is in, page by page and by brute force
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The age map and the out map are real ones, at random states; they have tests
 * of their own.  What to find in them is worked out page by page, from the
 * words of hw/rwp/cold-walk.h alone.
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "hw/rwp/cold-walk.h"
#include "test-rwp-random.h"

#define AGES (RWP_AGE_LIMIT + 1)

typedef struct Maps {
    uint64_t npages;
    RwpAgeMap *ages;
    RwpOutMap *outs;
    bool *gone;             /* by page: out or kept */
} Maps;

static void maps_init(Maps *t, uint64_t npages)
{
    t->npages = npages;
    t->ages = rwp_age_map_new(npages, 0);
    t->outs = rwp_out_map_new(npages);
    t->gone = g_new0(bool, npages);
}

static void maps_destroy(Maps *t)
{
    rwp_age_map_free(t->ages);
    rwp_out_map_free(t->outs);
    g_free(t->gone);
}

static void some_range(const Maps *t, uint64_t *first, uint64_t *count)
{
    uint64_t longest;

    *first = some_page(0, t->npages - 1, RWP_EXTENT_PAGES);
    longest = t->npages - *first;
    if (!one_in(6)) {
        longest = MIN(longest, 1 + t->npages / 8);
    }
    *count = some_page(1, longest, RWP_EXTENT_PAGES);
}

static void go(Maps *t, bool kept)
{
    uint64_t first, count;

    some_range(t, &first, &count);
    if (kept) {
        rwp_out_map_set_kept(t->outs, first, count);
    } else {
        rwp_out_map_set_out(t->outs, first, count);
    }
    memset(t->gone + first, true, count * sizeof(*t->gone));
}

static void come_back(Maps *t)
{
    uint64_t first, count;

    some_range(t, &first, &count);
    rwp_out_map_set_in(t->outs, first, count);
    memset(t->gone + first, false, count * sizeof(*t->gone));
}

/* An epoch in which a few ranges are accessed, and one may be discarded. */
static void epoch(Maps *t, unsigned accesses)
{
    uint64_t first, count;

    rwp_age_map_begin(t->ages);
    while (accesses--) {
        some_range(t, &first, &count);
        rwp_age_map_record(t->ages, first, count, one_in(4));
    }
    rwp_age_map_end(t->ages, 0);
    if (one_in(4)) {
        some_range(t, &first, &count);
        rwp_age_map_discard(t->ages, first, count);
    }
}

/* Is @page one to be found? */
static bool is_cold(const Maps *t, uint64_t page, int min_age, int max_age)
{
    int age = rwp_age_map_get(t->ages, page);

    return !t->gone[page] && age != RWP_AGE_ABSENT && age >= min_age &&
           age <= max_age;
}

/* Returns the end of the run, or @end if there is none. */
static uint64_t check_next(const Maps *t, uint64_t from, uint64_t end,
                           unsigned min_age, unsigned max_age)
{
    uint64_t first = from, stop;
    RwpPageRange range;
    bool some;

    while (first < end && !is_cold(t, first, min_age, max_age)) {
        first++;
    }
    stop = first;
    while (stop < end && is_cold(t, stop, min_age, max_age)) {
        stop++;
    }
    some = rwp_cold_walk_next(t->ages, t->outs, from, end, min_age, max_age,
                              &range);
    g_assert_cmpint(some, ==, first < stop);
    if (!some) {
        return end;
    }
    g_assert_cmpuint(range.first, ==, first);
    g_assert_cmpuint(range.count, ==, stop - first);
    return stop;
}

static void check_count(const Maps *t, uint64_t from, uint64_t end,
                        unsigned min_age)
{
    uint64_t want[AGES], got[AGES];

    /* It adds to what there is. */
    for (unsigned age = 0; age < AGES; age++) {
        want[age] = got[age] = between(0, 3);
    }
    for (uint64_t p = from; p < end; p++) {
        if (is_cold(t, p, min_age, RWP_AGE_LIMIT)) {
            want[rwp_age_map_get(t->ages, p)]++;
        }
    }
    rwp_cold_walk_count(t->ages, t->outs, from, end, min_age, got);
    g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
}

/* Ages that occur, their neighbours, and the ends of the scale. */
static unsigned some_age(const Maps *t)
{
    int age = rwp_age_map_get(t->ages, between(0, t->npages - 1));

    switch (between(0, 4)) {
    case 0:
        return between(0, 1) * RWP_AGE_LIMIT;
    case 1:
        return between(0, RWP_AGE_LIMIT);
    case 2:
        return CLAMP(age + 1, 0, RWP_AGE_LIMIT);
    default:
        return MAX(age, 0);
    }
}

static void check(const Maps *t)
{
    unsigned min_age = some_age(t);
    unsigned max_age = one_in(2) ? RWP_AGE_LIMIT : some_age(t);
    uint64_t from = some_page(0, t->npages, RWP_EXTENT_PAGES);
    uint64_t end = some_page(from, t->npages, RWP_EXTENT_PAGES);

    /* If @max_age is the smaller one, there is none. */
    check_next(t, from, end, min_age, max_age);
    check_count(t, from, end, min_age);
    check_count(t, 0, t->npages, min_age);
    for (uint64_t p = 0; p < t->npages; ) {
        p = check_next(t, p, t->npages, min_age, max_age);
    }
    for (uint64_t p = 0; p < t->npages; ) {
        p = check_next(t, p, t->npages, 0, RWP_AGE_LIMIT);
    }
}

static void random_run(uint64_t npages)
{
    Maps t;

    maps_init(&t, npages);
    check(&t);
    for (unsigned i = 0; i < 400; i++) {
        epoch(&t, between(0, 4));
        if (one_in(100)) {
            /* So that some reach the limit. */
            for (unsigned quiet = 0; quiet < AGES; quiet++) {
                epoch(&t, 0);
            }
        }
        for (unsigned n = between(0, 3); n > 0; n--) {
            go(&t, one_in(2));
        }
        if (one_in(2)) {
            come_back(&t);
        }
        if (one_in(200)) {
            rwp_out_map_reset(t.outs);
            memset(t.gone, 0, npages * sizeof(*t.gone));
        }
        if (one_in(3)) {
            /* While an epoch is being recorded. */
            rwp_age_map_begin(t.ages);
            check(&t);
            rwp_age_map_end(t.ages, 0);
        }
        if (one_in(1 + npages / 600)) {
            check(&t);
        }
    }
    check(&t);
    maps_destroy(&t);
}

static void test_random(const void *opaque)
{
    random_run(GPOINTER_TO_UINT(opaque));
}

static void check_range(const Maps *t, uint64_t from, uint64_t end,
                        unsigned min_age, unsigned max_age, uint64_t first,
                        uint64_t count)
{
    RwpPageRange range;

    g_assert_true(rwp_cold_walk_next(t->ages, t->outs, from, end, min_age,
                                     max_age, &range));
    g_assert_cmpuint(range.first, ==, first);
    g_assert_cmpuint(range.count, ==, count);
}

/* Pages 10 to 49 are of four ages, ten pages each, the oldest first. */
static void test_examples(void)
{
    uint64_t pages[AGES] = { };
    RwpPageRange range;
    Maps t;

    maps_init(&t, 100);
    for (unsigned i = 1; i < 5; i++) {
        rwp_age_map_begin(t.ages);
        rwp_age_map_record(t.ages, 10 * i, 10, false);
        rwp_age_map_end(t.ages, i);
    }
    /* Ages that are wanted are one run, others end it. */
    check_range(&t, 0, 100, 0, 3, 10, 40);
    check_range(&t, 0, 100, 1, 2, 20, 20);
    check_range(&t, 25, 35, 0, 3, 25, 10);
    g_assert_false(rwp_cold_walk_next(t.ages, t.outs, 0, 100, 4, RWP_AGE_LIMIT,
                                      &range));
    g_assert_false(rwp_cold_walk_next(t.ages, t.outs, 0, 100, 2, 1, &range));
    g_assert_false(rwp_cold_walk_next(t.ages, t.outs, 50, 100, 0, 3, &range));

    /* So do pages that are out, and those that were kept. */
    rwp_out_map_set_out(t.outs, 15, 2);
    rwp_out_map_set_kept(t.outs, 20, 1);
    check_range(&t, 0, 100, 0, 3, 10, 5);
    check_range(&t, 15, 100, 0, 3, 17, 3);
    check_range(&t, 20, 100, 0, 3, 21, 29);

    rwp_cold_walk_count(t.ages, t.outs, 12, 31, 1, pages);
    g_assert_cmpuint(pages[3], ==, 6);
    g_assert_cmpuint(pages[2], ==, 9);
    g_assert_cmpuint(pages[1], ==, 1);
    g_assert_cmpuint(pages[0], ==, 0);
    maps_destroy(&t);
}

static void test_one_page(void)
{
    uint64_t pages[AGES] = { };
    RwpPageRange range;
    Maps t;

    maps_init(&t, 1);
    g_assert_false(rwp_cold_walk_next(t.ages, t.outs, 0, 1, 0, RWP_AGE_LIMIT,
                                      &range));
    rwp_age_map_begin(t.ages);
    rwp_age_map_record(t.ages, 0, 1, false);
    rwp_age_map_end(t.ages, 1);
    check_range(&t, 0, 1, 0, 0, 0, 1);
    g_assert_false(rwp_cold_walk_next(t.ages, t.outs, 1, 1, 0, 0, &range));
    rwp_cold_walk_count(t.ages, t.outs, 0, 1, 0, pages);
    g_assert_cmpuint(pages[0], ==, 1);
    rwp_out_map_set_out(t.outs, 0, 1);
    g_assert_false(rwp_cold_walk_next(t.ages, t.outs, 0, 1, 0, 0, &range));
    rwp_cold_walk_count(t.ages, t.outs, 0, 1, 0, pages);
    g_assert_cmpuint(pages[0], ==, 1);
    maps_destroy(&t);
}

/* Line up all pages, the coldest first, and see which is the last to go. */
static unsigned naive_split(const uint64_t *pages, unsigned min_age,
                            uint64_t budget)
{
    for (unsigned age = RWP_AGE_LIMIT; age > min_age; age--) {
        for (uint64_t i = 0; i < pages[age]; i++) {
            if (!--budget) {
                return age;
            }
        }
    }
    return min_age;
}

static void test_split(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t pages[AGES] = { };
        unsigned min_age = one_in(4) ? between(0, 1) * RWP_AGE_LIMIT :
                                       between(0, RWP_AGE_LIMIT);
        uint64_t older = 0, all = 0, budget;
        unsigned split;

        for (unsigned n = between(0, 20); n > 0; n--) {
            unsigned age = one_in(6) ? RWP_AGE_LIMIT :
                                       between(0, RWP_AGE_LIMIT);

            /* Some may be too young: they must not count. */
            pages[age] = between(0, 20);
        }
        for (unsigned age = min_age; age < AGES; age++) {
            all += pages[age];
        }
        budget = one_in(5) ? MAX(all, 1) : between(1, all + 2);
        split = rwp_cold_walk_split(pages, min_age, budget);
        g_assert_cmpuint(split, ==, naive_split(pages, min_age, budget));

        for (unsigned age = split + 1; age < AGES; age++) {
            older += pages[age];
        }
        g_assert_cmpuint(older, <=, budget);
        if (budget <= all) {
            g_assert_cmpuint(older + pages[split], >=, budget);
        }

        /* With nothing to spend, nothing older must fit. */
        g_assert_cmpuint(rwp_cold_walk_split(pages, min_age, 0), ==,
                         RWP_AGE_LIMIT);
    }
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 1, 2, 64, 511, 512, 513, 1025, 5000 };

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/cold-walk/examples", test_examples);
    g_test_add_func("/rwp/cold-walk/one-page", test_one_page);
    g_test_add_func("/rwp/cold-walk/split", test_split);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/cold-walk/random/%u",
                                                sizes[i]);

        g_test_add_data_func(path, GUINT_TO_POINTER(sizes[i]), test_random);
    }

    return g_test_run();
}
