/*
 * Which age is cold, and how much may go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The policy keeps a service level: accesses to memory that is out, or would
 * be, stay below a share of the working set a minute.  It takes numbers once
 * an epoch and answers with numbers; it has no clock, does no I/O, and knows
 * neither pages nor engines.
 *
 * The rule is the one published by Lagar-Cavilla et al., "Software-Defined Far
 * Memory in Warehouse-Scale Computers" (2019).  The promotion histogram tells,
 * for every cold age at once, what it would have cost.  Of each past minute
 * the smallest age is taken that would have met the target, and of those a
 * high percentile; but never less than what the last minute asks for, so that
 * a phase change stops eviction at the end of the epoch that shows it.
 * Nothing goes during a learning period at the start.  What the paper leaves
 * open or does otherwise:
 *
 * - "The last minute" slides.  Epochs are put together to steps of a second or
 *   more; the last minute is the newest steps that make a minute or more, with
 *   the one that is being put together.  A rate taken from one short epoch
 *   would be a lottery: at an interval of 100 ms one access is 600 a minute.
 *   Within the sum it is one, and any number above the target still shows at
 *   once.
 * - "Past minutes" do not overlap, so that an epoch counts in one of them only.
 *   The newest RWP_POLICY_HISTORY at most are kept.  With a percentile of 98
 *   one bad minute is forgiven once 50 are known; of fewer the worst counts.
 * - An age is cold only when pages could have been that old for some minutes
 *   and epochs (RWP_POLICY_SEEN_*); or for as many epochs as the age, if that
 *   is less.  No access can have been at an age that no page had yet, so in a
 *   short history every age near its length looks cheap; and one minute says
 *   little about the next.  After a change of the interval this also keeps ages
 *   of the former one from being taken for older than they are.
 * - One piece (evict_unit) a minute is always allowed if the target is not 0:
 *   less cannot be told from chance.
 * - Ages are chosen by less than the target allows: by 2 * sqrt(n) less, if
 *   that is n pieces, but by one piece at least.  Accesses that come one by one
 *   and by chance, as a guest's kernel's do, are more in one minute than in
 *   another, and by that much seldom.  What is out by then stays out, whatever
 *   the cold age: this minute cannot be helped, nor can the next.  Of a working
 *   set of 1 GiB it is 9 % less; of a small one, most of what is allowed.
 * - Pages that were really out count too: while more of them come back than
 *   the target allows, nothing goes, whatever the histogram says.
 *
 * Pages, epochs and ages are those of hw/rwp/age-map.h.  Memory that is out
 * goes on ageing there, and so an access to it is in the promotion histogram
 * like any other.  A page is cold if its age is at least the cold age.
 *
 * Time: an epoch counts for the time since the previous update, but for no
 * more than its interval, and for nothing if the clock did not go forward.
 * Late epochs, jumps of the clock and gaps between updates can thus make
 * rates look too high and budgets too small, never the other way round.
 *
 * A change of the interval makes ages mean something else: the policy forgets
 * all but its budgets, and learns again.
 *
 * What one policy has learned another one can go on from, for the same guest
 * elsewhere.  It waits for a minute of its own then: what the guest does now
 * is not in anybody's past.
 *
 * Counts beyond 2^50 are taken as 2^50, promotions beyond 2^32 - 1 a second of
 * one age, or a minute of an age or more, as that; other sums saturate.
 * Nothing here locks: the owner serialises all calls.  Memory: 0.8 KiB for each
 * second of the last minute, or each epoch that is longer, and for each past
 * minute; with 6 KiB at all times, 56 KiB at an interval of 30 s and 100 KiB at
 * 1 s or less.  An update takes some thousand additions, whatever the size of
 * the guest, and some ten thousand when a past minute is complete.
 */

#ifndef HW_RWP_POLICY_H
#define HW_RWP_POLICY_H

#include "hw/rwp/age-map.h"

/* A cold age that no page reaches: evict nothing. */
#define RWP_POLICY_NONE (RWP_AGE_LIMIT + 1)

/* Most past minutes that are remembered, and which of them count. */
#define RWP_POLICY_HISTORY 60
#define RWP_POLICY_PERCENTILE 98

/*
 * Epochs of learning at least, so that a period of that many epochs is known
 * before it can do harm.
 */
#define RWP_POLICY_LEARN_EPOCHS 24

/* For how long pages could have been as old as the cold age; see above. */
#define RWP_POLICY_SEEN_MINUTES 4
#define RWP_POLICY_SEEN_EPOCHS 8

/* What rwp_policy_config_init() sets. */
#define RWP_POLICY_REFAULT_TARGET 2000
#define RWP_POLICY_MIN_AGE_MS 120000
#define RWP_POLICY_LEARNING_MS 120000

typedef struct RwpPolicy RwpPolicy;

typedef struct RwpPolicyConfig {
    /* Bytes in a page, not 0.  Budgets are multiples of it. */
    uint64_t page_size;

    /*
     * Bytes that the engine takes at the least in one piece, page_size or
     * more; a huge page if those are not to be split.  Budgets that are paid
     * out little by little are saved up to this.
     */
    uint64_t evict_unit;

    /*
     * Accesses to cold pages a minute, in millionths of the working set.
     * Default 2000, that is 0.2 %, as in the paper.  With 0, only ages that
     * nobody came back from are cold.
     */
    uint32_t refault_target;

    /*
     * No page younger than this is cold, in milliseconds, rounded up to
     * epochs.  Default 120 s, as in the paper and in DAMON_RECLAIM.  Beyond
     * RWP_AGE_LIMIT epochs it cannot be told: nothing goes.
     */
    uint64_t min_age_ms;

    /*
     * Nothing goes in this time from the start, in milliseconds.  A minute,
     * RWP_POLICY_LEARN_EPOCHS epochs, and until the cold age is known are
     * always waited for.  Default 120 s: the usual window of the working set.
     */
    uint64_t learning_ms;

    /*
     * How many past minutes count (epochs, if those are longer), from 1 to
     * RWP_POLICY_HISTORY.  Default RWP_POLICY_HISTORY.  It is also how long a
     * bad one can hold up eviction.
     */
    unsigned history;

    /*
     * Bytes a second to evict at most; 0, the default: no limit.  What was
     * not used is lost, but for one epoch's worth and one evict_unit: in any
     * stretch of time, that is how much more than the rate can go.
     */
    uint64_t max_rate;

    /* Bytes that stay in whatever happens.  Default 0. */
    uint64_t min_resident;

    /* Evict only while more bytes than this are in; 0, the default: always. */
    uint64_t target_resident;

    /*
     * Bytes to write in any 24 hours at most; 0, the default: no limit.  In
     * any hour it is 1/6 of that, in any minute 1/90, but evict_unit at least:
     * averages over longer windows are tighter, so that a burst is possible
     * but cannot take all (the idea is that of the swap policy of ARCVM,
     * which has 28, 7 and 1 days).  Windows shorter than the interval do not
     * count.  They move in steps of 1/30, and so forget that much late.
     */
    uint64_t write_budget;
} RwpPolicyConfig;

/* What the last epoch was like. */
typedef struct RwpPolicySample {
    int64_t now_ns;         /* when it ended, on any clock */
    int64_t interval_ns;    /* how long it was meant to last, above 0 */

    /*
     * Accesses in this epoch alone, by the age that the page had reached:
     * RWP_AGE_LIMIT + 1 entries, differences of rwp_age_map_promotions().
     */
    const uint64_t *promotions;

    /* Pages by age, as rwp_age_map_idle(): those that are out are among them */
    const uint64_t *idle;

    uint64_t working_set;   /* pages; the caller chooses the window */
    uint64_t resident;      /* pages that are in */
    uint64_t refaulted;     /* pages that were out and came back */
} RwpPolicySample;

/* What stops more from going. */
typedef enum RwpPolicyLimit {
    RWP_POLICY_LIMIT_NONE,          /* nothing: there is no younger page */
    RWP_POLICY_LIMIT_LEARNING,      /* too little is known yet of any age */
    /* A smaller cold age would cost too much, or all that are known would. */
    RWP_POLICY_LIMIT_REFAULT_TARGET,
    RWP_POLICY_LIMIT_MIN_AGE,       /* ... would be below min_age_ms */
    RWP_POLICY_LIMIT_MAX_RATE,      /* these four: less may go than is cold */
    RWP_POLICY_LIMIT_MIN_RESIDENT,
    RWP_POLICY_LIMIT_TARGET_RESIDENT,
    RWP_POLICY_LIMIT_WRITE_BUDGET,
} RwpPolicyLimit;

/* What may be done until the next update. */
typedef struct RwpPolicyDecision {
    unsigned cold_age;      /* in epochs, or RWP_POLICY_NONE */
    uint64_t budget;        /* bytes; 0 if cold_age is RWP_POLICY_NONE */
    RwpPolicyLimit limit;

    /* Pages a minute, by the last minute; parts are rounded up. */
    uint64_t promotions;    /* accesses to pages of cold_age or more */
    uint64_t refaulted;     /* pages that were out and came back */
    uint64_t allowed;       /* what the target allows */
} RwpPolicyDecision;

/* What a cold age would mean. */
typedef struct RwpPolicyWhatIf {
    uint64_t bytes_out;         /* memory that is that old now */

    /*
     * Accesses to memory of that age, in pages a minute over the past minutes
     * that count, parts rounded up.
     */
    uint64_t promotions_mean;
    uint64_t promotions_max;    /* in the worst of them */
    unsigned minutes;           /* how many there are; if 0, the above is 0 */
} RwpPolicyWhatIf;

/* A past minute. */
typedef struct RwpPolicyMinute {
    uint64_t working_set;       /* pages */
    /* Accesses a minute to pages of this age or more, parts rounded up. */
    uint32_t rate[RWP_AGE_LIMIT + 1];
} RwpPolicyMinute;

/* What was learned since the last restart. */
typedef struct RwpPolicyPast {
    int64_t interval_ns;        /* 0: nothing, and then there are no minutes */
    int64_t time_ns;            /* how long that took */
    uint64_t epochs;
    unsigned minutes;           /* that are complete */
    RwpPolicyMinute minute[RWP_POLICY_HISTORY];     /* the oldest first */
} RwpPolicyPast;

/* rwp_policy_config_init: the defaults, with @page_size as evict_unit. */
void rwp_policy_config_init(RwpPolicyConfig *config, uint64_t page_size);

/* rwp_policy_new: a policy that has seen nothing.  @config is copied. */
RwpPolicy *rwp_policy_new(const RwpPolicyConfig *config);

void rwp_policy_free(RwpPolicy *policy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RwpPolicy, rwp_policy_free)

/*
 * rwp_policy_configure: go on with @config, which is copied.  What is known
 * is kept and judged anew; it takes effect with the next update.
 */
void rwp_policy_configure(RwpPolicy *policy, const RwpPolicyConfig *config);

/*
 * rwp_policy_restart: the ages were forgotten; learn again.  What was evicted
 * and written still counts.
 */
void rwp_policy_restart(RwpPolicy *policy);

/* rwp_policy_past: what was learned is copied to @past. */
void rwp_policy_past(const RwpPolicy *policy, RwpPolicyPast *past);

/*
 * rwp_policy_resume: as a restart, but the policy knows what is in @past, of
 * pages of the same size.  The rates in a minute must not rise with the age.
 */
void rwp_policy_resume(RwpPolicy *policy, const RwpPolicyPast *past);

/* rwp_policy_update: an epoch has ended: take @sample, fill @decision. */
void rwp_policy_update(RwpPolicy *policy, const RwpPolicySample *sample,
                       RwpPolicyDecision *decision);

/*
 * rwp_policy_charge: @evicted bytes have gone, for which @written bytes were
 * written to what wears out.  To be called after each batch, or once before
 * the next update; also for evictions that this policy did not ask for.  More
 * than the budget is made up for later.
 */
void rwp_policy_charge(RwpPolicy *policy, uint64_t evicted, uint64_t written);

/*
 * rwp_policy_what_if: had @cold_age been in force.  @cold_age is at most
 * RWP_POLICY_NONE; @idle as in RwpPolicySample.
 */
void rwp_policy_what_if(const RwpPolicy *policy, const uint64_t *idle,
                        unsigned cold_age, RwpPolicyWhatIf *result);

/* rwp_policy_metadata: bytes of host memory that a policy occupies now. */
uint64_t rwp_policy_metadata(const RwpPolicy *policy);

#endif /* HW_RWP_POLICY_H */
