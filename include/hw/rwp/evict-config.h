/*
 * What an evictor is told to do
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A plain value, to be copied.  Nothing here locks.
 */

#ifndef HW_RWP_EVICT_CONFIG_H
#define HW_RWP_EVICT_CONFIG_H

#include "hw/rwp/policy.h"
#include "hw/rwp/reclaim.h"

/* Bounds, inclusive. */
#define RWP_WINDOW_MAX_S    (24 * 60 * 60)

typedef struct RwpEvictConfig {
    const RwpReclaimEngine *engine;     /* NULL: nothing goes by itself */

    /* See RwpPolicyConfig; its learning time is the window. */
    uint32_t refault_target;            /* millionths */
    unsigned refault_history;           /* minutes */
    uint64_t min_age_ms;
    uint64_t max_rate;
    uint64_t min_resident;
    uint64_t target_resident;
    uint64_t write_budget;

    /* Of the working set that refault_target is a share of; in seconds. */
    uint32_t window_s;

    /*
     * Evict only while the host stalls for memory: "some" of its pressure
     * stall information, average of 10 s, at least so many hundredths of a
     * percent.  0: always.
     */
    uint32_t host_pressure;
} RwpEvictConfig;

/* rwp_evict_config_init: the defaults. */
void rwp_evict_config_init(RwpEvictConfig *config);

/*
 * rwp_evict_config_policy: what that means for the policy.
 *
 * @page_size: of the memory, in bytes
 * @unit: see RwpPolicyConfig.evict_unit
 */
RwpPolicyConfig rwp_evict_config_policy(const RwpEvictConfig *config,
                                        uint64_t page_size, uint64_t unit);

#endif /* HW_RWP_EVICT_CONFIG_H */
