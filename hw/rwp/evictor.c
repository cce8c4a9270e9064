/*
 * Giving the cold memory of a backend back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two locks: the tracker's is for all that is known about pages and follows
 * from it, the evictor's own only for what its thread has to do.  The latter
 * is taken last.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "hw/rwp/cold-walk.h"
#include "hw/rwp/evictor.h"
#include "hw/rwp/host-pressure.h"
#include "trace.h"

/* Pages that are counted before others get the lock. */
#define COUNT_PAGES (64 * 1024)

/* 1/STUCK_SHARE of the memory kept by the host is more than what I/O pins. */
#define STUCK_SHARE 64

/* Something that was asked for by hand. */
typedef struct Request {
    const RwpReclaimEngine *engine;
    uint64_t pages;
    uint64_t min_age_ms;
    RwpEvictDone *done;
    void *opaque;
    QSIMPLEQ_ENTRY(Request) next;
} Request;

struct RwpEvictor {
    RwpEvictMemory em;
    uint64_t npages;
    uint64_t unit;
    RwpEvictorChanged *changed;
    void *opaque;

    /* Protected by the tracker's lock. */
    RwpEvictConfig config;
    RwpPolicy *policy;
    RwpPolicyDecision decision;
    bool decided;                               /* @decision is one */
    uint64_t promotions[RWP_AGE_LIMIT + 1];     /* up to the last epoch */
    uint64_t refaulted_before;                  /* likewise */
    uint64_t epochs;
    uint64_t newest;                            /* see nothing_cold() */
    RwpEvictStatus status;

    QemuThread thread;
    bool started;
    bool stop;                  /* written with @lock held */
    bool due;                   /* likewise: an epoch has ended */
    bool asleep;                /* likewise: has done all it was asked for */
    QemuMutex lock;
    QemuCond wake;
    QSIMPLEQ_HEAD(, Request) requests;
    GArray *returned;           /* RwpPageRange: given back, oldest first */
    uint64_t nr_returned;       /* pages of these */

    /* Only used by the thread: what was given back and armed since. */
    GArray *armed;              /* RwpPageRange */
    int64_t armed_ns;           /* when, by get_clock() */
    const RwpReclaimEngine *last_engine;    /* likewise: which made pages go */
};

void rwp_evict_config_init(RwpEvictConfig *config)
{
    *config = (RwpEvictConfig) {
        .refault_target = RWP_POLICY_REFAULT_TARGET,
        .refault_history = RWP_POLICY_HISTORY,
        .min_age_ms = RWP_POLICY_MIN_AGE_MS,
        .window_s = RWP_POLICY_LEARNING_MS / 1000,
    };
}

static void configure_policy(RwpEvictor *e)
{
    const RwpEvictConfig *c = &e->config;
    RwpPolicyConfig p;

    rwp_policy_config_init(&p, e->em.memory.page_size);
    p.evict_unit = e->unit;
    p.refault_target = c->refault_target;
    p.history = c->refault_history;
    p.min_age_ms = c->min_age_ms;
    p.learning_ms = c->window_s * UINT64_C(1000);
    p.max_rate = c->max_rate;
    p.min_resident = c->min_resident;
    p.target_resident = c->target_resident;
    p.write_budget = c->write_budget;
    if (e->policy) {
        rwp_policy_configure(e->policy, &p);
    } else {
        e->policy = rwp_policy_new(&p);
    }
}

/* With the tracker's lock held. */
static void set_state(RwpEvictor *e, RwpEvictState state)
{
    RwpEvictState before = e->status.is;

    e->status.is = state;
    if (!rwp_evict_state_equal(&before, &state)) {
        trace_rwp_evictor_state(e, EvictionState_str(state.state),
                                EvictionLimit_str(state.limit),
                                state.reason ?: "");
        e->changed(e->opaque);
    }
}

static void set_state_locked(RwpEvictor *e, RwpEvictState state)
{
    rwp_tracker_lock(e->em.tracker);
    set_state(e, state);
    rwp_tracker_unlock(e->em.tracker);
}

/* Nothing goes until the policy has decided anew. */
static void void_decision(RwpEvictor *e)
{
    e->decision = (RwpPolicyDecision) { .cold_age = RWP_POLICY_NONE };
    e->decided = false;
    e->status.cold_age = RWP_POLICY_NONE;
}

/* The thread, if there is one, has to look again.  With its lock held. */
static void set_due(RwpEvictor *e)
{
    if (e->started) {
        qatomic_set(&e->due, true);
        qemu_cond_signal(&e->wake);
    }
}

static uint64_t pages_resident(const RwpEvictor *e, const RwpAgeMap *map)
{
    uint64_t present = rwp_age_map_present(map);

    return present - MIN(present, rwp_out_map_out(e->em.outs));
}

/* The listener: called with the tracker's lock held. */

static void pages_in(void *opaque, uint64_t first, uint64_t count,
                     bool accessed)
{
    RwpEvictor *e = opaque;
    uint64_t out = rwp_out_map_set_in(e->em.outs, first, count);

    if (accessed) {
        e->status.refaulted += out;
    }
}

/* The smallest age of pages that were idle for @ms, see hw/rwp/age-map.h. */
static unsigned age_of_idle_ms(const RwpAgeMap *map, uint64_t ms)
{
    return rwp_age_map_idle_age(map, MIN(ms, INT64_MAX / SCALE_MS) * SCALE_MS);
}

/* The smallest age of pages that may go by themselves. */
static unsigned cold_age(const RwpEvictor *e, const RwpAgeMap *map)
{
    return MAX(e->status.cold_age, age_of_idle_ms(map, e->config.min_age_ms));
}

/*
 * Is no page of @min_age or more left that could go?  False if that would have
 * to be counted.
 *
 * No page that is out or was kept has been accessed since epoch e->newest.  If
 * that makes all of them @min_age old, these are so many fewer.
 */
static bool nothing_cold(const RwpEvictor *e, const RwpAgeMap *map,
                         unsigned min_age)
{
    uint64_t done = rwp_out_map_out(e->em.outs) + rwp_out_map_kept(e->em.outs);
    uint64_t idle[RWP_AGE_LIMIT + 1];
    uint64_t cold = 0;

    rwp_age_map_idle(map, idle);
    for (unsigned age = min_age; age <= RWP_AGE_LIMIT; age++) {
        cold += idle[age];
    }
    return !cold || (cold <= done && rwp_age_map_epochs(map) >=
                                     e->newest + min_age);
}

/* A page of @age may be marked as out or kept. */
static void note_newest(RwpEvictor *e, const RwpAgeMap *map, unsigned age)
{
    /* An epoch may be open, and ages are counted from that. */
    uint64_t epochs = rwp_age_map_epochs(map) + 1;

    e->newest = MAX(e->newest, epochs - MIN(age, epochs));
}

/*
 * Would the thread find nothing to do, nor anything to tell?  Waking it each
 * time costs more than all else that is done for eviction in an idle epoch.
 */
static bool nothing_to_do(const RwpEvictor *e, const RwpAgeMap *map)
{
    RwpEvictState state = rwp_evict_state_decided(&e->decision);

    if (!e->config.engine) {
        return true;
    }
    return rwp_tracker_watching(e->em.tracker) &&
           rwp_evict_state_equal(&e->status.is, &state) &&
           (e->decision.budget < e->em.memory.page_size ||
            nothing_cold(e, map, cold_age(e, map)));
}

static void epoch_ended(void *opaque, const RwpAgeMap *map,
                        uint32_t interval_ms)
{
    RwpEvictor *e = opaque;
    uint64_t total[RWP_AGE_LIMIT + 1];
    uint64_t now[RWP_AGE_LIMIT + 1];
    uint64_t idle[RWP_AGE_LIMIT + 1];
    bool complete;
    RwpPolicySample sample = {
        .now_ns = rwp_age_map_last_end(map),
        .interval_ns = interval_ms * (int64_t)SCALE_MS,
        .promotions = now,
        .idle = idle,
        .working_set = rwp_age_map_working_set(map, e->config.window_s *
                                               NANOSECONDS_PER_SECOND,
                                               &complete),
        .refaulted = e->status.refaulted - e->refaulted_before,
    };

    rwp_age_map_idle(map, idle);
    rwp_age_map_promotions(map, total);
    for (unsigned age = 0; age <= RWP_AGE_LIMIT; age++) {
        now[age] = total[age] - e->promotions[age];
    }
    memcpy(e->promotions, total, sizeof(total));
    e->refaulted_before = e->status.refaulted;
    sample.resident = pages_resident(e, map);

    rwp_policy_update(e->policy, &sample, &e->decision);
    e->decided = true;
    e->status.decision = e->decision;
    e->status.cold_age = e->decision.cold_age;
    if (e->status.cold_age != RWP_POLICY_NONE) {
        e->status.cold_age = MAX(e->status.cold_age, 1);
    }
    e->epochs++;
    if (e->epochs % RWP_EVICT_RETRY_EPOCHS == 0) {
        rwp_out_map_retry(e->em.outs);
    }
    trace_rwp_evictor_decision(e, e->decision.cold_age, e->decision.budget,
                               e->decision.limit, e->decision.promotions,
                               e->decision.refaulted, e->decision.allowed);

    WITH_QEMU_LOCK_GUARD(&e->lock) {
        /* What it is at now follows from an older decision. */
        if (!e->asleep || !nothing_to_do(e, map)) {
            set_due(e);
        }
    }
}

static void ages_reset(void *opaque)
{
    RwpEvictor *e = opaque;

    rwp_out_map_reset(e->em.outs);
    e->newest = 0;
    memset(e->promotions, 0, sizeof(e->promotions));
    rwp_policy_restart(e->policy);
    void_decision(e);
    e->status.decision = e->decision;
}

/* The thread. */

static void add_count(RwpEvictCount *sum, const RwpEvictCount *count)
{
    sum->evicted += count->evicted;
    sum->accessed += count->accessed;
    sum->huge += count->huge;
    sum->kept += count->kept;
    sum->batches += count->batches;
    sum->ranges += count->ranges;
    sum->ns += count->ns;
}

/* Add up what a step did with pages of @min_age or more, and charge for it. */
static void account(RwpEvictor *e, const RwpEvictCount *count,
                    unsigned min_age)
{
    uint64_t bytes = count->evicted * e->em.memory.page_size;

    note_newest(e, rwp_tracker_lock(e->em.tracker), min_age);
    rwp_policy_charge(e->policy, bytes, bytes);
    e->decision.budget -= MIN(bytes, e->decision.budget);
    add_count(&e->status.count, count);
    rwp_tracker_unlock(e->em.tracker);
}

/* Do @whole for pages of these ages, inclusive. */
static void run_ages(RwpEvictor *e, RwpEvictJob *whole, unsigned min_age,
                     unsigned max_age)
{
    RwpEvictJob job = *whole;
    bool go_on;

    if (min_age > max_age || whole->stopped) {
        return;
    }
    job.min_age = min_age;
    job.max_age = max_age;
    job.next = 0;
    do {
        job.count = (RwpEvictCount) { };
        go_on = rwp_evict_step(&e->em, &job);
        account(e, &job.count, min_age);
        add_count(&whole->count, &job.count);
    } while (go_on);
    whole->budget = job.budget;
    whole->stopped = job.stopped;
}

/* How many pages of each age may go.  Returns how many in all. */
static uint64_t count_cold(RwpEvictor *e, unsigned min_age, uint64_t *pages)
{
    uint64_t sum = 0;

    for (uint64_t at = 0; at < e->npages; at += COUNT_PAGES) {
        const RwpAgeMap *map = rwp_tracker_lock(e->em.tracker);

        rwp_cold_walk_count(map, e->em.outs, at,
                            MIN(at + COUNT_PAGES, e->npages), min_age, pages);
        rwp_tracker_unlock(e->em.tracker);
    }
    for (unsigned age = min_age; age <= RWP_AGE_LIMIT; age++) {
        sum += pages[age];
    }
    return sum;
}

/*
 * A job, the coldest pages first: all of those that fit into the budget, then
 * as many of the next younger ones as do.  If that was not enough, for some
 * turn out to be in use, the same with what is younger than that.
 */
static void run_job(RwpEvictor *e, RwpEvictJob *whole)
{
    g_autofree uint64_t *pages = g_new0(uint64_t, RWP_AGE_LIMIT + 1);
    uint64_t candidates = count_cold(e, whole->min_age, pages);
    unsigned top = RWP_AGE_LIMIT, split;

    if (candidates <= whole->budget) {
        run_ages(e, whole, whole->min_age, top);
        return;
    }
    while (whole->budget && !whole->stopped) {
        split = rwp_cold_walk_split(pages, whole->min_age, whole->budget);
        run_ages(e, whole, split + 1, top);
        run_ages(e, whole, split, split);
        if (split == whole->min_age) {
            break;
        }
        memset(&pages[split], 0, (RWP_AGE_LIMIT + 1 - split) * sizeof(*pages));
        top = split - 1;
    }
}

/* Is there nothing more urgent to do?  With the evictor's lock held. */
static bool undisturbed(const RwpEvictor *e)
{
    return !e->stop && !e->due && QSIMPLEQ_EMPTY(&e->requests);
}

/* For a job of the policy: wait as long as the rate wants. */
static bool pace(void *opaque, uint64_t pages)
{
    RwpEvictor *e = opaque;
    uint64_t rate, ms = 0;

    rwp_tracker_lock(e->em.tracker);
    rate = e->config.max_rate;
    rwp_tracker_unlock(e->em.tracker);
    if (rate) {
        /* Not more than a batch, so this is far from an overflow. */
        ms = pages * e->em.memory.page_size * 1000 / rate;
    }

    g_thread_yield();
    QEMU_LOCK_GUARD(&e->lock);
    if (ms && undisturbed(e)) {
        qemu_cond_timedwait(&e->wake, &e->lock, MIN(ms, INT_MAX));
    }
    return undisturbed(e);
}

static bool until_stopped(void *opaque, uint64_t pages)
{
    RwpEvictor *e = opaque;

    g_thread_yield();
    return !qatomic_read(&e->stop);
}

/* Is the host short of memory, as far as that matters? */
static bool under_pressure(uint32_t wanted)
{
    int pressure = wanted ? rwp_host_pressure(NULL) : 0;

    return pressure >= 0 && pressure >= wanted;
}

/* An epoch has ended: have go what the policy allows. */
static void evict_cold(RwpEvictor *e)
{
    RwpPolicyDecision decision;
    RwpEvictConfig config;
    RwpEvictJob job = { .go_on = pace, .opaque = e, .max_age = RWP_AGE_LIMIT };
    const RwpAgeMap *map;
    const char *blocked;
    bool watching, decided, nothing, stuck;

    map = rwp_tracker_lock(e->em.tracker);
    decision = e->decision;
    decided = e->decided;
    config = e->config;
    watching = rwp_tracker_watching(e->em.tracker);
    job.engine = config.engine;
    job.budget = decision.budget / e->em.memory.page_size;
    job.min_age = cold_age(e, map);
    nothing = nothing_cold(e, map, job.min_age);
    rwp_tracker_unlock(e->em.tracker);

    if (!config.engine || (watching && !decided)) {
        return;
    }
    if (!watching) {
        set_state_locked(e, rwp_evict_state_inhibited);
        return;
    }
    if (decision.cold_age != RWP_POLICY_NONE && job.min_age <= RWP_AGE_LIMIT) {
        if (!under_pressure(config.host_pressure)) {
            set_state_locked(e, rwp_evict_state_no_pressure);
            return;
        }
        blocked = config.engine->blocked();
        if (blocked) {
            set_state_locked(e, rwp_evict_state_blocked(blocked));
            return;
        }
        e->last_engine = config.engine;
        if (job.budget && !nothing) {
            run_job(e, &job);
        }
        rwp_tracker_lock(e->em.tracker);
        stuck = !job.count.evicted && rwp_out_map_kept(e->em.outs) >
                rwp_age_map_present(map) / STUCK_SHARE;
        rwp_tracker_unlock(e->em.tracker);
        if (stuck) {
            set_state_locked(e, rwp_evict_state_kept);
            return;
        }
    }
    rwp_tracker_lock(e->em.tracker);
    if (e->config.engine && rwp_tracker_watching(e->em.tracker)) {
        set_state(e, rwp_evict_state_decided(&decision));
    }
    rwp_tracker_unlock(e->em.tracker);
}

/* What was asked for by hand.  Returns what kept more from going. */
static EvictionLimit evict_by_hand(RwpEvictor *e, const Request *request,
                                   RwpEvictJob *job)
{
    const RwpAgeMap *map = rwp_tracker_lock(e->em.tracker);
    uint64_t page = e->em.memory.page_size;
    uint64_t in = pages_resident(e, map);
    uint64_t min_in = DIV_ROUND_UP(e->config.min_resident, page);
    bool watching = rwp_tracker_watching(e->em.tracker);
    uint64_t room;

    room = in - MIN(in, min_in);
    *job = (RwpEvictJob) {
        .min_age = age_of_idle_ms(map, request->min_age_ms),
        .max_age = RWP_AGE_LIMIT,
        .budget = MIN(request->pages, room),
        .engine = request->engine,
        .go_on = until_stopped,
        .opaque = e,
    };
    rwp_out_map_retry(e->em.outs);
    rwp_tracker_unlock(e->em.tracker);

    if (!watching) {
        return EVICTION_LIMIT_INHIBITED;
    }
    if (request->engine->blocked()) {
        return EVICTION_LIMIT_HOST_SWAP;
    }
    if (job->budget && job->min_age <= RWP_AGE_LIMIT) {
        run_job(e, job);
    }
    if (job->count.evicted >= request->pages) {
        return EVICTION_LIMIT_NONE;
    }
    if (!rwp_tracker_started(e->em.tracker) ||
        rwp_tracker_held(e->em.tracker) || qatomic_read(&e->stop)) {
        return EVICTION_LIMIT_INHIBITED;
    }
    if (job->count.evicted >= room) {
        return min_in ? EVICTION_LIMIT_MIN_RESIDENT : EVICTION_LIMIT_NONE;
    }
    if (job->count.kept && request->engine->blocked()) {
        return EVICTION_LIMIT_HOST_SWAP;
    }
    return job->count.kept ? EVICTION_LIMIT_KEPT : EVICTION_LIMIT_MIN_AGE;
}

/*
 * Arm what of @returned is out, by what is known, and add it to e->armed: it
 * is in now.  What the guest accesses next will show.
 */
static void arm_returned(RwpEvictor *e, const RwpPageRange *returned)
{
    uint64_t at = returned->first, end = at + returned->count;

    while (at < end) {
        RwpPageRange r = { .first = at };
        bool armed = false, out;

        rwp_tracker_lock(e->em.tracker);
        r.count = rwp_out_map_same(e->em.outs, at, end, &out);
        if (out && rwp_tracker_marking(e->em.tracker)) {
            rwp_out_map_set_in(e->em.outs, r.first, r.count);
            armed = rwp_tracker_arm(e->em.tracker, r.first, r.count);
        }
        rwp_tracker_unlock(e->em.tracker);
        if (armed) {
            g_array_append_val(e->armed, r);
        }
        at += r.count;
    }
}

/* For sorting ranges by address. */
static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const RwpPageRange *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* What was armed and is so still goes out again. */
static void evict_armed(RwpEvictor *e, GArray *armed)
{
    RwpEvictJob job = {
        .max_age = RWP_AGE_LIMIT,
        .budget = e->npages,
        .held = true,
        .engine = e->last_engine,
        .go_on = until_stopped,
        .opaque = e,
        .only = (const RwpPageRange *)armed->data,
        .nr_only = armed->len,
    };

    g_array_sort(armed, compare_ranges);
    run_ages(e, &job, 0, RWP_AGE_LIMIT);
    trace_rwp_evictor_gave_back(e, job.count.evicted, job.count.accessed,
                                job.count.kept);
}

/*
 * Have go what was given back a moment ago, and arm what was since.  Reading
 * makes pages look accessed, so they have to be armed to see what the guest
 * does; what it did to them before that is not known.
 */
static void give_back(RwpEvictor *e)
{
    g_autoptr(GArray) returned = NULL;
    g_autoptr(GArray) armed = e->armed;

    WITH_QEMU_LOCK_GUARD(&e->lock) {
        returned = e->returned;
        e->returned = g_array_new(false, false, sizeof(RwpPageRange));
        e->nr_returned = 0;
    }
    e->armed = g_array_new(false, false, sizeof(RwpPageRange));
    for (guint i = 0; i < returned->len; i++) {
        arm_returned(e, &g_array_index(returned, RwpPageRange, i));
    }
    e->armed_ns = get_clock();
    if (armed->len && e->last_engine && !e->last_engine->blocked()) {
        evict_armed(e, armed);
    }
}

/* Is it time for that?  If not, @wait_ms may become less.  Lock held. */
static bool give_back_due(RwpEvictor *e, int64_t *wait_ms)
{
    int64_t left_ns;

    if (!e->armed->len) {
        return e->nr_returned;
    }
    if (e->nr_returned * e->em.memory.page_size >= RWP_GIVE_BACK_MAX) {
        return true;
    }
    left_ns = e->armed_ns + RWP_GIVE_BACK_MS * (int64_t)SCALE_MS - get_clock();
    *wait_ms = DIV_ROUND_UP(MAX(left_ns, 0), SCALE_MS);
    return left_ns <= 0;
}

static void *evictor_thread(void *opaque)
{
    RwpEvictor *e = opaque;

    qemu_mutex_lock(&e->lock);
    while (!e->stop) {
        Request *request = QSIMPLEQ_FIRST(&e->requests);
        int64_t wait_ms = INT_MAX;

        if (request) {
            EvictionLimit limit;
            RwpEvictJob job;

            QSIMPLEQ_REMOVE_HEAD(&e->requests, next);
            qemu_mutex_unlock(&e->lock);
            e->last_engine = request->engine;
            limit = evict_by_hand(e, request, &job);
            request->done(request->opaque, &job.count, limit);
            g_free(request);
            qemu_mutex_lock(&e->lock);
            /* It may have been in the way of what goes by itself. */
            qatomic_set(&e->due, true);
        } else if (e->due) {
            qatomic_set(&e->due, false);
            qemu_mutex_unlock(&e->lock);
            evict_cold(e);
            qemu_mutex_lock(&e->lock);
        } else if (give_back_due(e, &wait_ms)) {
            qemu_mutex_unlock(&e->lock);
            give_back(e);
            qemu_mutex_lock(&e->lock);
        } else {
            e->asleep = true;
            qemu_cond_timedwait(&e->wake, &e->lock, wait_ms);
            e->asleep = false;
        }
    }
    qemu_mutex_unlock(&e->lock);
    return NULL;
}

static void start_thread(RwpEvictor *e)
{
    if (!e->started) {
        e->stop = false;
        qemu_mutex_lock(&e->lock);
        e->started = true;
        qemu_mutex_unlock(&e->lock);
        qemu_thread_create(&e->thread, "rwp-evictor", evictor_thread, e,
                           QEMU_THREAD_JOINABLE);
    }
}

RwpEvictor *rwp_evictor_new(RwpTracker *tracker, const RwpTrackedMemory *memory,
                            uint64_t unit, const RwpEvictConfig *config,
                            RwpEvictorChanged *changed, void *opaque)
{
    RwpEvictor *e = g_new0(RwpEvictor, 1);
    RwpTrackerListener listener = {
        .in = pages_in,
        .epoch = epoch_ended,
        .reset = ages_reset,
        .opaque = e,
    };

    e->em.memory = *memory;
    e->em.tracker = tracker;
    e->npages = memory->size / memory->page_size;
    e->em.outs = rwp_out_map_new(e->npages);
    e->unit = unit;
    e->changed = changed;
    e->opaque = opaque;
    e->config = *config;
    e->config.engine = NULL;
    configure_policy(e);
    ages_reset(e);
    qemu_mutex_init(&e->lock);
    qemu_cond_init(&e->wake);
    QSIMPLEQ_INIT(&e->requests);
    e->returned = g_array_new(false, false, sizeof(RwpPageRange));
    e->armed = g_array_new(false, false, sizeof(RwpPageRange));
    rwp_tracker_set_listener(tracker, &listener);
    rwp_evictor_configure(e, config);
    return e;
}

void rwp_evictor_free(RwpEvictor *e)
{
    if (e) {
        rwp_evictor_stop(e);
        qemu_cond_destroy(&e->wake);
        qemu_mutex_destroy(&e->lock);
        g_array_free(e->returned, true);
        g_array_free(e->armed, true);
        rwp_policy_free(e->policy);
        rwp_out_map_free(e->em.outs);
        g_free(e);
    }
}

void rwp_evictor_configure(RwpEvictor *e, const RwpEvictConfig *config)
{
    const RwpReclaimEngine *before;

    rwp_tracker_lock(e->em.tracker);
    before = e->config.engine;
    e->config = *config;
    configure_policy(e);
    void_decision(e);
    if (before != config->engine) {
        rwp_out_map_retry(e->em.outs);
    }
    rwp_tracker_unlock(e->em.tracker);

    rwp_evictor_tracking_changed(e);
    if (config->engine) {
        start_thread(e);
    }
    /* What goes on by the former configuration has to end. */
    qemu_mutex_lock(&e->lock);
    set_due(e);
    qemu_mutex_unlock(&e->lock);
}

void rwp_evictor_tracking_changed(RwpEvictor *e)
{
    rwp_tracker_lock(e->em.tracker);
    if (!e->config.engine) {
        set_state(e, rwp_evict_state_off);
    } else if (!rwp_tracker_started(e->em.tracker) ||
               rwp_tracker_held(e->em.tracker)) {
        set_state(e, rwp_evict_state_inhibited);
    } else if (e->status.is.state == EVICTION_STATE_OFF ||
               e->status.is.state == EVICTION_STATE_INHIBITED) {
        set_state(e, rwp_evict_state_learning);
    }
    rwp_tracker_unlock(e->em.tracker);
}

void rwp_evictor_by_hand(RwpEvictor *e, const RwpReclaimEngine *engine,
                         uint64_t bytes, uint64_t min_age_ms,
                         RwpEvictDone *done, void *opaque)
{
    uint64_t page = e->em.memory.page_size;
    Request *request = g_new0(Request, 1);

    request->engine = engine;
    request->pages = bytes / page + !!(bytes % page);
    request->min_age_ms = min_age_ms;
    request->done = done;
    request->opaque = opaque;

    start_thread(e);
    qemu_mutex_lock(&e->lock);
    QSIMPLEQ_INSERT_TAIL(&e->requests, request, next);
    qemu_cond_signal(&e->wake);
    qemu_mutex_unlock(&e->lock);
}

void rwp_evictor_give_back(RwpEvictor *e, uint64_t first, uint64_t count)
{
    QEMU_LOCK_GUARD(&e->lock);
    RwpPageRange *last = e->returned->len ?
                         &g_array_index(e->returned, RwpPageRange,
                                        e->returned->len - 1) : NULL;

    assert(first <= e->npages && count <= e->npages - first);
    if (!e->started || !count) {
        /* Nothing ever went. */
        return;
    }
    if (last && last->first + last->count == first) {
        last->count += count;
    } else {
        RwpPageRange range = { .first = first, .count = count };

        g_array_append_val(e->returned, range);
    }
    e->nr_returned += count;
    if (e->returned->len == 1 ||
        e->nr_returned * e->em.memory.page_size >= RWP_GIVE_BACK_MAX) {
        qemu_cond_signal(&e->wake);
    }
}

void rwp_evictor_stop(RwpEvictor *e)
{
    Request *request, *tmp;

    if (!e->started) {
        return;
    }
    qemu_mutex_lock(&e->lock);
    qatomic_set(&e->stop, true);
    qemu_cond_signal(&e->wake);
    qemu_mutex_unlock(&e->lock);
    qemu_thread_join(&e->thread);
    e->started = false;

    QSIMPLEQ_FOREACH_SAFE(request, &e->requests, next, tmp) {
        RwpEvictCount none = { };

        request->done(request->opaque, &none, EVICTION_LIMIT_INHIBITED);
        g_free(request);
    }
    QSIMPLEQ_INIT(&e->requests);
}

void rwp_evictor_status(const RwpEvictor *e, RwpEvictStatus *status)
{
    *status = e->status;
    status->out = rwp_out_map_out(e->em.outs);
}

const RwpOutMap *rwp_evictor_outs(const RwpEvictor *e)
{
    return e->em.outs;
}

const RwpPolicy *rwp_evictor_policy(const RwpEvictor *e)
{
    return e->policy;
}

uint64_t rwp_evictor_metadata(const RwpEvictor *e)
{
    return sizeof(*e) + rwp_policy_metadata(e->policy) +
           rwp_out_map_metadata(e->em.outs);
}
