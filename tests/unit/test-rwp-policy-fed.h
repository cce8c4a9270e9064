/*
 * An eviction policy that is fed by hand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TEST_RWP_POLICY_FED_H
#define TEST_RWP_POLICY_FED_H

#include "test-rwp-policy.h"

/* A policy, with the arrays that samples point to. */
typedef struct Fed {
    RwpPolicy *policy;
    RwpPolicySample sample;
    RwpPolicyDecision decision;
    uint64_t promotions[AGES];
    uint64_t idle[AGES];
} Fed;

static inline Fed *fed_new(const RwpPolicyConfig *config, int64_t interval_ns)
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

static inline void fed_free(Fed *fed)
{
    rwp_policy_free(fed->policy);
    g_free(fed);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fed, fed_free)

/* The epoch's own numbers are used once. */
static inline void fed_update(Fed *fed)
{
    rwp_policy_update(fed->policy, &fed->sample, &fed->decision);
    memset(fed->promotions, 0, sizeof(fed->promotions));
    fed->sample.refaulted = 0;
}

/* Epochs without promotions, each as long as meant. */
static inline void fed_run(Fed *fed, unsigned epochs)
{
    while (epochs--) {
        fed->sample.now_ns += fed->sample.interval_ns;
        fed_update(fed);
    }
}

/* Until enough is known to decide. */
static inline void fed_learn(Fed *fed)
{
    unsigned epochs = 0;

    do {
        fed_run(fed, 1);
        g_assert_cmpuint(++epochs, <, 10000);
    } while (fed->decision.limit == RWP_POLICY_LIMIT_LEARNING);
}

/* Until some age is cold. */
static inline void fed_decide(Fed *fed)
{
    unsigned epochs = 0;

    do {
        fed_run(fed, 1);
        g_assert_cmpuint(++epochs, <, 10000);
    } while (fed->decision.cold_age == RWP_POLICY_NONE);
}

static inline void check_stopped(const Fed *fed, RwpPolicyLimit limit)
{
    g_assert_cmpuint(fed->decision.cold_age, ==, RWP_POLICY_NONE);
    g_assert_cmpuint(fed->decision.budget, ==, 0);
    g_assert_cmpint(fed->decision.limit, ==, limit);
}

#endif /* TEST_RWP_POLICY_FED_H */
