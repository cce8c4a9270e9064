/*
 * memory-backend-rwp: eviction of its memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What may be asked of this backend, what is asked by its properties, and the
 * event that tells what became of it.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-working-set.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/system.h"
#include "backend-internal.h"

static void report_eviction(void *opaque)
{
    RwpBackend *rwp = opaque;
    g_autofree char *path = NULL;
    RwpEvictStatus status;

    rwp_tracker_lock(rwp->tracker);
    rwp_evictor_status(rwp->evictor, &status);
    rwp_tracker_unlock(rwp->tracker);
    if (status.is.state == rwp->eviction_state &&
        status.is.limit == rwp->eviction_limit) {
        return;
    }
    rwp->eviction_state = status.is.state;
    rwp->eviction_limit = status.is.limit;
    path = object_get_canonical_path(OBJECT(rwp));
    qapi_event_send_eviction_state_change(rwp_backend_id(rwp), path,
                                          status.is.state, status.is.limit,
                                          status.is.reason);
}

static void evictor_changed(void *opaque)
{
    RwpBackend *rwp = opaque;

    qemu_bh_schedule(rwp->eviction_bh);
}

static const RwpReclaimEngine *engine_of(EvictionEngine engine)
{
    return engine == EVICTION_ENGINE_PAGEOUT ? &rwp_reclaim_pageout : NULL;
}

/* Can any engine take the memory of this backend? */
static bool check_eviction(RwpBackend *rwp, Error **errp)
{
    if (MEMORY_BACKEND_MEMFD(rwp)->hugetlb) {
        error_setg(errp, "the kernel cannot page out memory of a huge page"
                   " pool (hugetlb=on)");
        return false;
    }
    if (MEMORY_BACKEND(rwp)->guest_memfd) {
        error_setg(errp, "the memory of a confidential guest (guest_memfd)"
                   " cannot be paged out");
        return false;
    }
    if (should_mlock(mlock_state)) {
        error_setg(errp, "all memory is locked (-overcommit mem-lock)");
        return false;
    }
    if (rwp->tracking == ON_OFF_AUTO_OFF) {
        error_setg(errp, "it is not known what is cold (tracking=off)");
        return false;
    }
    return true;
}

bool rwp_backend_allow_eviction(RwpBackend *rwp, EvictionEngine engine,
                                Error **errp)
{
    Error *err = NULL;

    if (engine == EVICTION_ENGINE_OFF || check_eviction(rwp, &err)) {
        return true;
    }
    error_setg(errp, "property 'evict' of " TYPE_MEMORY_BACKEND_RWP
               " '%s' cannot be '%s': %s; with 'off' the guest runs without",
               rwp_backend_id(rwp), EvictionEngine_str(engine),
               error_get_pretty(err));
    error_free(err);
    return false;
}

/* What the properties ask for, the engine included. */
static RwpEvictConfig wanted_eviction(RwpBackend *rwp)
{
    RwpEvictConfig config = rwp->evict;

    config.engine = engine_of(rwp->engine);
    return config;
}

static void configure_evictor(RwpBackend *rwp)
{
    RwpEvictConfig config = wanted_eviction(rwp);

    rwp_evictor_configure(rwp->evictor, &config);
}

/* It goes on all the same: there may be swap space later. */
static void warn_if_blocked(RwpBackend *rwp)
{
    const RwpReclaimEngine *engine = engine_of(rwp->engine);
    const char *blocked = engine ? engine->blocked() : NULL;

    if (blocked) {
        warn_report("memory-backend-rwp '%s': evict=%s has no effect while %s",
                    rwp_backend_id(rwp), EvictionEngine_str(rwp->engine),
                    blocked);
    }
}

void rwp_backend_evict_init(RwpBackend *rwp, const RwpTrackedMemory *memory)
{
    RwpEvictConfig config = wanted_eviction(rwp);
    uint64_t unit = memory->page_size;

    if (rwp_backend_thp(rwp)) {
        unit *= RWP_EXTENT_PAGES;
    }
    rwp->eviction_bh = qemu_bh_new(report_eviction, rwp);
    rwp->evictor = rwp_evictor_new(rwp->tracker, memory, unit, &config,
                                   evictor_changed, rwp);
    warn_if_blocked(rwp);
}

void rwp_backend_evict_stop(RwpBackend *rwp)
{
    rwp_evictor_stop(rwp->evictor);
    qemu_bh_delete(rwp->eviction_bh);
}

RwpEvictor *rwp_backend_evictor(RwpBackend *rwp)
{
    return rwp->evictor;
}

EvictionEngine rwp_backend_eviction_engine(RwpBackend *rwp)
{
    return rwp->engine;
}

bool rwp_backend_set_eviction_engine(RwpBackend *rwp, EvictionEngine engine,
                                     Error **errp)
{
    if (rwp->complete && !rwp_backend_allow_eviction(rwp, engine, errp)) {
        return false;
    }
    rwp->engine = engine;
    if (rwp->complete) {
        configure_evictor(rwp);
        warn_if_blocked(rwp);
    }
    return true;
}

const RwpReclaimEngine *rwp_backend_check_eviction(RwpBackend *rwp,
                                                   Error **errp)
{
    Error *err = NULL;

    if (!check_eviction(rwp, &err)) {
        error_setg(errp, "cannot evict memory of '%s': %s",
                   rwp_backend_id(rwp), error_get_pretty(err));
        error_free(err);
        return NULL;
    }
    return engine_of(rwp->engine) ?: &rwp_reclaim_pageout;
}

const RwpEvictConfig *rwp_backend_evict_config(RwpBackend *rwp)
{
    return &rwp->evict;
}

void rwp_backend_set_evict_config(RwpBackend *rwp,
                                  const RwpEvictConfig *config)
{
    rwp->evict = *config;
    if (rwp->complete) {
        configure_evictor(rwp);
    }
}
