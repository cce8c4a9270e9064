/*
 * Giving back what was read for somebody who is not the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "hw/rwp/evict-return.h"
#include "trace.h"

struct RwpEvictReturn {
    RwpEvictMemory *em;
    uint64_t npages;

    QemuMutex lock;
    QemuCond fewer;             /* pending, or closed */
    bool open;
    uint64_t nr_pending;        /* pages */
    GArray *queued;             /* RwpPageRange, oldest first */
    uint64_t nr_queued;         /* pages of these, pending as well */

    /* Only used by the thread that runs it. */
    GArray *armed;              /* RwpPageRange */
    uint64_t nr_armed;          /* pages of these, pending as well */
    int64_t armed_ns;           /* when, by get_clock() */
};

static GArray *new_ranges(void)
{
    return g_array_new(false, false, sizeof(RwpPageRange));
}

RwpEvictReturn *rwp_evict_return_new(RwpEvictMemory *em)
{
    RwpEvictReturn *r = g_new0(RwpEvictReturn, 1);

    r->em = em;
    r->npages = em->memory.size / em->memory.page_size;
    qemu_mutex_init(&r->lock);
    qemu_cond_init(&r->fewer);
    r->queued = new_ranges();
    r->armed = new_ranges();
    return r;
}

void rwp_evict_return_free(RwpEvictReturn *r)
{
    if (r) {
        assert(!r->open);
        g_array_free(r->queued, true);
        g_array_free(r->armed, true);
        qemu_cond_destroy(&r->fewer);
        qemu_mutex_destroy(&r->lock);
        g_free(r);
    }
}

void rwp_evict_return_open(RwpEvictReturn *r)
{
    QEMU_LOCK_GUARD(&r->lock);

    g_array_set_size(r->armed, 0);
    r->nr_armed = 0;
    r->nr_pending = 0;
    r->open = true;
}

void rwp_evict_return_close(RwpEvictReturn *r)
{
    QEMU_LOCK_GUARD(&r->lock);

    r->open = false;
    g_array_set_size(r->queued, 0);
    r->nr_pending -= r->nr_queued;
    r->nr_queued = 0;
    qemu_cond_broadcast(&r->fewer);
}

/* Lock held. */
static bool much_pending(const RwpEvictReturn *r)
{
    return r->nr_pending * r->em->memory.page_size > RWP_GIVE_BACK_PENDING_MAX;
}

/* Does what is armed have to make room now?  Lock held. */
static bool crowded(const RwpEvictReturn *r)
{
    return r->nr_queued * r->em->memory.page_size >= RWP_GIVE_BACK_MAX ||
           much_pending(r);
}

bool rwp_evict_return_add(RwpEvictReturn *r, uint64_t first, uint64_t count)
{
    RwpPageRange *last;

    assert(first <= r->npages && count <= r->npages - first);
    QEMU_LOCK_GUARD(&r->lock);
    if (!r->open || !count) {
        return false;
    }
    last = r->queued->len ? &g_array_index(r->queued, RwpPageRange,
                                           r->queued->len - 1) : NULL;
    if (last && last->first + last->count == first) {
        last->count += count;
    } else {
        RwpPageRange range = { .first = first, .count = count };

        g_array_append_val(r->queued, range);
    }
    r->nr_queued += count;
    r->nr_pending += count;
    return r->queued->len == 1 || crowded(r);
}

bool rwp_evict_return_wait(RwpEvictReturn *r, unsigned ms)
{
    int64_t end_ns = get_clock() + ms * (int64_t)SCALE_MS;

    QEMU_LOCK_GUARD(&r->lock);
    while (r->open && much_pending(r)) {
        int64_t left_ns = end_ns - get_clock();

        if (!ms || left_ns <= 0) {
            return false;
        }
        qemu_cond_timedwait(&r->fewer, &r->lock,
                            MIN(DIV_ROUND_UP(left_ns, SCALE_MS), INT_MAX));
    }
    return true;
}

/* So many pages are not pending any more. */
static void settle(RwpEvictReturn *r, uint64_t pages)
{
    QEMU_LOCK_GUARD(&r->lock);

    r->nr_pending -= pages;
    if (!much_pending(r)) {
        qemu_cond_broadcast(&r->fewer);
    }
}

bool rwp_evict_return_due(RwpEvictReturn *r, int64_t *wait_ms)
{
    int64_t left_ns;

    QEMU_LOCK_GUARD(&r->lock);
    if (!r->armed->len) {
        return r->nr_queued;
    }
    if (crowded(r)) {
        return true;
    }
    left_ns = r->armed_ns + RWP_GIVE_BACK_MS * (int64_t)SCALE_MS - get_clock();
    *wait_ms = DIV_ROUND_UP(MAX(left_ns, 0), SCALE_MS);
    return left_ns <= 0;
}

/*
 * Arm what of @queued is out, by what is known, and add it to r->armed: it is
 * in now.
 */
static void arm(RwpEvictReturn *r, const RwpPageRange *queued)
{
    RwpEvictMemory *em = r->em;
    uint64_t at = queued->first, end = at + queued->count;

    while (at < end) {
        RwpPageRange range = { .first = at };
        bool armed = false, out;

        rwp_tracker_lock(em->tracker);
        range.count = rwp_out_map_same(em->outs, at, end, &out);
        if (out && rwp_tracker_marking(em->tracker)) {
            rwp_out_map_set_in(em->outs, range.first, range.count);
            armed = rwp_tracker_arm(em->tracker, range.first, range.count);
        }
        rwp_tracker_unlock(em->tracker);
        if (armed) {
            g_array_append_val(r->armed, range);
            r->nr_armed += range.count;
        }
        at += range.count;
    }
}

/* For sorting ranges by address. */
static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const RwpPageRange *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* What was armed and is so still goes. */
static void evict(RwpEvictReturn *r, const RwpEvictJob *how,
                  RwpEvictAccount *account, GArray *armed)
{
    RwpEvictJob job = {
        .max_age = RWP_AGE_LIMIT,
        .budget = r->npages,
        .held = true,
        .engine = how->engine,
        .go_on = how->go_on,
        .opaque = how->opaque,
        .only = (const RwpPageRange *)armed->data,
        .nr_only = armed->len,
    };

    g_array_sort(armed, compare_ranges);
    rwp_evict_job_sweep(r->em, &job, account);
    trace_rwp_gave_back(r->em->memory.host, job.count.evicted,
                        job.count.accessed, job.count.kept);
}

void rwp_evict_return_run(RwpEvictReturn *r, const RwpEvictJob *how,
                          RwpEvictAccount *account)
{
    g_autoptr(GArray) queued = NULL;
    g_autoptr(GArray) armed = r->armed;
    uint64_t nr_queued, nr_armed = r->nr_armed;

    WITH_QEMU_LOCK_GUARD(&r->lock) {
        queued = r->queued;
        nr_queued = r->nr_queued;
        r->queued = new_ranges();
        r->nr_queued = 0;
    }
    r->armed = new_ranges();
    r->nr_armed = 0;
    for (guint i = 0; i < queued->len; i++) {
        arm(r, &g_array_index(queued, RwpPageRange, i));
    }
    r->armed_ns = get_clock();
    /* The others were not out, or nobody would see accesses to them. */
    settle(r, nr_queued - r->nr_armed);
    if (armed->len && how->engine && !how->engine->blocked()) {
        evict(r, how, account, armed);
    }
    settle(r, nr_armed);
}
