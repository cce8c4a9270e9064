/*
 * For the tests of the eviction policy
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TEST_RWP_POLICY_H
#define TEST_RWP_POLICY_H

#include "qemu/units.h"
#include "hw/rwp/age-map.h"
#include "hw/rwp/policy.h"

#define AGES (RWP_AGE_LIMIT + 1)
#define PAGE 4096
#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static inline RwpPolicyConfig defaults(void)
{
    RwpPolicyConfig config;

    rwp_policy_config_init(&config, PAGE);
    return config;
}

/* A test for each of @values, which is in its path and is its data. */
static inline void add_with(const char *path, const unsigned *values,
                            unsigned n, GTestDataFunc test)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("%s/%u", path, values[i]);

        g_test_add_data_func(name, GUINT_TO_POINTER(values[i]), test);
    }
}

#endif /* TEST_RWP_POLICY_H */
