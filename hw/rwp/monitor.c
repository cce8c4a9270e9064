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
#include "hw/rwp/backend.h"
#include "hw/rwp/working-set-info.h"

typedef struct InfoQuery {
    uint32List *windows;
    WorkingSetInfoList **tail;
} InfoQuery;

static void append_info(RwpBackend *backend, void *opaque)
{
    InfoQuery *query = opaque;

    QAPI_LIST_APPEND(query->tail,
                     rwp_working_set_info(backend, query->windows));
}

static bool check_windows(uint32List *windows, Error **errp)
{
    size_t nr = 0;

    for (uint32List *w = windows; w; w = w->next) {
        if (!w->value) {
            error_setg(errp, "Parameter 'windows' has a window of 0 seconds,"
                       " it must be at least 1");
            return false;
        }
        nr++;
    }
    if (nr < 1 || nr > RWP_WINDOWS_MAX) {
        error_setg(errp, "Parameter 'windows' has %zu windows, it must have"
                   " between 1 and %d", nr, RWP_WINDOWS_MAX);
        return false;
    }
    return true;
}

WorkingSetInfoList *qmp_query_working_set(const char *id, bool has_windows,
                                          uint32List *windows, Error **errp)
{
    WorkingSetInfoList *list = NULL;
    InfoQuery query = { .windows = windows, .tail = &list };

    if (has_windows && !check_windows(windows, errp)) {
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

static void scan_finished(ScanWait *wait)
{
    if (qatomic_fetch_dec(&wait->pending) == 1) {
        aio_co_wake(wait->co);
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

void coroutine_fn qmp_scan_working_set(const char *id, Error **errp)
{
    ScanWait wait = { .co = qemu_coroutine_self(), .pending = 1 };

    if (id) {
        RwpBackend *backend = rwp_backend_find(id, errp);

        if (!backend) {
            return;
        }
        if (rwp_backend_state(backend) != WORKING_SET_STATE_ACTIVE) {
            const char *reason = rwp_backend_reason(backend);

            error_setg(errp, "accesses to the memory of '%s' are not tracked:"
                       " tracking is %s%s%s", id,
                       WorkingSetState_str(rwp_backend_state(backend)),
                       reason ? ", " : "", reason ?: "");
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
