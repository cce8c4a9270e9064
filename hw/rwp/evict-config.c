/*
 * What an evictor is told to do
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/evict-config.h"

void rwp_evict_config_init(RwpEvictConfig *config)
{
    *config = (RwpEvictConfig) {
        .refault_target = RWP_POLICY_REFAULT_TARGET,
        .refault_history = RWP_POLICY_HISTORY,
        .min_age_ms = RWP_POLICY_MIN_AGE_MS,
        .window_s = RWP_POLICY_LEARNING_MS / 1000,
    };
}

RwpPolicyConfig rwp_evict_config_policy(const RwpEvictConfig *c,
                                        uint64_t page_size, uint64_t unit)
{
    RwpPolicyConfig p;

    rwp_policy_config_init(&p, page_size);
    p.evict_unit = unit;
    p.refault_target = c->refault_target;
    p.history = c->refault_history;
    p.min_age_ms = c->min_age_ms;
    p.learning_ms = c->window_s * UINT64_C(1000);
    p.max_rate = c->max_rate;
    p.min_resident = c->min_resident;
    p.target_resident = c->target_resident;
    p.write_budget = c->write_budget;
    return p;
}
