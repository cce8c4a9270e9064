/*
 * Tracking the accesses to one block of memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A tracker owns a userfaultfd, an age map and a thread.  At the end of each
 * interval the thread scans the memory for pages that were accessed, records
 * them in the age map and arms just those again.
 *
 * Life: new, started, any number of held and released, stopped, freed.
 *
 *   new      nothing is registered; the age map is empty
 *   started  the memory is registered and scanned at every interval
 *   held     no scan and no arming; ages stay as they are
 *
 * A tracker is held because someone else reads all the memory (then ages would
 * tell of that reader) or needs to register it himself (then it is detached,
 * too).  What was accessed meanwhile is not recorded when it is released.
 *
 * Locking: new, start, stop, hold, release and free are called by one thread
 * at a time (for a backend: with the BQL).  All else may be called from any
 * thread.  The tracker's thread takes no lock but the tracker's own, so it can
 * be joined with the BQL held.  No call waits for a scan; it may wait for one
 * chunk of it, 1 to 2 ms.
 */

#ifndef HW_RWP_TRACKER_H
#define HW_RWP_TRACKER_H

#include "hw/rwp/age-map.h"

/* Bounds of the interval between two scans, in milliseconds, inclusive. */
#define RWP_INTERVAL_MIN_MS         100
#define RWP_INTERVAL_MAX_MS         (24 * 60 * 60 * 1000)
#define RWP_INTERVAL_DEFAULT_MS     30000

typedef struct RwpTracker RwpTracker;

/* The memory to track. */
typedef struct RwpTrackedMemory {
    void *host;             /* aligned to @page_size */
    uint64_t size;          /* bytes, a multiple of @page_size */
    uint64_t page_size;     /* of the host, or of the huge page pool */
    bool shared;            /* pages may be in the file, but not mapped */
} RwpTrackedMemory;

/* What the newest complete scan took. */
typedef struct RwpScanCost {
    uint64_t scan_us;       /* reading and recording accesses */
    uint64_t arm_us;        /* arming again */
    uint64_t scan_calls;    /* system calls of each */
    uint64_t arm_calls;
} RwpScanCost;

/*
 * Who wants to know what happens to pages.  Called by any thread with the
 * tracker's lock held, so all have to be quick and must not call back.
 */
typedef struct RwpTrackerListener {
    /*
     * Pages are in memory, or absent.
     *
     * @accessed: and that because somebody accessed them
     */
    void (*in)(void *opaque, uint64_t first, uint64_t count, bool accessed);

    /*
     * Would @in do anything now?  Asked once before many calls of it, which
     * are left out if it would not.
     */
    bool (*cares)(void *opaque);

    /* An epoch is complete. */
    void (*epoch)(void *opaque, const RwpAgeMap *map, uint32_t interval_ms);

    /* Everything that was known about pages was forgotten. */
    void (*reset)(void *opaque);

    void *opaque;
} RwpTrackerListener;

/*
 * Called by the tracker's thread, without locks, when it cannot go on; it
 * holds itself then.  @reason is only valid during the call.
 */
typedef void RwpTrackerFailed(void *opaque, const char *reason);

/*
 * Called once, from any thread, when a scan that was asked for is complete
 * (@done is true), or will not come because the tracker was stopped or held.
 */
typedef void RwpScanDone(void *opaque, bool done);

/*
 * rwp_tracker_new: a tracker for @memory, whose fields are copied.  @name is
 * for traces and the name of the thread.
 */
RwpTracker *rwp_tracker_new(const char *name, const RwpTrackedMemory *memory,
                            RwpTrackerFailed *failed, void *opaque);

/*
 * rwp_tracker_set_listener: tell @listener, whose fields are copied, from now
 * on.  To be called before the tracker is started first.
 */
void rwp_tracker_set_listener(RwpTracker *tracker,
                              const RwpTrackerListener *listener);

/* rwp_tracker_free: stops the tracker as well, if needed.  NULL is fine. */
void rwp_tracker_free(RwpTracker *tracker);

/*
 * rwp_tracker_start: register the memory and begin to scan; the first scan
 * follows at once.
 *
 * @held: begin in that state instead
 *
 * Returns false with an error, and everything as before, if that fails.
 */
bool rwp_tracker_start(RwpTracker *tracker, bool held, Error **errp);

/*
 * rwp_tracker_stop: join the thread, unregister the memory and forget the
 * ages.  No effect unless started.
 */
void rwp_tracker_stop(RwpTracker *tracker);

bool rwp_tracker_started(const RwpTracker *tracker);

/*
 * rwp_tracker_hold: stop scanning and arming; on return none is under way.
 *
 * @detach: unregister the memory, too
 */
void rwp_tracker_hold(RwpTracker *tracker, bool detach);

/*
 * rwp_tracker_release: scan again at every interval.  Registers the memory if
 * it was detached.  Returns false with an error, and still held, if that
 * fails.
 *
 * @forget: the contents of the memory are new, start with an empty age map
 */
bool rwp_tracker_release(RwpTracker *tracker, bool forget, Error **errp);

/*
 * rwp_tracker_warm_begin, rwp_tracker_warm, rwp_tracker_warm_end: somebody else
 * saw accesses to what the memory is going to hold, in @intervals complete
 * intervals of @interval_ms.  Between the first and the last, which are called
 * while the tracker is held for that, it is told of @count pages from @first
 * on, which were accessed @age intervals ago.  When it is released, ages go on
 * from there; pages of private memory that are not populated then are absent.
 *
 * Telling anew forgets what was told before, and so does holding.
 *
 * rwp_tracker_warm_begin() returns false if the tracker is not held.
 */
bool rwp_tracker_warm_begin(RwpTracker *tracker, uint64_t intervals,
                            uint32_t interval_ms);
void rwp_tracker_warm(RwpTracker *tracker, uint64_t first, uint64_t count,
                      unsigned age);
void rwp_tracker_warm_end(RwpTracker *tracker);

bool rwp_tracker_held(const RwpTracker *tracker);

/*
 * rwp_tracker_watching: started, not held, and the ages are up to date.  Only
 * between lock and unlock.
 */
bool rwp_tracker_watching(const RwpTracker *tracker);

/*
 * rwp_tracker_marking: held, but accesses still take the arming away from
 * pages, for the memory is registered.  Only between lock and unlock.
 */
bool rwp_tracker_marking(const RwpTracker *tracker);

/*
 * rwp_tracker_arm: arm @count pages from @first on, so that the next access to
 * them shows.  Only while rwp_tracker_marking(), between lock and unlock;
 * takes as long as the kernel does.
 *
 * Returns false if that failed: nothing is known of the pages then.
 */
bool rwp_tracker_arm(RwpTracker *tracker, uint64_t first, uint64_t count);

/*
 * rwp_tracker_intervals: complete intervals that the ages are made from, held
 * or not; 0 if nothing is known yet.  The first epoch is none: what was found
 * populated then may have been accessed at any time.  Only between lock and
 * unlock.
 */
uint64_t rwp_tracker_intervals(const RwpTracker *tracker);

/* rwp_tracker_set_interval: @ms within the bounds above. */
void rwp_tracker_set_interval(RwpTracker *tracker, uint32_t ms);

/*
 * rwp_tracker_set_split: from now on (or no more), have the kernel map a huge
 * page of private memory by small pages when it was accessed, so that its
 * next ages are those of small pages.  What was split stays so.
 */
void rwp_tracker_set_split(RwpTracker *tracker, bool split);

/*
 * rwp_tracker_set_running: the guest runs or not.  While it does not, there
 * are no scans but those asked for.
 */
void rwp_tracker_set_running(RwpTracker *tracker, bool running);

/*
 * rwp_tracker_scan: end the interval now.  @done is called in any case, maybe
 * before this returns.
 */
void rwp_tracker_scan(RwpTracker *tracker, RwpScanDone *done, void *opaque);

/*
 * rwp_tracker_discard_begin, rwp_tracker_discard_end: around discarding
 * @length bytes at @start, both multiples of the page size.  The pages are
 * absent on return of the latter; a @length of 0 means that none is.  No scan
 * sees the memory in between.
 */
void rwp_tracker_discard_begin(RwpTracker *tracker);
void rwp_tracker_discard_end(RwpTracker *tracker, uint64_t start,
                             uint64_t length);

/*
 * rwp_tracker_poison: the hardware failed in the page at @offset, in bytes.
 * It is absent from the age map until it is discarded, whatever the kernel
 * says of it.  Harmless to repeat.
 */
void rwp_tracker_poison(RwpTracker *tracker, uint64_t offset);

/* rwp_tracker_poisoned: number of such pages; between lock and unlock */
uint64_t rwp_tracker_poisoned(const RwpTracker *tracker);

/*
 * rwp_tracker_lock, rwp_tracker_unlock: around looking at the age map.
 */
const RwpAgeMap *rwp_tracker_lock(RwpTracker *tracker);
void rwp_tracker_unlock(RwpTracker *tracker);

/* rwp_tracker_cost: only between lock and unlock. */
RwpScanCost rwp_tracker_cost(const RwpTracker *tracker);

/* rwp_tracker_metadata: bytes of host memory in use; between lock and unlock */
uint64_t rwp_tracker_metadata(const RwpTracker *tracker);

/*
 * rwp_tracker_map: the age map without the lock, for
 * rwp_age_map_next_run() only; valid until the tracker is freed.
 */
const RwpAgeMap *rwp_tracker_map(const RwpTracker *tracker);

#endif /* HW_RWP_TRACKER_H */
