/*
 * States of eviction
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/evict-state.h"

const RwpEvictState rwp_evict_state_off = {
    .state = EVICTION_STATE_OFF, .limit = EVICTION_LIMIT_NONE,
};

const RwpEvictState rwp_evict_state_inhibited = {
    .state = EVICTION_STATE_INHIBITED, .limit = EVICTION_LIMIT_INHIBITED,
};

const RwpEvictState rwp_evict_state_learning = {
    .state = EVICTION_STATE_LEARNING, .limit = EVICTION_LIMIT_LEARNING,
};

const RwpEvictState rwp_evict_state_no_pressure = {
    .state = EVICTION_STATE_LIMITED, .limit = EVICTION_LIMIT_HOST_PRESSURE,
};

const RwpEvictState rwp_evict_state_pressure_unknown = {
    .state = EVICTION_STATE_LIMITED,
    .limit = EVICTION_LIMIT_HOST_PRESSURE,
    .reason = "the host no longer tells its memory pressure"
              " (/proc/pressure/memory)",
};

const RwpEvictState rwp_evict_state_kept_some = {
    .state = EVICTION_STATE_LIMITED,
    .limit = EVICTION_LIMIT_KEPT,
    .reason = "the host's kernel keeps some of what it is asked to page out:"
              " memory is pinned, or may not be swapped",
};

const RwpEvictState rwp_evict_state_kept = {
    .state = EVICTION_STATE_STUCK,
    .limit = EVICTION_LIMIT_KEPT,
    .reason = "the host's kernel keeps all that it is asked to page out:"
              " memory is pinned, or may not be swapped",
};

RwpEvictState rwp_evict_state_blocked(const char *reason)
{
    return (RwpEvictState) {
        .state = EVICTION_STATE_STUCK,
        .limit = EVICTION_LIMIT_HOST_SWAP,
        .reason = reason,
    };
}

static EvictionLimit limit_of(RwpPolicyLimit limit)
{
    static const EvictionLimit limits[] = {
        [RWP_POLICY_LIMIT_NONE] = EVICTION_LIMIT_NONE,
        [RWP_POLICY_LIMIT_LEARNING] = EVICTION_LIMIT_LEARNING,
        [RWP_POLICY_LIMIT_REFAULT_TARGET] = EVICTION_LIMIT_REFAULT_TARGET,
        [RWP_POLICY_LIMIT_MIN_AGE] = EVICTION_LIMIT_MIN_AGE,
        [RWP_POLICY_LIMIT_MAX_RATE] = EVICTION_LIMIT_MAX_RATE,
        [RWP_POLICY_LIMIT_MIN_RESIDENT] = EVICTION_LIMIT_MIN_RESIDENT,
        [RWP_POLICY_LIMIT_TARGET_RESIDENT] = EVICTION_LIMIT_TARGET_RESIDENT,
        [RWP_POLICY_LIMIT_WRITE_BUDGET] = EVICTION_LIMIT_WRITE_BUDGET,
    };

    return limits[limit];
}

/* Why no age at all is cold. */
static const char *reason_for_none(const RwpPolicyDecision *d)
{
    if (d->limit == RWP_POLICY_LIMIT_MIN_AGE) {
        return "min-age is longer than 200 intervals, more than ages are told"
               " apart: make one longer or the other shorter";
    }
    return d->refaulted > d->allowed ?
           "too much of what is out comes back" :
           "of no age that is known yet would little enough come back";
}

RwpEvictState rwp_evict_state_decided(const RwpPolicyDecision *d)
{
    RwpEvictState s = {
        .state = EVICTION_STATE_LIMITED, .limit = limit_of(d->limit),
    };

    switch (d->limit) {
    case RWP_POLICY_LIMIT_LEARNING:
        return rwp_evict_state_learning;
    case RWP_POLICY_LIMIT_REFAULT_TARGET:
    case RWP_POLICY_LIMIT_MIN_AGE:
        if (d->cold_age == RWP_POLICY_NONE) {
            s.reason = reason_for_none(d);
            break;
        }
        /* fall through */
    case RWP_POLICY_LIMIT_NONE:
        s.state = EVICTION_STATE_ACTIVE;
        break;
    default:
        break;
    }
    return s;
}

bool rwp_evict_state_equal(const RwpEvictState *a, const RwpEvictState *b)
{
    return a->state == b->state && a->limit == b->limit &&
           a->reason == b->reason;
}
