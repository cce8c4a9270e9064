/*
 * Which age is cold: against a slow oracle
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The oracle is written from the words of hw/rwp/policy.h alone.  It keeps
 * every epoch and every charge, and works out each answer from all of them.
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "test-rwp-policy-fed.h"
#include "test-rwp-random.h"

typedef struct Epoch {
    int64_t ns;
    uint64_t working_set;
    uint64_t refaulted;
    uint64_t promotions[AGES];
} Epoch;

typedef struct Oracle {
    RwpPolicyConfig config;
    int64_t interval_ns;
    int64_t clock_ns;
    bool clock_known;
    GPtrArray *epochs;      /* since the restart */
} Oracle;

static void oracle_restart(Oracle *o)
{
    g_ptr_array_set_size(o->epochs, 0);
    o->interval_ns = 0;
}

static const Epoch *oracle_epoch(const Oracle *o, unsigned i)
{
    return g_ptr_array_index(o->epochs, i);
}

static void oracle_take(Oracle *o, const RwpPolicySample *s)
{
    Epoch *e = g_new0(Epoch, 1);

    if (s->interval_ns != o->interval_ns) {
        oracle_restart(o);
        o->interval_ns = s->interval_ns;
    }
    if (o->clock_known && s->now_ns > o->clock_ns) {
        e->ns = MIN((unsigned __int128)s->now_ns - o->clock_ns,
                    s->interval_ns);
    }
    o->clock_known = true;
    o->clock_ns = s->now_ns;
    e->working_set = s->working_set;
    e->refaulted = s->refaulted;
    memcpy(e->promotions, s->promotions, sizeof(e->promotions));
    g_ptr_array_add(o->epochs, e);
}

/* Epochs [@first, @end). */
typedef struct Stretch {
    unsigned first;
    unsigned end;
} Stretch;

static int64_t oracle_ns(const Oracle *o, Stretch s)
{
    int64_t ns = 0;

    for (unsigned i = s.first; i < s.end; i++) {
        ns += oracle_epoch(o, i)->ns;
    }
    return ns;
}

/* Where the stretch of at least @ns ends that begins with @first. */
static unsigned oracle_fill(const Oracle *o, unsigned first, int64_t ns)
{
    while (ns > 0 && first < o->epochs->len) {
        ns -= oracle_epoch(o, first++)->ns;
    }
    return first;
}

/* Whole steps or minutes in a row, from the restart on. */
static GArray *oracle_cut(const Oracle *o, int64_t ns)
{
    GArray *cuts = g_array_new(false, false, sizeof(Stretch));
    Stretch s = { };

    while (s.first < o->epochs->len) {
        s.end = oracle_fill(o, s.first, ns);
        if (oracle_ns(o, s) >= ns) {
            g_array_append_val(cuts, s);
        }
        s.first = s.end;
    }
    return cuts;
}

static Stretch oracle_last_minute(const Oracle *o)
{
    g_autoptr(GArray) steps = oracle_cut(o, SECOND);
    Stretch minute = { .end = o->epochs->len };

    for (unsigned i = steps->len; i-- > 0;) {
        minute.first = g_array_index(steps, Stretch, i).end;
        if (oracle_ns(o, minute) >= MINUTE) {
            return minute;
        }
    }
    minute.first = 0;
    return minute;
}

static uint64_t oracle_rate(const Oracle *o, Stretch s, unsigned age)
{
    /* Rates are worked out in whole milliseconds. */
    unsigned __int128 ms = MAX(oracle_ns(o, s), MINUTE) / MS;
    unsigned __int128 n = 0;

    for (unsigned i = s.first; i < s.end; i++) {
        for (unsigned a = age; a < AGES; a++) {
            n += oracle_epoch(o, i)->promotions[a];
        }
    }
    return (n * 60000 + ms - 1) / ms;
}

static uint64_t oracle_refaulted(const Oracle *o, Stretch s)
{
    unsigned __int128 ms = MAX(oracle_ns(o, s), MINUTE) / MS;
    unsigned __int128 n = 0;

    for (unsigned i = s.first; i < s.end; i++) {
        n += oracle_epoch(o, i)->refaulted;
    }
    return (n * 60000 + ms - 1) / ms;
}

static uint64_t oracle_allowed(const Oracle *o, unsigned epoch)
{
    unsigned __int128 n = oracle_epoch(o, epoch)->working_set;

    n = n * o->config.refault_target / 1000000;
    return o->config.refault_target ?
           MAX(n, o->config.evict_unit / o->config.page_size) : 0;
}

/* Two standard deviations less, in pieces, but one piece. */
static uint64_t oracle_aimed(const Oracle *o, uint64_t allowed)
{
    uint64_t piece = o->config.evict_unit / o->config.page_size;
    uint64_t spare = 0;

    while (spare * spare < allowed / piece * 4) {
        spare++;
    }
    return allowed ? MAX(allowed, (spare + 1) * piece) - spare * piece : 0;
}

static unsigned oracle_best(const Oracle *o, Stretch s)
{
    uint64_t aimed = oracle_aimed(o, oracle_allowed(o, s.end - 1));

    for (unsigned age = 0; age < AGES; age++) {
        if (oracle_rate(o, s, age) <= aimed) {
            return age;
        }
    }
    return RWP_POLICY_NONE;
}

static int compare_ages(const void *a, const void *b)
{
    return *(const unsigned *)a - *(const unsigned *)b;
}

/* The past minutes that count, the oldest first. */
static GArray *oracle_minutes(const Oracle *o)
{
    GArray *minutes = oracle_cut(o, MINUTE);

    if (minutes->len > o->config.history) {
        g_array_remove_range(minutes, 0, minutes->len - o->config.history);
    }
    return minutes;
}

static unsigned oracle_history(const Oracle *o)
{
    g_autoptr(GArray) minutes = oracle_minutes(o);
    unsigned best[RWP_POLICY_HISTORY];
    unsigned most = 0;

    for (unsigned i = 0; i < minutes->len; i++) {
        best[i] = oracle_best(o, g_array_index(minutes, Stretch, i));
    }
    qsort(best, minutes->len, sizeof(best[0]), compare_ages);
    /* The smallest that 98 of 100 minutes do not exceed. */
    while (most < minutes->len && (most + 1) * 100 <
           minutes->len * RWP_POLICY_PERCENTILE) {
        most++;
    }
    return minutes->len ? best[most] : 0;
}

static bool oracle_learning(const Oracle *o)
{
    int64_t ns = oracle_ns(o, (Stretch) { 0, o->epochs->len });

    return o->epochs->len < RWP_POLICY_LEARN_EPOCHS || ns < MINUTE ||
           ns < o->config.learning_ms * MS;
}

/* It could be seen for 4 minutes and 8 epochs, or for as long as it is. */
static bool oracle_known(const Oracle *o, unsigned age)
{
    unsigned more = 8;

    while (more * o->interval_ns < 4 * MINUTE) {
        more++;
    }
    return o->epochs->len >= MIN(age + more, 2 * age);
}

/* All but the budget. */
static RwpPolicyDecision oracle_decide(const Oracle *o)
{
    Stretch last = oracle_last_minute(o);
    RwpPolicyDecision d = {
        .cold_age = RWP_POLICY_NONE,
        .allowed = oracle_allowed(o, o->epochs->len - 1),
        .refaulted = oracle_refaulted(o, last),
    };
    unsigned age = MAX(oracle_best(o, last), oracle_history(o));
    unsigned floor = 0;

    while (floor * o->interval_ns < o->config.min_age_ms * MS) {
        floor++;
    }
    if (oracle_learning(o)) {
        d.limit = RWP_POLICY_LIMIT_LEARNING;
    } else if (age == RWP_POLICY_NONE || d.refaulted > d.allowed) {
        d.limit = RWP_POLICY_LIMIT_REFAULT_TARGET;
    } else if (floor > RWP_AGE_LIMIT) {
        d.limit = RWP_POLICY_LIMIT_MIN_AGE;
    } else if (!oracle_known(o, floor)) {
        d.limit = RWP_POLICY_LIMIT_LEARNING;
    } else if (!oracle_known(o, MAX(age, floor))) {
        d.limit = RWP_POLICY_LIMIT_REFAULT_TARGET;
    } else {
        d.cold_age = MAX(age, floor);
        d.limit = d.cold_age == floor ? RWP_POLICY_LIMIT_MIN_AGE :
                                        RWP_POLICY_LIMIT_REFAULT_TARGET;
        d.promotions = oracle_rate(o, last, d.cold_age);
    }
    return d;
}

static void check_what_if(const Oracle *o, const Fed *fed, unsigned age)
{
    g_autoptr(GArray) minutes = oracle_minutes(o);
    RwpPolicyWhatIf r;
    uint64_t sum = 0;
    uint64_t max = 0;
    uint64_t out = 0;

    for (unsigned i = 0; i < minutes->len; i++) {
        uint64_t rate = oracle_rate(o, g_array_index(minutes, Stretch, i), age);

        sum += rate;
        max = MAX(max, rate);
    }
    for (unsigned a = age; a < AGES; a++) {
        out += fed->idle[a];
    }
    rwp_policy_what_if(fed->policy, fed->idle, age, &r);
    g_assert_cmpuint(r.minutes, ==, minutes->len);
    g_assert_cmpuint(r.bytes_out, ==, out * PAGE);
    g_assert_cmpuint(r.promotions_max, ==, max);
    g_assert_cmpuint(r.promotions_mean, ==,
                     sum ? (sum + minutes->len - 1) / minutes->len : 0);
}

/* Where promotions of the random trace lie; changes now and then. */
typedef struct Mood {
    unsigned busiest;       /* age */
    unsigned accesses;      /* at most, for each age below */
    unsigned strays;        /* one epoch in so many has one above */
} Mood;

static Mood random_mood(void)
{
    return (Mood) {
        .busiest = between(0, AGES),
        .accesses = between(0, one_in(3) ? 100000 : 20),
        .strays = between(1, 100),
    };
}

static void random_sample(Fed *fed, const Mood *mood)
{
    for (unsigned i = 0; mood->accesses && i < 8; i++) {
        unsigned age = between(0, RWP_AGE_LIMIT);

        if (age < mood->busiest) {
            fed->promotions[age] = between(0, mood->accesses);
        }
    }
    if (one_in(mood->strays)) {
        fed->promotions[between(0, RWP_AGE_LIMIT)] += between(1, 30);
    }
    fed->sample.refaulted = one_in(50) ? between(1, 300) : 0;
    fed->sample.working_set = between(0, one_in(10) ? 1000 : 100000);
    fed->idle[between(0, RWP_AGE_LIMIT)] = between(0, 1 << 20);
}

static int64_t random_step(int64_t interval_ns)
{
    switch (between(0, 20)) {
    case 0:
        return 0;
    case 1:
        return -(int64_t)between(1, 1000) * SECOND;
    case 2:
        return between(1, 1000000) * SECOND;
    case 3:
    case 4:
    case 5:
        return interval_ns / 100 * between(1, 110);
    default:
        return interval_ns;
    }
}

static void random_config(RwpPolicyConfig *config, int64_t interval_ns)
{
    static const uint32_t targets[] = { 0, 100, 2000, 50000, UINT32_MAX };

    config->refault_target = targets[between(0, ARRAY_SIZE(targets) - 1)];
    config->min_age_ms = one_in(4) ? between(0, 100000) :
                         interval_ns / MS * between(0, one_in(4) ? 210 : 10);
    config->learning_ms = between(0, 100000);
    config->history = between(1, RWP_POLICY_HISTORY);
    /* Without limits on bytes, all that it changes is what is allowed. */
    config->evict_unit = PAGE * (one_in(2) ? 1 : between(1, 512));
}

static void check_decision(const RwpPolicyDecision *d,
                           const RwpPolicyDecision *expected)
{
    g_assert_cmpuint(d->cold_age, ==, expected->cold_age);
    g_assert_cmpuint(d->promotions, ==, expected->promotions);
    g_assert_cmpuint(d->refaulted, ==, expected->refaulted);
    g_assert_cmpuint(d->allowed, ==, expected->allowed);
    if (d->limit != RWP_POLICY_LIMIT_NONE &&
        d->limit < RWP_POLICY_LIMIT_MAX_RATE) {
        g_assert_cmpint(d->limit, ==, expected->limit);
    }
    if (expected->cold_age == RWP_POLICY_NONE) {
        g_assert_cmpint(d->limit, ==, expected->limit);
        g_assert_cmpuint(d->budget, ==, 0);
    }
}

/* Traces in, thresholds out; @opaque: interval in ms. */
static void test_oracle(const void *opaque)
{
    int64_t interval_ns = GPOINTER_TO_UINT(opaque) * MS;
    Oracle o = { .config = defaults() };
    g_autoptr(Fed) fed = NULL;
    Mood mood = random_mood();
    unsigned epochs = MIN(MAX(700, 90 * MINUTE / interval_ns), 4000);
    unsigned decided = 0;
    unsigned by_target = 0;

    o.epochs = g_ptr_array_new_with_free_func(g_free);
    fed = fed_new(&o.config, interval_ns);
    while (epochs--) {
        RwpPolicyDecision expected;

        if (one_in(150)) {
            random_config(&o.config, interval_ns);
            rwp_policy_configure(fed->policy, &o.config);
        }
        if (one_in(3000)) {
            rwp_policy_restart(fed->policy);
            oracle_restart(&o);
        }
        if (one_in(100)) {
            mood = random_mood();
        }
        random_sample(fed, &mood);
        fed->sample.now_ns += random_step(interval_ns);
        oracle_take(&o, &fed->sample);
        fed_update(fed);
        /* The oracle is slow, and errors do not vanish with the next epoch. */
        if (one_in(interval_ns <= SECOND ? 40 : 4)) {
            expected = oracle_decide(&o);
            check_decision(&fed->decision, &expected);
            check_what_if(&o, fed, between(0, RWP_AGE_LIMIT));
            decided += expected.cold_age != RWP_POLICY_NONE;
            by_target += expected.cold_age != RWP_POLICY_NONE &&
                         expected.limit == RWP_POLICY_LIMIT_REFAULT_TARGET;
        }
    }
    g_test_message("%u thresholds compared, %u above the minimum", decided,
                   by_target);
    g_ptr_array_free(o.epochs, true);
}

int main(int argc, char **argv)
{
    static const unsigned oracle_ms[] = {
        100, 730, 1000, 7000, 30000, 61000, 600000, 86400000,
    };

    g_test_init(&argc, &argv, NULL);

    add_with("/rwp/policy-oracle", oracle_ms, ARRAY_SIZE(oracle_ms),
             test_oracle);

    return g_test_run();
}
