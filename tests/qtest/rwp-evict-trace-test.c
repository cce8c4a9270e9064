/*
 * What is evicted by itself, and when: as a model says that knows the whole
 * trace, to the page
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "rwp-evict-learned.h"

#define AGES        (RWP_AGE_LIMIT + 1)
#define TARGET      3       /* percent */
#define MIN_AGE     2       /* epochs */
#define WINDOW_S    (2 * EPOCH_S)
#define SET         64      /* pages */
#define PHASE       512     /* the first page that is hot later */
#define TRACE       72      /* epochs */
#define HISTORY     60      /* ... of which these count */

typedef struct Trace {
    /* Of each epoch so far: how many pages came back, of which age or more. */
    uint64_t back[TRACE][AGES];
    uint64_t allowed[TRACE];
    unsigned epochs;
} Trace;

/* As a rate a minute, parts rounded up. */
static uint64_t a_minute(uint64_t pages)
{
    return DIV_ROUND_UP(pages * 60, EPOCH_S);
}

static unsigned best_age(const Trace *t, unsigned i)
{
    uint64_t spare = 0, aimed;
    unsigned age = 0;

    /* Two standard deviations are left to chance. */
    while (spare * spare < 4 * t->allowed[i]) {
        spare++;
    }
    aimed = MAX(t->allowed[i], spare + 1) - spare;
    while (age < AGES && a_minute(t->back[i][age]) > aimed) {
        age++;
    }
    return age;
}

/* The first one that still counts. */
static unsigned oldest(const Trace *t)
{
    return t->epochs - MIN(t->epochs, HISTORY);
}

static int compare(const void *a, const void *b)
{
    return *(const unsigned *)a - *(const unsigned *)b;
}

/* The age from which pages are cold, or AGES if none is. */
static unsigned model_cold_age(const Trace *t, uint64_t refaulted,
                               uint64_t epochs, const char **state,
                               const char **limit)
{
    unsigned best[HISTORY];
    unsigned n = 0, age, last = t->epochs - 1;

    for (unsigned i = oldest(t); i < t->epochs; i++) {
        best[n++] = best_age(t, i);
    }
    age = best[n - 1];
    qsort(best, n, sizeof(best[0]), compare);
    age = MAX(age, best[DIV_ROUND_UP(n * 98, 100) - 1]);

    *state = *limit = "learning";
    if (epochs < 24) {
        return AGES;
    }
    if (age == AGES || a_minute(refaulted) > t->allowed[last]) {
        *state = "limited";
        *limit = "refault-target";
        return AGES;
    }
    if (age > MIN_AGE && age + MIN(age, 8) > epochs) {
        /* It has not been watched for long enough. */
        *state = "limited";
        *limit = "refault-target";
        return AGES;
    }
    *state = "active";
    *limit = age > MIN_AGE ? "refault-target" : "min-age";
    return MAX(age, MIN_AGE);
}

static uint64_t working_set(EvictGuest *g)
{
    g_autoptr(QDict) window = rwp_query_window(g->qts, "ram0", WINDOW_S);

    return qdict_get_int(window, "bytes") / PAGE;
}

static void check_what_if(EvictGuest *g, const Trace *t)
{
    static const unsigned ages[] = { 1, 2, 3, 5, 8, 13, 21, 34, 200 };
    g_autoptr(QDict) rsp = NULL;
    const QListEntry *entry;
    QDict *info;
    size_t i = 0;

    /* The first one ends in the middle of an interval. */
    rsp = qtest_qmp(g->qts, "{ 'execute': 'query-working-set', 'arguments': {"
                    " 'id': 'ram0', 'thresholds': [ %d, %d, %d, %d, %d, %d,"
                    " %d, %d, %d ] } }", 1, 2 * EPOCH_S, 2 * EPOCH_S + 1,
                    5 * EPOCH_S, 8 * EPOCH_S, 13 * EPOCH_S, 21 * EPOCH_S,
                    34 * EPOCH_S, 200 * EPOCH_S);
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "what-if"), entry) {
        QDict *w = qobject_to(QDict, qlist_entry_obj(entry));
        unsigned age = ages[i++];
        uint64_t bytes = 0, sum = 0, worst = 0;

        g_assert_cmpuint(qdict_get_int(w, "min-age"), ==, age);
        if (age > g->vm->epochs) {
            g_assert_false(qdict_get_bool(w, "complete"));
        }
        if (!qdict_get_bool(w, "complete")) {
            g_assert_cmpuint(age + 2, >=, g->vm->epochs);
            g_assert_cmpuint(qdict_get_int(w, "bytes"), ==, 0);
            g_assert_cmpuint(qdict_get_int(w, "promotions"), ==, 0);
            g_assert_cmpuint(qdict_get_int(w, "promotions-max"), ==, 0);
            continue;
        }
        for (uint64_t page = 0; page < NPAGES; page++) {
            bytes += g->vm->age[page] >= (int)age ? PAGE : 0;
        }
        for (unsigned k = oldest(t); k < t->epochs; k++) {
            uint64_t rate = a_minute(t->back[k][age]);

            sum += rate;
            worst = MAX(worst, rate);
        }
        g_assert_cmpuint(qdict_get_int(w, "bytes"), ==, bytes);
        g_assert_cmpuint(qdict_get_int(w, "minutes"), ==,
                         t->epochs - oldest(t));
        g_assert_cmpuint(qdict_get_int(w, "promotions"), ==,
                         DIV_ROUND_UP(sum, t->epochs - oldest(t)) * PAGE);
        g_assert_cmpuint(qdict_get_int(w, "promotions-max"), ==,
                         worst * PAGE);
    }
    g_assert_cmpuint(i, ==, ARRAY_SIZE(ages));
}

/* What the guest does in an epoch. */
static void trace_accesses(EvictGuest *g, unsigned n)
{
    /* Hot; from a phase change on it is memory that had long gone. */
    if (n < 50) {
        evict_touch(g, 0, SET);
    } else {
        evict_touch(g, PHASE, SET);
    }
    /* Warm: all at once, every fifth epoch; and the same, bit by bit. */
    if (n % 5 == 0) {
        evict_touch(g, SET, SET / 4);
    }
    evict_touch(g, 2 * SET + n % 7 * 4, 4);
    /* A few here and there. */
    for (int i = 0; i < 3; i++) {
        evict_touch(g, g_test_rand_int_range(3 * SET, 4 * SET), 1);
    }
}

static void test_trace(void)
{
    g_autofree Trace *t = g_new0(Trace, 1);
    const char *state = "learning", *limit = "learning";
    unsigned phase = 0;
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"), "tracking=on,evict=pageout,"
                           EPOCH ",refault-target=3,min-age=600"
                           ",working-set-window=600")) {
        return;
    }
    g_assert_cmpint(WINDOW_S, ==, 600);
    g_assert_cmpint(MIN_AGE * EPOCH_S, ==, 600);
    evict_fill(&g, 0, NPAGES);

    for (unsigned n = 0; n < TRACE; n++) {
        uint64_t refaulted = g.refaulted, before = g.evicted, went;
        const char *new_state, *new_limit;
        g_autoptr(QDict) info = NULL;
        unsigned cold_age;

        if (n) {
            trace_accesses(&g, n);
        }
        for (uint64_t i = 0; i < NPAGES; i++) {
            for (int age = 0; g.vm->touched[i] && age <= g.vm->age[i]; age++) {
                t->back[n][age]++;
            }
        }
        evict_step_seconds(&g, EPOCH_S);
        evict_epoch(&g);
        t->allowed[n] = MAX(1, working_set(&g) * TARGET / 100);
        t->epochs = n + 1;
        refaulted = (g.refaulted - refaulted) / PAGE;
        cold_age = model_cold_age(t, refaulted, g.vm->epochs, &new_state,
                                  &new_limit);

        /* It does as the model says ... */
        evict_wait_state(&g, new_state, new_limit);
        if (!g_str_equal(state, new_state) || !g_str_equal(limit, new_limit)) {
            const char *s = state, *l = limit;

            evict_wait_event(&g, &s, &l);
            g_assert_cmpstr(s, ==, new_state);
            g_assert_cmpstr(l, ==, new_limit);
        }
        state = new_state;
        limit = new_limit;
        went = cold_age == AGES ? 0 : evict_cold_bytes(&g, cold_age,
                                                       RWP_AGE_LIMIT);
        evict_expect(&g, went);
        g_assert_cmpuint(g.evicted, ==, before + went);

        /* ... and says so. */
        info = evict_info(&g);
        g_assert_cmpint(qdict_get_try_int(info, "cold-age", AGES), ==,
                        cold_age);
        g_assert_cmpuint(qdict_get_int(info, "allowed"), ==,
                         t->allowed[n] * PAGE);
        g_assert_cmpuint(qdict_get_int(info, "refaults"), ==,
                         a_minute(refaulted) * PAGE);
        if (cold_age < AGES) {
            g_assert_cmpuint(qdict_get_int(info, "promotions"), ==,
                             a_minute(t->back[n][cold_age]) * PAGE);
        }
        check_what_if(&g, t);

        if (n == 49) {
            /* There is something to come back in the next phase. */
            g_assert_cmpstr(state, ==, "active");
            g_assert_true(g.out[PHASE]);
            phase = g.refaulted / PAGE;
        }
        if (n == 50) {
            /* Within one epoch. */
            g_assert_cmpuint(g.refaulted / PAGE - phase, >=, SET);
            g_assert_cmpstr(state, ==, "limited");
            g_assert_cmpuint(went, ==, 0);
        }
    }
    evict_check_contents(&g);
    evict_guest_stop(&g);
}

int main(int argc, char **argv)
{
    evict_test_init(&argc, &argv);

    rwp_qtest_add("/rwp/evict-trace", test_trace);
    return g_test_run();
}
