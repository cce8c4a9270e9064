/*
 * Carrying out an eviction job over all of the memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hw/rwp/evict-step.h does a stretch; here steps are put together until the
 * job is done, has used up its budget, or is told to stop.  In the job that is
 * given, count, budget, stopped, blocked and kept_enough are those of all steps
 * when it returns; next is not used.
 *
 * Locking: called without locks, by one thread at a time for each memory.
 * Takes the tracker's lock for short moments.
 */

#ifndef HW_RWP_EVICT_JOB_H
#define HW_RWP_EVICT_JOB_H

#include "hw/rwp/evict-step.h"

/*
 * Called after each step, without locks and with the job's opaque: what this
 * step alone did, with pages of @min_age or more.
 */
typedef void RwpEvictAccount(void *opaque, const RwpEvictCount *count,
                             unsigned min_age);

/* rwp_evict_count_add: add @count to @sum. */
void rwp_evict_count_add(RwpEvictCount *sum, const RwpEvictCount *count);

/*
 * rwp_evict_min_age: the smallest age of pages that surely were idle for
 * @idle_ms, or RWP_AGE_LIMIT + 1, see hw/rwp/age-map.h.  With the tracker's
 * lock held.
 */
unsigned rwp_evict_min_age(const RwpAgeMap *map, uint64_t idle_ms);

/*
 * rwp_evict_job_run: have go what @job says, the coldest first: pages of
 * job->min_age or more.  It has no job->max_age and no job->only.
 */
void rwp_evict_job_run(RwpEvictMemory *em, RwpEvictJob *job,
                       RwpEvictAccount *account);

/*
 * rwp_evict_job_sweep: have go what @job says, by address, in one go over the
 * memory.
 */
void rwp_evict_job_sweep(RwpEvictMemory *em, RwpEvictJob *job,
                         RwpEvictAccount *account);

/*
 * rwp_evict_job_blocked: why the engine takes no more of @job, which has been
 * carried out, for humans.  NULL if it would, or has taken all that it was
 * given: there may have been room for just that.
 */
const char *rwp_evict_job_blocked(const RwpEvictJob *job);

#endif /* HW_RWP_EVICT_JOB_H */
