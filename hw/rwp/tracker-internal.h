/*
 * What the files of the tracker share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tracker.c has its life and its thread, tracker-pass.c goes over the memory,
 * tracker-told.c is what others tell it of pages.  All functions here are
 * called with the lock held, but for tracker_lock(), and for what is done to a
 * tracker that is new.
 */

#ifndef HW_RWP_TRACKER_INTERNAL_H
#define HW_RWP_TRACKER_INTERNAL_H

#include "qemu/pagemap-scan.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "hw/rwp/chunk-pace.h"
#include "hw/rwp/page-range.h"
#include "hw/rwp/tracker.h"

typedef struct ScanRequest {
    RwpScanDone *done;
    void *opaque;
    QSIMPLEQ_ENTRY(ScanRequest) next;
} ScanRequest;

typedef QSIMPLEQ_HEAD(, ScanRequest) ScanRequests;

struct RwpTracker {
    char *name;
    RwpTrackedMemory memory;
    uint64_t npages;
    unsigned page_shift;        /* log2 of memory.page_size */
    unsigned host_shift;        /* log2 of host pages in one of its pages */
    uint64_t bridged[2];        /* by PAGE_IS_HUGE: gap armed along, in pages */
    RwpTrackerFailed *failed;
    void *opaque;
    RwpTrackerListener listener;        /* all NULL if there is none */

    QemuThread thread;
    bool started;
    int uffd;                   /* -1 unless the memory is registered */

    /* Callers that want @lock; the thread lets them go first. */
    int waiting;
    QemuMutex lock;             /* for all below, held during a step */
    QemuCond wake;              /* the thread has something to do */
    RwpAgeMap *map;
    bool stop;
    bool held;
    uint64_t holds;             /* how often it was */
    bool running;
    bool blind;                 /* the next pass must be a blind one */
    uint32_t interval_ms;
    bool split;                 /* huge pages that are accessed */
    /* Host clock: when the last pass ended, later by what it stood still */
    int64_t last_pass_ns;
    int64_t stopped_ns;         /* host clock: when the guest stopped last */
    ScanRequests requests;
    RwpScanCost cost;           /* of the newest complete epoch */

    /* What somebody else saw of the contents that are on their way. */
    enum {
        TRACKER_COLD,           /* nothing */
        TRACKER_WARMING,        /* @map is being told of it */
        TRACKER_WARM,           /* @map has it */
        TRACKER_SIFTING,        /* the next blind pass finds what came */
    } warmth;
    uint32_t warm_interval_ms;  /* length of the intervals in which it did */

    /* In pages, times @scale: what a step may look at, and arm of that. */
    RwpChunkPace scan_pace;
    RwpChunkPace arm_pace;
    uint64_t scale;
    GArray *poisoned;           /* uint64_t: failed pages, ascending */

    /* Only used by the thread, here so as not to burden its stack. */
    struct page_region regions[PAGEMAP_SCAN_BATCH];
    RwpPageRange found[PAGEMAP_SCAN_BATCH];
    RwpPageRange ranges[PAGEMAP_SCAN_BATCH + 1];
};

static inline void tracker_lock(RwpTracker *t)
{
    qatomic_inc(&t->waiting);
    qemu_mutex_lock(&t->lock);
    qatomic_dec(&t->waiting);
}

static inline void tracker_unlock(RwpTracker *t)
{
    qemu_mutex_unlock(&t->lock);
}

static inline void tracker_tell_in(RwpTracker *t, uint64_t first,
                                   uint64_t count, bool accessed)
{
    if (t->listener.in) {
        t->listener.in(t->listener.opaque, first, count, accessed);
    }
}

static inline void *tracker_page_address(const RwpTracker *t, uint64_t page)
{
    return t->memory.host + (page << t->page_shift);
}

static inline uint64_t tracker_poisoned_page(const RwpTracker *t, guint i)
{
    return g_array_index(t->poisoned, uint64_t, i);
}

/* rwp_tracker_pass_init: of a new tracker, what passes are cut by. */
void rwp_tracker_pass_init(RwpTracker *t);

/*
 * rwp_tracker_pass: go over all the memory, by the tracker's thread.  Lets go
 * of the lock between two steps.
 *
 * Returns true when complete, false when interrupted or failed; then @error
 * has the reason, to be freed.
 */
bool rwp_tracker_pass(RwpTracker *t, char **error);

/* rwp_tracker_reset_ages: forget everything that is known of pages. */
void rwp_tracker_reset_ages(RwpTracker *t);

/* rwp_tracker_discard_pages: @count pages from @first on are absent. */
void rwp_tracker_discard_pages(RwpTracker *t, uint64_t first, uint64_t count);

#endif /* HW_RWP_TRACKER_INTERNAL_H */
