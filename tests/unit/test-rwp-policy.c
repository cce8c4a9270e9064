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
#include "test-rwp-policy.h"
#include "test-rwp-random.h"

/* A policy that is fed by hand, with the arrays that samples point to. */
typedef struct Fed {
    RwpPolicy *policy;
    RwpPolicySample sample;
    RwpPolicyDecision decision;
    uint64_t promotions[AGES];
    uint64_t idle[AGES];
} Fed;

static Fed *fed_new(const RwpPolicyConfig *config, int64_t interval_ns)
{
    Fed *fed = g_new0(Fed, 1);

    fed->policy = rwp_policy_new(config);
    fed->sample = (RwpPolicySample) {
        .interval_ns = interval_ns,
        .promotions = fed->promotions,
        .idle = fed->idle,
        .working_set = 100000,
        .resident = 1000000,
    };
    fed->idle[0] = 100000;
    fed->idle[RWP_AGE_LIMIT] = 900000;
    return fed;
}

static void fed_free(Fed *fed)
{
    rwp_policy_free(fed->policy);
    g_free(fed);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fed, fed_free)

/* The epoch's own numbers are used once. */
static void fed_update(Fed *fed)
{
    rwp_policy_update(fed->policy, &fed->sample, &fed->decision);
    memset(fed->promotions, 0, sizeof(fed->promotions));
    fed->sample.refaulted = 0;
}

/* Epochs without promotions, each as long as meant. */
static void fed_run(Fed *fed, unsigned epochs)
{
    while (epochs--) {
        fed->sample.now_ns += fed->sample.interval_ns;
        fed_update(fed);
    }
}

static void fed_learn(Fed *fed)
{
    unsigned epochs = 0;

    do {
        fed_run(fed, 1);
        g_assert_cmpuint(++epochs, <, 10000);
    } while (fed->decision.limit == RWP_POLICY_LIMIT_LEARNING);
}

/* ... until some age is cold. */
static void fed_decide(Fed *fed)
{
    unsigned epochs = 0;

    do {
        fed_run(fed, 1);
        g_assert_cmpuint(++epochs, <, 10000);
    } while (fed->decision.cold_age == RWP_POLICY_NONE);
}

static void check_stopped(const Fed *fed, RwpPolicyLimit limit)
{
    g_assert_cmpuint(fed->decision.cold_age, ==, RWP_POLICY_NONE);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, limit);
}

/* --- the oracle --- */

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

/* --- ages --- */

static void test_defaults(void)
{
    RwpPolicyConfig config = defaults();

    g_assert_cmpuint(config.refault_target, ==, 2000);
    g_assert_cmpuint(config.min_age_ms, ==, 120000);
    g_assert_cmpuint(config.learning_ms, ==, 120000);
    g_assert_cmpuint(config.page_size, ==, PAGE);
    g_assert_cmpuint(config.evict_unit, ==, PAGE);
    g_assert_cmpuint(config.max_rate, ==, 0);
    g_assert_cmpuint(config.write_budget, ==, 0);
}

static void test_learning(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, 10 * SECOND);
    RwpPolicyWhatIf r;

    rwp_policy_what_if(fed->policy, fed->idle, 3, &r);
    g_assert_cmpuint(r.minutes, ==, 0);

    /* 24 epochs take longer than 120 s here; the first only sets the clock. */
    fed_run(fed, 23);
    check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 12);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_MIN_AGE);

    rwp_policy_restart(fed->policy);
    fed_run(fed, 23);
    check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);

    /* Another interval, another meaning of ages. */
    fed_run(fed, 10);
    fed->sample.interval_ns = 5 * SECOND;
    fed_run(fed, 47);
    check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 24);
}

static void test_min_age(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, 7 * SECOND);

    /* Rounded up. */
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.cold_age, ==, 18);

    config.min_age_ms = 0;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_NONE);

    /* The oldest age that can be told. */
    config.min_age_ms = 7 * RWP_AGE_LIMIT * 1000;
    rwp_policy_configure(fed->policy, &config);
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.cold_age, ==, RWP_AGE_LIMIT);
    config.min_age_ms++;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    check_stopped(fed, RWP_POLICY_LIMIT_MIN_AGE);
    config.min_age_ms = UINT64_MAX;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    check_stopped(fed, RWP_POLICY_LIMIT_MIN_AGE);
    /* In nanoseconds, this is 0 in the lower 64 bits. */
    config.min_age_ms = UINT64_C(1) << 58;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    check_stopped(fed, RWP_POLICY_LIMIT_MIN_AGE);
}

/* What no page could have been yet is not known to be cheap. */
static void test_known_ages(void)
{
    static const struct {
        unsigned interval_s;
        unsigned age;
        unsigned epochs;
    } cases[] = {
        /* 8 epochs more, */
        { 60, 20, 28 },
        { 30, 80, 88 },
        /* 4 minutes more, */
        { 2, 150, 270 },
        { 7, 40, 75 },
        /* or twice the age, and 24 in any case. */
        { 1, 50, 100 },
        { 60, 12, 24 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        RwpPolicyConfig config = defaults();
        g_autoptr(Fed) fed = NULL;
        unsigned learning;

        config.min_age_ms = 0;
        config.learning_ms = 0;
        fed = fed_new(&config, cases[i].interval_s * SECOND);
        fed->promotions[cases[i].age - 1] = 1000;
        /* The first epoch only sets the clock. */
        learning = MAX(60 / cases[i].interval_s, 23);
        fed_run(fed, learning);
        check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);
        if (cases[i].epochs > learning + 1) {
            /* The target asks for an age that is not known yet. */
            fed_run(fed, 1);
            check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);
            fed_run(fed, cases[i].epochs - learning - 2);
            check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);
        }
        fed_run(fed, 1);
        g_assert_cmpuint(fed->decision.cold_age, ==, cases[i].age);
    }
}

static void test_target(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, SECOND);

    config.min_age_ms = 1000;
    rwp_policy_configure(fed->policy, &config);
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.cold_age, ==, 1);
    g_assert_cmpuint(fed->decision.allowed, ==, 200);

    /* Just what is aimed at: 200 - 2 * sqrt(200). */
    fed->promotions[50] = 121;
    fed->promotions[30] = 50;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 1);
    g_assert_cmpuint(fed->decision.promotions, ==, 171);

    /* One more: it shows at once, and for a minute. */
    fed->promotions[40] = 1;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 31);
    g_assert_cmpuint(fed->decision.promotions, ==, 122);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_REFAULT_TARGET);

    /* A laxer target needs no new history, and neither does a tighter one. */
    config.refault_target = 2010;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 1);
    config.refault_target = 0;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 51);
    fed_run(fed, 300);
    g_assert_cmpuint(fed->decision.cold_age, ==, 51);
}

/* In a short epoch as in a long one, an access is one a minute. */
static void test_single_access(const void *opaque)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;

    config.min_age_ms = 0;
    fed = fed_new(&config, GPOINTER_TO_UINT(opaque) * MS);
    fed->sample.working_set = 1;
    fed_learn(fed);
    fed->promotions[RWP_AGE_LIMIT] = 1;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);
    g_assert_cmpuint(fed->decision.promotions, ==, 1);
}

/* As much as goes at once may come back at once: a huge page, say. */
static void test_single_piece(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;

    config.evict_unit = 2 * MiB;
    config.min_age_ms = 0;
    fed = fed_new(&config, SECOND);
    fed->sample.working_set = 1000;
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.allowed, ==, 512);

    /* Of what is out, and of what would be. */
    fed->promotions[RWP_AGE_LIMIT] = 512;
    fed->sample.refaulted = 512;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);
    g_assert_cmpuint(fed->decision.promotions, ==, 512);
    g_assert_cmpuint(fed->decision.refaulted, ==, 512);
    fed_run(fed, 59);
    fed->sample.refaulted = 1;
    fed->promotions[100] = 1;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);

    /* One page more than that, within the same minute. */
    fed->sample.refaulted = 512;
    fed_run(fed, 1);
    check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);
    fed_run(fed, 61);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);
    fed->promotions[100] = 513;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 101);

    /* A working set of which the target is more than a piece. */
    fed->sample.working_set = 1000000;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.allowed, ==, 2000);

    /* With no target at all, not even that. */
    config.refault_target = 0;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 200);
    g_assert_cmpuint(fed->decision.allowed, ==, 0);
    fed->sample.refaulted = 1;
    fed_run(fed, 1);
    check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);
}

/* The worst minute counts until 50 are known, then one is forgiven. */
static void test_percentile(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;

    config.min_age_ms = 0;
    config.learning_ms = 0;
    fed = fed_new(&config, 10 * SECOND);
    fed_learn(fed);
    fed->promotions[10] = 1000;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 11);
    /* The 24 epochs of learning are three minutes and five epochs. */
    fed_run(fed, 45 * 6 + 5);
    g_assert_cmpuint(fed->decision.cold_age, ==, 11);
    fed_run(fed, 6);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);

    /* Two bad ones are not, until they are out of the history. */
    fed->promotions[8] = 1000;
    fed_run(fed, 6);
    g_assert_cmpuint(fed->decision.cold_age, ==, 9);
    fed_run(fed, 6);
    g_assert_cmpuint(fed->decision.cold_age, ==, 9);
    config.history = 1;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);
}

static void test_spike(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, 100 * MS);
    unsigned epochs = 0;

    config.min_age_ms = 1000;
    config.history = 2;
    rwp_policy_configure(fed->policy, &config);
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.cold_age, ==, 10);
    fed->promotions[RWP_AGE_LIMIT] = 50000;
    fed_run(fed, 1);
    check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);
    while (fed->decision.cold_age == RWP_POLICY_NONE) {
        fed_run(fed, 1);
        epochs++;
    }
    /* The rest of its own minute, and two more. */
    g_assert_cmpuint(epochs, >=, 2 * 600);
    g_assert_cmpuint(epochs, <=, 3 * 600);
    g_assert_cmpuint(fed->decision.cold_age, ==, 10);
}

/* What comes back counts even if its age would not have made it go. */
static void test_refaults(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, 30 * SECOND);

    fed_learn(fed);
    fed->sample.refaulted = 200;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 4);
    g_assert_cmpuint(fed->decision.refaulted, ==, 200);
    fed->sample.refaulted = 1;
    fed_run(fed, 1);
    check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);
    /* It leaves no trace in the history. */
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 4);
    g_assert_cmpuint(fed->decision.refaulted, ==, 1);
}

/* --- odd numbers --- */

static void test_empty(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, SECOND);
    RwpPolicyWhatIf r;

    memset(fed->idle, 0, sizeof(fed->idle));
    fed->sample.working_set = fed->sample.resident = 0;
    fed_learn(fed);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 120);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_NONE);
    rwp_policy_what_if(fed->policy, fed->idle, 0, &r);
    g_assert_cmpuint(r.bytes_out, ==, 0);
    rwp_policy_what_if(fed->policy, fed->idle, RWP_POLICY_NONE, &r);
    g_assert_cmpuint(r.bytes_out, ==, 0);
    g_assert_cmpuint(r.promotions_max, ==, 0);
}

static void test_overflow(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;
    RwpPolicyWhatIf r;

    config.history = 2;
    config.max_rate = UINT64_MAX;
    config.write_budget = UINT64_MAX;
    fed = fed_new(&config, 2 * SECOND);
    fed_learn(fed);
    rwp_policy_charge(fed->policy, UINT64_MAX, UINT64_MAX / 2);
    rwp_policy_charge(fed->policy, UINT64_MAX, UINT64_MAX / 2);

    fed->sample.working_set = fed->sample.resident = UINT64_MAX;
    for (unsigned i = 0; i < 100; i++) {
        memset(fed->promotions, 0xff, sizeof(fed->promotions));
        memset(fed->idle, 0xff, sizeof(fed->idle));
        fed->sample.refaulted = UINT64_MAX;
        fed_run(fed, 1);
        check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);
    }
    /* A count that wrapped around would be small. */
    g_assert_cmpuint(fed->decision.refaulted, >=, UINT64_C(1) << 50);
    rwp_policy_what_if(fed->policy, fed->idle, 0, &r);
    g_assert_cmpuint(r.bytes_out, ==, UINT64_MAX);
    g_assert_cmpuint(r.promotions_mean, ==, UINT32_MAX);
    g_assert_cmpuint(r.promotions_max, >=, r.promotions_mean);

    /* It is forgotten like any other spike. */
    fed_run(fed, 130);
    g_assert_cmpuint(fed->decision.cold_age, ==, 60);
    g_assert_cmpuint(fed->decision.promotions, ==, 0);

    /* With no end to the target, everything is allowed. */
    config.refault_target = UINT32_MAX;
    config.min_age_ms = 0;
    rwp_policy_configure(fed->policy, &config);
    memset(fed->promotions, 0xff, sizeof(fed->promotions));
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 0);
}

/* Two halves of 2^64, in one step of a window or in two. */
static void test_overflow_charge(const void *opaque)
{
    const uint64_t half = UINT64_C(1) << 63;
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;

    config.max_rate = 1 * GiB;
    config.write_budget = 1 * PiB;
    fed = fed_new(&config, HOUR);
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.budget, >, 0);
    rwp_policy_charge(fed->policy, half, 0);
    rwp_policy_charge(fed->policy, half, 0);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_MAX_RATE);

    config.max_rate = 0;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, >, 0);
    rwp_policy_charge(fed->policy, 0, half);
    fed_run(fed, GPOINTER_TO_UINT(opaque));
    rwp_policy_charge(fed->policy, 0, half);
    /* The shorter windows forget it. */
    fed_run(fed, 3);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_WRITE_BUDGET);

    /* Cold pages: not 0. */
    fed->idle[3] = fed->idle[4] = half;
    fed->idle[RWP_AGE_LIMIT] = 0;
    fed->sample.resident = UINT64_MAX;
    fed_run(fed, 1);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_WRITE_BUDGET);
}

static void test_clock(void)
{
    static const int64_t jumps[] = {
        INT64_MAX, INT64_MIN, 0, INT64_MAX - 1, -1, INT64_MIN + 1, INT64_MAX,
    };
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;

    config.max_rate = 10 * MiB;
    config.history = 1;
    fed = fed_new(&config, SECOND);

    /* While it stands still, nothing is learnt. */
    for (unsigned i = 0; i < 1000; i++) {
        fed_update(fed);
        check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);
    }
    fed_learn(fed);

    /* A jump does not thin out what was seen, nor does it earn anything. */
    fed->promotions[150] = 201;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 151);
    g_assert_cmpuint(fed->decision.budget, ==, 10 * MiB + PAGE);
    for (unsigned i = 0; i < ARRAY_SIZE(jumps); i++) {
        rwp_policy_charge(fed->policy, fed->decision.budget, 0);
        fed->sample.now_ns = jumps[i];
        fed_update(fed);
        g_assert_cmpuint(fed->decision.cold_age, ==, 151);
        g_assert_cmpuint(fed->decision.budget, <=, 10 * MiB + PAGE);
        g_assert_cmpuint(fed->decision.promotions, ==, 0);
    }
    fed->sample.now_ns = 0;
    fed_run(fed, 200);
    g_assert_cmpuint(fed->decision.cold_age, ==, 120);

    /* Standing still for longer than a minute has epochs. */
    rwp_policy_charge(fed->policy, fed->decision.budget, 0);
    for (unsigned i = 0; i < 1000; i++) {
        fed_update(fed);
        g_assert_cmpuint(fed->decision.budget, ==, 0);
    }
}

/* Epochs that come late count as one interval. */
static void test_late(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, SECOND);

    fed_run(fed, 2 * RWP_AGE_LIMIT);
    fed->promotions[199] = 201;
    for (unsigned i = 0; i < 59; i++) {
        fed->sample.now_ns += 10 * SECOND;
        fed_update(fed);
        g_assert_cmpuint(fed->decision.cold_age, ==, RWP_AGE_LIMIT);
    }
}

static void test_intervals(void)
{
    static const int64_t intervals[] = {
        100 * MS, DAY, SECOND, HOUR, 59999999999, 60000000001, 1, DAY, 999 * MS,
        INT64_MAX, 30 * SECOND,
    };
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;

    config.min_age_ms = 0;
    config.max_rate = 1 * MiB;
    config.write_budget = 1 * TiB;
    fed = fed_new(&config, SECOND);
    for (unsigned i = 0; i < ARRAY_SIZE(intervals); i++) {
        fed->sample.interval_ns = intervals[i];
        fed->sample.now_ns = 0;
        /* Too much, even on the average of a day. */
        fed->promotions[20] = 1000000;
        fed_update(fed);
        check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);
        if (intervals[i] > 1 && intervals[i] < INT64_MAX) {
            fed_decide(fed);
            g_assert_cmpuint(fed->decision.cold_age, ==, 21);
            g_assert_cmpuint(fed->decision.budget, >, 0);
        } else {
            /* The clock cannot go on from there. */
            for (unsigned j = 0; j < 100; j++) {
                fed->sample.now_ns = j & 1 ? INT64_MAX : 0;
                fed_update(fed);
            }
        }
    }
}

/* --- budgets --- */

static void test_resident(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, 10 * SECOND);
    const uint64_t in = fed->sample.resident * PAGE;

    fed_learn(fed);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, in);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_MIN_AGE);

    config.min_resident = in - 10 * PAGE - 1;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, 10 * PAGE);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_MIN_RESIDENT);

    config.target_resident = in;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpuint(fed->decision.cold_age, ==, 12);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_TARGET_RESIDENT);

    config.min_resident = UINT64_MAX;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, 0);

    /* Nothing more is cold than what is out: that is no limit of size. */
    fed->sample.resident = 100000;
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_MIN_AGE);
    /* One page is. */
    fed->sample.resident++;
    fed_run(fed, 1);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_TARGET_RESIDENT);
}

/* What was handed out, and when. */
typedef struct Charge {
    int64_t ns;
    uint64_t bytes;
} Charge;

/* The most within any stretch of @ns, both ends included. */
static uint64_t most_within(const GArray *charges, int64_t ns)
{
    uint64_t most = 0;
    uint64_t sum = 0;
    unsigned first = 0;

    for (unsigned i = 0; i < charges->len; i++) {
        const Charge *c = &g_array_index(charges, Charge, i);

        sum += c->bytes;
        while (g_array_index(charges, Charge, first).ns < c->ns - ns) {
            sum -= g_array_index(charges, Charge, first++).bytes;
        }
        most = MAX(most, sum);
    }
    return most;
}

/* Evict all that may go, or part of it.  Returns what went. */
static uint64_t spend(Fed *fed, GArray *charges, bool all)
{
    uint64_t pages = fed->decision.budget / PAGE;
    Charge c = { .ns = fed->sample.now_ns };

    g_assert_cmpuint(fed->decision.budget % PAGE, ==, 0);
    c.bytes = PAGE * (all || !pages ? pages : between(0, MIN(pages, 1 << 30)));
    rwp_policy_charge(fed->policy, c.bytes / 2, 0);
    rwp_policy_charge(fed->policy, c.bytes - c.bytes / 2, c.bytes);
    g_array_append_val(charges, c);
    return c.bytes;
}

static void test_max_rate(void)
{
    static const int64_t intervals[] = { 100 * MS, SECOND, 10 * SECOND, HOUR };
    static const uint64_t rates[] = { 1, 1000, 4097, 10 * MiB, 3 * GiB };

    for (unsigned i = 0; i < ARRAY_SIZE(intervals) * ARRAY_SIZE(rates); i++) {
        int64_t interval = intervals[i % ARRAY_SIZE(intervals)];
        RwpPolicyConfig config = defaults();
        g_autoptr(GArray) charges = g_array_new(false, false, sizeof(Charge));
        g_autoptr(Fed) fed = NULL;
        uint64_t per_epoch;
        uint64_t spent = 0;
        unsigned epochs;

        config.min_age_ms = 0;
        config.learning_ms = 0;
        config.max_rate = rates[i / ARRAY_SIZE(intervals)];
        fed = fed_new(&config, interval);
        fed->sample.resident = UINT64_C(1) << 40;
        fed->idle[RWP_AGE_LIMIT] = UINT64_C(1) << 40;
        fed_learn(fed);
        per_epoch = config.max_rate * (interval / MS) / 1000 + PAGE;
        epochs = MIN(20000, 50 * MAX(1, PAGE * SECOND / config.max_rate /
                                     interval));
        for (unsigned e = 0; e < epochs; e++) {
            fed_run(fed, 1);
            g_assert_cmpuint(fed->decision.budget, <=, per_epoch);
            if (fed->decision.budget < 900000 * (uint64_t)PAGE) {
                g_assert_cmpint(fed->decision.limit, ==,
                                RWP_POLICY_LIMIT_MAX_RATE);
            }
            spent += spend(fed, charges, true);
        }
        for (int64_t ns = 0; ns < HOUR; ns = ns * 3 + interval) {
            g_assert_cmpuint(most_within(charges, ns), <=, per_epoch +
                             config.max_rate * (ns / MS) / 1000);
        }
        /* Nothing is lost by rounding, but for the last page. */
        g_assert_cmpuint(spent + PAGE, >=,
                         config.max_rate * (epochs * interval / MS) / 1000);
    }
}

/* What was not used is lost, and what was overdrawn is made up for. */
static void test_max_rate_saved(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;

    config.max_rate = 1 * MiB;
    fed = fed_new(&config, 10 * SECOND);
    fed_learn(fed);
    fed_run(fed, 100);
    g_assert_cmpuint(fed->decision.budget, ==, 10 * MiB + PAGE);
    rwp_policy_charge(fed->policy, 35 * MiB + PAGE, 0);
    fed_run(fed, 2);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, 5 * MiB);

    /* Another rate starts with nothing. */
    config.max_rate = 2 * MiB;
    rwp_policy_configure(fed->policy, &config);
    fed->sample.now_ns += 1 * SECOND;
    fed_update(fed);
    g_assert_cmpuint(fed->decision.budget, ==, 2 * MiB);
}

/* However slow, there comes the time for a whole huge page. */
static void test_evict_unit(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;
    unsigned epochs = 0;

    config.max_rate = 10 * KiB;
    config.write_budget = 4 * MiB;
    config.evict_unit = 2 * MiB;
    config.min_age_ms = 0;
    config.learning_ms = 0;
    fed = fed_new(&config, SECOND);
    fed_learn(fed);
    for (unsigned i = 0; i < 2; i++) {
        while (fed->decision.budget < 2 * MiB) {
            fed_run(fed, 1);
            g_assert_cmpuint(++epochs, <, 8000);
        }
        rwp_policy_charge(fed->policy, 2 * MiB, 2 * MiB);
    }
    fed_run(fed, 10000);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_WRITE_BUDGET);
}

/* @opaque: interval in seconds. */
static void test_write_budget(const void *opaque)
{
    int64_t interval = GPOINTER_TO_UINT(opaque) * SECOND;
    const uint64_t budget = 550 * MiB;
    g_autoptr(GArray) charges = g_array_new(false, false, sizeof(Charge));
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = NULL;
    uint64_t spent = 0;
    int64_t end;

    config.min_age_ms = 0;
    config.write_budget = budget;
    fed = fed_new(&config, interval);
    fed_learn(fed);
    if (interval <= MINUTE) {
        g_assert_cmpuint(fed->decision.budget, ==, budget / 90 / PAGE * PAGE);
    }
    end = fed->sample.now_ns + 4 * DAY;
    while (fed->sample.now_ns < end) {
        /* Idle from time to time, to see that nothing is saved up. */
        if (one_in(5000)) {
            fed_run(fed, between(1, 5 * HOUR / interval));
        }
        fed_run(fed, 1);
        spent += spend(fed, charges, !one_in(4));
    }
    if (interval <= MINUTE) {
        g_assert_cmpuint(most_within(charges, MINUTE), <=, budget / 90);
    }
    if (interval <= HOUR) {
        g_assert_cmpuint(most_within(charges, HOUR), <=, budget / 6);
    }
    g_assert_cmpuint(most_within(charges, DAY), <=, budget);
    /* Of four days, what was spent before is forgotten thrice at least. */
    g_assert_cmpuint(spent, >=, 3 * budget);
}

/* A budget that is set on a running guest knows what was written before. */
static void test_write_budget_later(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, HOUR);

    fed_learn(fed);
    rwp_policy_charge(fed->policy, 1 * GiB, 1 * GiB);
    config.write_budget = 1 * GiB;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 24);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_WRITE_BUDGET);
    /* An hour is 1.25 steps of the day. */
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.budget, ==, 1 * GiB / 6 / PAGE * PAGE);

    /* Long epochs that went by are forgotten by the shorter windows, too. */
    rwp_policy_charge(fed->policy, 1 * GiB, 1 * GiB);
    fed->sample.interval_ns = 2 * DAY;
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.budget, ==, 1 * GiB);
    fed->sample.interval_ns = 10 * SECOND;
    fed_learn(fed);
    g_assert_cmpuint(fed->decision.budget, ==, 1 * GiB / 90 / PAGE * PAGE);

    /* Less than one page a day is nothing. */
    config.write_budget = PAGE - 1;
    rwp_policy_configure(fed->policy, &config);
    fed_run(fed, 100);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
}

static void test_one_page(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(1, 0);
    g_autoptr(Fed) fed = fed_new(&config, 5 * SECOND);
    bool complete;

    fed->sample.resident = 1;
    rwp_age_map_populate(map, 0, 1);
    for (unsigned i = 1; i < 100; i++) {
        rwp_age_map_begin(map);
        if (i <= 30) {
            rwp_age_map_record(map, 0, 1, false);
        }
        fed->sample.now_ns += 5 * SECOND;
        rwp_age_map_end(map, fed->sample.now_ns);
        rwp_age_map_idle(map, fed->idle);
        fed->sample.working_set = rwp_age_map_working_set(map, 2 * MINUTE,
                                                          &complete);
        fed->promotions[0] = i > 1 && i <= 30;
        fed_update(fed);
        if (rwp_age_map_get(map, 0) >= 24) {
            g_assert_cmpuint(fed->decision.cold_age, ==, 24);
            g_assert_cmpuint(fed->decision.budget, ==, PAGE);
            g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_NONE);
        } else if (fed->decision.cold_age != RWP_POLICY_NONE) {
            g_assert_cmpuint(fed->decision.cold_age, ==, 24);
            g_assert_cmpint(fed->decision.limit, ==, RWP_POLICY_LIMIT_MIN_AGE);
        }
    }
}

/* 1 TiB: 15 % hot, 25 % warm, in whole stretches. */
static void test_tib(void)
{
    const uint64_t npages = 1 * TiB / PAGE;
    const uint64_t hot = npages / 100 * 15;
    const uint64_t warm = npages / 100 * 25;
    RwpPolicyConfig config = defaults();
    g_autoptr(RwpAgeMap) map = rwp_age_map_new(npages, 0);
    g_autoptr(Fed) fed = fed_new(&config, 30 * SECOND);
    RwpPolicyWhatIf r;
    uint64_t before[AGES] = { };
    bool complete;

    rwp_age_map_populate(map, 0, npages);
    fed->sample.resident = npages;
    for (unsigned i = 1; i < 100; i++) {
        rwp_age_map_begin(map);
        rwp_age_map_record(map, 0, hot, false);
        rwp_age_map_record(map, hot + warm / 20 * (i % 20), warm / 20, false);
        fed->sample.now_ns += 30 * SECOND;
        rwp_age_map_end(map, fed->sample.now_ns);
        rwp_age_map_idle(map, fed->idle);
        rwp_age_map_promotions(map, fed->promotions);
        for (unsigned age = 0; age < AGES; age++) {
            uint64_t sum = fed->promotions[age];

            fed->promotions[age] -= before[age];
            before[age] = sum;
        }
        fed->sample.working_set = rwp_age_map_working_set(map, 2 * MINUTE,
                                                          &complete);
        fed_update(fed);
    }
    g_assert_cmpuint(fed->decision.cold_age, ==, 20);
    g_assert_cmpuint(fed->decision.budget, ==, 1 * TiB);
    rwp_policy_what_if(fed->policy, fed->idle, 20, &r);
    g_assert_cmpuint(r.bytes_out / GiB, ==, 614);
    g_assert_cmpuint(r.promotions_max, ==, 0);
    rwp_policy_what_if(fed->policy, fed->idle, 4, &r);
    g_assert_cmpuint(r.promotions_max, >=, warm / 10 - 40);
}

int main(int argc, char **argv)
{
    static const unsigned oracle_ms[] = {
        100, 730, 1000, 7000, 30000, 61000, 600000, 86400000,
    };
    static const unsigned single_ms[] = { 100, 1000, 30000 };
    static const unsigned hours[] = { 0, 2 };
    static const unsigned write_s[] = { 2, 30, 60, 300, 3600 };

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/policy/defaults", test_defaults);
    g_test_add_func("/rwp/policy/learning", test_learning);
    g_test_add_func("/rwp/policy/min-age", test_min_age);
    g_test_add_func("/rwp/policy/known-ages", test_known_ages);
    g_test_add_func("/rwp/policy/target", test_target);
    add_with("/rwp/policy/single-access", single_ms, ARRAY_SIZE(single_ms),
             test_single_access);
    g_test_add_func("/rwp/policy/single-piece", test_single_piece);
    g_test_add_func("/rwp/policy/percentile", test_percentile);
    g_test_add_func("/rwp/policy/spike", test_spike);
    g_test_add_func("/rwp/policy/refaults", test_refaults);
    add_with("/rwp/policy/oracle", oracle_ms, ARRAY_SIZE(oracle_ms),
             test_oracle);

    g_test_add_func("/rwp/policy/empty", test_empty);
    g_test_add_func("/rwp/policy/overflow", test_overflow);
    add_with("/rwp/policy/overflow/charge", hours, ARRAY_SIZE(hours),
             test_overflow_charge);
    g_test_add_func("/rwp/policy/clock", test_clock);
    g_test_add_func("/rwp/policy/late", test_late);
    g_test_add_func("/rwp/policy/intervals", test_intervals);

    g_test_add_func("/rwp/policy/resident", test_resident);
    g_test_add_func("/rwp/policy/max-rate", test_max_rate);
    g_test_add_func("/rwp/policy/max-rate/saved", test_max_rate_saved);
    g_test_add_func("/rwp/policy/evict-unit", test_evict_unit);
    add_with("/rwp/policy/write-budget", write_s, ARRAY_SIZE(write_s),
             test_write_budget);
    g_test_add_func("/rwp/policy/write-budget/later", test_write_budget_later);

    g_test_add_func("/rwp/policy/one-page", test_one_page);
    g_test_add_func("/rwp/policy/1-tib", test_tib);

    return g_test_run();
}
