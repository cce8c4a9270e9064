/*
 * Evicting what was asked for by hand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/evict-request.h"

/* Returns what kept more from going. */
static EvictionLimit carry_out(const RwpEvictRequest *request,
                               RwpEvictMemory *em, uint64_t min_resident,
                               RwpEvictJob *job, RwpEvictAccount *account)
{
    const RwpAgeMap *map = rwp_tracker_lock(em->tracker);
    uint64_t in = rwp_evict_resident(em, map);
    bool watching = rwp_tracker_watching(em->tracker);
    uint64_t room = in - MIN(in, min_resident);

    job->min_age = rwp_evict_min_age(map, request->min_age_ms);
    job->budget = MIN(request->pages, room);
    job->keep = min_resident;
    rwp_out_map_retry(em->outs);
    rwp_tracker_unlock(em->tracker);

    if (!watching) {
        return EVICTION_LIMIT_INHIBITED;
    }
    if (request->engine->blocked()) {
        return EVICTION_LIMIT_HOST_SWAP;
    }
    if (job->budget && job->min_age <= RWP_AGE_LIMIT) {
        rwp_evict_job_run(em, job, account);
    }
    if (job->count.evicted >= request->pages) {
        return EVICTION_LIMIT_NONE;
    }
    if (!rwp_tracker_started(em->tracker) || rwp_tracker_held(em->tracker) ||
        !job->go_on(job->opaque, 0)) {
        return EVICTION_LIMIT_INHIBITED;
    }
    if (!job->budget) {
        return (room < request->pages || job->kept_enough) && min_resident ?
               EVICTION_LIMIT_MIN_RESIDENT : EVICTION_LIMIT_NONE;
    }
    if (rwp_evict_job_blocked(job)) {
        return EVICTION_LIMIT_HOST_SWAP;
    }
    return job->count.kept ? EVICTION_LIMIT_KEPT : EVICTION_LIMIT_MIN_AGE;
}

void rwp_evict_request_run(RwpEvictRequest *request, RwpEvictMemory *em,
                           uint64_t min_resident,
                           bool (*go_on)(void *opaque, uint64_t pages),
                           RwpEvictAccount *account, void *opaque)
{
    RwpEvictJob job = {
        .engine = request->engine,
        .go_on = go_on,
        .opaque = opaque,
    };
    EvictionLimit limit = carry_out(request, em, min_resident, &job, account);

    request->done(request->opaque, &job.count, limit);
    g_free(request);
}

void rwp_evict_request_refuse(RwpEvictRequest *request)
{
    RwpEvictCount none = { };

    request->done(request->opaque, &none, EVICTION_LIMIT_INHIBITED);
    g_free(request);
}
