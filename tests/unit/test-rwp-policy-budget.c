/*
 * How much of it may be evicted: budgets
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random numbers are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "test-rwp-policy-fed.h"
#include "test-rwp-random.h"

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

int main(int argc, char **argv)
{
    static const unsigned write_s[] = { 2, 30, 60, 300, 3600 };

    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/rwp/policy-budget/resident", test_resident);
    g_test_add_func("/rwp/policy-budget/max-rate", test_max_rate);
    g_test_add_func("/rwp/policy-budget/max-rate/saved", test_max_rate_saved);
    g_test_add_func("/rwp/policy-budget/evict-unit", test_evict_unit);
    add_with("/rwp/policy-budget/write-budget", write_s, ARRAY_SIZE(write_s),
             test_write_budget);
    g_test_add_func("/rwp/policy-budget/write-budget/later",
                    test_write_budget_later);

    return g_test_run();
}
