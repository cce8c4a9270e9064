/*
 * Idle ages of pages, against a naive model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The model below is written from the words of hw/rwp/age-map.h alone.  It
 * has the number of an epoch for each page, never forgets one, and works out
 * each answer from scratch, page by page.
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "test-rwp-age-map.h"
#include "test-rwp-random.h"

#define ABSENT (-1)     /* in Model.last */

typedef struct Model {
    uint64_t npages;
    int64_t *last;          /* by page: epoch of the last access, or ABSENT */
    uint64_t *recorded;     /* by page: last epoch that recorded it, or 0 */
    uint64_t *populated;    /* by page: open epoch that populated it, or 0 */
    bool *huge;             /* by page: its extent is mapped by a huge page */
    uint64_t epoch;         /* last one begun */
    bool open;
    int64_t *end_ns;        /* by epoch; [0]: start */
    uint64_t events;        /* pages recorded anew in the open epoch */
    uint64_t accessed_min;  /* of the last completed epoch */
    uint64_t accessed_max;
    uint64_t promotions[RWP_AGE_LIMIT + 1];
    uint64_t promotions_unsure;     /* of the age 0 */
} Model;

/* The map under test, and the model that it is compared with. */
typedef struct Pair {
    RwpAgeMap *map;
    Model m;
    int64_t now;
} Pair;

static void model_reset(Model *m, int64_t now_ns)
{
    for (uint64_t p = 0; p < m->npages; p++) {
        m->last[p] = ABSENT;
        m->recorded[p] = 0;
        m->populated[p] = 0;
        m->huge[p] = false;
    }
    m->epoch = 0;
    m->open = false;
    m->end_ns[0] = now_ns;
    m->events = 0;
    m->accessed_min = m->accessed_max = 0;
    memset(m->promotions, 0, sizeof(m->promotions));
    m->promotions_unsure = 0;
}

static uint64_t model_completed(const Model *m)
{
    return m->open ? m->epoch - 1 : m->epoch;
}

static int model_age(const Model *m, uint64_t page)
{
    int64_t completed = model_completed(m);

    if (m->last[page] == ABSENT) {
        return RWP_AGE_ABSENT;
    }
    return MIN(MAX(completed - m->last[page], 0), RWP_AGE_LIMIT);
}

/* Whole extents are mapped by a huge page or not: the newest news counts. */
static void model_set_huge(Model *m, uint64_t first, uint64_t count, bool huge)
{
    uint64_t end = QEMU_ALIGN_UP(first + count, RWP_EXTENT_PAGES);

    if (count) {
        for (uint64_t p = QEMU_ALIGN_DOWN(first, RWP_EXTENT_PAGES);
             p < MIN(end, m->npages); p++) {
            m->huge[p] = huge;
        }
    }
}

static void model_record(Model *m, uint64_t first, uint64_t count, bool huge)
{
    model_set_huge(m, first, count, huge);
    for (uint64_t p = first; p < first + count; p++) {
        if (m->recorded[p] == m->epoch) {
            continue;
        }
        if (m->last[p] != ABSENT && m->populated[p] == m->epoch) {
            /*
             * The manual leaves open whether this is an access more.  As the
             * age of such a page is 0, no other age is in doubt.
             */
            m->promotions_unsure++;
        } else if (m->last[p] != ABSENT) {
            m->promotions[model_age(m, p)]++;
        }
        m->recorded[p] = m->epoch;
        m->last[p] = m->epoch;
        m->events++;
    }
}

static void model_end(Model *m, int64_t now_ns)
{
    m->open = false;
    m->end_ns[m->epoch] = now_ns;
    /*
     * The manual leaves open whether a page counts that was discarded after
     * it was recorded, and whether it counts twice if recorded once more; and
     * whether one counts that was populated in the same epoch before.
     */
    m->accessed_min = 0;
    for (uint64_t p = 0; p < m->npages; p++) {
        m->accessed_min += m->recorded[p] == m->epoch &&
                           m->populated[p] != m->epoch;
    }
    m->accessed_max = m->events;
}

static void model_discard(Model *m, uint64_t first, uint64_t count)
{
    /* Discarding a part splits a huge page. */
    model_set_huge(m, first, count, false);
    for (uint64_t p = first; p < first + count; p++) {
        m->last[p] = ABSENT;
        m->recorded[p] = 0;
        m->populated[p] = 0;
    }
}

static void model_populate(Model *m, uint64_t first, uint64_t count)
{
    for (uint64_t p = first; p < first + count; p++) {
        if (m->last[p] == ABSENT) {
            /*
             * Age 0 now, and when the open epoch ends, if there is one; older
             * with each after that.  It was not recorded by this.
             */
            m->last[p] = m->epoch;
            m->populated[p] = m->open ? m->epoch : 0;
        }
    }
}

static bool model_next_run(const Model *m, uint64_t from, uint64_t end,
                           RwpAgeRun *run)
{
    uint64_t p = from;

    while (p < end && m->last[p] == ABSENT) {
        p++;
    }
    if (p >= end) {
        return false;
    }
    *run = (RwpAgeRun) {
        .first = p, .age = model_age(m, p), .huge = m->huge[p],
    };
    while (p < end && model_age(m, p) == run->age &&
           m->huge[p] == run->huge) {
        p++;
    }
    run->count = p - run->first;
    return true;
}

static uint64_t model_working_set(const Model *m, int64_t window_ns,
                                  bool *complete)
{
    int64_t completed = model_completed(m);
    int64_t since = m->end_ns[completed] - window_ns;
    uint64_t pages = 0;

    for (uint64_t p = 0; p < m->npages; p++) {
        int64_t e = m->last[p];

        if (e > completed) {
            /* When it was accessed before is forgotten, so it counts. */
            pages++;
        } else if (e > 0 && completed - e < RWP_AGE_LIMIT) {
            pages += e == completed || m->end_ns[e] > since;
        }
    }

    *complete = m->end_ns[0] <= since;
    for (int64_t e = 1; e <= completed - RWP_AGE_LIMIT; e++) {
        if (m->end_ns[e] > since) {
            /* Some of it is in the window, but its pages are just old. */
            *complete = false;
        }
    }
    return pages;
}

/*
 * Pages of an age were accessed in one epoch, or, at the limit, in that or an
 * earlier one; they may have been until it ended.
 */
static unsigned model_idle_age(const Model *m, int64_t idle_ns)
{
    int64_t completed = model_completed(m);

    for (int64_t age = 0; age <= RWP_AGE_LIMIT && age < completed; age++) {
        if (m->end_ns[completed] - m->end_ns[completed - age] >= idle_ns) {
            return age;
        }
    }
    return RWP_AGE_LIMIT + 1;
}

static void pair_init(Pair *t, uint64_t npages, uint64_t max_epochs)
{
    t->now = between(0, 2000000000);
    t->map = rwp_age_map_new(npages, t->now);
    t->m = (Model) {
        .npages = npages,
        .last = g_new0(int64_t, npages),
        .recorded = g_new0(uint64_t, npages),
        .populated = g_new0(uint64_t, npages),
        .huge = g_new0(bool, npages),
        .end_ns = g_new0(int64_t, max_epochs + 1),
    };
    model_reset(&t->m, t->now);
}

static void pair_destroy(Pair *t)
{
    rwp_age_map_free(t->map);
    g_free(t->m.last);
    g_free(t->m.recorded);
    g_free(t->m.populated);
    g_free(t->m.huge);
    g_free(t->m.end_ns);
}

static void pair_reset(Pair *t)
{
    rwp_age_map_reset(t->map, t->now);
    model_reset(&t->m, t->now);
}

static void pair_begin(Pair *t)
{
    rwp_age_map_begin(t->map);
    if (!t->m.open) {
        t->m.open = true;
        t->m.epoch++;
        t->m.events = 0;
    }
}

static void pair_record(Pair *t, uint64_t first, uint64_t count, bool huge)
{
    rwp_age_map_record(t->map, first, count, huge);
    model_record(&t->m, first, count, huge);
}

static void pair_record_ranges(Pair *t, const RwpPageRange *ranges, size_t nr,
                               bool huge)
{
    rwp_age_map_record_ranges(t->map, ranges, nr, huge);
    for (size_t i = 0; i < nr; i++) {
        model_record(&t->m, ranges[i].first, ranges[i].count, huge);
    }
}

static void pair_end(Pair *t)
{
    rwp_age_map_end(t->map, t->now);
    model_end(&t->m, t->now);
}

static void pair_discard(Pair *t, uint64_t first, uint64_t count)
{
    rwp_age_map_discard(t->map, first, count);
    model_discard(&t->m, first, count);
}

static void pair_populate(Pair *t, uint64_t first, uint64_t count)
{
    rwp_age_map_populate(t->map, first, count);
    model_populate(&t->m, first, count);
}

static void pair_set_huge(Pair *t, uint64_t first, uint64_t count, bool huge)
{
    rwp_age_map_set_huge(t->map, first, count, huge);
    model_set_huge(&t->m, first, count, huge);
}

/* Returns the end of the run, or @end if there is none. */
static uint64_t check_next_run(const Pair *t, uint64_t from, uint64_t end)
{
    RwpAgeRun want, got;
    bool some = model_next_run(&t->m, from, end, &want);

    g_assert_cmpint(rwp_age_map_next_run(t->map, from, end, &got), ==, some);
    if (!some) {
        return end;
    }
    g_assert_cmpuint(got.first, ==, want.first);
    g_assert_cmpuint(got.count, ==, want.count);
    g_assert_cmpuint(got.age, ==, want.age);
    g_assert_cmpint(got.huge, ==, want.huge);
    return got.first + got.count;
}

static void check_working_set(const Pair *t, int64_t window_ns)
{
    bool want_complete, complete;
    uint64_t want = model_working_set(&t->m, window_ns, &want_complete);

    g_assert_cmpuint(rwp_age_map_working_set(t->map, window_ns, &complete),
                     ==, want);
    g_assert_cmpint(complete, ==, want_complete);
}

static void check_idle_age(const Pair *t, int64_t idle_ns)
{
    g_assert_cmpuint(rwp_age_map_idle_age(t->map, idle_ns), ==,
                     model_idle_age(&t->m, idle_ns));
}

/* Windows that begin just before, at and after the end of epoch @e. */
static void check_window_edge(const Pair *t, uint64_t e)
{
    int64_t window = t->m.end_ns[model_completed(&t->m)] - t->m.end_ns[e];

    for (int64_t ns = MAX(window - 1, 0); ns <= window + 1; ns++) {
        check_working_set(t, ns);
        check_idle_age(t, ns);
    }
}

/*
 * Host memory: at most a byte for each page, and at least that in extents
 * whose pages are of different ages.
 */
static void check_metadata(const Pair *t)
{
    uint64_t host_page = qemu_real_host_page_size();
    uint64_t low = 0;
    uint64_t high = ROUND_UP(t->m.npages, host_page) +
                    extents_metadata(t->m.npages);
    uint64_t counted = 0;       /* end of the host pages counted already */
    uint64_t metadata = rwp_age_map_metadata(t->map);

    for (uint64_t p = 1; p < t->m.npages; p++) {
        if (p % RWP_EXTENT_PAGES && p >= counted &&
            model_age(&t->m, p) != model_age(&t->m, p - 1)) {
            low += host_page;
            counted = (p / host_page + 1) * host_page;
        }
    }
    g_assert_cmpuint(metadata, >=, low);
    g_assert_cmpuint(metadata, <=, high);
}

/* Ask everything there is to ask. */
static void check(const Pair *t)
{
    const Model *m = &t->m;
    uint64_t completed = model_completed(m);
    uint64_t present = 0, huge = 0, sum = 0;
    uint64_t want[RWP_AGE_LIMIT + 1] = { 0 };
    uint64_t got[RWP_AGE_LIMIT + 1];

    for (uint64_t p = 0; p < m->npages; p++) {
        int age = model_age(m, p);

        if (rwp_age_map_get(t->map, p) != age) {
            g_test_message("page %" PRIu64 " of %" PRIu64 ", epoch %" PRIu64
                           "%s, last accessed in %" PRIi64, p, m->npages,
                           m->epoch, m->open ? " open" : "", m->last[p]);
        }
        g_assert_cmpint(rwp_age_map_get(t->map, p), ==, age);
        if (age != RWP_AGE_ABSENT) {
            want[age]++;
            present++;
            huge += m->huge[p];
        }
    }

    memset(got, 0xff, sizeof(got));
    rwp_age_map_idle(t->map, got);
    for (unsigned age = 0; age <= RWP_AGE_LIMIT; age++) {
        g_assert_cmpuint(got[age], ==, want[age]);
        sum += got[age];
    }
    g_assert_cmpuint(sum, ==, present);
    g_assert_cmpuint(rwp_age_map_present(t->map), ==, present);
    g_assert_cmpuint(rwp_age_map_huge(t->map), ==, huge);

    memset(got, 0xff, sizeof(got));
    rwp_age_map_promotions(t->map, got);
    g_assert_cmpuint(got[0], >=, m->promotions[0]);
    g_assert_cmpuint(got[0], <=, m->promotions[0] + m->promotions_unsure);
    for (unsigned age = 1; age <= RWP_AGE_LIMIT; age++) {
        g_assert_cmpuint(got[age], ==, m->promotions[age]);
    }

    g_assert_cmpuint(rwp_age_map_epochs(t->map), ==, completed);
    g_assert_cmpint(rwp_age_map_last_end(t->map), ==, m->end_ns[completed]);
    g_assert_cmpuint(rwp_age_map_accessed(t->map), >=, m->accessed_min);
    g_assert_cmpuint(rwp_age_map_accessed(t->map), <=, m->accessed_max);

    check_window_edge(t, 0);
    check_window_edge(t, between(0, completed));
    if (completed >= RWP_AGE_LIMIT) {
        check_window_edge(t, completed - RWP_AGE_LIMIT);
    }
    check_working_set(t, g_test_rand_int_range(0, INT32_MAX));
    check_working_set(t, INT64_MAX);
    check_idle_age(t, g_test_rand_int_range(0, INT32_MAX));
    check_idle_age(t, 0);
    check_idle_age(t, INT64_MAX);

    for (uint64_t p = 0; p < m->npages; ) {
        p = check_next_run(t, p, m->npages);
    }
    for (int i = 0; i < 4; i++) {
        uint64_t from = between(0, m->npages);

        check_next_run(t, from, between(from, m->npages));
        check_next_run(t, from, m->npages);
        check_next_run(t, 0, from);
    }

    check_metadata(t);
}

/* Some pages within [@low, @high), with a liking for edges. */
static void some_range(uint64_t low, uint64_t high, uint64_t *first,
                       uint64_t *count)
{
    uint64_t end;

    *first = between(low, high - 1);
    end = *first + 1;
    switch (between(0, 7)) {
    case 0:                     /* first page */
        *first = low;
        end = low + 1;
        break;
    case 1:                     /* last page */
        *first = high - 1;
        end = high;
        break;
    case 2:                     /* one extent, or what there is of it */
        *first = MAX(QEMU_ALIGN_DOWN(*first, RWP_EXTENT_PAGES), low);
        end = QEMU_ALIGN_UP(*first + 1, RWP_EXTENT_PAGES);
        break;
    case 3:                     /* up to the end of an extent, or one more */
        end = QEMU_ALIGN_UP(*first + 1, RWP_EXTENT_PAGES) + between(0, 1);
        break;
    case 4:                     /* a few pages */
        end = *first + between(1, 100);
        break;
    case 5:                     /* many pages */
        end = between(*first + 1, high);
        break;
    default:                    /* a single page */
        break;
    }
    *count = MIN(end, high) - *first;
}

/* What random_run() does besides recording and ending epochs. */
typedef struct Profile {
    unsigned epochs;
    int check_one_in;           /* odds of a check in each place for one */
    bool resets;
    bool partly_huge;           /* else a huge page is present as a whole */
} Profile;

/*
 * Whether the pages may be said to be huge.  A huge page is the whole of an
 * extent, unless @profile is to try what happens if not.
 */
static bool some_huge(const Pair *t, const Profile *profile, uint64_t *first,
                      uint64_t *count)
{
    uint64_t end;

    if (!one_in(3)) {
        return false;
    }
    if (profile->partly_huge) {
        return true;
    }
    end = QEMU_ALIGN_UP(*first + *count, RWP_EXTENT_PAGES);
    if (end > t->m.npages) {
        return false;
    }
    *first = QEMU_ALIGN_DOWN(*first, RWP_EXTENT_PAGES);
    *count = end - *first;
    return true;
}

static void some_populate(Pair *t, const Profile *profile)
{
    uint64_t first, count;
    bool huge;

    some_range(0, t->m.npages, &first, &count);
    huge = some_huge(t, profile, &first, &count);
    pair_populate(t, first, count);
    if (huge || one_in(3)) {
        pair_set_huge(t, first, count, huge);
    }
}

static void some_record(Pair *t, const Profile *profile, uint64_t low,
                        uint64_t high)
{
    uint64_t first, count;
    bool huge;

    some_range(low, high, &first, &count);
    huge = some_huge(t, profile, &first, &count);
    pair_record(t, first, count, huge);
    if (one_in(16)) {
        /* The same again, or half of it. */
        pair_record(t, first, huge || one_in(2) ? count : count / 2, huge);
    }
}

/* Pages that lie alone, most of them, as a scan tells of them. */
static void some_scattered(Pair *t, uint64_t low, uint64_t high)
{
    RwpPageRange ranges[64];
    uint64_t step = between(1, 40), page = between(low, high - 1);
    size_t nr = 0;

    while (nr < ARRAY_SIZE(ranges) && page < high) {
        uint64_t count = one_in(16) ? between(0, high - page) : 1;

        ranges[nr++] = (RwpPageRange) { page, count };
        if (one_in(32)) {
            /* Once more, or going backwards. */
            page = between(low, page);
        } else {
            page += count + between(0, step);
        }
    }
    pair_record_ranges(t, ranges, nr, false);
}

static void random_run(uint64_t npages, const Profile *profile)
{
    uint64_t hot_first = 0, hot_end = npages;
    unsigned quiet = 0;         /* epochs left without any access */
    Pair t;

    pair_init(&t, npages, profile->epochs);
    check(&t);
    if (one_in(2)) {
        some_populate(&t, profile);
        check(&t);
    }

    for (unsigned i = 0; i < profile->epochs; i++) {
        uint64_t first, count;
        unsigned records = between(0, 6);
        bool all = i == 0 || one_in(300);

        /*
         * Much of the map must be left alone for more epochs than there are
         * stamps; else a stamp that outlives its epoch goes unnoticed.
         */
        if (i % 40 == 1) {
            hot_first = between(0, npages - 1);
            hot_end = between(hot_first + 1,
                              MIN(npages, hot_first + 1 + npages / 8));
        }
        if (one_in(100)) {
            quiet = between(100, 320);
        }
        if (quiet) {
            quiet--;
            records = 0;
            all = false;
        }

        pair_begin(&t);
        if (one_in(profile->check_one_in)) {
            check(&t);
        }
        if (all) {
            pair_record(&t, 0, npages,
                        one_in(2) && npages % RWP_EXTENT_PAGES == 0);
        }
        while (records--) {
            if (one_in(64)) {
                some_record(&t, profile, 0, npages);
            } else if (one_in(2)) {
                some_scattered(&t, hot_first, hot_end);
            } else {
                some_record(&t, profile, hot_first, hot_end);
            }
            switch (between(0, 15)) {
            case 0:             /* interrupted and taken up again */
                pair_begin(&t);
                break;
            case 1:             /* given back, maybe just when recorded */
                some_range(hot_first, hot_end, &first, &count);
                pair_discard(&t, first, count);
                break;
            case 2:
                some_populate(&t, profile);
                break;
            default:
                break;
            }
        }
        if (one_in(50)) {
            /* No pages at all, maybe at the very end. */
            pair_record(&t, between(0, npages), 0, true);
            pair_discard(&t, between(0, npages), 0);
            pair_populate(&t, between(0, npages), 0);
            pair_set_huge(&t, between(0, npages), 0, true);
        }
        if (one_in(profile->check_one_in)) {
            check(&t);
        }
        if (profile->resets && one_in(90)) {
            /* With the epoch open. */
            pair_reset(&t);
            check(&t);
            continue;
        }

        /* Irregular epochs; some end when they begin. */
        t.now += one_in(8) ? 0 : one_in(16) ? SECOND : between(1, 1000000);
        pair_end(&t);
        if (one_in(profile->check_one_in)) {
            check(&t);
        }

        if (one_in(10)) {
            some_range(0, npages, &first, &count);
            pair_discard(&t, first, MIN(count, npages / 8 + 1));
        }
        if (one_in(400)) {
            pair_discard(&t, 0, npages);
        }
        if (one_in(10)) {
            some_populate(&t, profile);
        }
        if (profile->resets && one_in(90)) {
            pair_reset(&t);
        }
        if (one_in(profile->check_one_in)) {
            check(&t);
        }
    }

    check(&t);
    pair_destroy(&t);
}

static void test_random(const void *opaque)
{
    uint64_t npages = GPOINTER_TO_UINT(opaque);

    /* Big maps are checked less often, as each check looks at all of it. */
    random_run(npages, &(Profile) {
        .epochs = npages < 5000 ? 1200 : 700,
        .check_one_in = 3 + npages / 600,
    });
    random_run(npages, &(Profile) {
        .epochs = 300,
        .check_one_in = 3 + npages / 600,
        .resets = true,
    });
}

/* Huge pages that are said to be there by half, and in a short last extent. */
static void test_huge_partial(void)
{
    static const unsigned sizes[] = { 1, 511, 513, 1025, 3000 };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        random_run(sizes[i], &(Profile) {
            .epochs = 300,
            .check_one_in = 3,
            .partly_huge = true,
        });
    }
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {
        1, 2, 3, 511, 512, 513, 1023, 1024, 1025, 1535, 2049, 4096, 9999,
        16384, 40007,
    };

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/age-map-model/huge/partial", test_huge_partial);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/age-map-model/%u",
                                                sizes[i]);

        g_test_add_data_func(path, GUINT_TO_POINTER(sizes[i]), test_random);
    }

    return g_test_run();
}
