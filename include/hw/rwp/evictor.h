/*
 * Giving the cold memory of a backend back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An evictor listens to a tracker.  At the end of each epoch it asks the policy
 * (hw/rwp/policy.h) which pages are cold, whether they may go or not: so "what
 * if" can be told at any time.  If it has an engine, its thread then has cold
 * pages taken, the coldest first, until they all are gone, the budget is used
 * up, or the next epoch ends.
 *
 * A page goes if its age is at least the cold age, and no access to it was seen
 * for min_age_ms of time; the latter is more if epochs were ended early.  No
 * page goes by itself that was accessed in the last epoch.
 *
 * Pages that the host kept are not tried again for RWP_EVICT_RETRY_EPOCHS.
 *
 * While the tracker is held for a reader of all memory, nothing goes by itself,
 * but what was out and is read can be given back (rwp_evictor_give_back()).
 *
 * Locking: new, configure, by_hand, stop and free are called by one thread at
 * a time (for a backend: with the BQL).  The evictor's thread takes the
 * tracker's lock, its own and that of hw/rwp/evict-return.h, in this order and
 * no other, so it can be joined with the BQL held; that takes as long as one
 * batch.
 */

#ifndef HW_RWP_EVICTOR_H
#define HW_RWP_EVICTOR_H

#include "hw/rwp/evict-config.h"
#include "hw/rwp/evict-request.h"
#include "hw/rwp/evict-state.h"

/* Epochs until pages are tried again that the host kept. */
#define RWP_EVICT_RETRY_EPOCHS 16

typedef struct RwpEvictor RwpEvictor;

/* What there is to tell. */
typedef struct RwpEvictStatus {
    RwpEvictState is;
    RwpPolicyDecision decision;     /* of the last epoch */
    unsigned cold_age;              /* in force; RWP_POLICY_NONE if none */
    uint64_t out;                   /* pages that are out */
    uint64_t refaulted;             /* pages that were and came back */
    RwpEvictCount count;            /* since the evictor was made */
} RwpEvictStatus;

/*
 * Called by any thread, with the tracker's lock held, when the state or the
 * limit has changed.
 */
typedef void RwpEvictorChanged(void *opaque);

/*
 * rwp_evictor_new: an evictor for what @tracker watches, which must not have
 * been started yet and outlives the evictor.
 *
 * @memory: what the tracker watches
 * @unit: bytes that go in one piece, if they do: a huge page, or @memory's
 *        page size
 */
RwpEvictor *rwp_evictor_new(RwpTracker *tracker, const RwpTrackedMemory *memory,
                            uint64_t unit, const RwpEvictConfig *config,
                            RwpEvictorChanged *changed, void *opaque);

/* rwp_evictor_free: the tracker must have been stopped.  NULL is fine. */
void rwp_evictor_free(RwpEvictor *evictor);

/*
 * rwp_evictor_configure: go on with @config, which is copied.  What goes just
 * now by itself ends after the current batch; more goes when the next epoch
 * has ended.
 */
void rwp_evictor_configure(RwpEvictor *evictor, const RwpEvictConfig *config);

/*
 * rwp_evictor_by_hand: evict @bytes at most, rounded up to the unit of
 * rwp_evictor_new(), of pages that were idle for @min_age_ms or longer.  Only
 * min_resident limits it.
 */
void rwp_evictor_by_hand(RwpEvictor *evictor, const RwpReclaimEngine *engine,
                         uint64_t bytes, uint64_t min_age_ms,
                         RwpEvictDone *done, void *opaque);

/*
 * rwp_evictor_interrupt: what was asked for by hand ends after its current
 * batch, limited by being inhibited.  By any thread, without locks.
 */
void rwp_evictor_interrupt(RwpEvictor *evictor);

/*
 * rwp_evictor_give_back: somebody who is not the guest, and for whom the
 * tracker is held, has read @count pages from @first on and does not need them
 * any more, see hw/rwp/evict-return.h.  By any thread, which must not hold the
 * tracker's lock; cheap, for the evictor's thread does the work.
 *
 * Returns false if more than RWP_GIVE_BACK_PENDING_MAX is on its way out now.
 */
bool rwp_evictor_give_back(RwpEvictor *evictor, uint64_t first, uint64_t count);

/*
 * rwp_evictor_catch_up: wait until it is less, the evictor is stopped, or @ms
 * milliseconds have passed.  By any thread that keeps the evictor from being
 * freed, without locks: the BQL above all, for the host may take its time.
 *
 * Returns false if it is still more.
 */
bool rwp_evictor_catch_up(RwpEvictor *evictor, unsigned ms);

/*
 * rwp_evictor_resume: what was learned elsewhere of what the memory is going to
 * hold.  Between rwp_tracker_warm_begin() and rwp_tracker_warm_end(); when the
 * ages are forgotten, so is this.
 */
void rwp_evictor_resume(RwpEvictor *evictor, const RwpPolicyPast *past);

/* rwp_evictor_stop: join the thread; what was asked for by hand ends. */
void rwp_evictor_stop(RwpEvictor *evictor);

/*
 * rwp_evictor_tracking_changed: tracking began or ended: find out whether
 * eviction may go on.
 */
void rwp_evictor_tracking_changed(RwpEvictor *evictor);

/* All below: with the tracker's lock held. */

void rwp_evictor_status(const RwpEvictor *evictor, RwpEvictStatus *status);

/* rwp_evictor_outs: which pages are out. */
const RwpOutMap *rwp_evictor_outs(const RwpEvictor *evictor);

const RwpPolicy *rwp_evictor_policy(const RwpEvictor *evictor);

/* rwp_evictor_metadata: bytes of host memory in use. */
uint64_t rwp_evictor_metadata(const RwpEvictor *evictor);

#endif /* HW_RWP_EVICTOR_H */
