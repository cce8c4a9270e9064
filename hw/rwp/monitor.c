/*
 * QMP commands for the working set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "block/aio.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-working-set.h"
#include "qapi/util.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "system/runstate.h"
#include "hw/rwp/backend.h"
#include "hw/rwp/eviction-info.h"
#include "hw/rwp/working-set-info.h"

typedef struct InfoQuery {
    uint32List *windows;
    uint32List *thresholds;
    WorkingSetInfoList **tail;
} InfoQuery;

static void append_info(RwpBackend *backend, void *opaque)
{
    InfoQuery *query = opaque;

    QAPI_LIST_APPEND(query->tail,
                     rwp_working_set_info(backend, query->windows,
                                          query->thresholds));
}

/* Are there between 1 and @max times, and none of them 0? */
static bool check_times(const char *parameter, uint32List *times, size_t max,
                        Error **errp)
{
    size_t nr = 0;

    for (uint32List *t = times; t; t = t->next) {
        if (!t->value) {
            error_setg(errp, "Parameter '%s' has a 0, times must be at least"
                       " 1 second", parameter);
            return false;
        }
        nr++;
    }
    if (nr < 1 || nr > max) {
        error_setg(errp, "Parameter '%s' has %zu times, it must have between 1"
                   " and %zu", parameter, nr, max);
        return false;
    }
    return true;
}

WorkingSetInfoList *qmp_query_working_set(const char *id, bool has_windows,
                                          uint32List *windows,
                                          bool has_thresholds,
                                          uint32List *thresholds, Error **errp)
{
    WorkingSetInfoList *list = NULL;
    InfoQuery query = {
        .windows = windows, .thresholds = thresholds, .tail = &list
    };

    if (has_windows &&
        !check_times("windows", windows, RWP_WINDOWS_MAX, errp)) {
        return NULL;
    }
    if (has_thresholds &&
        !check_times("thresholds", thresholds, RWP_THRESHOLDS_MAX, errp)) {
        return NULL;
    }
    if (id) {
        RwpBackend *backend = rwp_backend_find(id, errp);

        if (backend) {
            append_info(backend, &query);
        }
    } else {
        rwp_backend_foreach(append_info, &query);
    }
    return list;
}

/* The scans that one command waits for. */
typedef struct ScanWait {
    Coroutine *co;
    int pending;        /* scans not done, and one for starting them */
    bool failed;
} ScanWait;

/*
 * Have @co go on, but not from here: this may be the main thread in the midst
 * of deleting an object, which the next command must not see.
 */
static void wake(Coroutine *co)
{
    aio_co_schedule(qemu_coroutine_get_aio_context(co), co);
}

static void scan_finished(ScanWait *wait)
{
    if (qatomic_fetch_dec(&wait->pending) == 1) {
        wake(wait->co);
    }
}

static void scan_done(void *opaque, bool done)
{
    ScanWait *wait = opaque;

    if (!done) {
        qatomic_set(&wait->failed, true);
    }
    scan_finished(wait);
}

static void start_scan(RwpBackend *backend, void *opaque)
{
    ScanWait *wait = opaque;

    if (rwp_backend_state(backend) == WORKING_SET_STATE_ACTIVE) {
        qatomic_inc(&wait->pending);
        rwp_tracker_scan(rwp_backend_tracker(backend), scan_done, wait);
    }
}

/* Is the backend being tracked?  If not, an error. */
static bool check_active(RwpBackend *backend, Error **errp)
{
    const char *reason = rwp_backend_reason(backend);

    if (rwp_backend_state(backend) == WORKING_SET_STATE_ACTIVE) {
        return true;
    }
    error_setg(errp, "accesses to the memory of '%s' are not tracked: tracking"
               " is %s%s%s", rwp_backend_id(backend),
               WorkingSetState_str(rwp_backend_state(backend)),
               reason ? ", " : "", reason ?: "");
    return false;
}

void coroutine_fn qmp_scan_working_set(const char *id, Error **errp)
{
    ScanWait wait = { .co = qemu_coroutine_self(), .pending = 1 };

    if (id) {
        RwpBackend *backend = rwp_backend_find(id, errp);

        if (!backend || !check_active(backend, errp)) {
            return;
        }
        start_scan(backend, &wait);
    } else {
        rwp_backend_foreach(start_scan, &wait);
    }

    /* Whoever is last wakes us; being woken before we yield is fine. */
    if (qatomic_fetch_dec(&wait.pending) != 1) {
        qemu_coroutine_yield();
    }
    if (wait.failed) {
        error_setg(errp, "tracking ended before the scan was complete");
    }
}

/* The eviction that a command waits for. */
typedef struct EvictWait {
    Coroutine *co;
    RwpEvictCount count;
    EvictionLimit limit;
    RwpEvictor *evictor;
    Notifier shutdown;
} EvictWait;

static void evict_done(void *opaque, const RwpEvictCount *count,
                       EvictionLimit limit)
{
    EvictWait *wait = opaque;

    wait->count = *count;
    wait->limit = limit;
    wake(wait->co);
}

/* QEMU ends only after the command has. */
static void evict_interrupt(Notifier *notifier, void *data)
{
    rwp_evictor_interrupt(container_of(notifier, EvictWait, shutdown)->evictor);
}

EvictColdMemoryResult * coroutine_fn
qmp_evict_cold_memory(const char *id, uint64_t bytes, bool has_min_age,
                      uint32_t min_age, Error **errp)
{
    EvictWait wait = {
        .co = qemu_coroutine_self(),
        .shutdown.notify = evict_interrupt,
    };
    RwpBackend *backend = rwp_backend_find(id, errp);
    const RwpReclaimEngine *engine;
    EvictColdMemoryResult *result;
    uint64_t page_size, min_age_ms;

    if (!backend) {
        return NULL;
    }
    /* The visitor makes a huge number of a negative one. */
    if (!bytes || bytes > INT64_MAX) {
        error_setg(errp, "Parameter 'bytes' is %" PRId64 ", it must be between"
                   " 1 and %" PRId64, (int64_t)bytes, INT64_MAX);
        return NULL;
    }
    engine = rwp_backend_check_eviction(backend, errp);
    if (!engine || !check_active(backend, errp)) {
        return NULL;
    }
    min_age_ms = has_min_age ? min_age * UINT64_C(1000) :
                 rwp_backend_evict_config(backend)->min_age_ms;
    page_size = qemu_ram_pagesize(MEMORY_BACKEND(backend)->mr.ram_block);

    wait.evictor = rwp_backend_evictor(backend);
    qemu_register_shutdown_notifier(&wait.shutdown);
    /* Being woken before we yield is fine. */
    rwp_evictor_by_hand(wait.evictor, engine, bytes, min_age_ms, evict_done,
                        &wait);
    qemu_coroutine_yield();
    notifier_remove(&wait.shutdown);

    result = g_new0(EvictColdMemoryResult, 1);
    result->evicted = wait.count.evicted * page_size;
    result->limit = wait.limit;
    result->skipped = rwp_eviction_skipped(&wait.count, page_size);
    return result;
}
