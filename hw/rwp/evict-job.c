/*
 * Carrying out an eviction job over all of the memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "hw/rwp/cold-walk.h"
#include "hw/rwp/evict-job.h"

/* Pages that are counted before others get the lock. */
#define COUNT_PAGES (64 * 1024)

void rwp_evict_count_add(RwpEvictCount *sum, const RwpEvictCount *count)
{
    sum->evicted += count->evicted;
    sum->accessed += count->accessed;
    sum->huge += count->huge;
    sum->kept += count->kept;
    sum->batches += count->batches;
    sum->ranges += count->ranges;
    sum->ns += count->ns;
}

unsigned rwp_evict_min_age(const RwpAgeMap *map, uint64_t idle_ms)
{
    int64_t idle_ns = MIN(idle_ms, INT64_MAX / SCALE_MS) * SCALE_MS;

    /* What nobody watched may have been accessed. */
    return rwp_age_map_watched(map, idle_ns) ?
           rwp_age_map_idle_age(map, idle_ns) : RWP_AGE_LIMIT + 1;
}

/* Do @whole for pages of these ages, inclusive. */
static void run_ages(RwpEvictMemory *em, RwpEvictJob *whole, unsigned min_age,
                     unsigned max_age, RwpEvictAccount *account)
{
    RwpEvictJob job = *whole;
    bool go_on;

    if (min_age > max_age || whole->stopped) {
        return;
    }
    job.min_age = min_age;
    job.max_age = max_age;
    job.next = 0;
    do {
        job.count = (RwpEvictCount) { };
        go_on = rwp_evict_step(em, &job);
        account(job.opaque, &job.count, min_age);
        rwp_evict_count_add(&whole->count, &job.count);
    } while (go_on);
    whole->budget = job.budget;
    whole->stopped = job.stopped;
    whole->blocked = job.blocked;
    whole->kept_enough |= job.kept_enough;
}

/* How many pages of each age may go.  Returns how many in all. */
static uint64_t count_cold(RwpEvictMemory *em, unsigned min_age,
                           uint64_t *pages)
{
    uint64_t npages = em->memory.size / em->memory.page_size;
    uint64_t sum = 0;

    for (uint64_t at = 0; at < npages; at += COUNT_PAGES) {
        const RwpAgeMap *map = rwp_tracker_lock(em->tracker);

        rwp_cold_walk_count(map, em->outs, at, MIN(at + COUNT_PAGES, npages),
                            min_age, pages);
        rwp_tracker_unlock(em->tracker);
    }
    for (unsigned age = min_age; age <= RWP_AGE_LIMIT; age++) {
        sum += pages[age];
    }
    return sum;
}

/*
 * All of those that fit into the budget, then as many of the next younger ones
 * as do.  If that was not enough, for some turn out to be in use, the same with
 * what is younger than that.
 */
void rwp_evict_job_run(RwpEvictMemory *em, RwpEvictJob *job,
                       RwpEvictAccount *account)
{
    g_autofree uint64_t *pages = g_new0(uint64_t, RWP_AGE_LIMIT + 1);
    uint64_t candidates = count_cold(em, job->min_age, pages);
    unsigned top = RWP_AGE_LIMIT, split;

    if (candidates <= job->budget) {
        run_ages(em, job, job->min_age, top, account);
        return;
    }
    while (job->budget && !job->stopped) {
        split = rwp_cold_walk_split(pages, job->min_age, job->budget);
        run_ages(em, job, split + 1, top, account);
        run_ages(em, job, split, split, account);
        if (split == job->min_age || !job->go_on(job->opaque, 0)) {
            break;
        }
        memset(&pages[split], 0, (RWP_AGE_LIMIT + 1 - split) * sizeof(*pages));
        top = split - 1;
    }
}

void rwp_evict_job_sweep(RwpEvictMemory *em, RwpEvictJob *job,
                         RwpEvictAccount *account)
{
    run_ages(em, job, job->min_age, job->max_age, account);
}

const char *rwp_evict_job_blocked(const RwpEvictJob *job)
{
    return job->blocked || !job->count.kept ? job->blocked
                                            : job->engine->blocked();
}
