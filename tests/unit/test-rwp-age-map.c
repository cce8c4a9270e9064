/*
 * Idle ages of pages: examples by hand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * So that test-rwp-age-map-model.c and its model cannot err together.  Random
 * runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "test-rwp-age-map.h"
#include "test-rwp-random.h"

/* A map without pages in it answers everything, and with nothing. */
static void test_empty(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(1000, 5 * SECOND);
    uint64_t pages[RWP_AGE_LIMIT + 1];
    RwpAgeRun run;
    bool complete;

    for (int epochs = 0; epochs < 2; epochs++) {
        g_assert_cmpuint(rwp_age_map_epochs(map), ==, epochs);
        g_assert_cmpint(rwp_age_map_last_end(map), ==, (5 + epochs) * SECOND);
        g_assert_cmpuint(rwp_age_map_accessed(map), ==, 0);
        g_assert_cmpuint(rwp_age_map_present(map), ==, 0);
        g_assert_cmpuint(rwp_age_map_huge(map), ==, 0);
        g_assert_cmpint(rwp_age_map_get(map, 0), ==, RWP_AGE_ABSENT);
        g_assert_cmpint(rwp_age_map_get(map, 999), ==, RWP_AGE_ABSENT);
        g_assert_false(rwp_age_map_next_run(map, 0, 1000, &run));
        g_assert_false(rwp_age_map_next_run(map, 0, 0, &run));
        g_assert_false(rwp_age_map_next_run(map, 1000, 1000, &run));

        memset(pages, 0xff, sizeof(pages));
        rwp_age_map_idle(map, pages);
        for (unsigned age = 0; age <= RWP_AGE_LIMIT; age++) {
            g_assert_cmpuint(pages[age], ==, 0);
        }
        memset(pages, 0xff, sizeof(pages));
        rwp_age_map_promotions(map, pages);
        for (unsigned age = 0; age <= RWP_AGE_LIMIT; age++) {
            g_assert_cmpuint(pages[age], ==, 0);
        }

        /* Accesses have been seen for as many seconds as there are epochs. */
        g_assert_cmpuint(rwp_age_map_working_set(map, epochs * SECOND,
                                                 &complete), ==, 0);
        g_assert_true(complete);
        g_assert_cmpuint(rwp_age_map_working_set(map, epochs * SECOND + 1,
                                                 &complete), ==, 0);
        g_assert_false(complete);

        rwp_age_map_begin(map);
        rwp_age_map_end(map, 6 * SECOND);
    }

    rwp_age_map_free(NULL);
}

static void test_ages(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(10, 0);
    uint64_t pages[RWP_AGE_LIMIT + 1];

    rwp_age_map_begin(map);
    g_assert_cmpuint(rwp_age_map_epochs(map), ==, 0);
    rwp_age_map_record(map, 2, 3, false);
    rwp_age_map_record(map, 4, 2, false);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 0);
    rwp_age_map_end(map, 1);
    g_assert_cmpuint(rwp_age_map_epochs(map), ==, 1);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 4);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 4);
    g_assert_cmpint(rwp_age_map_get(map, 1), ==, RWP_AGE_ABSENT);
    g_assert_cmpint(rwp_age_map_get(map, 2), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 5), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 6), ==, RWP_AGE_ABSENT);

    rwp_age_map_begin(map);
    /* Not older before the epoch is complete. */
    g_assert_cmpint(rwp_age_map_get(map, 2), ==, 0);
    rwp_age_map_record(map, 5, 2, false);
    rwp_age_map_end(map, 2);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 2);
    g_assert_cmpint(rwp_age_map_get(map, 2), ==, 1);
    g_assert_cmpint(rwp_age_map_get(map, 5), ==, 0);

    rwp_age_map_begin(map);
    g_assert_cmpint(rwp_age_map_get(map, 2), ==, 1);
    rwp_age_map_record(map, 2, 1, false);
    g_assert_cmpint(rwp_age_map_get(map, 2), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 3), ==, 1);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 2);
    /* Interrupted: it is still the same epoch. */
    rwp_age_map_begin(map);
    g_assert_cmpint(rwp_age_map_get(map, 3), ==, 1);
    rwp_age_map_record(map, 2, 1, false);
    rwp_age_map_end(map, 3);
    g_assert_cmpuint(rwp_age_map_epochs(map), ==, 3);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 1);
    g_assert_cmpint(rwp_age_map_get(map, 2), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 3), ==, 2);
    g_assert_cmpint(rwp_age_map_get(map, 5), ==, 1);

    rwp_age_map_idle(map, pages);
    g_assert_cmpuint(pages[0], ==, 1);
    g_assert_cmpuint(pages[1], ==, 2);
    g_assert_cmpuint(pages[2], ==, 2);
    rwp_age_map_promotions(map, pages);
    g_assert_cmpuint(pages[0], ==, 1);      /* page 5 in epoch 2 */
    g_assert_cmpuint(pages[1], ==, 1);      /* page 2 in epoch 3 */
    g_assert_cmpuint(pages[2], ==, 0);
}

/* Each page comes back after another number of epochs, all beyond the ring. */
static void test_saturation(void)
{
    const unsigned npages = 1100;
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(npages, 0);
    uint64_t pages[RWP_AGE_LIMIT + 1];

    rwp_age_map_begin(map);
    rwp_age_map_record(map, 0, npages, false);
    rwp_age_map_end(map, 0);
    for (unsigned age = 0; age < npages; age++) {
        g_assert_cmpint(rwp_age_map_get(map, npages - 1), ==,
                        MIN(age, RWP_AGE_LIMIT));
        rwp_age_map_begin(map);
        rwp_age_map_record(map, age, 1, false);
        rwp_age_map_end(map, 0);
        g_assert_cmpuint(rwp_age_map_accessed(map), ==, 1);
    }

    rwp_age_map_promotions(map, pages);
    for (unsigned age = 0; age < RWP_AGE_LIMIT; age++) {
        g_assert_cmpuint(pages[age], ==, 1);
    }
    g_assert_cmpuint(pages[RWP_AGE_LIMIT], ==, npages - RWP_AGE_LIMIT);

    rwp_age_map_idle(map, pages);
    for (unsigned age = 0; age < RWP_AGE_LIMIT; age++) {
        g_assert_cmpuint(pages[age], ==, 1);
    }
    g_assert_cmpuint(pages[RWP_AGE_LIMIT], ==, npages - RWP_AGE_LIMIT);
}

/*
 * Nothing but empty epochs, for maps in which the sweep's share of each epoch
 * is nothing, one extent or several, or more than is done at once: whether
 * all, some or none of it is asked for.
 */
static void test_idle(void)
{
    static const unsigned extents[] = { 1, 2, 31, 32, 33, 65, 100, 9600 };

    for (unsigned i = 0; i < ARRAY_SIZE(extents); i++) {
        uint64_t npages = extents[i] * RWP_EXTENT_PAGES - i;
        g_autoptr(RwpAgeMap) map = rwp_age_map_new(npages, 0);
        uint64_t pages[RWP_AGE_LIMIT + 1];

        for (unsigned e = 0; e < 900; e++) {
            RwpAgeRun run;

            rwp_age_map_begin(map);
            if (e == 0) {
                rwp_age_map_record(map, 0, npages, false);
            }
            rwp_age_map_end(map, e);
            while (e % 3 && rwp_age_map_sweep(map) && e % 3 == 1) {
                rwp_age_map_idle(map, pages);
                g_assert_cmpuint(pages[MIN(e, RWP_AGE_LIMIT)], ==, npages);
            }
            rwp_age_map_idle(map, pages);
            g_assert_cmpuint(pages[MIN(e, RWP_AGE_LIMIT)], ==, npages);
            if (e % 16 == 0) {
                g_assert_true(rwp_age_map_next_run(map, 0, npages, &run));
                g_assert_cmpuint(run.count, ==, npages);
                g_assert_cmpuint(run.age, ==, MIN(e, RWP_AGE_LIMIT));
            }
        }
        rwp_age_map_promotions(map, pages);
        for (unsigned age = 0; age <= RWP_AGE_LIMIT; age++) {
            g_assert_cmpuint(pages[age], ==, 0);
        }
    }
}

static void test_discard(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(1025, 0);
    uint64_t pages[RWP_AGE_LIMIT + 1];

    rwp_age_map_discard(map, 0, 1025);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 0);
    rwp_age_map_begin(map);
    rwp_age_map_record(map, 0, 1025, false);
    rwp_age_map_end(map, 1);

    rwp_age_map_discard(map, 511, 2);
    rwp_age_map_discard(map, 1024, 1);
    rwp_age_map_discard(map, 700, 0);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 1022);
    g_assert_cmpint(rwp_age_map_get(map, 510), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 511), ==, RWP_AGE_ABSENT);
    g_assert_cmpint(rwp_age_map_get(map, 512), ==, RWP_AGE_ABSENT);
    g_assert_cmpint(rwp_age_map_get(map, 513), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 1024), ==, RWP_AGE_ABSENT);
    /* What was accessed then was accessed then. */
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 1025);

    /* The first access to an absent page is no promotion. */
    rwp_age_map_begin(map);
    rwp_age_map_record(map, 510, 2, false);
    rwp_age_map_end(map, 2);
    rwp_age_map_promotions(map, pages);
    g_assert_cmpuint(pages[0], ==, 1);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 1023);
}

static void test_populate(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(600, 0);
    uint64_t pages[RWP_AGE_LIMIT + 1];

    /* Before the first epoch. */
    rwp_age_map_populate(map, 0, 4);
    g_assert_cmpint(rwp_age_map_get(map, 3), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 4), ==, RWP_AGE_ABSENT);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 4);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 0);

    rwp_age_map_begin(map);
    rwp_age_map_record(map, 0, 1, false);
    rwp_age_map_end(map, 1);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 1);
    g_assert_cmpint(rwp_age_map_get(map, 0), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 1), ==, 1);

    /* Present ones keep their age. */
    rwp_age_map_populate(map, 0, 600);
    g_assert_cmpint(rwp_age_map_get(map, 1), ==, 1);
    g_assert_cmpint(rwp_age_map_get(map, 4), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 599), ==, 0);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 1);

    /* In an open epoch: not recorded by that. */
    rwp_age_map_discard(map, 10, 2);
    rwp_age_map_begin(map);
    rwp_age_map_populate(map, 10, 2);
    g_assert_cmpint(rwp_age_map_get(map, 10), ==, 0);
    rwp_age_map_record(map, 2, 3, false);
    rwp_age_map_end(map, 2);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, 3);
    g_assert_cmpint(rwp_age_map_get(map, 10), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, 9), ==, 1);
    rwp_age_map_promotions(map, pages);
    g_assert_cmpuint(pages[0], ==, 2);      /* pages 0 and 4 */
    g_assert_cmpuint(pages[1], ==, 2);      /* pages 2 and 3 */
}

static void test_huge(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(3 * RWP_EXTENT_PAGES + 100, 0);
    RwpAgeRun run;

    rwp_age_map_begin(map);
    rwp_age_map_record(map, 0, 2 * RWP_EXTENT_PAGES, true);
    rwp_age_map_record(map, 0, 2 * RWP_EXTENT_PAGES, true);
    rwp_age_map_record(map, 2 * RWP_EXTENT_PAGES, RWP_EXTENT_PAGES, false);
    g_assert_cmpuint(rwp_age_map_huge(map), ==, 2 * RWP_EXTENT_PAGES);
    rwp_age_map_end(map, 1);

    /* Same age, other mapping: another run. */
    g_assert_true(rwp_age_map_next_run(map, 5, 3 * RWP_EXTENT_PAGES, &run));
    g_assert_true(run.huge);
    g_assert_cmpuint(run.first, ==, 5);
    g_assert_cmpuint(run.count, ==, 2 * RWP_EXTENT_PAGES - 5);

    /* Discarding a part splits the huge page; its other pages stay. */
    rwp_age_map_discard(map, RWP_EXTENT_PAGES + 7, 1);
    g_assert_cmpuint(rwp_age_map_huge(map), ==, RWP_EXTENT_PAGES);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 3 * RWP_EXTENT_PAGES - 1);
    g_assert_true(rwp_age_map_next_run(map, 0, 3 * RWP_EXTENT_PAGES, &run));
    g_assert_true(run.huge);
    g_assert_cmpuint(run.count, ==, RWP_EXTENT_PAGES);
    g_assert_true(rwp_age_map_next_run(map, RWP_EXTENT_PAGES,
                                       3 * RWP_EXTENT_PAGES, &run));
    g_assert_false(run.huge);
    g_assert_cmpuint(run.count, ==, 7);

    /* Seen with base pages: the same. */
    rwp_age_map_begin(map);
    rwp_age_map_record(map, 0, RWP_EXTENT_PAGES, false);
    g_assert_cmpuint(rwp_age_map_huge(map), ==, 0);
    rwp_age_map_end(map, 2);

    /* Seen without an access. */
    rwp_age_map_set_huge(map, 0, RWP_EXTENT_PAGES, true);
    g_assert_cmpuint(rwp_age_map_huge(map), ==, RWP_EXTENT_PAGES);
    g_assert_cmpint(rwp_age_map_get(map, 0), ==, 0);
    g_assert_cmpint(rwp_age_map_get(map, RWP_EXTENT_PAGES), ==, 1);
    rwp_age_map_set_huge(map, 0, RWP_EXTENT_PAGES, false);
    g_assert_cmpuint(rwp_age_map_huge(map), ==, 0);
    rwp_age_map_set_huge(map, 0, RWP_EXTENT_PAGES, true);

    rwp_age_map_reset(map, 3);
    g_assert_cmpuint(rwp_age_map_huge(map), ==, 0);
}

static uint64_t ask_working_set(const RwpAgeMap *map, int64_t window_ns,
                                bool complete)
{
    bool got;
    uint64_t pages = rwp_age_map_working_set(map, window_ns, &got);

    g_assert_cmpint(got, ==, complete);
    return pages;
}

static void test_working_set(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(2000, 1000);

    /* Epoch e ends at 1000 + 10 * e, and sees e pages that no other sees. */
    for (uint64_t e = 1, first = 0; e <= 4; first += e, e++) {
        rwp_age_map_begin(map);
        rwp_age_map_record(map, first, e, false);
        rwp_age_map_end(map, 1000 + 10 * e);
    }
    g_assert_cmpuint(ask_working_set(map, 0, true), ==, 4);
    g_assert_cmpuint(ask_working_set(map, 10, true), ==, 4);
    g_assert_cmpuint(ask_working_set(map, 11, true), ==, 4 + 3);
    g_assert_cmpuint(ask_working_set(map, 20, true), ==, 4 + 3);
    g_assert_cmpuint(ask_working_set(map, 30, true), ==, 4 + 3 + 2);
    g_assert_cmpuint(ask_working_set(map, 40, true), ==, 4 + 3 + 2 + 1);
    g_assert_cmpuint(ask_working_set(map, 41, false), ==, 4 + 3 + 2 + 1);

    /*
     * All of RWP_AGE_LIMIT epochs can be told apart: ages 0 to one less.
     * One epoch more cannot, even if but one nanosecond of it is asked for.
     */
    for (uint64_t e = 5; e <= RWP_AGE_LIMIT; e++) {
        rwp_age_map_begin(map);
        rwp_age_map_end(map, 1000 + 10 * e);
    }
    g_assert_cmpuint(ask_working_set(map, 10 * RWP_AGE_LIMIT, true), ==, 10);
    g_assert_cmpuint(ask_working_set(map, 10 * RWP_AGE_LIMIT + 1, false), ==,
                     10);
    rwp_age_map_begin(map);
    rwp_age_map_end(map, 1000 + 10 * (RWP_AGE_LIMIT + 1));
    g_assert_cmpuint(ask_working_set(map, 10 * RWP_AGE_LIMIT, true), ==, 9);
    g_assert_cmpuint(ask_working_set(map, 10 * RWP_AGE_LIMIT + 1, false), ==,
                     9);
}

/* Epochs of 1, 2, 3 ... ns, so that ages and times are not the same. */
static void test_idle_age(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(1, 1000);
    int64_t now = 1000;

    /* Nothing is known, and then nothing but the age 0. */
    g_assert_cmpuint(rwp_age_map_idle_age(map, 0), ==, RWP_AGE_LIMIT + 1);
    rwp_age_map_begin(map);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 0), ==, RWP_AGE_LIMIT + 1);
    rwp_age_map_end(map, now += 1);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 0), ==, 0);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 1), ==, RWP_AGE_LIMIT + 1);

    for (int64_t ns = 2; ns <= 4; ns++) {
        rwp_age_map_begin(map);
        rwp_age_map_end(map, now += ns);
    }
    /* Ages 0, 1, 2, 3: idle for at least 0, 4, 7, 9 ns. */
    g_assert_cmpuint(rwp_age_map_idle_age(map, 0), ==, 0);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 1), ==, 1);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 4), ==, 1);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 5), ==, 2);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 7), ==, 2);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 9), ==, 3);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 10), ==, RWP_AGE_LIMIT + 1);

    /* Early ends make the age that means some time a higher one. */
    for (unsigned i = 0; i < 5; i++) {
        rwp_age_map_begin(map);
        rwp_age_map_end(map, now);
    }
    g_assert_cmpuint(rwp_age_map_idle_age(map, 0), ==, 0);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 4), ==, 6);

    /* The limit is the last age that can be told. */
    for (unsigned i = 9; i < RWP_AGE_LIMIT; i++) {
        rwp_age_map_begin(map);
        rwp_age_map_end(map, now += 10);
    }
    g_assert_cmpuint(rwp_age_map_epochs(map), ==, RWP_AGE_LIMIT);
    g_assert_cmpuint(rwp_age_map_idle_age(map, now - 1001), ==,
                     RWP_AGE_LIMIT - 1);
    rwp_age_map_begin(map);
    rwp_age_map_end(map, now += 10);
    g_assert_cmpuint(rwp_age_map_idle_age(map, now - 1001), ==, RWP_AGE_LIMIT);
    g_assert_cmpuint(rwp_age_map_idle_age(map, now - 1000), ==,
                     RWP_AGE_LIMIT + 1);
    rwp_age_map_begin(map);
    rwp_age_map_end(map, now += 10);
    g_assert_cmpuint(rwp_age_map_idle_age(map, now - 1001), ==,
                     RWP_AGE_LIMIT + 1);

    rwp_age_map_reset(map, now);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 0), ==, RWP_AGE_LIMIT + 1);
}

/* 1 TiB of address space, 4 MiB of memory: both cost what the latter costs. */
static void test_sparse(void)
{
    const uint64_t npages = UINT64_C(1) << 28;
    const uint64_t present = 1024;
    const uint64_t step = npages / present;
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(npages, 0);
    uint64_t host_page = qemu_real_host_page_size();
    uint64_t pages[RWP_AGE_LIMIT + 1];
    uint64_t empty = rwp_age_map_metadata(map);
    uint64_t at = 0, found = 0;
    RwpAgeRun run;

    g_assert_cmpuint(empty, <=, extents_metadata(npages));
    g_assert_cmpuint(empty, <, 1 * MiB);

    /* Side by side. */
    rwp_age_map_populate(map, npages - present, present);
    g_assert_cmpuint(rwp_age_map_present(map), ==, present);
    g_assert_cmpuint(rwp_age_map_metadata(map), <=, empty + 2 * host_page);
    rwp_age_map_discard(map, 0, npages);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 0);
    g_assert_cmpuint(rwp_age_map_metadata(map), <=, empty + 2 * host_page);

    /* Far apart: one host page of stamps for each at worst. */
    for (uint64_t e = 0; e < 600; e++) {
        rwp_age_map_begin(map);
        for (uint64_t i = 0; i < present && e % 300 == 0; i++) {
            rwp_age_map_record(map, i * step + i, 1, false);
        }
        rwp_age_map_end(map, e);
        rwp_age_map_idle(map, pages);
        g_assert_cmpuint(pages[MIN(e % 300, RWP_AGE_LIMIT)], ==, present);
    }
    g_assert_cmpuint(rwp_age_map_metadata(map), <=,
                     empty + (2 + present) * host_page);

    while (rwp_age_map_next_run(map, at, npages, &run)) {
        g_assert_cmpuint(run.first, ==, found * step + found);
        g_assert_cmpuint(run.count, ==, 1);
        g_assert_cmpuint(run.age, ==, RWP_AGE_LIMIT);
        at = run.first + run.count;
        found++;
    }
    g_assert_cmpuint(found, ==, present);
    rwp_age_map_promotions(map, pages);
    g_assert_cmpuint(pages[RWP_AGE_LIMIT], ==, present);

    rwp_age_map_reset(map, 0);
    g_assert_cmpuint(rwp_age_map_present(map), ==, 0);
    g_assert_cmpuint(rwp_age_map_metadata(map), ==, empty);
}

/* All of 1 GiB in pages of 4 KiB: at most 0.05 % of that. */
static void test_full(void)
{
    const uint64_t npages = 1 * GiB / (4 * KiB);
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(npages, 0);

    rwp_age_map_begin(map);
    rwp_age_map_record(map, 0, npages, true);
    rwp_age_map_end(map, 0);
    g_assert_cmpuint(rwp_age_map_present(map), ==, npages);
    g_assert_cmpuint(rwp_age_map_metadata(map), <=, 1 * GiB / 10000 * 5);

    /* The worst case: no two neighbours are of the same age. */
    rwp_age_map_begin(map);
    for (uint64_t p = 0; p < npages; p += 2) {
        rwp_age_map_record(map, p, 1, false);
    }
    rwp_age_map_end(map, 1);
    g_assert_cmpuint(rwp_age_map_present(map), ==, npages);
    g_assert_cmpuint(rwp_age_map_accessed(map), ==, npages / 2);
    g_assert_cmpuint(rwp_age_map_metadata(map), >=, npages);
    g_assert_cmpuint(rwp_age_map_metadata(map), <=, 1 * GiB / 10000 * 5);
}

static void check_same(const RwpAgeMap *a, const RwpAgeMap *b, uint64_t npages)
{
    uint64_t idle[2][RWP_AGE_LIMIT + 1];
    bool complete[2];

    for (uint64_t p = 0; p < npages; p++) {
        g_assert_cmpint(rwp_age_map_get(a, p), ==, rwp_age_map_get(b, p));
    }
    rwp_age_map_idle(a, idle[0]);
    rwp_age_map_idle(b, idle[1]);
    g_assert_cmpmem(idle[0], sizeof(idle[0]), idle[1], sizeof(idle[1]));
    g_assert_cmpuint(rwp_age_map_present(a), ==, rwp_age_map_present(b));
    g_assert_cmpuint(rwp_age_map_epochs(a), ==, rwp_age_map_epochs(b));
    g_assert_cmpuint(rwp_age_map_accessed(a), ==, rwp_age_map_accessed(b));
    g_assert_cmpint(rwp_age_map_last_end(a), ==, rwp_age_map_last_end(b));
    for (int64_t s = 0; s < 300; s += 1 + s / 10) {
        g_assert_cmpuint(rwp_age_map_working_set(a, s * SECOND, &complete[0]),
                         ==,
                         rwp_age_map_working_set(b, s * SECOND, &complete[1]));
        g_assert_cmpint(complete[0], ==, complete[1]);
        g_assert_cmpuint(rwp_age_map_idle_age(a, s * SECOND), ==,
                         rwp_age_map_idle_age(b, s * SECOND));
    }
}

/* A map that is told what another one knows goes on as that one does. */
static void moved(uint64_t npages, unsigned epochs)
{
    g_autoptr(RwpAgeMap) a = rwp_age_map_new(npages, 0);
    g_autoptr(RwpAgeMap) b = rwp_age_map_new(npages, 77);
    uint64_t at = 0;
    RwpAgeRun run;

    for (unsigned i = 1; i <= epochs + 300; i++) {
        rwp_age_map_begin(a);
        if (i > epochs) {
            rwp_age_map_begin(b);
        }
        for (int n = between(0, 2); n; n--) {
            uint64_t first = some_page(0, npages - 1, RWP_EXTENT_PAGES);
            uint64_t count = between(0, MIN(npages - first, 1 + npages / 8));

            if (i % 300 > 250) {
                break;
            }
            rwp_age_map_record(a, first, count, false);
            if (i > epochs) {
                rwp_age_map_record(b, first, count, false);
            }
        }
        rwp_age_map_end(a, i * SECOND);
        if (i > epochs) {
            rwp_age_map_end(b, i * SECOND);
            check_same(a, b, npages);
        } else if (i == epochs) {
            rwp_age_map_resume(b, epochs);
            while (rwp_age_map_next_run(a, at, npages, &run)) {
                uint64_t half = run.count / 2;

                /* Told twice, in parts, and once as older than it is. */
                rwp_age_map_seen(b, run.first, half, run.age);
                rwp_age_map_seen(b, run.first, run.count, run.age);
                rwp_age_map_seen(b, run.first + half, run.count - half,
                                 run.age + between(0, 300));
                at = run.first + run.count;
            }
            rwp_age_map_set_times(b, SECOND, i * SECOND);
            check_same(a, b, npages);
        }
    }
}

static void test_moved(void)
{
    static const unsigned epochs[] = {
        1, 2, 199, 200, 201, 253, 254, 255, 600,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(epochs); i++) {
        moved(1, epochs[i]);
        moved(1300, epochs[i]);
        moved(4096, epochs[i]);
    }
}

/* What cannot be is made the most that can. */
static void test_moved_nonsense(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(10, 0);
    bool complete;

    rwp_age_map_resume(map, UINT64_MAX);
    rwp_age_map_seen(map, 0, 10, UINT_MAX);
    rwp_age_map_seen(map, 3, 1, 5);
    rwp_age_map_set_times(map, 24 * 60 * 60 * SECOND, SECOND);
    g_assert_cmpint(rwp_age_map_get(map, 0), ==, RWP_AGE_LIMIT);
    g_assert_cmpint(rwp_age_map_get(map, 3), ==, 5);
    rwp_age_map_working_set(map, 100 * SECOND, &complete);
    g_assert_true(complete);
    rwp_age_map_begin(map);
    rwp_age_map_end(map, 2 * SECOND);
    g_assert_cmpint(rwp_age_map_get(map, 3), ==, 6);

    /* Nobody is older than the first epoch. */
    rwp_age_map_reset(map, 0);
    rwp_age_map_resume(map, 3);
    rwp_age_map_seen(map, 0, 1, 7);
    g_assert_cmpint(rwp_age_map_get(map, 0), ==, 2);
    g_assert_cmpint(rwp_age_map_get(map, 1), ==, RWP_AGE_ABSENT);
}

/* Time in which nobody watched does not make anything idle. */
static void test_unwatched(void)
{
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(1, 0);

    rwp_age_map_begin(map);
    rwp_age_map_record(map, 0, 1, false);
    rwp_age_map_end(map, 10);
    rwp_age_map_begin(map);
    rwp_age_map_end(map, 20);

    /* In the middle of an epoch, too. */
    rwp_age_map_begin(map);
    rwp_age_map_unwatched(map, 1000);
    g_assert_cmpint(rwp_age_map_last_end(map), ==, 20);
    g_assert_cmpint(rwp_age_map_get(map, 0), ==, 1);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 10), ==, 1);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 11), ==, RWP_AGE_LIMIT + 1);
    rwp_age_map_end(map, 1005);

    g_assert_cmpint(rwp_age_map_last_end(map), ==, 1005);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 5), ==, 1);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 15), ==, 2);
    g_assert_cmpuint(rwp_age_map_idle_age(map, 16), ==, RWP_AGE_LIMIT + 1);
    g_assert_cmpuint(ask_working_set(map, 15, true), ==, 0);
    g_assert_cmpuint(ask_working_set(map, 25, true), ==, 1);
    g_assert_cmpuint(ask_working_set(map, 26, false), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/age-map/empty", test_empty);
    g_test_add_func("/rwp/age-map/ages", test_ages);
    g_test_add_func("/rwp/age-map/saturation", test_saturation);
    g_test_add_func("/rwp/age-map/idle", test_idle);
    g_test_add_func("/rwp/age-map/discard", test_discard);
    g_test_add_func("/rwp/age-map/populate", test_populate);
    g_test_add_func("/rwp/age-map/huge", test_huge);
    g_test_add_func("/rwp/age-map/working-set", test_working_set);
    g_test_add_func("/rwp/age-map/idle-age", test_idle_age);
    g_test_add_func("/rwp/age-map/unwatched", test_unwatched);
    g_test_add_func("/rwp/age-map/moved", test_moved);
    g_test_add_func("/rwp/age-map/moved/nonsense", test_moved_nonsense);
    g_test_add_func("/rwp/age-map/metadata/sparse", test_sparse);
    g_test_add_func("/rwp/age-map/metadata/full", test_full);

    return g_test_run();
}
