/*
 * How the tracker goes over the memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
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
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qemu/userfaultfd-rwp.h"
#include "trace.h"
#include "tracker-internal.h"

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

/* A mutex is not fair: between two steps, wait for those who wait for us. */
static void let_others_lock(RwpTracker *t)
{
    qemu_mutex_unlock(&t->lock);
    while (qatomic_read(&t->waiting)) {
        g_thread_yield();
    }
    qemu_mutex_lock(&t->lock);
}

static void end_epoch(RwpTracker *t)
{
    rwp_age_map_end(t->map, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    if (t->listener.epoch) {
        t->listener.epoch(t->listener.opaque, t->map, t->interval_ms);
    }
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

/*
 * Where the step that begins with page @from ends.  Not within a huge page:
 * should the guest access it between this step and the next, only the rest of
 * it would be armed, which splits it.
 */
static uint64_t step_end(const RwpTracker *t, uint64_t from)
{
    uint64_t end = from + paced_pages(t, &t->scan_pace);

    if (!t->host_shift) {
        end = ROUND_UP(end, RWP_EXTENT_PAGES);
    }
    return MIN(end, t->npages);
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
    nr = pagemap_scan(scan, tracker_page_address(t, from),
                      tracker_page_address(t, end), t->regions,
                      PAGEMAP_SCAN_BATCH);
    cost->scan_calls++;
    if (nr >= 0) {
        *reached = address_page(t, (uintptr_t)scan->walk_end);
    }
    return nr;
}

/*
 * Record one range but for poisoned pages in it: some of these cannot be
 * armed, and so look accessed for ever.
 */
static void record_sound(RwpTracker *t, const RwpPageRange *r, bool huge)
{
    uint64_t first = r->first, end = r->first + r->count;

    for (guint i = 0; i < t->poisoned->len; i++) {
        uint64_t bad = tracker_poisoned_page(t, i);

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
        uint64_t bad = tracker_poisoned_page(t, i);

        if (bad >= from && bad < end) {
            rwp_tracker_discard_pages(t, bad, 1);
        }
    }
}

static int arm_range(RwpTracker *t, const RwpPageRange *range,
                     RwpScanCost *cost)
{
    cost->arm_calls++;
    return uffd_rwp_arm(t->uffd, tracker_page_address(t, range->first),
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
            tracker_tell_in(t, r->first, r->count, true);
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

/*
 * Split the huge pages among the first @nr of t->regions, which are recorded.
 * The kernel does so when only a part of one is armed.
 */
static int split_regions(RwpTracker *t, int nr, RwpScanCost *cost)
{
    for (const struct page_region *r = t->regions; r < t->regions + nr; r++) {
        RwpPageRange pages;
        uint64_t end;

        if (!region_is_huge(t, r)) {
            continue;
        }
        pages = region_pages(t, r, true);
        end = pages.first + pages.count;
        for (uint64_t at = pages.first; at < end; at += RWP_EXTENT_PAGES) {
            int ret = arm_range(t, &(RwpPageRange) { at, 1 }, cost);

            if (ret < 0) {
                return ret;
            }
        }
        rwp_age_map_set_huge(t->map, pages.first, pages.count, false);
    }
    return 0;
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
    uint64_t end = step_end(t, from);
    uint64_t may_arm = paced_pages(t, &t->arm_pace);
    uint64_t page = from, accessed = 0;
    int64_t scan_ns = 0, record_ns = 0, arm_ns = 0, mark_ns = get_clock();
    size_t nr_ranges = 0;
    bool more;

    do {
        int nr = scan_pages(t, &scan, page, end, may_arm - accessed, cost,
                            &page);
        int ret;

        if (nr < 0) {
            return nr;
        }
        scan_ns += lap(&mark_ns);
        accessed += record_regions(t, nr, &nr_ranges, &page);
        record_ns += lap(&mark_ns);

        ret = t->split ? split_regions(t, nr, cost) : 0;
        if (ret < 0) {
            return ret;
        }
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
        rwp_tracker_discard_pages(t, *known, r.first - *known);
    }
    /* A read of unpopulated memory maps the zero page: not a page of its. */
    if (!(region->categories & PAGE_IS_PFNZERO)) {
        rwp_age_map_populate(t->map, r.first, r.count);
        rwp_age_map_set_huge(t->map, r.first, r.count, huge);
    } else if (t->warmth == TRACKER_SIFTING) {
        rwp_tracker_discard_pages(t, r.first, r.count);
    }
    if (!(region->categories & PAGE_IS_SWAPPED)) {
        tracker_tell_in(t, r.first, r.count, false);
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
    uint64_t end = step_end(t, from);
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
        rwp_tracker_discard_pages(t, known, *next - known);
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

bool rwp_tracker_pass(RwpTracker *t, char **error)
{
    RwpScanCost cost = { 0 };
    uint64_t page = 0, holds = t->holds;
    bool registered_again = false;

    /* What is split takes as long as if it had been small before. */
    t->scale = t->split ? 1 : pages_per_entry(t);
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
    } else {
        /* What nobody watched is not idle: it would be evicted too early. */
        rwp_age_map_unwatched(t->map, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
    trace_rwp_pass(t->name, t->blind, rwp_age_map_epochs(t->map),
                   rwp_age_map_accessed(t->map), cost.scan_us, cost.arm_us,
                   cost.scan_calls, cost.arm_calls);
    t->blind = false;
    t->warmth = TRACKER_COLD;
    while (!t->stop && rwp_age_map_sweep(t->map)) {
        let_others_lock(t);
    }
    return true;
}

void rwp_tracker_pass_init(RwpTracker *t)
{
    t->bridged[true] = BRIDGED_HUGE >> t->page_shift;
    t->bridged[false] = (t->host_shift ? BRIDGED_HUGE : BRIDGED_BASE) >>
                        t->page_shift;
    init_pace(t, &t->scan_pace, SCAN_MIN);
    init_pace(t, &t->arm_pace, ARM_MIN);
}
