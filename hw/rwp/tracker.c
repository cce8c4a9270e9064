/*
 * Tracking the accesses to one block of memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Theory of operation
 *
 * All pages of the memory are armed, except those that were accessed or
 * populated since they last were.  A pass over the memory goes in steps: ask
 * the kernel for the pages that are not armed, record them, arm them.  The
 * lock is held for one step, so that a discard is never between the kernel's
 * answer and the age map.
 *
 * A page that is accessed between being reported and being armed loses that
 * second access, which changes nothing.  A page that lies in a bridged gap
 * and is accessed just then loses its only one; it is seen again at its next
 * access.  (include/hw/rwp/page-range.h says why gaps are bridged.)
 *
 * There are two kinds of pass.  An ordinary one completes an epoch.  A blind
 * one comes first, and after the tracker was held: what is not armed then was
 * loaded, or read by whoever it was held for, so it is only learned which
 * pages are populated, and everything is armed.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "qemu/pagemap-scan.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qemu/userfaultfd.h"
#include "qemu/userfaultfd-rwp.h"
#include "hw/rwp/chunk-pace.h"
#include "hw/rwp/page-range.h"
#include "hw/rwp/tracker.h"
#include "trace.h"

/*
 * Gap that is armed along with its neighbours, in bytes: a system call costs
 * as much as arming some hundred armed pages again, small or huge.
 */
#define BRIDGED_BASE    (2 * MiB)
#define BRIDGED_HUGE    (64 * MiB)

/*
 * The least that a step may look at, and may arm of that, in bytes of memory
 * in pages of 4 KiB.  Either is expected to take half a millisecond on
 * hardware, and what a call costs of itself does not count yet.
 */
#define SCAN_MIN    (256 * MiB)
#define ARM_MIN     (64 * MiB)

/* Memory in larger pages has fewer entries to go through: so much more. */
#define MAX_SCALE   32

/* A step has no more than this, of whatever memory. */
#define CHUNK_MAX   (8 * GiB)

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
    int64_t last_pass_ns;       /* host clock: when the last pass ended */
    ScanRequests requests;
    RwpScanCost cost;           /* of the newest complete epoch */

    /* What somebody else saw of the contents that are on their way. */
    enum {
        COLD,                   /* nothing */
        WARMING,                /* @map is being told of it */
        WARM,                   /* @map has it */
        SIFTING,                /* the next blind pass finds what came */
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

static void tracker_lock(RwpTracker *t)
{
    qatomic_inc(&t->waiting);
    qemu_mutex_lock(&t->lock);
    qatomic_dec(&t->waiting);
}

static void tracker_unlock(RwpTracker *t)
{
    qemu_mutex_unlock(&t->lock);
}

/* A mutex is not fair: between two steps, wait for those who wait for us. */
static void let_others_lock(RwpTracker *t)
{
    qemu_mutex_unlock(&t->lock);
    while (qatomic_read(&t->waiting)) {
        g_thread_yield();
    }
    qemu_mutex_lock(&t->lock);
}

static void tell_in(RwpTracker *t, uint64_t first, uint64_t count,
                    bool accessed)
{
    if (t->listener.in) {
        t->listener.in(t->listener.opaque, first, count, accessed);
    }
}

static void reset_ages(RwpTracker *t)
{
    t->warmth = COLD;
    rwp_age_map_reset(t->map, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    if (t->listener.reset) {
        t->listener.reset(t->listener.opaque);
    }
}

static void end_epoch(RwpTracker *t)
{
    rwp_age_map_end(t->map, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    if (t->listener.epoch) {
        t->listener.epoch(t->listener.opaque, t->map, t->interval_ms);
    }
}

static void finish_requests(ScanRequests *requests, bool done)
{
    ScanRequest *request, *tmp;

    QSIMPLEQ_FOREACH_SAFE(request, requests, next, tmp) {
        request->done(request->opaque, done);
        g_free(request);
    }
    QSIMPLEQ_INIT(requests);
}

static void *page_address(const RwpTracker *t, uint64_t page)
{
    return t->memory.host + (page << t->page_shift);
}

/* The page that @address lies in, or, on a border, the one that begins. */
static uint64_t address_page(const RwpTracker *t, uint64_t address)
{
    return (address - (uintptr_t)t->memory.host) >> t->page_shift;
}

static inline bool region_is_huge(const RwpTracker *t,
                                  const struct page_region *region)
{
    /* Where all pages are larger than the host's, none is larger than that. */
    return (region->categories & PAGE_IS_HUGE) && !t->host_shift;
}

/*
 * The pages of a region.  Regions may end within a huge page, by whose size
 * everything goes: a part of it, if armed alone, would split it.
 */
static inline RwpPageRange region_pages(const RwpTracker *t,
                                        const struct page_region *region,
                                        bool huge)
{
    uint64_t first = address_page(t, region->start);
    uint64_t end = address_page(t, region->end + t->memory.page_size - 1);

    if (huge) {
        end = ROUND_UP(end, RWP_EXTENT_PAGES);
    }
    return (RwpPageRange) {
        .first = first, .count = MIN(end, t->npages) - first
    };
}

/*
 * How many pages share an entry of the page tables, on average: what a call
 * takes depends on the entries.  This only has to be about right, for the
 * paces follow.
 */
static uint64_t pages_per_entry(const RwpTracker *t)
{
    uint64_t present = rwp_age_map_present(t->map);
    uint64_t small = present - rwp_age_map_huge(t->map);

    if (t->host_shift) {
        return MIN(UINT64_C(1) << t->host_shift, MAX_SCALE);
    }
    return present ? MIN(present / MAX(small, 1), MAX_SCALE) : 1;
}

static void init_pace(const RwpTracker *t, RwpChunkPace *pace, uint64_t min)
{
    uint64_t min_pages = MAX(min >> t->page_shift, 1);

    rwp_chunk_pace_init(pace, min_pages, min_pages,
                        MAX(CHUNK_MAX >> t->page_shift, 1));
}

/* Pages that @pace allows for. */
static uint64_t paced_pages(const RwpTracker *t, const RwpChunkPace *pace)
{
    return MIN(pace->pages * t->scale, MAX(CHUNK_MAX >> t->page_shift, 1));
}

static void update_pace(const RwpTracker *t, RwpChunkPace *pace,
                        uint64_t pages, int64_t ns)
{
    if (pages) {
        rwp_chunk_pace_update(pace, DIV_ROUND_UP(pages, t->scale), ns);
    }
}

/*
 * Ask about the pages [@from, @end), for up to @max_pages that answer @scan.
 * Sets @reached to the page to go on with.  Returns what pagemap_scan() does.
 */
static int scan_pages(RwpTracker *t, PagemapScan *scan, uint64_t from,
                      uint64_t end, uint64_t max_pages, RwpScanCost *cost,
                      uint64_t *reached)
{
    int nr;

    scan->max_pages = max_pages << t->host_shift;
    nr = pagemap_scan(t->memory.pagemap_fd, scan, page_address(t, from),
                      page_address(t, end), t->regions, PAGEMAP_SCAN_BATCH);
    cost->scan_calls++;
    if (nr >= 0) {
        *reached = address_page(t, (uintptr_t)scan->walk_end);
    }
    return nr;
}

static void discard_pages(RwpTracker *t, uint64_t first, uint64_t count)
{
    /*
     * Memory is discarded to make room for what is on its way, too.  What does
     * not come is found out by the blind pass.
     */
    if (t->warmth != WARMING && t->warmth != WARM) {
        rwp_age_map_discard(t->map, first, count);
    }
    tell_in(t, first, count, false);
}

static uint64_t poisoned_page(const RwpTracker *t, guint i)
{
    return g_array_index(t->poisoned, uint64_t, i);
}

/*
 * Record one range but for poisoned pages in it: some of these cannot be
 * armed, and so look accessed for ever.
 */
static void record_sound(RwpTracker *t, const RwpPageRange *r, bool huge)
{
    uint64_t first = r->first, end = r->first + r->count;

    for (guint i = 0; i < t->poisoned->len; i++) {
        uint64_t bad = poisoned_page(t, i);

        if (bad >= first && bad < end) {
            rwp_age_map_record(t->map, first, bad - first, false);
            first = bad + 1;
            huge = false;
        }
    }
    rwp_age_map_record(t->map, first, end - first, huge);
}

static void discard_poisoned(RwpTracker *t, uint64_t from, uint64_t end)
{
    for (guint i = 0; i < t->poisoned->len; i++) {
        uint64_t bad = poisoned_page(t, i);

        if (bad >= from && bad < end) {
            discard_pages(t, bad, 1);
        }
    }
}

static int arm_range(RwpTracker *t, const RwpPageRange *range,
                     RwpScanCost *cost)
{
    cost->arm_calls++;
    return uffd_rwp_arm(t->uffd, page_address(t, range->first),
                        range->count << t->page_shift);
}

/*
 * Put the pages of regions, from @region up to @end, into t->found, as long as
 * they are as @huge as that.  Returns how many regions are.
 */
static size_t find_alike(RwpTracker *t, const struct page_region *region,
                         const struct page_region *end, bool huge)
{
    size_t nr = 0;

    while (region < end && region_is_huge(t, region) == huge) {
        t->found[nr++] = region_pages(t, region++, huge);
    }
    return nr;
}

/* Record the first @nr of t->found and add them to t->ranges. */
static uint64_t record_found(RwpTracker *t, size_t nr, bool huge,
                             size_t *nr_ranges)
{
    bool tell = t->listener.cares && t->listener.cares(t->listener.opaque);
    uint64_t accessed = 0, bridged = t->bridged[huge];
    size_t n = *nr_ranges;

    if (!t->poisoned->len) {
        rwp_age_map_record_ranges(t->map, t->found, nr, huge);
    }
    for (const RwpPageRange *r = t->found; r < t->found + nr; r++) {
        if (t->poisoned->len) {
            record_sound(t, r, huge);
        }
        if (tell) {
            tell_in(t, r->first, r->count, true);
        }
        accessed += r->count;
        n = rwp_page_range_append(t->ranges, n, r->first, r->count, bridged);
    }
    *nr_ranges = n;
    return accessed;
}

/* Record the first @nr of t->regions and add them to t->ranges. */
static uint64_t record_regions(RwpTracker *t, int nr, size_t *nr_ranges,
                               uint64_t *reached)
{
    const struct page_region *region = t->regions, *end = region + nr;
    uint64_t accessed = 0;

    while (region < end) {
        bool huge = region_is_huge(t, region);
        size_t found = find_alike(t, region, end, huge);
        const RwpPageRange *last = &t->found[found - 1];

        accessed += record_found(t, found, huge, nr_ranges);
        *reached = MAX(*reached, last->first + last->count);
        region += found;
    }
    return accessed;
}

/* Arm the first @nr of t->ranges, and take them out. */
static int arm_ranges(RwpTracker *t, size_t nr, size_t *nr_ranges,
                      RwpScanCost *cost)
{
    for (size_t i = 0; i < nr; i++) {
        int ret = arm_range(t, &t->ranges[i], cost);

        if (ret < 0) {
            return ret;
        }
    }
    *nr_ranges -= nr;
    if (*nr_ranges) {
        t->ranges[0] = t->ranges[nr];
    }
    return 0;
}

/* The time since @mark_ns, which becomes now. */
static int64_t lap(int64_t *mark_ns)
{
    int64_t start_ns = *mark_ns;

    *mark_ns = get_clock();
    return *mark_ns - start_ns;
}

/*
 * One step of an ordinary pass, from page @from on.  Sets @next to the page
 * that the next step begins with.  Returns 0 or -errno; after an error, the
 * step can be repeated.
 *
 * A scan tells of a limited number of regions, so there may be many of them in
 * a step.  Meanwhile the last range stays open, as the next scan may go on
 * with it: pages that are scattered are armed by one call for all of a step.
 */
static int record_step(RwpTracker *t, uint64_t from, RwpScanCost *cost,
                       uint64_t *next)
{
    PagemapScan scan = {
        .category_mask = PAGE_IS_ACCESSED,
        .return_mask = PAGE_IS_ACCESSED | PAGE_IS_HUGE,
    };
    uint64_t end = MIN(from + paced_pages(t, &t->scan_pace), t->npages);
    uint64_t may_arm = paced_pages(t, &t->arm_pace);
    uint64_t page = from, accessed = 0;
    int64_t scan_ns = 0, record_ns = 0, arm_ns = 0, mark_ns = get_clock();
    size_t nr_ranges = 0;
    bool more;

    do {
        int ret = scan_pages(t, &scan, page, end, may_arm - accessed, cost,
                             &page);

        if (ret < 0) {
            return ret;
        }
        scan_ns += lap(&mark_ns);
        accessed += record_regions(t, ret, &nr_ranges, &page);
        record_ns += lap(&mark_ns);

        more = page < end && accessed < may_arm;
        ret = arm_ranges(t, nr_ranges - (more && nr_ranges), &nr_ranges, cost);
        if (ret < 0) {
            return ret;
        }
        arm_ns += lap(&mark_ns);
    } while (more);

    *next = page;
    cost->scan_us += scan_ns + record_ns;
    cost->arm_us += arm_ns;
    update_pace(t, &t->scan_pace, page - from, scan_ns);
    update_pace(t, &t->arm_pace, accessed, arm_ns);
    return 0;
}

/* Take over what is populated in one region of a blind pass. */
static void populate_region(RwpTracker *t, const struct page_region *region,
                            uint64_t *known)
{
    bool huge = region_is_huge(t, region);
    RwpPageRange r = region_pages(t, region, huge);

    /*
     * Nothing is mapped up to here.  Shared pages may be in the file all the
     * same, so only for private memory is that an answer.
     */
    if (!t->memory.shared && r.first > *known) {
        discard_pages(t, *known, r.first - *known);
    }
    /* A read of unpopulated memory maps the zero page: not a page of its. */
    if (!(region->categories & PAGE_IS_PFNZERO)) {
        rwp_age_map_populate(t->map, r.first, r.count);
        rwp_age_map_set_huge(t->map, r.first, r.count, huge);
    } else if (t->warmth == SIFTING) {
        discard_pages(t, r.first, r.count);
    }
    if (!(region->categories & PAGE_IS_SWAPPED)) {
        tell_in(t, r.first, r.count, false);
    }
    *known = r.first + r.count;
}

/* One step of a blind pass, see record_step(). */
static int blind_step(RwpTracker *t, uint64_t from, RwpScanCost *cost,
                      uint64_t *next)
{
    PagemapScan scan = {
        .category_anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        .return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_PFNZERO |
                       PAGE_IS_HUGE,
    };
    uint64_t end = MIN(from + paced_pages(t, &t->scan_pace), t->npages);
    int64_t mark_ns = get_clock(), scan_ns, arm_ns;
    uint64_t known = from;
    int nr = scan_pages(t, &scan, from, end, paced_pages(t, &t->arm_pace),
                        cost, next);
    int ret;

    if (nr < 0) {
        return nr;
    }
    scan_ns = lap(&mark_ns);
    update_pace(t, &t->scan_pace, *next - from, scan_ns);
    for (int i = 0; i < nr; i++) {
        populate_region(t, &t->regions[i], &known);
    }
    *next = MAX(*next, known);
    if (!t->memory.shared && *next > known) {
        discard_pages(t, known, *next - known);
    }
    discard_poisoned(t, from, *next);
    cost->scan_us += scan_ns + lap(&mark_ns);

    ret = arm_range(t, &(RwpPageRange) { from, *next - from }, cost);
    arm_ns = lap(&mark_ns);
    cost->arm_us += arm_ns;
    update_pace(t, &t->arm_pace, known - from, arm_ns);
    return ret;
}

static int pass_step(RwpTracker *t, uint64_t from, RwpScanCost *cost,
                     uint64_t *next)
{
    return t->blind ? blind_step(t, from, cost, next)
                    : record_step(t, from, cost, next);
}

/*
 * Go over all the memory.  Called and returns with the lock held.
 *
 * Returns true when complete, false when interrupted or failed; then @error
 * has the reason, to be freed.
 */
static bool pass(RwpTracker *t, char **error)
{
    RwpScanCost cost = { 0 };
    uint64_t page = 0, holds = t->holds;
    bool registered_again = false;

    t->scale = pages_per_entry(t);
    /* A blind pass over known memory completes what it finds, no epoch. */
    if (!t->blind || !rwp_age_map_epochs(t->map)) {
        rwp_age_map_begin(t->map);
    }
    /* It may have been held and released since, with its ages reset. */
    while (page < t->npages && !t->stop && t->holds == holds) {
        uint64_t next = page;
        int ret = pass_step(t, page, &cost, &next);

        if (ret == -ENOENT && !registered_again) {
            /* Something mapped a part of the memory anew. */
            registered_again = true;
            trace_rwp_register_again(t->name);
            if (uffd_rwp_register(t->uffd, t->memory.host, t->memory.size,
                                  NULL)) {
                continue;
            }
        }
        if (ret < 0) {
            *error = g_strdup_printf("scanning failed at offset 0x%" PRIx64
                                     ": %s", page * t->memory.page_size,
                                     strerror(-ret));
            return false;
        }
        page = next;
        let_others_lock(t);
    }
    if (page < t->npages || t->holds != holds) {
        return false;
    }

    cost.scan_us /= SCALE_US;
    cost.arm_us /= SCALE_US;
    t->cost = cost;
    if (!t->blind || !rwp_age_map_epochs(t->map)) {
        end_epoch(t);
    }
    trace_rwp_pass(t->name, t->blind, rwp_age_map_epochs(t->map),
                   rwp_age_map_accessed(t->map), cost.scan_us, cost.arm_us,
                   cost.scan_calls, cost.arm_calls);
    t->blind = false;
    t->warmth = COLD;
    return true;
}

/* Is it time for a pass?  If not, sets @wait_ms, to -1 if it never will be. */
static bool pass_due(RwpTracker *t, int64_t *wait_ms)
{
    int64_t left_ns;

    *wait_ms = -1;
    if (t->held) {
        return false;
    }
    if (t->blind || !QSIMPLEQ_EMPTY(&t->requests)) {
        return true;
    }
    if (!t->running) {
        return false;
    }
    left_ns = t->last_pass_ns + t->interval_ms * (int64_t)SCALE_MS -
              get_clock();
    *wait_ms = DIV_ROUND_UP(MAX(left_ns, 0), SCALE_MS);
    return left_ns <= 0;
}

static void *tracker_thread(void *opaque)
{
    RwpTracker *t = opaque;
    int64_t wait_ms;

    tracker_lock(t);
    while (!t->stop) {
        ScanRequests requests = QSIMPLEQ_HEAD_INITIALIZER(requests);
        g_autofree char *error = NULL;
        bool was_blind = t->blind;
        bool done;

        if (!pass_due(t, &wait_ms)) {
            if (wait_ms < 0) {
                qemu_cond_wait(&t->wake, &t->lock);
            } else {
                qemu_cond_timedwait(&t->wake, &t->lock, wait_ms);
            }
            continue;
        }

        /* A blind pass answers no request; what comes during a pass waits. */
        if (!was_blind) {
            QSIMPLEQ_CONCAT(&requests, &t->requests);
        }
        done = pass(t, &error);
        t->last_pass_ns = get_clock();
        if (error) {
            t->held = true;
            QSIMPLEQ_CONCAT(&requests, &t->requests);
        }
        tracker_unlock(t);
        finish_requests(&requests, done);
        if (error) {
            trace_rwp_failed(t->name, error);
            t->failed(t->opaque, error);
        }
        tracker_lock(t);
    }
    tracker_unlock(t);
    return NULL;
}

RwpTracker *rwp_tracker_new(const char *name, const RwpTrackedMemory *memory,
                            RwpTrackerFailed *failed, void *opaque)
{
    RwpTracker *t = g_new0(RwpTracker, 1);
    uint64_t page = memory->page_size;

    assert(QEMU_PTR_IS_ALIGNED(memory->host, page));
    assert(memory->size && QEMU_IS_ALIGNED(memory->size, page));
    assert(is_power_of_2(page) && page >= qemu_real_host_page_size());
    t->name = g_strdup(name);
    t->memory = *memory;
    t->npages = memory->size / page;
    t->page_shift = ctz64(page);
    t->host_shift = t->page_shift - ctz64(qemu_real_host_page_size());
    t->bridged[true] = BRIDGED_HUGE / page;
    t->bridged[false] = (t->host_shift ? BRIDGED_HUGE : BRIDGED_BASE) / page;
    t->failed = failed;
    t->opaque = opaque;
    t->uffd = -1;
    t->interval_ms = RWP_INTERVAL_DEFAULT_MS;
    t->map = rwp_age_map_new(t->npages,
                             qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    QSIMPLEQ_INIT(&t->requests);
    init_pace(t, &t->scan_pace, SCAN_MIN);
    init_pace(t, &t->arm_pace, ARM_MIN);
    t->poisoned = g_array_new(false, false, sizeof(uint64_t));
    qemu_mutex_init(&t->lock);
    qemu_cond_init(&t->wake);
    return t;
}

void rwp_tracker_set_listener(RwpTracker *t,
                              const RwpTrackerListener *listener)
{
    assert(!t->started);
    t->listener = *listener;
}

void rwp_tracker_free(RwpTracker *t)
{
    if (t) {
        rwp_tracker_stop(t);
        qemu_cond_destroy(&t->wake);
        qemu_mutex_destroy(&t->lock);
        rwp_age_map_free(t->map);
        g_array_free(t->poisoned, true);
        g_free(t->name);
        g_free(t);
    }
}

static bool attach(RwpTracker *t, Error **errp)
{
    int uffd = uffd_rwp_create(errp);

    if (uffd < 0) {
        return false;
    }
    if (!uffd_rwp_register(uffd, t->memory.host, t->memory.size, errp)) {
        uffd_close_fd(uffd);
        return false;
    }
    t->uffd = uffd;
    trace_rwp_attach(t->name, t->memory.host, t->memory.size);
    return true;
}

/* Closing disarms and unregisters everything. */
static void detach(RwpTracker *t)
{
    if (t->uffd >= 0) {
        uffd_close_fd(t->uffd);
        t->uffd = -1;
        trace_rwp_detach(t->name);
    }
}

bool rwp_tracker_start(RwpTracker *t, bool held, Error **errp)
{
    assert(!t->started);
    if (!attach(t, errp)) {
        return false;
    }
    tracker_lock(t);
    reset_ages(t);
    tracker_unlock(t);
    t->stop = false;
    t->held = held;
    t->blind = true;
    t->started = true;
    qemu_thread_create(&t->thread, "rwp-tracker", tracker_thread, t,
                       QEMU_THREAD_JOINABLE);
    return true;
}

static void fail_requests(RwpTracker *t)
{
    ScanRequests requests = QSIMPLEQ_HEAD_INITIALIZER(requests);

    tracker_lock(t);
    QSIMPLEQ_CONCAT(&requests, &t->requests);
    tracker_unlock(t);
    finish_requests(&requests, false);
}

void rwp_tracker_stop(RwpTracker *t)
{
    if (!t->started) {
        return;
    }
    tracker_lock(t);
    t->stop = true;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
    qemu_thread_join(&t->thread);
    fail_requests(t);

    tracker_lock(t);
    detach(t);
    t->started = false;
    reset_ages(t);
    t->cost = (RwpScanCost) { 0 };
    tracker_unlock(t);
}

bool rwp_tracker_started(const RwpTracker *t)
{
    return t->started;
}

void rwp_tracker_hold(RwpTracker *t, bool detached)
{
    assert(t->started);
    tracker_lock(t);
    t->held = true;
    t->holds++;
    if (t->warmth == WARMING || t->warmth == WARM) {
        reset_ages(t);
    }
    tracker_unlock(t);
    fail_requests(t);
    trace_rwp_hold(t->name, detached);
    if (detached) {
        tracker_lock(t);
        detach(t);
        tracker_unlock(t);
    }
}

bool rwp_tracker_release(RwpTracker *t, bool forget, Error **errp)
{
    assert(t->started && t->held);
    if (t->uffd < 0 && !attach(t, errp)) {
        return false;
    }
    trace_rwp_release(t->name, forget);
    tracker_lock(t);
    if (forget && t->warmth == WARM) {
        rwp_age_map_set_times(t->map, t->warm_interval_ms * (int64_t)SCALE_MS,
                              qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
        t->warmth = SIFTING;
    } else if (forget) {
        reset_ages(t);
    }
    t->blind = true;
    t->held = false;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
    return true;
}

bool rwp_tracker_warm_begin(RwpTracker *t, uint64_t intervals,
                            uint32_t interval_ms)
{
    if (!t->started || !t->held) {
        return false;
    }
    tracker_lock(t);
    reset_ages(t);
    /* As the first epoch is no interval. */
    rwp_age_map_resume(t->map, intervals + (intervals < UINT64_MAX));
    t->warm_interval_ms = interval_ms;
    t->warmth = WARMING;
    tracker_unlock(t);
    return true;
}

void rwp_tracker_warm(RwpTracker *t, uint64_t first, uint64_t count,
                      unsigned age)
{
    tracker_lock(t);
    if (t->warmth == WARMING) {
        rwp_age_map_seen(t->map, first, count, age);
    }
    tracker_unlock(t);
}

void rwp_tracker_warm_end(RwpTracker *t)
{
    tracker_lock(t);
    if (t->warmth == WARMING) {
        rwp_age_map_set_times(t->map, t->warm_interval_ms * (int64_t)SCALE_MS,
                              qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
        t->warmth = WARM;
        trace_rwp_warm(t->name, rwp_age_map_epochs(t->map),
                       rwp_age_map_present(t->map));
    }
    tracker_unlock(t);
}

bool rwp_tracker_held(const RwpTracker *t)
{
    return qatomic_read(&t->held);
}

bool rwp_tracker_watching(const RwpTracker *t)
{
    return qatomic_read(&t->started) && !t->held && !t->blind &&
           rwp_age_map_epochs(t->map);
}

bool rwp_tracker_marking(const RwpTracker *t)
{
    return qatomic_read(&t->started) && t->held && t->uffd >= 0;
}

bool rwp_tracker_arm(RwpTracker *t, uint64_t first, uint64_t count)
{
    assert(rwp_tracker_marking(t));
    return uffd_rwp_arm(t->uffd, page_address(t, first),
                        count << t->page_shift) >= 0;
}

uint64_t rwp_tracker_intervals(const RwpTracker *t)
{
    uint64_t epochs = rwp_age_map_epochs(t->map);

    return qatomic_read(&t->started) && epochs ? epochs - 1 : 0;
}

void rwp_tracker_set_interval(RwpTracker *t, uint32_t ms)
{
    assert(ms >= RWP_INTERVAL_MIN_MS && ms <= RWP_INTERVAL_MAX_MS);
    tracker_lock(t);
    t->interval_ms = ms;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
}

void rwp_tracker_set_running(RwpTracker *t, bool running)
{
    tracker_lock(t);
    if (running && !t->running) {
        /* The interval that was going on when the guest stopped is void. */
        t->last_pass_ns = get_clock();
    }
    t->running = running;
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
}

void rwp_tracker_scan(RwpTracker *t, RwpScanDone *done, void *opaque)
{
    ScanRequest *request;

    tracker_lock(t);
    if (!t->started || t->held || t->stop) {
        tracker_unlock(t);
        done(opaque, false);
        return;
    }
    request = g_new0(ScanRequest, 1);
    request->done = done;
    request->opaque = opaque;
    QSIMPLEQ_INSERT_TAIL(&t->requests, request, next);
    qemu_cond_signal(&t->wake);
    tracker_unlock(t);
}

void rwp_tracker_discard_begin(RwpTracker *t)
{
    tracker_lock(t);
}

void rwp_tracker_discard_end(RwpTracker *t, uint64_t start, uint64_t length)
{
    uint64_t page = t->memory.page_size;
    uint64_t first = start / page, end = first + length / page;

    if (length) {
        discard_pages(t, first, end - first);
    }
    for (guint i = t->poisoned->len; i-- > 0; ) {
        if (poisoned_page(t, i) >= first && poisoned_page(t, i) < end) {
            g_array_remove_index(t->poisoned, i);
        }
    }
    trace_rwp_discard(t->name, start, length);
    tracker_unlock(t);
}

void rwp_tracker_poison(RwpTracker *t, uint64_t offset)
{
    uint64_t bad = offset / t->memory.page_size;
    guint i = 0;

    tracker_lock(t);
    while (i < t->poisoned->len && poisoned_page(t, i) < bad) {
        i++;
    }
    if (i == t->poisoned->len || poisoned_page(t, i) != bad) {
        g_array_insert_val(t->poisoned, i, bad);
        discard_pages(t, bad, 1);
        trace_rwp_poison(t->name, offset);
    }
    tracker_unlock(t);
}

uint64_t rwp_tracker_poisoned(const RwpTracker *t)
{
    return t->poisoned->len;
}

const RwpAgeMap *rwp_tracker_lock(RwpTracker *t)
{
    tracker_lock(t);
    return t->map;
}

void rwp_tracker_unlock(RwpTracker *t)
{
    tracker_unlock(t);
}

RwpScanCost rwp_tracker_cost(const RwpTracker *t)
{
    return t->cost;
}

uint64_t rwp_tracker_metadata(const RwpTracker *t)
{
    return rwp_age_map_metadata(t->map) + sizeof(*t);
}

const RwpAgeMap *rwp_tracker_map(const RwpTracker *t)
{
    return t->map;
}
