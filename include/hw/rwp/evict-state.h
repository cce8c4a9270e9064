/*
 * States of eviction
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one place that knows which state and limit follow from what, and in which
 * words that is told.
 */

#ifndef HW_RWP_EVICT_STATE_H
#define HW_RWP_EVICT_STATE_H

#include "qapi/qapi-types-working-set.h"
#include "hw/rwp/policy.h"

typedef struct RwpEvictState {
    EvictionState state;
    EvictionLimit limit;
    const char *reason;             /* static, or NULL */
} RwpEvictState;

/* Nothing goes by itself. */
extern const RwpEvictState rwp_evict_state_off;

/* Accesses are not watched. */
extern const RwpEvictState rwp_evict_state_inhibited;

/* The policy has not decided yet. */
extern const RwpEvictState rwp_evict_state_learning;

/* The host is not short of memory. */
extern const RwpEvictState rwp_evict_state_no_pressure;

/* It does not say whether it is. */
extern const RwpEvictState rwp_evict_state_pressure_unknown;

/* The host was given pages and kept them, or a good part of them. */
extern const RwpEvictState rwp_evict_state_kept;
extern const RwpEvictState rwp_evict_state_kept_some;

/* rwp_evict_state_blocked: the engine cannot work, for @reason. */
RwpEvictState rwp_evict_state_blocked(const char *reason);

/* rwp_evict_state_decided: what follows from @d, if the host does its part. */
RwpEvictState rwp_evict_state_decided(const RwpPolicyDecision *d);

/* rwp_evict_state_equal: reasons are compared as pointers. */
bool rwp_evict_state_equal(const RwpEvictState *a, const RwpEvictState *b);

#endif /* HW_RWP_EVICT_STATE_H */
