/*
 * Which age is cold: in a closed loop
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The loop is closed with a simulated guest: a real age map sees its accesses,
 * the policy decides, and pages go and come back one by one.  With
 * RWP_POLICY_REPORT set in the environment, figures are printed.
 */

#include "qemu/osdep.h"
#include "test-rwp-policy.h"
#include "test-rwp-random.h"

#define GUEST_PAGES 5003   /* prime, see scatter() */

typedef struct Guest Guest;

/* Whether the page that plays @role is accessed in @epoch. */
typedef bool Touches(const Guest *guest, uint64_t role, uint64_t epoch);

struct Guest {
    RwpPolicyConfig config;
    int64_t interval_ns;
    Touches *touches;
    uint64_t change;            /* epoch of the phase change */
    bool lag;                   /* evict when the next epoch is over already */
    unsigned noise;             /* accesses a minute, see touches_noise() */
    uint64_t seed;              /* likewise */

    RwpPolicy *policy;
    RwpAgeMap *map;
    bool *out;                  /* by page */
    uint64_t *gone_at;          /* by page: epoch of its last eviction */
    uint64_t promoted[AGES];    /* as of the last epoch */
    uint64_t epoch;
    uint64_t resident;
    uint64_t refaulted;         /* in this epoch */
    RwpPolicyDecision decision;
    uint64_t epoch_evicted;

    /* What came of it. */
    uint64_t minute_refaulted;
    uint64_t minutes;
    uint64_t minutes_over;      /* the target, from the fourth on */
    uint64_t worst_minute;      /* from the fourth on */
    uint64_t evicted;
    uint64_t wrong;             /* see was_wrong() */
    uint64_t wrong_epochs;      /* epochs of such evictions */
    uint64_t last_wrong;        /* epoch */
};

static void guest_init(Guest *g)
{
    g->policy = rwp_policy_new(&g->config);
    g->map = rwp_age_map_new(GUEST_PAGES, 0);
    g->out = g_new0(bool, GUEST_PAGES);
    g->gone_at = g_new0(uint64_t, GUEST_PAGES);
    g->resident = GUEST_PAGES;
    rwp_age_map_populate(g->map, 0, GUEST_PAGES);
}

static void guest_destroy(Guest *g)
{
    rwp_policy_free(g->policy);
    rwp_age_map_free(g->map);
    g_free(g->out);
    g_free(g->gone_at);
}

/* Neighbours play different roles. */
static uint64_t scatter(uint64_t page)
{
    return page * 7919 % GUEST_PAGES;
}

static uint64_t percent(unsigned n)
{
    return GUEST_PAGES * n / 100;
}

/*
 * Back within a minute, and if there is a phase change, gone since: before, it
 * was right.
 */
static bool was_wrong(const Guest *g, uint64_t gone_at)
{
    return (g->epoch - gone_at) * g->interval_ns <= MINUTE &&
           (gone_at >= g->change || g->change == UINT64_MAX);
}

static void guest_fault(Guest *g, uint64_t page)
{
    g->out[page] = false;
    g->resident++;
    g->refaulted++;
    if (was_wrong(g, g->gone_at[page])) {
        g->wrong++;
        g->wrong_epochs += g->gone_at[page] > g->last_wrong;
        g->last_wrong = MAX(g->last_wrong, g->gone_at[page]);
    }
}

static void guest_access(Guest *g)
{
    for (uint64_t page = 0; page < GUEST_PAGES; page++) {
        if (!g->touches(g, scatter(page), g->epoch)) {
            continue;
        }
        if (g->out[page]) {
            guest_fault(g, page);
        }
        rwp_age_map_record(g->map, page, 1, false);
    }
}

static void guest_evict_age(Guest *g, unsigned from, unsigned to)
{
    for (uint64_t page = 0; page < GUEST_PAGES; page++) {
        unsigned age = rwp_age_map_get(g->map, page);

        if (g->out[page] || age < from || age > to ||
            g->epoch_evicted + PAGE > g->decision.budget) {
            continue;
        }
        g_assert_cmpuint(g->resident * PAGE, >, g->config.min_resident);
        g->out[page] = true;
        g->gone_at[page] = g->epoch;
        g->resident--;
        g->evicted++;
        g->epoch_evicted += PAGE;
    }
}

/* The coldest first. */
static void guest_evict(Guest *g)
{
    unsigned cold_age = g->decision.cold_age;

    g->epoch_evicted = 0;
    if (g->decision.budget >= g->resident * PAGE) {
        guest_evict_age(g, cold_age, RWP_AGE_LIMIT);
    } else {
        for (int age = RWP_AGE_LIMIT; age >= (int)cold_age; age--) {
            guest_evict_age(g, age, age);
        }
    }
    rwp_policy_charge(g->policy, g->epoch_evicted, g->epoch_evicted);
}

static void guest_decide(Guest *g)
{
    uint64_t promotions[AGES];
    uint64_t idle[AGES];
    bool complete;
    RwpPolicySample sample = {
        .now_ns = rwp_age_map_last_end(g->map),
        .interval_ns = g->interval_ns,
        .promotions = promotions,
        .idle = idle,
        .working_set = rwp_age_map_working_set(g->map, 2 * MINUTE, &complete),
        .resident = g->resident,
        .refaulted = g->refaulted,
    };

    rwp_age_map_idle(g->map, idle);
    rwp_age_map_promotions(g->map, promotions);
    for (unsigned age = 0; age < AGES; age++) {
        uint64_t before = g->promoted[age];

        g->promoted[age] = promotions[age];
        promotions[age] -= before;
    }
    rwp_policy_update(g->policy, &sample, &g->decision);
}

static void guest_count(Guest *g)
{
    uint64_t epochs = MAX(MINUTE / g->interval_ns, 1);

    g->minute_refaulted += g->refaulted;
    if (g->epoch % epochs) {
        return;
    }
    g->minutes++;
    if (g->minutes > 3) {
        uint64_t allowed = g->decision.allowed *
                           MAX(g->interval_ns / MINUTE, 1);

        g->minutes_over += g->minute_refaulted > allowed;
        g->worst_minute = MAX(g->worst_minute, g->minute_refaulted);
    }
    g->minute_refaulted = 0;
}

static void guest_epoch(Guest *g)
{
    g->epoch++;
    g->refaulted = 0;
    rwp_age_map_begin(g->map);
    guest_access(g);
    if (g->lag) {
        guest_evict(g);
    }
    rwp_age_map_end(g->map, g->epoch * g->interval_ns);
    guest_decide(g);
    if (!g->lag) {
        guest_evict(g);
    }
    guest_count(g);
}

static void guest_run(Guest *g, int64_t ns)
{
    for (int64_t end = ns / g->interval_ns; end > 0; end--) {
        guest_epoch(g);
    }
}

static void report(const Guest *g, const char *what)
{
    if (getenv("RWP_POLICY_REPORT")) {
        printf("# %-34s in %5.1f %%  cold age %3u  back/min now %4" PRIu64
               " worst %5" PRIu64 " allowed %3" PRIu64 "  minutes over %" PRIu64
               "/%" PRIu64 "  wrong %" PRIu64 " in %" PRIu64 " epochs\n", what,
               100.0 * g->resident / GUEST_PAGES, g->decision.cold_age,
               g->decision.refaulted, g->worst_minute, g->decision.allowed,
               g->minutes_over, g->minutes, g->wrong, g->wrong_epochs);
    }
}

static void check_resident(const Guest *g, unsigned at_most_percent)
{
    g_assert_cmpuint(g->resident * 100, <=, GUEST_PAGES *
                     (uint64_t)at_most_percent * 115 / 100);
}

/* Roles: 15 % hot, 25 % warm, 60 % cold. */
static bool is_hot(uint64_t role)
{
    return role < percent(15);
}

static bool is_warm(uint64_t role)
{
    return !is_hot(role) && role < percent(40);
}

static bool touches_steady(const Guest *g, uint64_t role, uint64_t epoch)
{
    return is_hot(role) || (is_warm(role) && epoch % 20 == role % 20);
}

static bool touches_in_bulk(const Guest *g, uint64_t role, uint64_t epoch)
{
    return is_hot(role) || (is_warm(role) && epoch % 20 == 0);
}

static bool touches_strays(const Guest *g, uint64_t role, uint64_t epoch)
{
    return touches_steady(g, role, epoch) ||
           (epoch % 60 == 0 && role == GUEST_PAGES - 1 - epoch / 60);
}

/* A well mixed number, in each run the same. */
static uint32_t chance(const Guest *g, uint64_t role, uint64_t epoch)
{
    uint64_t x = (g->seed << 52 ^ epoch << 20 ^ role) + 1;

    for (unsigned i = 0; i < 3; i++) {
        x *= UINT64_C(0x9e3779b97f4a7c15);
        x ^= x >> 32;
    }
    return x;
}

/* Of the cold set any page, by chance: so many a minute on the average. */
static bool touches_noise(const Guest *g, uint64_t role, uint64_t epoch)
{
    uint64_t cold = GUEST_PAGES - percent(40);
    double often = (double)g->noise * g->interval_ns / MINUTE / cold;

    return touches_steady(g, role, epoch) ||
           (role >= percent(40) && chance(g, role, epoch) < often * UINT32_MAX);
}

static bool touches_phases(const Guest *g, uint64_t role, uint64_t epoch)
{
    if (epoch < g->change || is_warm(role)) {
        return touches_steady(g, role, epoch);
    }
    return !is_hot(role);
}

/* The cold set wakes up within 20 epochs. */
static bool touches_drift(const Guest *g, uint64_t role, uint64_t epoch)
{
    if (epoch < g->change + role % 20 || is_warm(role)) {
        return touches_steady(g, role, epoch);
    }
    return !is_hot(role);
}

static bool touches_uniform(const Guest *g, uint64_t role, uint64_t epoch)
{
    return one_in(20);
}

/* 60 % are gone through from one end to the other in 150 epochs. */
static bool touches_sawtooth(const Guest *g, uint64_t role, uint64_t epoch)
{
    return is_hot(role) || (role >= percent(40) &&
                            (role - percent(40)) * 150 / percent(60) ==
                            epoch % 150);
}

/* Nobody is there from the phase change on, but for a few pages. */
static bool touches_idle(const Guest *g, uint64_t role, uint64_t epoch)
{
    return epoch < g->change ? touches_steady(g, role, epoch) : role < 10;
}

/* Once in half an hour all of it. */
static bool touches_bursts(const Guest *g, uint64_t role, uint64_t epoch)
{
    return touches_steady(g, role, epoch) ||
           epoch % (30 * MINUTE / g->interval_ns) == 0;
}

static Guest guest(Touches *touches, int64_t interval_ns)
{
    Guest g = {
        .config = defaults(),
        .interval_ns = interval_ns,
        .touches = touches,
        .change = UINT64_MAX,
    };

    /* Let the target decide, not the minimum. */
    g.config.min_age_ms = 3 * interval_ns / MS;
    return g;
}

/* @opaque: interval in ms. */
static void test_steady(const void *opaque)
{
    int64_t interval_ns = GPOINTER_TO_UINT(opaque) * MS;
    static Touches *const patterns[] = {
        touches_steady, touches_in_bulk, touches_strays,
    };
    static const char *const names[] = { "steady", "in bulk", "strays" };

    for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++) {
        g_autofree char *what = g_strdup_printf("%s, %.1f s", names[i],
                                                interval_ns / 1e9);
        Guest g = guest(patterns[i], interval_ns);

        guest_init(&g);
        guest_run(&g, MAX(15 * MINUTE, 120 * interval_ns));
        report(&g, what);
        check_resident(&g, 40);
        g_assert_cmpuint(g.minutes_over, ==, 0);
        g_assert_cmpuint(g.decision.cold_age, >=, 20);
        g_assert_cmpuint(g.decision.cold_age, <=, 21);
        guest_destroy(&g);
    }
}

/* A target that does not mind: the warm pages go as well. */
static void test_lax(void)
{
    Guest g = guest(touches_steady, 2 * SECOND);

    g.config.refault_target = 1000000;
    guest_init(&g);
    guest_run(&g, 20 * MINUTE);
    report(&g, "steady, target 100 %");
    check_resident(&g, 15 + 25 * 3 / 20 + 2);
    g_assert_cmpuint(g.decision.cold_age, ==, 3);
    g_assert_cmpuint(g.minutes_over, ==, 0);
    guest_destroy(&g);
}

/* Returns for how many epochs eviction stood still. */
static uint64_t check_phase_change(Guest *g, const char *what)
{
    g_autofree char *after = g_strdup_printf("%s: 1 epoch later", what);
    g_autofree char *end = g_strdup_printf("%s: recovered", what);
    uint64_t evicted;
    uint64_t epochs = 0;

    g->change = 55 * MINUTE / g->interval_ns;
    guest_init(g);
    while (g->epoch + 1 < g->change) {
        guest_epoch(g);
    }
    check_resident(g, 40);
    g_assert_cmpuint(g->minutes_over, ==, 0);
    g_assert_cmpuint(g->wrong, ==, 0);

    guest_epoch(g);
    report(g, after);
    g_assert_cmpuint(g->decision.cold_age, ==, RWP_POLICY_NONE);
    evicted = g->evicted;
    while (g->decision.cold_age == RWP_POLICY_NONE) {
        g_assert_cmpuint(g->evicted, ==, evicted);
        g_assert_cmpuint(++epochs, <, 62 * MINUTE / g->interval_ns);
        guest_epoch(g);
    }
    guest_run(g, 10 * MINUTE);
    report(g, end);
    g_assert_cmpuint(g->wrong_epochs, <=, 1);
    /* The new hot set, and the warm one. */
    check_resident(g, 85);
    g_assert_cmpuint(g->minutes_over, <=, 2);
    if (getenv("RWP_POLICY_REPORT")) {
        printf("# %-34s %.0f s\n", "  eviction stood still for",
               epochs * g->interval_ns / 1e9);
    }
    guest_destroy(g);
    return epochs;
}

static void test_phase_change(void)
{
    static const int64_t intervals[] = { 1 * SECOND, 2 * SECOND, 30 * SECOND };

    for (unsigned i = 0; i < ARRAY_SIZE(intervals); i++) {
        Guest g = guest(touches_phases, intervals[i]);
        g_autofree char *what = g_strdup_printf("phase change, %.1f s",
                                                intervals[i] / 1e9);

        g.lag = intervals[i] != 2 * SECOND;
        /* All in one minute, and that is forgiven. */
        g_assert_cmpuint(check_phase_change(&g, what), <=,
                         62 * SECOND / intervals[i]);
    }
}

static void test_drift(void)
{
    Guest g = guest(touches_drift, 2 * SECOND);

    /* Two minutes that are bad are kept in mind for an hour. */
    g.lag = true;
    g_assert_cmpuint(check_phase_change(&g, "drift, 2.0 s"), >=,
                     58 * MINUTE / g.interval_ns);
}

/* The cold set wakes up while it is being evicted. */
static void test_interrupted(void)
{
    Guest g = guest(touches_drift, 2 * SECOND);
    uint64_t evicted;

    g.lag = true;
    g.change = 5 * MINUTE / g.interval_ns;
    g.config.max_rate = 10 * PAGE;
    guest_init(&g);
    while (g.epoch < g.change) {
        guest_epoch(&g);
    }
    g_assert_cmpuint(g.decision.limit, !=, RWP_POLICY_LIMIT_MAX_RATE);
    g_assert_cmpuint(g.epoch_evicted, >, 0);
    evicted = g.evicted;
    guest_run(&g, 2 * MINUTE);
    report(&g, "interrupted, 2.0 s, lag");
    g_assert_cmpuint(g.evicted, ==, evicted);
    g_assert_cmpuint(g.wrong, >, 0);
    g_assert_cmpuint(g.wrong_epochs, ==, 1);
    guest_destroy(&g);
}

/* Early on there is too little history to forgive anything. */
static void test_early_phase_change(void)
{
    Guest g = guest(touches_phases, 2 * SECOND);
    uint64_t epochs = 0;

    g.config.history = 10;
    g.change = 5 * MINUTE / g.interval_ns;
    guest_init(&g);
    guest_run(&g, 5 * MINUTE);
    while (g.decision.cold_age > 20) {
        guest_epoch(&g);
        epochs++;
    }
    g_assert_cmpuint(epochs * g.interval_ns, >=, 9 * MINUTE);
    g_assert_cmpuint(epochs * g.interval_ns, <=, 11 * MINUTE);
    guest_run(&g, 10 * MINUTE);
    report(&g, "early phase change, history 10");
    check_resident(&g, 85);
    g_assert_cmpuint(g.minutes_over, ==, 1);
    g_assert_cmpuint(g.wrong_epochs, <=, 1);
    guest_destroy(&g);
}

static void test_uniform(void)
{
    Guest g = guest(touches_uniform, 2 * SECOND);

    guest_init(&g);
    guest_run(&g, 40 * MINUTE);
    report(&g, "uniform random");
    /* An age exists that meets the target, and hardly any page reaches it. */
    g_assert_cmpuint(g.decision.cold_age, >, 80);
    g_assert_cmpuint(g.resident, >=, percent(99));
    /* Chance goes a little beyond what the history knows. */
    g_assert_cmpuint(g.minutes_over, <=, 5);
    g_assert_cmpuint(g.worst_minute, <=, 2 * g.decision.allowed);
    guest_destroy(&g);
}

/*
 * Noise that is well below the target, near to it, and above it: the promise is
 * kept, and what can go without breaking it goes.  The target is 24 pages a
 * minute, or 12 if an interval is long.  @opaque: interval in ms.
 */
static void test_noise(const void *opaque)
{
    static const unsigned noises[] = { 2, 5, 8, 12, 16, 20, 24, 30, 40 };
    int64_t interval_ns = GPOINTER_TO_UINT(opaque) * MS;
    uint64_t over = 0, minutes = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(noises); i++) {
        g_autofree char *what = g_strdup_printf("noise of %u, %.1f s",
                                                noises[i], interval_ns / 1e9);

        for (unsigned seed = 0; seed < 5; seed++) {
            Guest g = guest(touches_noise, interval_ns);

            g.noise = noises[i];
            g.seed = seed;
            g.config.refault_target = 12000;
            guest_init(&g);
            guest_run(&g, 90 * MINUTE);
            report(&g, what);
            if (noises[i] <= 2) {
                check_resident(&g, 40);
            }
            over += g.minutes_over;
            minutes += g.minutes;
            guest_destroy(&g);
        }
    }
    /* Chance remains, the more the less is known: it is one minute of 200. */
    g_assert_cmpuint(over * 200, <=, minutes);
}

static void test_sawtooth(void)
{
    Guest g = guest(touches_sawtooth, 2 * SECOND);

    g.config.learning_ms = 6 * 60 * 1000;
    guest_init(&g);
    guest_run(&g, 40 * MINUTE);
    report(&g, "sawtooth");
    check_resident(&g, 75);
    g_assert_cmpuint(g.decision.cold_age, ==, 150);
    g_assert_cmpuint(g.minutes_over, ==, 0);
    guest_destroy(&g);
}

static void test_idle(void)
{
    Guest g = guest(touches_idle, 2 * SECOND);

    g.change = 15 * MINUTE / g.interval_ns;
    g.config.min_resident = percent(2) * PAGE;
    guest_init(&g);
    guest_run(&g, 30 * MINUTE);
    report(&g, "idle guest");
    g_assert_cmpuint(g.resident, ==, percent(2));
    g_assert_cmpint(g.decision.limit, ==, RWP_POLICY_LIMIT_MIN_RESIDENT);
    g_assert_cmpuint(g.minutes_over, ==, 0);
    guest_destroy(&g);
}

/* A burst is paid for once, then kept in mind. */
static void test_bursts(void)
{
    Guest g = guest(touches_bursts, 5 * SECOND);
    uint64_t over;

    guest_init(&g);
    guest_run(&g, 100 * MINUTE);
    report(&g, "bursts, 100 minutes");
    over = g.minutes_over;
    g_assert_cmpuint(over, <=, 2);
    guest_run(&g, 180 * MINUTE);
    report(&g, "bursts, 180 more");
    g_assert_cmpuint(g.minutes_over, ==, over);
    guest_destroy(&g);
}

static void test_target_resident(void)
{
    Guest g = guest(touches_steady, 2 * SECOND);

    g.config.target_resident = percent(70) * PAGE;
    g.config.max_rate = 50 * PAGE;
    guest_init(&g);
    guest_run(&g, 2 * MINUTE + 2 * g.interval_ns);
    g_assert_cmpint(g.decision.limit, ==, RWP_POLICY_LIMIT_MAX_RATE);
    guest_run(&g, 10 * MINUTE);
    report(&g, "target-resident 70 %");
    g_assert_cmpuint(g.resident, ==, percent(70));
    g_assert_cmpint(g.decision.limit, ==, RWP_POLICY_LIMIT_TARGET_RESIDENT);
    guest_destroy(&g);
}

int main(int argc, char **argv)
{
    static const unsigned steady_ms[] = {
        1000, 5000, 30000, 60000, 600000,
    };
    static const unsigned noise_ms[] = { 2000, 5000, 10000, 30000 };

    g_test_init(&argc, &argv, NULL);

    add_with("/rwp/policy-guest/steady", steady_ms, ARRAY_SIZE(steady_ms),
             test_steady);
    g_test_add_func("/rwp/policy-guest/lax", test_lax);
    g_test_add_func("/rwp/policy-guest/phase-change", test_phase_change);
    g_test_add_func("/rwp/policy-guest/phase-change/early",
                    test_early_phase_change);
    g_test_add_func("/rwp/policy-guest/drift", test_drift);
    g_test_add_func("/rwp/policy-guest/interrupted", test_interrupted);
    g_test_add_func("/rwp/policy-guest/uniform", test_uniform);
    add_with("/rwp/policy-guest/noise", noise_ms, ARRAY_SIZE(noise_ms),
             test_noise);
    g_test_add_func("/rwp/policy-guest/sawtooth", test_sawtooth);
    g_test_add_func("/rwp/policy-guest/idle", test_idle);
    g_test_add_func("/rwp/policy-guest/bursts", test_bursts);
    g_test_add_func("/rwp/policy-guest/target-resident", test_target_resident);

    return g_test_run();
}
