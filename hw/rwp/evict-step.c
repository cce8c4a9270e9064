/*
 * Evicting a stretch of memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tracker's lock is held while the kernel is asked and its answer taken
 * over, so that no scan is in between: a page that is accessed after it went
 * is either found present here, or recorded by a later scan, never both and
 * never neither.  It is not held while the engine works; what becomes of the
 * pages then (an access, a discard) is harmless, and seen afterwards.
 */

#include "qemu/osdep.h"
#include "qemu/pagemap-scan.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qemu/userfaultfd-rwp.h"
#include "hw/rwp/cold-walk.h"
#include "hw/rwp/evict-step.h"
#include "trace.h"

/*
 * Memory that a step spans, and that the engine is given at once, in bytes.
 * The latter bounds how long the kernel's locks are held.
 */
#define STRETCH (32 * MiB)
#define BATCH   (8 * MiB)

/* Pages that are looked through for cold ones before others get the lock. */
#define WALK_PAGES (64 * 1024)

/* The ranges of a step: at most one for each region that the kernel tells. */
typedef struct Stretch {
    RwpPageRange ranges[PAGEMAP_SCAN_BATCH];
    size_t nr;
    uint64_t pages;
} Stretch;

static void *address_of(const RwpEvictMemory *em, uint64_t page)
{
    return em->memory.host + page * em->memory.page_size;
}

static uint64_t page_of(const RwpEvictMemory *em, uint64_t address)
{
    return (address - (uintptr_t)em->memory.host) / em->memory.page_size;
}

static uint64_t npages_of(const RwpEvictMemory *em)
{
    return em->memory.size / em->memory.page_size;
}

uint64_t rwp_evict_resident(const RwpEvictMemory *em, const RwpAgeMap *map)
{
    uint64_t present = rwp_age_map_present(map);

    return present - MIN(present, rwp_out_map_out(em->outs));
}

/* Does what the kernel says of accesses tell of the guest?  Lock held. */
static bool may_go_on(const RwpEvictMemory *em, const RwpEvictJob *job)
{
    return job->held ? rwp_tracker_marking(em->tracker) :
                       rwp_tracker_watching(em->tracker);
}

/* The first run of pages in [@from, @end) that may go, as far as is known. */
static bool next_cold(RwpEvictMemory *em, const RwpEvictJob *job,
                      const RwpAgeMap *map, uint64_t from, uint64_t end,
                      RwpPageRange *cold)
{
    size_t low = 0, high = job->nr_only;

    if (!job->only) {
        return rwp_cold_walk_next(map, em->outs, from, end, job->min_age,
                                  job->max_age, cold);
    }
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (job->only[mid].first + job->only[mid].count <= from) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < job->nr_only && job->only[low].first < end; low++) {
        const RwpPageRange *r = &job->only[low];

        if (rwp_cold_walk_next(map, em->outs, MAX(r->first, from),
                               MIN(r->first + r->count, end), job->min_age,
                               job->max_age, cold)) {
            return true;
        }
    }
    return false;
}

/*
 * The first run of pages that may go, from job->next on.  Returns with the
 * lock held.
 */
static const RwpAgeMap *find_cold(RwpEvictMemory *em, RwpEvictJob *job,
                                  RwpPageRange *cold)
{
    const RwpAgeMap *map = rwp_tracker_lock(em->tracker);
    uint64_t npages = npages_of(em);

    while (may_go_on(em, job) && job->next < npages) {
        uint64_t end = MIN(job->next + WALK_PAGES, npages);

        if (next_cold(em, job, map, job->next, end, cold)) {
            return map;
        }
        job->next = end;
        rwp_tracker_unlock(em->tracker);
        map = rwp_tracker_lock(em->tracker);
    }
    return NULL;
}

static void leave_part(RwpEvictMemory *em, RwpEvictJob *job, uint64_t first,
                       uint64_t end)
{
    if (first < end) {
        job->count.huge += end - first;
        rwp_out_map_set_kept(em->outs, first, end - first);
    }
}

/* Pages of a huge page may only go together: what is less stays. */
static void trim_to_huge_pages(RwpEvictMemory *em, RwpEvictJob *job,
                               RwpPageRange *r)
{
    uint64_t end = r->first + r->count;
    uint64_t first = MIN(QEMU_ALIGN_UP(r->first, RWP_EXTENT_PAGES), end);
    uint64_t last = MAX(QEMU_ALIGN_DOWN(end, RWP_EXTENT_PAGES), first);

    leave_part(em, job, r->first, first);
    leave_part(em, job, last, end);
    *r = (RwpPageRange) { .first = first, .count = last - first };
}

/*
 * Pages that may still be added to @stretch.  What is in may have become less
 * than it was when the budget was made: the host pages out by itself, too.
 */
static uint64_t pages_left(const RwpEvictMemory *em, RwpEvictJob *job,
                           const Stretch *stretch, const RwpAgeMap *map)
{
    uint64_t left = job->budget - stretch->pages;
    uint64_t in = rwp_evict_resident(em, map);
    uint64_t room = in - MIN(in, job->keep + stretch->pages);

    job->kept_enough |= room < left;
    return MIN(left, room);
}

/*
 * Pages that are cold by @map, and of which the kernel tells @categories now:
 * no more than may go are added to @stretch.  Returns false if some had to be
 * left for that.
 */
static bool take(RwpEvictMemory *em, RwpEvictJob *job, Stretch *stretch,
                 const RwpAgeMap *map, const RwpPageRange *cold,
                 uint64_t categories)
{
    RwpPageRange r = *cold;
    uint64_t left, all;

    if (categories & PAGE_IS_ACCESSED) {
        job->count.accessed += r.count;
        return true;
    }
    if (!(categories & PAGE_IS_PRESENT) || (categories & PAGE_IS_PFNZERO)) {
        /*
         * Someone else paged it out, or it is not mapped, or it is the one
         * page of zeroes that is mapped where nothing was ever written.
         */
        rwp_out_map_set_out(em->outs, r.first, r.count);
        return true;
    }
    left = pages_left(em, job, stretch, map);
    if ((categories & PAGE_IS_HUGE) &&
        em->memory.page_size == qemu_real_host_page_size()) {
        trim_to_huge_pages(em, job, &r);
        left = QEMU_ALIGN_DOWN(left, RWP_EXTENT_PAGES);
    }
    all = r.count;
    r.count = MIN(all, left);
    if (r.count) {
        stretch->nr = rwp_page_range_append(stretch->ranges, stretch->nr,
                                            r.first, r.count, 0);
        stretch->pages += r.count;
    }
    return r.count == all;
}

/* As above, for all cold pages of [@from, @end). */
static bool take_cold(RwpEvictMemory *em, RwpEvictJob *job, Stretch *stretch,
                      const RwpAgeMap *map, uint64_t from, uint64_t end,
                      uint64_t categories)
{
    RwpPageRange cold;

    while (next_cold(em, job, map, from, end, &cold)) {
        from = cold.first + cold.count;
        job->next = cold.first;
        if (stretch->nr == ARRAY_SIZE(stretch->ranges) ||
            !take(em, job, stretch, map, &cold, categories)) {
            return false;
        }
        job->next = from;
    }
    job->next = MAX(job->next, end);
    return true;
}

/* Ask the kernel about the stretch that begins at @from.  Lock held. */
static void gather(RwpEvictMemory *em, RwpEvictJob *job, Stretch *stretch,
                   const RwpAgeMap *map, uint64_t from)
{
    static const PagemapScan all = {
        .category_anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        .return_mask = PAGE_IS_PRESENT | PAGE_IS_ACCESSED | PAGE_IS_HUGE |
                       PAGE_IS_PFNZERO,
    };
    struct page_region regions[PAGEMAP_SCAN_BATCH];
    PagemapScan scan = all;
    uint64_t pages = MAX(STRETCH / em->memory.page_size, 1);
    uint64_t end = MIN(QEMU_ALIGN_UP(from + pages, RWP_EXTENT_PAGES),
                       npages_of(em));
    int nr = pagemap_scan(&scan, address_of(em, from), address_of(em, end),
                          regions, ARRAY_SIZE(regions));

    if (nr < 0) {
        /* Leave it at that: when in doubt, nothing goes. */
        job->next = end;
        return;
    }
    end = page_of(em, (uintptr_t)scan.walk_end);
    for (int i = 0; i < nr; i++) {
        uint64_t first = MAX(page_of(em, regions[i].start), from);
        uint64_t stop = MIN(page_of(em, regions[i].end), end);

        /* Before it there is nothing that the kernel knows of. */
        if (!take_cold(em, job, stretch, map, from, first, 0) ||
            !take_cold(em, job, stretch, map, first, stop,
                       regions[i].categories)) {
            return;
        }
        from = stop;
    }
    if (take_cold(em, job, stretch, map, from, end, 0)) {
        job->next = MAX(job->next, end);
    }
}

/* Cut the next batch off @stretch, from range *@at on. */
static size_t next_batch(const RwpEvictMemory *em, Stretch *stretch,
                         size_t *at, uint64_t *done, struct iovec *batch,
                         uint64_t *pages)
{
    uint64_t room = BATCH / em->memory.page_size;
    size_t nr = 0;

    *pages = 0;
    while (*at < stretch->nr && nr < RWP_RECLAIM_RANGES && *pages < room) {
        const RwpPageRange *r = &stretch->ranges[*at];
        uint64_t count = MIN(r->count - *done, room - *pages);

        batch[nr++] = (struct iovec) {
            .iov_base = address_of(em, r->first + *done),
            .iov_len = count * em->memory.page_size,
        };
        *pages += count;
        *done += count;
        if (*done == r->count) {
            (*at)++;
            *done = 0;
        }
    }
    return nr;
}

/*
 * May the engine be given more?  Where the host has no room, the kernel unmaps
 * pages of shared memory all the same, which then look as if they had gone.
 */
static bool may_reclaim(RwpEvictJob *job)
{
    if (!job->stopped) {
        job->blocked = job->engine->blocked();
        job->stopped = job->blocked != NULL;
    }
    return !job->stopped;
}

/* Have the engine take the stretch.  Cuts off what it was not given. */
static void reclaim(const RwpEvictMemory *em, RwpEvictJob *job,
                    Stretch *stretch)
{
    struct iovec batch[RWP_RECLAIM_RANGES];
    uint64_t pages, done = 0;
    size_t at = 0, nr;

    while (may_reclaim(job) &&
           (nr = next_batch(em, stretch, &at, &done, batch, &pages))) {
        int64_t start_ns = get_clock();
        int ret = job->engine->reclaim(batch, nr);

        job->count.ns += get_clock() - start_ns;
        job->count.batches++;
        job->count.ranges += nr;
        trace_rwp_reclaim(batch[0].iov_base, nr, pages, ret);
        job->stopped = !job->go_on(job->opaque, pages);
    }
    if (done) {
        stretch->ranges[at++].count = done;
    }
    stretch->nr = at;
}

/* Note that pages went, those that are not absent now.  Lock held. */
static void went(RwpEvictMemory *em, RwpEvictJob *job, const RwpAgeMap *map,
                 uint64_t from, uint64_t end)
{
    RwpAgeRun run;

    while (rwp_age_map_next_run(map, from, end, &run)) {
        job->count.evicted += rwp_out_map_set_out(em->outs, run.first,
                                                  run.count);
        from = run.first + run.count;
    }
}

/* See which pages of @range are still there.  Lock held. */
static void verify_range(RwpEvictMemory *em, RwpEvictJob *job,
                         const RwpAgeMap *map, const RwpPageRange *range,
                         const struct page_region *regions, int nr, int *at)
{
    uint64_t from = range->first, end = range->first + range->count;

    while (*at < nr && page_of(em, regions[*at].end) <= from) {
        (*at)++;
    }
    for (int i = *at; from < end; i++) {
        uint64_t first = end, stop = end;

        if (i < nr) {
            first = CLAMP(page_of(em, regions[i].start), from, end);
            stop = CLAMP(page_of(em, regions[i].end), from, end);
        }
        went(em, job, map, from, first);
        if (stop > first && (regions[i].categories & PAGE_IS_ACCESSED)) {
            job->count.accessed += stop - first;
        } else if (stop > first) {
            job->count.kept += stop - first;
            rwp_out_map_set_kept(em->outs, first, stop - first);
        }
        from = stop;
    }
}

/*
 * See what came of it.  The kernel is asked about as many ranges at once as
 * it can answer for.
 */
static void verify(RwpEvictMemory *em, RwpEvictJob *job, Stretch *stretch)
{
    struct page_region regions[PAGEMAP_SCAN_BATCH];
    size_t at = 0;

    while (at < stretch->nr) {
        const RwpPageRange *last = &stretch->ranges[stretch->nr - 1];
        const RwpAgeMap *map = rwp_tracker_lock(em->tracker);
        PagemapScan scan = {
            .category_mask = PAGE_IS_PRESENT,
            .return_mask = PAGE_IS_PRESENT | PAGE_IS_ACCESSED,
        };
        int nr = pagemap_scan(&scan, address_of(em, stretch->ranges[at].first),
                              address_of(em, last->first + last->count),
                              regions, ARRAY_SIZE(regions));
        int region = 0;

        while (nr >= 0 && at < stretch->nr) {
            RwpPageRange *rest = &stretch->ranges[at];
            uint64_t known = page_of(em, (uintptr_t)scan.walk_end);
            RwpPageRange r = *rest;

            if (r.first >= known) {
                break;
            }
            r.count = MIN(r.count, known - r.first);
            verify_range(em, job, map, &r, regions, nr, &region);
            rest->first += r.count;
            rest->count -= r.count;
            at += !rest->count;
        }
        rwp_tracker_unlock(em->tracker);
        if (nr < 0) {
            return;
        }
    }
}

bool rwp_evict_step(RwpEvictMemory *em, RwpEvictJob *job)
{
    g_autofree Stretch *stretch = g_new0(Stretch, 1);
    uint64_t evicted = job->count.evicted;
    const RwpAgeMap *map;
    RwpPageRange cold;

    if (!job->budget || job->stopped) {
        return false;
    }
    map = find_cold(em, job, &cold);
    if (!map) {
        rwp_tracker_unlock(em->tracker);
        return false;
    }
    gather(em, job, stretch, map, cold.first);
    rwp_tracker_unlock(em->tracker);

    if (!stretch->nr && job->next <= cold.first) {
        /* The budget does not reach for a huge page: it is used up. */
        job->budget = 0;
        return false;
    }
    if (stretch->nr) {
        reclaim(em, job, stretch);
        verify(em, job, stretch);
    }
    evicted = job->count.evicted - evicted;
    job->budget -= MIN(job->budget, evicted);
    return !job->stopped;
}
