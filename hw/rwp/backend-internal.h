/*
 * memory-backend-rwp: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * backend.c is the object, its memory and its tracking; backend-evict.c is
 * eviction as far as it concerns the object.  All here is called with the BQL
 * held.
 */

#ifndef HW_RWP_BACKEND_INTERNAL_H
#define HW_RWP_BACKEND_INTERNAL_H

#include "qemu/notify.h"
#include "qemu/queue.h"
#include "exec/ramblock-observer.h"
#include "system/runstate.h"
#include "hw/rwp/backend.h"

struct RwpBackend {
    HostMemoryBackendMemfd parent_obj;

    /* Properties */
    OnOffAuto tracking;
    uint32_t interval_ms;
    bool thp;
    bool split_thp;
    EvictionEngine engine;
    RwpEvictConfig evict;       /* but for its engine */

    bool complete;
    RwpTracker *tracker;
    RwpEvictor *evictor;
    RAMBlockObserver observer;
    VMChangeStateEntry *vm_change_state;
    Notifier machine_ready;
    bool is_ready;              /* the machine was ready once */

    WorkingSetState state;
    char *reason;
    bool forget;                /* suspended for its memory's new contents */

    /* What the tracker's thread reported, for the main loop. */
    QEMUBH *failed_bh;
    char *failed_reason;

    /* What was told of the evictor last, and what tells more. */
    QEMUBH *eviction_bh;
    EvictionState eviction_state;
    EvictionLimit eviction_limit;

    QTAILQ_ENTRY(RwpBackend) next;
};

/* rwp_backend_allow_eviction: can evict=@engine be for this backend? */
bool rwp_backend_allow_eviction(RwpBackend *rwp, EvictionEngine engine,
                                Error **errp);

/* rwp_backend_evict_init: make the evictor; @rwp has its tracker already. */
void rwp_backend_evict_init(RwpBackend *rwp, const RwpTrackedMemory *memory);

/* rwp_backend_evict_stop: nothing is evicted or told any more. */
void rwp_backend_evict_stop(RwpBackend *rwp);

#endif /* HW_RWP_BACKEND_INTERNAL_H */
