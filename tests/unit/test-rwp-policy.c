/*
 * Which age is cold
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "test-rwp-policy-fed.h"

/* Ages */

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

/* Some minutes that differ, for the policy to choose by. */
static void run_varied(Fed *fed, unsigned epochs)
{
    while (epochs--) {
        for (unsigned age = 0; age < 40; age++) {
            fed->promotions[age] = (fed->sample.now_ns / SECOND * 7 + age) %
                                   97 < 3 ? 50 * age : 0;
        }
        fed_run(fed, 1);
    }
}

/*
 * What one has learned another one goes on from: it decides as the first one
 * would have done, but not before it has seen a minute by itself.
 */
static void test_resume(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) here = fed_new(&config, 10 * SECOND);
    g_autoptr(Fed) there = fed_new(&config, 10 * SECOND);
    g_autoptr(Fed) other = fed_new(&config, 10 * SECOND);
    g_autofree RwpPolicyPast *past = g_new0(RwpPolicyPast, 1);
    g_autofree RwpPolicyPast *again = g_new0(RwpPolicyPast, 1);

    rwp_policy_past(here->policy, past);
    g_assert_cmpint(past->interval_ns, ==, 0);
    g_assert_cmpuint(past->minutes, ==, 0);

    /* Its minutes are not all in the same place any more. */
    run_varied(here, 500);
    fed_run(here, 50);
    rwp_policy_past(here->policy, past);
    g_assert_cmpint(past->interval_ns, ==, 10 * SECOND);
    g_assert_cmpuint(past->epochs, ==, 550);
    g_assert_cmpint(past->time_ns, ==, 5490 * SECOND);
    g_assert_cmpuint(past->minutes, ==, RWP_POLICY_HISTORY);

    fed_run(there, 3);
    rwp_policy_resume(there->policy, past);
    rwp_policy_past(there->policy, again);
    g_assert_cmpmem(past, sizeof(*past), again, sizeof(*again));
    for (unsigned age = 0; age <= RWP_POLICY_NONE; age += 10) {
        RwpPolicyWhatIf a, b;

        rwp_policy_what_if(here->policy, here->idle, age, &a);
        rwp_policy_what_if(there->policy, here->idle, age, &b);
        g_assert_cmpmem(&a, sizeof(a), &b, sizeof(b));
    }
    fed_run(here, 5);
    fed_run(there, 5);
    check_stopped(there, RWP_POLICY_LIMIT_LEARNING);
    fed_run(here, 1);
    fed_run(there, 1);
    g_assert_cmpuint(here->decision.cold_age, !=, RWP_POLICY_NONE);
    g_assert_cmpuint(here->decision.cold_age, >, 12);
    g_assert_cmpuint(there->decision.cold_age, ==, here->decision.cold_age);
    g_assert_cmpint(there->decision.limit, ==, here->decision.limit);

    /* What the guest does there counts at once. */
    there->promotions[there->decision.cold_age] = 100000;
    fed_run(there, 1);
    g_assert_cmpuint(there->decision.cold_age, >, here->decision.cold_age);

    /* Ages of another interval mean something else. */
    other->sample.interval_ns = 5 * SECOND;
    rwp_policy_resume(other->policy, past);
    fed_run(other, 1);
    rwp_policy_past(other->policy, again);
    g_assert_cmpuint(again->epochs, ==, 1);
    g_assert_cmpuint(again->minutes, ==, 0);
    fed_run(other, 46);
    check_stopped(other, RWP_POLICY_LIMIT_LEARNING);
}

/* Too little was learned there to decide here, or more than there can be. */
static void test_resume_bounds(void)
{
    RwpPolicyConfig config = defaults();
    g_autoptr(Fed) fed = fed_new(&config, 10 * SECOND);
    g_autofree RwpPolicyPast *past = g_new0(RwpPolicyPast, 1);

    past->interval_ns = 10 * SECOND;
    past->epochs = 10;
    past->time_ns = 100 * SECOND;
    rwp_policy_resume(fed->policy, past);
    fed_run(fed, 13);
    check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);
    fed_run(fed, 1);
    g_assert_cmpuint(fed->decision.cold_age, ==, 12);

    past->epochs = UINT64_MAX;
    past->time_ns = INT64_MAX;
    past->minutes = 1;
    past->minute[0].working_set = UINT64_MAX;
    rwp_policy_resume(fed->policy, past);
    fed_run(fed, 7);
    g_assert_cmpuint(fed->decision.cold_age, ==, 12);
    memset(past->minute[0].rate, 0xff, sizeof(past->minute[0].rate));
    past->minute[0].working_set = 1;
    rwp_policy_resume(fed->policy, past);
    fed_run(fed, 7);
    check_stopped(fed, RWP_POLICY_LIMIT_REFAULT_TARGET);

    past->interval_ns = -1;
    past->time_ns = INT64_MIN;
    rwp_policy_resume(fed->policy, past);
    fed_run(fed, 23);
    check_stopped(fed, RWP_POLICY_LIMIT_LEARNING);
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

/* Odd numbers */

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

/* Odd sizes */

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
    static const unsigned single_ms[] = { 100, 1000, 30000 };
    static const unsigned hours[] = { 0, 2 };

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/policy/defaults", test_defaults);
    g_test_add_func("/rwp/policy/learning", test_learning);
    g_test_add_func("/rwp/policy/resume", test_resume);
    g_test_add_func("/rwp/policy/resume-bounds", test_resume_bounds);
    g_test_add_func("/rwp/policy/min-age", test_min_age);
    g_test_add_func("/rwp/policy/known-ages", test_known_ages);
    g_test_add_func("/rwp/policy/target", test_target);
    add_with("/rwp/policy/single-access", single_ms, ARRAY_SIZE(single_ms),
             test_single_access);
    g_test_add_func("/rwp/policy/single-piece", test_single_piece);
    g_test_add_func("/rwp/policy/percentile", test_percentile);
    g_test_add_func("/rwp/policy/spike", test_spike);
    g_test_add_func("/rwp/policy/refaults", test_refaults);

    g_test_add_func("/rwp/policy/empty", test_empty);
    g_test_add_func("/rwp/policy/overflow", test_overflow);
    add_with("/rwp/policy/overflow/charge", hours, ARRAY_SIZE(hours),
             test_overflow_charge);
    g_test_add_func("/rwp/policy/clock", test_clock);
    g_test_add_func("/rwp/policy/late", test_late);
    g_test_add_func("/rwp/policy/intervals", test_intervals);

    g_test_add_func("/rwp/policy/one-page", test_one_page);
    g_test_add_func("/rwp/policy/1-tib", test_tib);

    return g_test_run();
}
