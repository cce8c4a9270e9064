/*
 * Giving the cold memory of a backend back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two locks: the tracker's is for all that is known about pages and follows
 * from it, the evictor's own only for what its thread has to do.  The latter
 * is taken last, but for that of what is given back (hw/rwp/evict-return.h).
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "hw/rwp/evict-job.h"
#include "hw/rwp/evict-request.h"
#include "hw/rwp/evict-return.h"
#include "hw/rwp/evictor.h"
#include "hw/rwp/host-pressure.h"
#include "trace.h"

/* 1/KEPT_SHARE of the memory kept by the host is more than what I/O pins. */
#define KEPT_SHARE 64

struct RwpEvictor {
    RwpEvictMemory em;
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
    bool interrupted;           /* what is asked for by hand must end */
    QemuMutex lock;
    QemuCond wake;
    QSIMPLEQ_HEAD(, RwpEvictRequest) requests;
    RwpEvictReturn *returns;

    /* Only used by the thread. */
    const RwpReclaimEngine *last_engine;    /* that made pages go */
    bool stuck;                 /* the host took nothing when asked last */
};

static void configure_policy(RwpEvictor *e)
{
    RwpPolicyConfig p = rwp_evict_config_policy(&e->config,
                                                e->em.memory.page_size,
                                                e->unit);

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

/* What the thread has found, unless something else is true by now. */
static void set_state_found(RwpEvictor *e, RwpEvictState state)
{
    rwp_tracker_lock(e->em.tracker);
    if (e->config.engine && rwp_tracker_watching(e->em.tracker)) {
        set_state(e, state);
    }
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

static bool some_out_or_kept(void *opaque)
{
    RwpEvictor *e = opaque;

    return rwp_out_map_out(e->em.outs) || rwp_out_map_kept(e->em.outs);
}

/* The smallest age of pages that may go by themselves. */
static unsigned cold_age(const RwpEvictor *e, const RwpAgeMap *map)
{
    return MAX(e->status.cold_age,
               rwp_evict_min_age(map, e->config.min_age_ms));
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
    sample.resident = rwp_evict_resident(&e->em, map);

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

/* Add up what a step did with pages of @min_age or more, and charge for it. */
static void account(void *opaque, const RwpEvictCount *count, unsigned min_age)
{
    RwpEvictor *e = opaque;
    uint64_t bytes = count->evicted * e->em.memory.page_size;

    note_newest(e, rwp_tracker_lock(e->em.tracker), min_age);
    rwp_policy_charge(e->policy, bytes, bytes);
    e->decision.budget -= MIN(bytes, e->decision.budget);
    rwp_evict_count_add(&e->status.count, count);
    rwp_tracker_unlock(e->em.tracker);
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

static bool until_interrupted(void *opaque, uint64_t pages)
{
    RwpEvictor *e = opaque;

    return until_stopped(e, pages) && !qatomic_read(&e->interrupted);
}

/*
 * Is the host short of memory, as far as that matters?  If not, sets @state to
 * what follows.
 */
static bool under_pressure(uint32_t wanted, RwpEvictState *state)
{
    int pressure = wanted ? rwp_host_pressure(NULL) : 0;

    *state = pressure < 0 ? rwp_evict_state_pressure_unknown
                          : rwp_evict_state_no_pressure;
    return pressure >= 0 && pressure >= wanted;
}

/*
 * Have go what @job says, and see what the host makes of it.  Returns false,
 * with @state set, if that is what keeps more from going.
 */
static bool run_job(RwpEvictor *e, RwpEvictJob *job, const RwpAgeMap *map,
                    RwpEvictState *state)
{
    const char *blocked = job->engine->blocked();
    bool much;

    if (!blocked && job->budget) {
        e->last_engine = job->engine;
        rwp_evict_job_run(&e->em, job, account);
        blocked = rwp_evict_job_blocked(job);
    }
    if (blocked) {
        *state = rwp_evict_state_blocked(blocked);
        return false;
    }
    if (job->count.batches) {
        e->stuck = !job->count.evicted;
    }
    rwp_tracker_lock(e->em.tracker);
    much = rwp_out_map_kept(e->em.outs) >
           rwp_age_map_present(map) / KEPT_SHARE;
    rwp_tracker_unlock(e->em.tracker);
    *state = e->stuck ? rwp_evict_state_kept : rwp_evict_state_kept_some;
    return !much;
}

/* An epoch has ended: have go what the policy allows. */
static void evict_cold(RwpEvictor *e)
{
    RwpPolicyDecision decision;
    RwpEvictConfig config;
    RwpEvictJob job = { .go_on = pace, .opaque = e };
    const RwpAgeMap *map;
    RwpEvictState state;
    bool watching, decided;

    map = rwp_tracker_lock(e->em.tracker);
    decision = e->decision;
    decided = e->decided;
    config = e->config;
    watching = rwp_tracker_watching(e->em.tracker);
    job.engine = config.engine;
    job.budget = decision.budget / e->em.memory.page_size;
    job.keep = DIV_ROUND_UP(MAX(config.min_resident, config.target_resident),
                            e->em.memory.page_size);
    job.min_age = cold_age(e, map);
    if (nothing_cold(e, map, job.min_age)) {
        job.budget = 0;
    }
    rwp_tracker_unlock(e->em.tracker);

    if (!config.engine || !watching || !decided) {
        return;
    }
    if (decision.cold_age != RWP_POLICY_NONE && job.min_age <= RWP_AGE_LIMIT) {
        if (!under_pressure(config.host_pressure, &state) ||
            !run_job(e, &job, map, &state)) {
            set_state_found(e, state);
            return;
        }
    }
    set_state_found(e, rwp_evict_state_decided(&decision));
}

/* What was asked for by hand. */
static void evict_by_hand(RwpEvictor *e, RwpEvictRequest *request)
{
    uint64_t min_resident;

    rwp_tracker_lock(e->em.tracker);
    min_resident = DIV_ROUND_UP(e->config.min_resident, e->em.memory.page_size);
    rwp_tracker_unlock(e->em.tracker);
    e->last_engine = request->engine;
    rwp_evict_request_run(request, &e->em, min_resident, until_interrupted,
                          account, e);
}

/* What was given back has its turn. */
static void give_back(RwpEvictor *e)
{
    RwpEvictJob how = {
        .engine = e->last_engine,
        .go_on = until_stopped,
        .opaque = e,
    };

    rwp_evict_return_run(e->returns, &how, account);
}

static void *evictor_thread(void *opaque)
{
    RwpEvictor *e = opaque;

    qemu_mutex_lock(&e->lock);
    while (!e->stop) {
        RwpEvictRequest *request = QSIMPLEQ_FIRST(&e->requests);
        int64_t wait_ms = INT_MAX;

        if (request) {
            QSIMPLEQ_REMOVE_HEAD(&e->requests, next);
            qemu_mutex_unlock(&e->lock);
            evict_by_hand(e, request);
            qemu_mutex_lock(&e->lock);
            /* It may have been in the way of what goes by itself. */
            qatomic_set(&e->due, true);
        } else if (e->due) {
            qatomic_set(&e->due, false);
            qemu_mutex_unlock(&e->lock);
            evict_cold(e);
            qemu_mutex_lock(&e->lock);
        } else if (rwp_evict_return_due(e->returns, &wait_ms)) {
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
        rwp_evict_return_open(e->returns);
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
        .cares = some_out_or_kept,
        .epoch = epoch_ended,
        .reset = ages_reset,
        .opaque = e,
    };

    e->em.memory = *memory;
    e->em.tracker = tracker;
    e->em.outs = rwp_out_map_new(memory->size / memory->page_size);
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
    e->returns = rwp_evict_return_new(&e->em);
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
        rwp_evict_return_free(e->returns);
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
    RwpEvictRequest *request = g_new0(RwpEvictRequest, 1);

    request->engine = engine;
    request->pages = DIV_ROUND_UP(bytes, e->unit) *
                     (e->unit / e->em.memory.page_size);
    request->min_age_ms = min_age_ms;
    request->done = done;
    request->opaque = opaque;

    start_thread(e);
    qemu_mutex_lock(&e->lock);
    qatomic_set(&e->interrupted, false);
    QSIMPLEQ_INSERT_TAIL(&e->requests, request, next);
    qemu_cond_signal(&e->wake);
    qemu_mutex_unlock(&e->lock);
}

void rwp_evictor_interrupt(RwpEvictor *e)
{
    qatomic_set(&e->interrupted, true);
}

bool rwp_evictor_give_back(RwpEvictor *e, uint64_t first, uint64_t count)
{
    if (rwp_evict_return_add(e->returns, first, count)) {
        QEMU_LOCK_GUARD(&e->lock);
        qemu_cond_signal(&e->wake);
    }
    return rwp_evict_return_wait(e->returns, 0);
}

bool rwp_evictor_catch_up(RwpEvictor *e, unsigned ms)
{
    return rwp_evict_return_wait(e->returns, ms);
}

void rwp_evictor_resume(RwpEvictor *e, const RwpPolicyPast *past)
{
    rwp_tracker_lock(e->em.tracker);
    rwp_policy_resume(e->policy, past);
    rwp_tracker_unlock(e->em.tracker);
    trace_rwp_evictor_resume(e, past->epochs, past->minutes);
}

void rwp_evictor_stop(RwpEvictor *e)
{
    RwpEvictRequest *request, *tmp;

    if (!e->started) {
        return;
    }
    rwp_evict_return_close(e->returns);
    qemu_mutex_lock(&e->lock);
    qatomic_set(&e->stop, true);
    qemu_cond_signal(&e->wake);
    qemu_mutex_unlock(&e->lock);
    qemu_thread_join(&e->thread);
    e->started = false;

    QSIMPLEQ_FOREACH_SAFE(request, &e->requests, next, tmp) {
        rwp_evict_request_refuse(request);
    }
    QSIMPLEQ_INIT(&e->requests);
}

void rwp_evictor_status(const RwpEvictor *e, RwpEvictStatus *status)
{
    *status = e->status;
    status->out = rwp_out_map_out(e->em.outs);
    status->cold_age = cold_age(e, rwp_tracker_map(e->em.tracker));
    if (status->cold_age > RWP_AGE_LIMIT) {
        status->cold_age = RWP_POLICY_NONE;
    }
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
