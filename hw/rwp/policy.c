/*
 * Which age is cold, and how much may go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Promotions flow through here as follows.  Those of an epoch are added to the
 * newest slot of the sliding minute and to the past minute in the making.  The
 * former is looked at in each epoch.  The latter is turned into rates when it
 * is complete, and then only looked at when another one joins it or the
 * configuration changes.
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "hw/rwp/policy.h"

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define MS_NS INT64_C(1000000)

#define AGES (RWP_AGE_LIMIT + 1)

/*
 * Keeps the sum over all ages and slots below 2^64.  No machine has as many
 * pages.
 */
#define COUNT_MAX (UINT64_C(1) << 50)

/* Keeps the length of a minute below 2^32 ms. */
#define INTERVAL_MAX_NS (14 * 86400 * SECOND_NS)

/* The sliding minute: 60 complete slots, the open one, and one to be dropped */
#define SLOT_NS SECOND_NS
#define SLOTS 62

/* Steps in which a window of the write budget moves. */
#define WRITE_STEPS 30

static const struct {
    int64_t ns;
    unsigned share;         /* of the day's budget: 1/share */
} write_windows[] = {
    { MINUTE_NS, 90 },
    { 60 * MINUTE_NS, 6 },
    { 24 * 60 * MINUTE_NS, 1 },
};

/* What happened within some time. */
typedef struct Span {
    int64_t ns;
    uint64_t refaulted;
    uint64_t promotions[AGES];
} Span;

/*
 * The same, of which there are many, so in half of the memory: no machine
 * touches 2^32 pages in a second.
 */
typedef struct Slot {
    int64_t ns;
    uint64_t refaulted;
    uint32_t promotions[AGES];
} Slot;

/* Tokens: @credit + max_rate * (time since @since_ns) - @used */
typedef struct RateBucket {
    int64_t since_ns;
    uint64_t credit;
    uint64_t used;
} RateBucket;

/* Bytes written, by steps of the policy's time; a ring that is never empty. */
typedef struct WriteLog {
    int64_t step;           /* the newest one */
    uint64_t bytes[WRITE_STEPS + 1];
} WriteLog;

struct RwpPolicy {
    RwpPolicyConfig config;

    /* Time as the policy counts it: never faster than the owner's clock. */
    int64_t time_ns;
    int64_t clock_ns;       /* the owner's at the last update */
    bool clock_known;

    /* Since the last restart, or what was resumed began. */
    int64_t interval_ns;    /* 0: not known yet */
    int64_t start_ns;       /* may be below 0 */
    uint64_t epochs;
    int64_t here_ns;        /* of that, when it began here */

    Slot *slot[SLOTS];      /* ring, the oldest at first_slot, no others */
    unsigned first_slot;
    unsigned slots;         /* at least the open one */
    Span last_minute;       /* sum of the slots */

    Span minute;            /* in the making */
    RwpPolicyMinute *history[RWP_POLICY_HISTORY];   /* ring, made when needed */
    unsigned next_minute;
    unsigned minutes;
    unsigned age_by_history;

    RateBucket rate;
    WriteLog written[ARRAY_SIZE(write_windows)];
};

static uint64_t sat_add(uint64_t a, uint64_t b)
{
    return a + MIN(b, UINT64_MAX - a);
}

static uint64_t sat_sub(uint64_t a, uint64_t b)
{
    return a - MIN(a, b);
}

static uint64_t sat_mul(uint64_t a, uint64_t b)
{
    return a && b > UINT64_MAX / a ? UINT64_MAX : a * b;
}

/* The sum of two counts. */
static uint64_t count_add(uint64_t a, uint64_t b)
{
    return MIN(a + MIN(b, COUNT_MAX), COUNT_MAX);
}

static uint64_t sum_pages(const uint64_t *pages, unsigned from, unsigned end)
{
    uint64_t sum = 0;

    for (unsigned age = from; age < end; age++) {
        sum += MIN(pages[age], COUNT_MAX);
    }
    return sum;
}

static uint64_t bytes_of(const RwpPolicy *policy, uint64_t pages)
{
    return sat_mul(pages, policy->config.page_size);
}

void rwp_policy_config_init(RwpPolicyConfig *config, uint64_t page_size)
{
    *config = (RwpPolicyConfig) {
        .page_size = page_size,
        .evict_unit = page_size,
        .refault_target = RWP_POLICY_REFAULT_TARGET,
        .min_age_ms = RWP_POLICY_MIN_AGE_MS,
        .learning_ms = RWP_POLICY_LEARNING_MS,
        .history = RWP_POLICY_HISTORY,
    };
}

static void open_new_slot(RwpPolicy *policy)
{
    assert(policy->slots < SLOTS);
    policy->slot[(policy->first_slot + policy->slots) % SLOTS] =
        g_new0(Slot, 1);
    policy->slots++;
}

static void drop_oldest_slot(RwpPolicy *policy)
{
    g_clear_pointer(&policy->slot[policy->first_slot], g_free);
    policy->first_slot = (policy->first_slot + 1) % SLOTS;
    policy->slots--;
}

void rwp_policy_restart(RwpPolicy *policy)
{
    policy->interval_ns = 0;
    policy->start_ns = policy->time_ns;
    policy->here_ns = policy->time_ns;
    policy->epochs = 0;
    while (policy->slots) {
        drop_oldest_slot(policy);
    }
    open_new_slot(policy);
    policy->last_minute = (Span) { };
    policy->minute = (Span) { };
    policy->minutes = 0;
}

RwpPolicy *rwp_policy_new(const RwpPolicyConfig *config)
{
    RwpPolicy *policy = g_new0(RwpPolicy, 1);

    rwp_policy_restart(policy);
    rwp_policy_configure(policy, config);
    return policy;
}

void rwp_policy_free(RwpPolicy *policy)
{
    if (!policy) {
        return;
    }
    while (policy->slots) {
        drop_oldest_slot(policy);
    }
    for (unsigned i = 0; i < RWP_POLICY_HISTORY; i++) {
        g_free(policy->history[i]);
    }
    g_free(policy);
}

/* Pages a minute that may be promoted. */
static uint64_t allowed_rate(const RwpPolicy *policy, uint64_t working_set)
{
    const RwpPolicyConfig *config = &policy->config;
    uint64_t pages = muldiv64(MIN(working_set, COUNT_MAX),
                              config->refault_target, 1000000);

    return config->refault_target ?
           MAX(pages, config->evict_unit / config->page_size) : 0;
}

/* The square root of @n, rounded up; @n is not 0 and below 2^54. */
static uint64_t root_up(uint64_t n)
{
    uint64_t below = 0;

    for (uint64_t bit = UINT64_C(1) << 26; bit; bit >>= 1) {
        if ((below + bit) * (below + bit) < n) {
            below += bit;
        }
    }
    return below + 1;
}

/*
 * What is aimed at so that chance does not make it more than @allowed: less by
 * two standard deviations of as many pieces, each of which comes by itself.
 */
static uint64_t aimed_rate(const RwpPolicy *policy, uint64_t allowed)
{
    const RwpPolicyConfig *config = &policy->config;
    uint64_t piece = config->evict_unit / config->page_size;
    uint64_t pieces = MIN(allowed / piece, COUNT_MAX);

    if (!pieces) {
        return allowed;
    }
    return MAX(sat_sub(allowed, sat_mul(root_up(4 * pieces), piece)), piece);
}

/* @count within @ns, as a rate a minute.  Less than a minute counts as one. */
static uint64_t rate_of(uint64_t count, int64_t ns)
{
    return muldiv64_round_up(count, MINUTE_NS / MS_NS,
                             MAX(ns, MINUTE_NS) / MS_NS);
}

/* Promotions a minute of each age or more. */
static void rates_of(const Span *span, uint32_t *rate)
{
    uint64_t sum = 0;

    for (int age = RWP_AGE_LIMIT; age >= 0; age--) {
        sum += span->promotions[age];
        /* Dividing is dear, and most ages have none. */
        rate[age] = span->promotions[age] || age == RWP_AGE_LIMIT ?
                    MIN(rate_of(sum, span->ns), UINT32_MAX) : rate[age + 1];
    }
}

/* The smallest age that costs no more than @allowed. */
static unsigned best_age(const uint32_t *rate, uint64_t allowed)
{
    unsigned age = RWP_POLICY_NONE;

    while (age && rate[age - 1] <= allowed) {
        age--;
    }
    return age;
}

/* How many past minutes count. */
static unsigned minutes_known(const RwpPolicy *policy)
{
    return MIN(policy->minutes, policy->config.history);
}

/* One of them, 0 being the newest. */
static const RwpPolicyMinute *past_minute(const RwpPolicy *policy, unsigned i)
{
    unsigned at = policy->next_minute + RWP_POLICY_HISTORY - 1 - i;

    return policy->history[at % RWP_POLICY_HISTORY];
}

static void judge_history(RwpPolicy *policy)
{
    unsigned minutes = minutes_known(policy);
    unsigned rank = DIV_ROUND_UP(minutes * RWP_POLICY_PERCENTILE, 100);
    unsigned count[RWP_POLICY_NONE + 1] = { };
    unsigned age = 0;

    for (unsigned i = 0; i < minutes; i++) {
        const RwpPolicyMinute *minute = past_minute(policy, i);
        uint64_t allowed = allowed_rate(policy, minute->working_set);

        count[best_age(minute->rate, aimed_rate(policy, allowed))]++;
    }
    for (unsigned seen = count[0]; seen < rank; seen += count[age]) {
        age++;
    }
    policy->age_by_history = age;
}

void rwp_policy_configure(RwpPolicy *policy, const RwpPolicyConfig *config)
{
    assert(config->page_size && config->evict_unit >= config->page_size);
    assert(config->history && config->history <= RWP_POLICY_HISTORY);

    if (config->max_rate != policy->config.max_rate) {
        /* What was saved up or owed at another rate is void. */
        policy->rate = (RateBucket) { .since_ns = policy->time_ns };
    }
    policy->config = *config;
    judge_history(policy);
}

static void span_add(Span *span, const Span *epoch)
{
    span->ns += epoch->ns;
    span->refaulted = count_add(span->refaulted, epoch->refaulted);
    for (unsigned age = 0; age < AGES; age++) {
        span->promotions[age] = count_add(span->promotions[age],
                                          epoch->promotions[age]);
    }
}

static Slot *open_slot(RwpPolicy *policy)
{
    return policy->slot[(policy->first_slot + policy->slots - 1) % SLOTS];
}

/* Add @epoch to @slot, and what that made more of it to @sum. */
static void slot_add(Slot *slot, const Span *epoch, Span *sum)
{
    uint64_t refaulted = count_add(slot->refaulted, epoch->refaulted);

    slot->ns += epoch->ns;
    sum->ns += epoch->ns;
    sum->refaulted += refaulted - slot->refaulted;
    slot->refaulted = refaulted;
    for (unsigned age = 0; age < AGES; age++) {
        uint64_t count;

        if (!epoch->promotions[age]) {
            continue;
        }
        count = MIN(count_add(slot->promotions[age], epoch->promotions[age]),
                    UINT32_MAX);
        sum->promotions[age] += count - slot->promotions[age];
        slot->promotions[age] = count;
    }
}

static void slot_subtract(const Slot *slot, Span *sum)
{
    sum->ns -= slot->ns;
    sum->refaulted -= slot->refaulted;
    for (unsigned age = 0; age < AGES; age++) {
        sum->promotions[age] -= slot->promotions[age];
    }
}

static void slide_minute(RwpPolicy *policy, const Span *epoch)
{
    Span *sum = &policy->last_minute;

    if (open_slot(policy)->ns >= SLOT_NS) {
        open_new_slot(policy);
    }
    slot_add(open_slot(policy), epoch, sum);
    while (sum->ns - policy->slot[policy->first_slot]->ns >= MINUTE_NS) {
        slot_subtract(policy->slot[policy->first_slot], sum);
        drop_oldest_slot(policy);
    }
}

/* One more past minute, in place of the oldest one if there are enough. */
static RwpPolicyMinute *new_minute(RwpPolicy *policy)
{
    RwpPolicyMinute **minute = &policy->history[policy->next_minute];

    if (!*minute) {
        *minute = g_new(RwpPolicyMinute, 1);
    }
    policy->next_minute = (policy->next_minute + 1) % RWP_POLICY_HISTORY;
    policy->minutes = MIN(policy->minutes + 1, RWP_POLICY_HISTORY);
    return *minute;
}

static void gather_minute(RwpPolicy *policy, const Span *epoch,
                          uint64_t working_set)
{
    RwpPolicyMinute *minute;

    span_add(&policy->minute, epoch);
    if (policy->minute.ns < MINUTE_NS) {
        return;
    }
    minute = new_minute(policy);
    minute->working_set = working_set;
    rates_of(&policy->minute, minute->rate);
    policy->minute = (Span) { };
    judge_history(policy);
}

void rwp_policy_past(const RwpPolicy *policy, RwpPolicyPast *past)
{
    past->interval_ns = policy->interval_ns;
    past->time_ns = policy->time_ns - policy->start_ns;
    past->epochs = policy->epochs;
    past->minutes = policy->minutes;
    for (unsigned i = 0; i < past->minutes; i++) {
        past->minute[i] = *past_minute(policy, past->minutes - 1 - i);
    }
}

void rwp_policy_resume(RwpPolicy *policy, const RwpPolicyPast *past)
{
    assert(past->minutes <= RWP_POLICY_HISTORY);
    rwp_policy_restart(policy);
    if (past->interval_ns <= 0) {
        return;
    }
    policy->interval_ns = MIN(past->interval_ns, INTERVAL_MAX_NS);
    /* Far from overflowing, whatever is told. */
    policy->start_ns -= CLAMP(past->time_ns, 0, INT64_MAX / 2);
    policy->epochs = MIN(past->epochs, UINT32_MAX);
    for (unsigned i = 0; i < past->minutes; i++) {
        *new_minute(policy) = past->minute[i];
    }
    judge_history(policy);
}

/* Take the time.  Returns how long the epoch lasted. */
static int64_t advance(RwpPolicy *policy, int64_t clock_ns, int64_t interval_ns)
{
    uint64_t ns = 0;

    if (policy->clock_known && clock_ns > policy->clock_ns) {
        ns = (uint64_t)clock_ns - policy->clock_ns;
    }
    policy->clock_known = true;
    policy->clock_ns = clock_ns;
    ns = MIN(ns, interval_ns);
    policy->time_ns += ns;
    return ns;
}

/* Length of min_age_ms in epochs, or RWP_POLICY_NONE. */
static unsigned min_age(const RwpPolicy *policy)
{
    uint64_t ns = sat_mul(policy->config.min_age_ms, MS_NS);
    uint64_t age = ns / policy->interval_ns + !!(ns % policy->interval_ns);

    return MIN(age, RWP_POLICY_NONE);
}

static bool learning(const RwpPolicy *policy)
{
    uint64_t ns = sat_mul(policy->config.learning_ms, MS_NS);

    return policy->epochs < RWP_POLICY_LEARN_EPOCHS ||
           policy->time_ns - policy->start_ns < ns ||
           policy->time_ns - policy->here_ns < MINUTE_NS;
}

/* Could pages have been @age old for long enough? */
static bool age_known(const RwpPolicy *policy, unsigned age)
{
    uint64_t more = DIV_ROUND_UP(RWP_POLICY_SEEN_MINUTES * MINUTE_NS,
                                 policy->interval_ns);

    return policy->epochs >=
           age + MIN(age, MAX(more, RWP_POLICY_SEEN_EPOCHS));
}

/* Fill in what follows from ages. */
static void choose_age(const RwpPolicy *policy, RwpPolicyDecision *decision)
{
    const Span *span = &policy->last_minute;
    unsigned floor = min_age(policy);
    unsigned age;
    uint32_t rate[AGES + 1];

    rates_of(span, rate);
    rate[RWP_POLICY_NONE] = 0;
    age = MAX(best_age(rate, aimed_rate(policy, decision->allowed)),
              policy->age_by_history);
    decision->refaulted = rate_of(span->refaulted, span->ns);
    decision->cold_age = RWP_POLICY_NONE;

    if (learning(policy)) {
        decision->limit = RWP_POLICY_LIMIT_LEARNING;
    } else if (age == RWP_POLICY_NONE ||
               decision->refaulted > decision->allowed) {
        decision->limit = RWP_POLICY_LIMIT_REFAULT_TARGET;
    } else if (floor == RWP_POLICY_NONE) {
        decision->limit = RWP_POLICY_LIMIT_MIN_AGE;
    } else if (!age_known(policy, floor)) {
        decision->limit = RWP_POLICY_LIMIT_LEARNING;
    } else if (!age_known(policy, age)) {
        decision->limit = RWP_POLICY_LIMIT_REFAULT_TARGET;
    } else {
        decision->limit = age > floor ? RWP_POLICY_LIMIT_REFAULT_TARGET :
                                        RWP_POLICY_LIMIT_MIN_AGE;
        decision->cold_age = MAX(age, floor);
    }
    decision->promotions = rate[decision->cold_age];
}

/* What max_rate makes of @ns. */
static uint64_t earned(const RwpPolicy *policy, int64_t ns)
{
    uint64_t rate = policy->config.max_rate;

    return sat_add(sat_mul(rate, ns / SECOND_NS),
                   muldiv64(rate, ns % SECOND_NS, SECOND_NS));
}

static uint64_t rate_left(RwpPolicy *policy)
{
    RateBucket *bucket = &policy->rate;
    int64_t ns = policy->time_ns - bucket->since_ns;
    uint64_t left = sat_sub(sat_add(bucket->credit, earned(policy, ns)),
                            bucket->used);
    /* A rest that is too small for a piece must not be lost. */
    uint64_t capacity = sat_add(earned(policy, policy->interval_ns),
                                policy->config.evict_unit);

    if (left > capacity) {
        *bucket = (RateBucket) {
            .since_ns = policy->time_ns,
            .credit = capacity,
        };
        left = capacity;
    }
    return left;
}

static int64_t write_step_ns(unsigned window)
{
    return write_windows[window].ns / WRITE_STEPS;
}

/* Forget what has left the window. */
static WriteLog *written_lately(RwpPolicy *policy, unsigned window)
{
    WriteLog *log = &policy->written[window];
    int64_t step = policy->time_ns / write_step_ns(window);

    if (step - log->step > WRITE_STEPS) {
        memset(log->bytes, 0, sizeof(log->bytes));
        log->step = step;
    }
    while (log->step < step) {
        log->step++;
        log->bytes[log->step % ARRAY_SIZE(log->bytes)] = 0;
    }
    return log;
}

static uint64_t write_window_left(RwpPolicy *policy, unsigned window)
{
    const RwpPolicyConfig *config = &policy->config;
    const WriteLog *log = written_lately(policy, window);
    uint64_t most = config->write_budget / write_windows[window].share;
    uint64_t used = 0;

    most = MAX(most, MIN(config->evict_unit, config->write_budget));
    for (unsigned i = 0; i < ARRAY_SIZE(log->bytes); i++) {
        used = sat_add(used, log->bytes[i]);
    }
    return sat_sub(most, used);
}

static uint64_t write_left(RwpPolicy *policy)
{
    uint64_t left = UINT64_MAX;

    for (unsigned i = 0; i < ARRAY_SIZE(write_windows); i++) {
        /* The last one always counts: it is what was asked for. */
        if (write_windows[i].ns >= policy->interval_ns ||
            i == ARRAY_SIZE(write_windows) - 1) {
            left = MIN(left, write_window_left(policy, i));
        }
    }
    return left;
}

void rwp_policy_charge(RwpPolicy *policy, uint64_t evicted, uint64_t written)
{
    policy->rate.used = sat_add(policy->rate.used, evicted);
    for (unsigned i = 0; i < ARRAY_SIZE(write_windows); i++) {
        WriteLog *log = written_lately(policy, i);
        uint64_t *bytes = &log->bytes[log->step % ARRAY_SIZE(log->bytes)];

        *bytes = sat_add(*bytes, written);
    }
}

/*
 * Cold pages that are in, at the least: no more than all of those that are
 * out can be among the cold ones.
 */
static uint64_t cold_and_in(const RwpPolicySample *sample, unsigned cold_age)
{
    uint64_t out = sat_sub(sum_pages(sample->idle, 0, AGES), sample->resident);

    return sat_sub(sum_pages(sample->idle, cold_age, AGES), out);
}

static void limit_to(RwpPolicyDecision *most, uint64_t bytes,
                     RwpPolicyLimit limit)
{
    if (bytes < most->budget) {
        most->budget = bytes;
        most->limit = limit;
    }
}

/* Fill in the budget, and what limits it unless ages do. */
static void choose_budget(RwpPolicy *policy, const RwpPolicySample *sample,
                          RwpPolicyDecision *decision)
{
    const RwpPolicyConfig *config = &policy->config;
    uint64_t in = bytes_of(policy, sample->resident);
    RwpPolicyDecision most = { .budget = UINT64_MAX };

    limit_to(&most, sat_sub(in, config->target_resident),
             RWP_POLICY_LIMIT_TARGET_RESIDENT);
    limit_to(&most, sat_sub(in, config->min_resident),
             RWP_POLICY_LIMIT_MIN_RESIDENT);
    if (config->max_rate) {
        limit_to(&most, rate_left(policy), RWP_POLICY_LIMIT_MAX_RATE);
    }
    if (config->write_budget) {
        limit_to(&most, write_left(policy), RWP_POLICY_LIMIT_WRITE_BUDGET);
    }

    decision->budget = most.budget - most.budget % config->page_size;
    if (decision->budget <
        bytes_of(policy, cold_and_in(sample, decision->cold_age))) {
        decision->limit = most.limit;
    } else if (!sum_pages(sample->idle, 0, decision->cold_age)) {
        decision->limit = RWP_POLICY_LIMIT_NONE;
    }
}

void rwp_policy_update(RwpPolicy *policy, const RwpPolicySample *sample,
                       RwpPolicyDecision *decision)
{
    int64_t interval_ns = MIN(sample->interval_ns, INTERVAL_MAX_NS);
    Span epoch = { };

    assert(interval_ns > 0);
    if (interval_ns != policy->interval_ns) {
        rwp_policy_restart(policy);
        policy->interval_ns = interval_ns;
    }

    epoch.ns = advance(policy, sample->now_ns, interval_ns);
    epoch.refaulted = sample->refaulted;
    memcpy(epoch.promotions, sample->promotions, sizeof(epoch.promotions));
    policy->epochs++;
    slide_minute(policy, &epoch);
    gather_minute(policy, &epoch, sample->working_set);

    *decision = (RwpPolicyDecision) {
        .allowed = allowed_rate(policy, sample->working_set),
    };
    choose_age(policy, decision);
    if (decision->cold_age != RWP_POLICY_NONE) {
        choose_budget(policy, sample, decision);
    }
}

void rwp_policy_what_if(const RwpPolicy *policy, const uint64_t *idle,
                        unsigned cold_age, RwpPolicyWhatIf *result)
{
    unsigned minutes = minutes_known(policy);
    uint64_t sum = 0;

    assert(cold_age <= RWP_POLICY_NONE);
    *result = (RwpPolicyWhatIf) {
        .bytes_out = bytes_of(policy, sum_pages(idle, cold_age, AGES)),
        .minutes = minutes,
    };
    if (cold_age == RWP_POLICY_NONE) {
        return;
    }
    for (unsigned i = 0; i < minutes; i++) {
        uint64_t rate = past_minute(policy, i)->rate[cold_age];

        sum += rate;
        result->promotions_max = MAX(result->promotions_max, rate);
    }
    result->promotions_mean = minutes ? DIV_ROUND_UP(sum, minutes) : 0;
}

uint64_t rwp_policy_metadata(const RwpPolicy *policy)
{
    uint64_t bytes = sizeof(*policy) + policy->slots * sizeof(Slot);

    for (unsigned i = 0; i < RWP_POLICY_HISTORY; i++) {
        bytes += policy->history[i] ? sizeof(RwpPolicyMinute) : 0;
    }
    return bytes;
}
