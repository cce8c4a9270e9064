/*
 * Tracking the accesses to one block of memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qemu/userfaultfd.h"
#include "qemu/userfaultfd-rwp.h"
#include "trace.h"
#include "tracker-internal.h"

/* Memory that is unregistered at once, a multiple of all sizes of pages. */
#define DETACH_BYTES GiB

static void finish_requests(ScanRequests *requests, bool done)
{
    ScanRequest *request, *tmp;

    QSIMPLEQ_FOREACH_SAFE(request, requests, next, tmp) {
        request->done(request->opaque, done);
        g_free(request);
    }
    QSIMPLEQ_INIT(requests);
}

/* Is it time for a pass?  If not, sets @wait_ms, to -1 if it never will be. */
static bool pass_due(RwpTracker *t, int64_t *wait_ms)
{
    int64_t left_ns;

    *wait_ms = -1;
    if (t->held) {
        return false;
    }
    if (t->blind || !QSIMPLEQ_EMPTY(&t->requests)) {
        return true;
    }
    if (!t->running) {
        return false;
    }
    left_ns = t->last_pass_ns + t->interval_ms * (int64_t)SCALE_MS -
              get_clock();
    *wait_ms = DIV_ROUND_UP(MAX(left_ns, 0), SCALE_MS);
    return left_ns <= 0;
}

static void *tracker_thread(void *opaque)
{
    RwpTracker *t = opaque;
    int64_t wait_ms;

    tracker_lock(t);
    while (!t->stop) {
        ScanRequests requests = QSIMPLEQ_HEAD_INITIALIZER(requests);
        g_autofree char *error = NULL;
        bool was_blind = t->blind;
        bool done;

        if (!pass_due(t, &wait_ms)) {
            if (wait_ms < 0) {
                qemu_cond_wait(&t->wake, &t->lock);
            } else {
                qemu_cond_timedwait(&t->wake, &t->lock, wait_ms);
            }
            continue;
        }

        /* A blind pass answers no request; what comes during a pass waits. */
        if (!was_blind) {
            QSIMPLEQ_CONCAT(&requests, &t->requests);
        }
        done = rwp_tracker_pass(t, &error);
        t->last_pass_ns = get_clock();
        if (error) {
            t->held = true;
            QSIMPLEQ_CONCAT(&requests, &t->requests);
        }
        tracker_unlock(t);
        finish_requests(&requests, done);
        if (error) {
            trace_rwp_failed(t->name, error);
            t->failed(t->opaque, error);
        }
        tracker_lock(t);
    }
    tracker_unlock(t);
    return NULL;
}

RwpTracker *rwp_tracker_new(const char *name, const RwpTrackedMemory *memory,
                            RwpTrackerFailed *failed, void *opaque)
{
    RwpTracker *t = g_new0(RwpTracker, 1);
    uint64_t page = memory->page_size;

    assert(QEMU_PTR_IS_ALIGNED(memory->host, page));
    assert(memory->size && QEMU_IS_ALIGNED(memory->size, page));
    assert(is_power_of_2(page) && page >= qemu_real_host_page_size());
    t->name = g_strdup(name);
    t->memory = *memory;
    t->npages = memory->size / page;
    t->page_shift = ctz64(page);
    t->host_shift = t->page_shift - ctz64(qemu_real_host_page_size());
    t->failed = failed;
    t->opaque = opaque;
    t->uffd = -1;
    t->interval_ms = RWP_INTERVAL_DEFAULT_MS;
    t->map = rwp_age_map_new(t->npages,
                             qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    QSIMPLEQ_INIT(&t->requests);
    rwp_tracker_pass_init(t);
    t->poisoned = g_array_new(false, false, sizeof(uint64_t));
    qemu_mutex_init(&t->lock);
    qemu_cond_init(&t->wake);
    return t;
}

void rwp_tracker_set_listener(RwpTracker *t,
                              const RwpTrackerListener *listener)
{
    assert(!t->started);
    t->listener = *listener;
}

void rwp_tracker_free(RwpTracker *t)
{
    if (t) {
        rwp_tracker_stop(t);
        qemu_cond_destroy(&t->wake);
        qemu_mutex_destroy(&t->lock);
        rwp_age_map_free(t->map);
        g_array_free(t->poisoned, true);
        g_free(t->name);
        g_free(t);
    }
}

static bool attach(RwpTracker *t, Error **errp)
{
    int uffd = uffd_rwp_create(errp);

    if (uffd < 0) {
        return false;
    }
    if (!uffd_rwp_register(uffd, t->memory.host, t->memory.size, errp)) {
        uffd_close_fd(uffd);
        return false;
    }
    t->uffd = uffd;
    trace_rwp_attach(t->name, t->memory.host, t->memory.size);
    return true;
}

/*
 * Closing disarms and unregisters everything that still is registered, and no
 * vCPU can have a page fault resolved meanwhile.
 */
static void detach(RwpTracker *t)
{
    if (t->uffd < 0) {
        return;
    }
    for (uint64_t at = 0; at < t->memory.size; at += DETACH_BYTES) {
        uffd_unregister_memory(t->uffd, t->memory.host + at,
                               MIN(DETACH_BYTES, t->memory.size - at));
    }
    uffd_close_fd(t->uffd);
    t->uffd = -1;
    trace_rwp_detach(t->name);
}

bool rwp_tracker_start(RwpTracker *t, bool held, Error **errp)
{
    assert(!t->started);
    if (!attach(t, errp)) {
        return false;
    }
    tracker_lock(t);
    rwp_tracker_reset_ages(t);
    tracker_unlock(t);
    t->stop = false;
    t->held = held;
    t->blind = true;
    t->started = true;
    qemu_thread_create(&t->thread, "rwp-tracker", tracker_thread, t,
                       QEMU_THREAD_JOINABLE);
    return true;
}

static void fail_requests(RwpTracker *t)
{
    ScanRequests requests = QSIMPLEQ_HEAD_INITIALIZER(requests);

    tracker_lock(t);
    QSIMPLEQ_CONCAT(&requests, &t->requests);
    tracker_unlock(t);
    finish_requests(&requests, false);
}

void rwp_tracker_stop(RwpTracker *t)
{
    if (!t->started) {
        return;
    }
    tracker_lock(t);
    t->stop = true;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
    qemu_thread_join(&t->thread);
    fail_requests(t);

    tracker_lock(t);
    detach(t);
    t->started = false;
    rwp_tracker_reset_ages(t);
    t->cost = (RwpScanCost) { 0 };
    tracker_unlock(t);
}

bool rwp_tracker_started(const RwpTracker *t)
{
    return t->started;
}

void rwp_tracker_hold(RwpTracker *t, bool detached)
{
    assert(t->started);
    tracker_lock(t);
    t->held = true;
    t->holds++;
    if (t->warmth == TRACKER_WARMING || t->warmth == TRACKER_WARM) {
        rwp_tracker_reset_ages(t);
    }
    tracker_unlock(t);
    fail_requests(t);
    trace_rwp_hold(t->name, detached);
    if (detached) {
        tracker_lock(t);
        detach(t);
        tracker_unlock(t);
    }
}

bool rwp_tracker_release(RwpTracker *t, bool forget, Error **errp)
{
    assert(t->started && t->held);
    if (t->uffd < 0 && !attach(t, errp)) {
        return false;
    }
    trace_rwp_release(t->name, forget);
    tracker_lock(t);
    if (forget && t->warmth == TRACKER_WARM) {
        rwp_age_map_set_times(t->map, t->warm_interval_ms * (int64_t)SCALE_MS,
                              qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
        t->warmth = TRACKER_SIFTING;
    } else if (forget || !rwp_age_map_epochs(t->map)) {
        /* Where nothing is known yet, time is counted from now on. */
        rwp_tracker_reset_ages(t);
    }
    t->blind = true;
    t->held = false;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
    return true;
}

bool rwp_tracker_held(const RwpTracker *t)
{
    return qatomic_read(&t->held);
}

bool rwp_tracker_watching(const RwpTracker *t)
{
    return qatomic_read(&t->started) && !t->held && !t->blind &&
           rwp_age_map_epochs(t->map);
}

bool rwp_tracker_marking(const RwpTracker *t)
{
    return qatomic_read(&t->started) && t->held && t->uffd >= 0;
}

bool rwp_tracker_arm(RwpTracker *t, uint64_t first, uint64_t count)
{
    assert(rwp_tracker_marking(t));
    return uffd_rwp_arm(t->uffd, tracker_page_address(t, first),
                        count << t->page_shift) >= 0;
}

uint64_t rwp_tracker_intervals(const RwpTracker *t)
{
    uint64_t epochs = rwp_age_map_epochs(t->map);

    return qatomic_read(&t->started) && epochs ? epochs - 1 : 0;
}

void rwp_tracker_set_interval(RwpTracker *t, uint32_t ms)
{
    assert(ms >= RWP_INTERVAL_MIN_MS && ms <= RWP_INTERVAL_MAX_MS);
    tracker_lock(t);
    t->interval_ms = ms;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
}

void rwp_tracker_set_split(RwpTracker *t, bool split)
{
    tracker_lock(t);
    t->split = split;
    tracker_unlock(t);
}

void rwp_tracker_set_running(RwpTracker *t, bool running)
{
    int64_t now_ns = get_clock();

    tracker_lock(t);
    if (running && !t->running) {
        /* The interval that was going on when the guest stopped goes on. */
        t->last_pass_ns += now_ns - MAX(t->stopped_ns, t->last_pass_ns);
    } else if (!running && t->running) {
        t->stopped_ns = now_ns;
    }
    t->running = running;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
}

void rwp_tracker_scan(RwpTracker *t, RwpScanDone *done, void *opaque)
{
    ScanRequest *request;

    tracker_lock(t);
    if (!t->started || t->held || t->stop) {
        tracker_unlock(t);
        done(opaque, false);
        return;
    }
    request = g_new0(ScanRequest, 1);
    request->done = done;
    request->opaque = opaque;
    QSIMPLEQ_INSERT_TAIL(&t->requests, request, next);
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
}

const RwpAgeMap *rwp_tracker_lock(RwpTracker *t)
{
    tracker_lock(t);
    return t->map;
}

void rwp_tracker_unlock(RwpTracker *t)
{
    tracker_unlock(t);
}

RwpScanCost rwp_tracker_cost(const RwpTracker *t)
{
    return t->cost;
}

uint64_t rwp_tracker_metadata(const RwpTracker *t)
{
    return rwp_age_map_metadata(t->map) + sizeof(*t);
}

const RwpAgeMap *rwp_tracker_map(const RwpTracker *t)
{
    return t->map;
}
