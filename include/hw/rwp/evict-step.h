/*
 * Evicting a stretch of memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A job is made of steps.  Each one takes the next stretch that has cold pages
 * in it, asks the kernel which of them are still untouched, gives these to the
 * engine in batches, and asks the kernel again what came of it.
 */

#ifndef HW_RWP_EVICT_STEP_H
#define HW_RWP_EVICT_STEP_H

#include "hw/rwp/out-map.h"
#include "hw/rwp/reclaim.h"
#include "hw/rwp/tracker.h"

/* Where the memory is, and who knows about it. */
typedef struct RwpEvictMemory {
    RwpTrackedMemory memory;
    RwpTracker *tracker;
    RwpOutMap *outs;            /* protected by the tracker's lock */
} RwpEvictMemory;

/* What was done; sums of pages unless said otherwise. */
typedef struct RwpEvictCount {
    uint64_t evicted;
    uint64_t accessed;          /* left: accessed meanwhile */
    uint64_t huge;              /* left: a part of a huge page */
    uint64_t kept;              /* left: the engine did not take it */
    uint64_t batches;
    uint64_t ranges;
    uint64_t ns;                /* time that the engine took */
} RwpEvictCount;

typedef struct RwpEvictJob {
    /* Ages of pages that may go, in epochs, inclusive. */
    unsigned min_age;
    unsigned max_age;
    uint64_t budget;            /* pages that may go yet */
    uint64_t keep;              /* pages that are to stay in, at least */
    uint64_t next;              /* page that the next step begins with */
    bool held;                  /* while the tracker is held, and only then */

    /* If not NULL: only pages of these ranges, which are ascending, may go. */
    const RwpPageRange *only;
    size_t nr_only;
    const RwpReclaimEngine *engine;

    /*
     * Called after each batch of so many pages, without locks; may take its
     * time.  False: stop here.
     */
    bool (*go_on)(void *opaque, uint64_t pages);
    void *opaque;

    RwpEvictCount count;        /* of all steps so far */
    bool stopped;               /* go_on() said so, or @blocked */
    const char *blocked;        /* why the engine could not go on, or NULL */
    bool kept_enough;           /* the budget was more than @keep allowed for */
} RwpEvictJob;

/* rwp_evict_resident: pages that are in.  With the tracker's lock held. */
uint64_t rwp_evict_resident(const RwpEvictMemory *em, const RwpAgeMap *map);

/*
 * rwp_evict_step: do the next step of @job.  Called without locks, by one
 * thread at a time for each memory.
 *
 * Returns false if there is nothing left to do: no such page from job->next
 * on, no budget, or job->stopped.
 */
bool rwp_evict_step(RwpEvictMemory *em, RwpEvictJob *job);

#endif /* HW_RWP_EVICT_STEP_H */
