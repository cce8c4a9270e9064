/*
 * memory-backend-rwp: guest memory whose working set is known
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The backend's tracking state follows from what the user asked for
 * (tracking=), what the host can do, and who else needs the memory:
 *
 *   off          tracking=off
 *   unavailable  tracking=auto, and the host cannot do it, or it broke
 *   suspended    tracking has stepped aside (hw/rwp/step-aside.c)
 *   active       the tracker scans at every interval
 *
 * All functions are called with the BQL held, but for rwp_backend_tracker() and
 * rwp_backend_evictor(): by any thread that keeps the object from being freed.
 */

#ifndef HW_RWP_BACKEND_H
#define HW_RWP_BACKEND_H

#include "qom/object.h"
#include "qapi/qapi-types-working-set.h"
#include "system/hostmem.h"
#include "hw/rwp/evictor.h"
#include "hw/rwp/tracker.h"

#define TYPE_MEMORY_BACKEND_RWP "memory-backend-rwp"
OBJECT_DECLARE_SIMPLE_TYPE(RwpBackend, MEMORY_BACKEND_RWP)

typedef void RwpBackendVisit(RwpBackend *backend, void *opaque);

/* rwp_backend_foreach: call @visit for each backend, oldest first. */
void rwp_backend_foreach(RwpBackendVisit *visit, void *opaque);

/*
 * rwp_backend_find: the complete backend with the object ID @id, or NULL with
 * an error.
 */
RwpBackend *rwp_backend_find(const char *id, Error **errp);

/* rwp_backend_id: ID of the object; owned by the object. */
const char *rwp_backend_id(RwpBackend *backend);

/* rwp_backend_tracker: NULL until the object is complete, then as it is. */
RwpTracker *rwp_backend_tracker(RwpBackend *backend);

WorkingSetState rwp_backend_state(RwpBackend *backend);

/* rwp_backend_reason: why the state is not active, or NULL. */
const char *rwp_backend_reason(RwpBackend *backend);

uint32_t rwp_backend_interval(RwpBackend *backend);

/* rwp_backend_thp: whether transparent huge pages may back the memory. */
bool rwp_backend_thp(RwpBackend *backend);

/* rwp_backend_split_thp: whether those that are accessed are to be split. */
bool rwp_backend_split_thp(RwpBackend *backend);

/* rwp_backend_evictor: likewise. */
RwpEvictor *rwp_backend_evictor(RwpBackend *backend);

EvictionEngine rwp_backend_eviction_engine(RwpBackend *backend);

/*
 * rwp_backend_set_eviction_engine: evict by @engine from now on, or, before
 * the object is complete, then.  Fails if it cannot take this memory.
 */
bool rwp_backend_set_eviction_engine(RwpBackend *backend, EvictionEngine engine,
                                     Error **errp);

/*
 * rwp_backend_check_eviction: the engine to evict with by hand; NULL with an
 * error if nothing can be evicted.
 */
const RwpReclaimEngine *rwp_backend_check_eviction(RwpBackend *backend,
                                                   Error **errp);

/* rwp_backend_evict_config: its engine is to be ignored. */
const RwpEvictConfig *rwp_backend_evict_config(RwpBackend *backend);

void rwp_backend_set_evict_config(RwpBackend *backend,
                                  const RwpEvictConfig *config);

/*
 * rwp_backend_suspend: step aside because of @reason, which must stay valid.
 * While suspended already, only detaches if that is asked for.
 *
 * @detach: another userfaultfd is going to watch the memory
 * @forget: the memory is being given new contents
 */
void rwp_backend_suspend(RwpBackend *backend, const char *reason, bool detach,
                         bool forget);

/*
 * rwp_backend_forgets: since it was suspended, the memory has been given new
 * contents: what is known of its pages tells nothing about these.
 */
bool rwp_backend_forgets(RwpBackend *backend);

/*
 * rwp_backend_return: track again if suspended.
 *
 * Returns false if that cannot be, as while another userfaultfd still watches
 * the memory or the process is out of descriptors: the state's reason tells of
 * it; try again later.
 */
bool rwp_backend_return(RwpBackend *backend);

#endif /* HW_RWP_BACKEND_H */
