/*
 * Evicting what was asked for by hand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request is run once or refused, by which it tells what came of it and is
 * gone.  Only min_resident limits it, no budget, rate or pressure.
 */

#ifndef HW_RWP_EVICT_REQUEST_H
#define HW_RWP_EVICT_REQUEST_H

#include "qapi/qapi-types-working-set.h"
#include "qemu/queue.h"
#include "hw/rwp/evict-job.h"

/*
 * Called once, from any thread and without locks, when what was asked for by
 * hand is done: what came of it, and what kept more from going.
 */
typedef void RwpEvictDone(void *opaque, const RwpEvictCount *count,
                          EvictionLimit limit);

typedef struct RwpEvictRequest {
    const RwpReclaimEngine *engine;
    uint64_t pages;             /* to go, at most */
    uint64_t min_age_ms;        /* for which they were idle */
    RwpEvictDone *done;
    void *opaque;

    QSIMPLEQ_ENTRY(RwpEvictRequest) next;   /* of whoever keeps it */
} RwpEvictRequest;

/*
 * rwp_evict_request_run: have go what @request, which is freed, asks for.
 * Called without locks, by one thread at a time for each memory.
 *
 * @min_resident: pages that stay in
 * @go_on: see RwpEvictJob, called with @opaque; also asked, with 0 pages, when
 *         the job is over
 * @account: see hw/rwp/evict-job.h, called with @opaque
 */
void rwp_evict_request_run(RwpEvictRequest *request, RwpEvictMemory *em,
                           uint64_t min_resident,
                           bool (*go_on)(void *opaque, uint64_t pages),
                           RwpEvictAccount *account, void *opaque);

/* rwp_evict_request_refuse: @request, which is freed, is not to be run. */
void rwp_evict_request_refuse(RwpEvictRequest *request);

#endif /* HW_RWP_EVICT_REQUEST_H */
