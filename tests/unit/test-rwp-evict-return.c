/*
 * What is given back: when it is armed, when it goes, and who waits for that
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tracker and the host are played by this file, so no time passes but for
 * whoever waits.
 */

#include "qemu/osdep.h"
#include "qemu/thread.h"
#include "hw/rwp/evict-return.h"

#define PAGE        4096
#define PART        (RWP_GIVE_BACK_MAX / PAGE)
#define MOST        (RWP_GIVE_BACK_PENDING_MAX / PAGE)
#define NPAGES      (8 * MOST)
#define FOREVER_MS  INT_MAX

static bool marking;
static bool locked;
static const char *blocked_reason;
static uint64_t armed;          /* pages, in all */
static uint64_t went;           /* likewise */

const RwpAgeMap *rwp_tracker_lock(RwpTracker *tracker)
{
    g_assert_false(locked);
    locked = true;
    return NULL;
}

void rwp_tracker_unlock(RwpTracker *tracker)
{
    g_assert_true(locked);
    locked = false;
}

bool rwp_tracker_marking(const RwpTracker *tracker)
{
    g_assert_true(locked);
    return marking;
}

bool rwp_tracker_arm(RwpTracker *tracker, uint64_t first, uint64_t count)
{
    g_assert_true(locked);
    armed += count;
    return true;
}

void rwp_evict_job_sweep(RwpEvictMemory *em, RwpEvictJob *job,
                         RwpEvictAccount *account)
{
    uint64_t end = 0;

    g_assert_false(locked);
    g_assert_true(job->held);
    for (size_t i = 0; i < job->nr_only; i++) {
        const RwpPageRange *r = &job->only[i];

        g_assert_cmpuint(r->first, >=, end);
        end = r->first + r->count;
        rwp_out_map_set_out(em->outs, r->first, r->count);
        went += r->count;
    }
}

static const char *blocked(void)
{
    return blocked_reason;
}

static int reclaim(const struct iovec *ranges, size_t nr)
{
    g_assert_not_reached();
}

static const RwpReclaimEngine engine = {
    .blocked = blocked,
    .reclaim = reclaim,
};

static RwpEvictMemory em;

/* All pages are out, for a reader. */
static RwpEvictReturn *start(void)
{
    RwpEvictReturn *r;

    em.memory.size = NPAGES * PAGE;
    em.memory.page_size = PAGE;
    em.outs = rwp_out_map_new(NPAGES);
    rwp_out_map_set_out(em.outs, 0, NPAGES);
    marking = true;
    blocked_reason = NULL;
    armed = went = 0;
    r = rwp_evict_return_new(&em);
    rwp_evict_return_open(r);
    return r;
}

static void finish(RwpEvictReturn *r)
{
    rwp_evict_return_close(r);
    rwp_evict_return_free(r);
    rwp_out_map_free(em.outs);
}

static void run(RwpEvictReturn *r)
{
    const RwpEvictJob how = { .engine = &engine };

    rwp_evict_return_run(r, &how, NULL);
}

/* Pages are armed in one run and go in the next. */
static void test_parts(void)
{
    RwpEvictReturn *r = start();
    int64_t wait_ms = -1;

    g_assert_false(rwp_evict_return_due(r, &wait_ms));
    g_assert_cmpint(wait_ms, ==, -1);
    g_assert_false(rwp_evict_return_add(r, 0, 0));
    g_assert_true(rwp_evict_return_add(r, 100, 10));
    g_assert_true(rwp_evict_return_add(r, 110, 10));
    g_assert_false(rwp_evict_return_add(r, 50, 10));
    g_assert_true(rwp_evict_return_due(r, &wait_ms));
    run(r);
    g_assert_cmpuint(armed, ==, 30);
    g_assert_cmpuint(went, ==, 0);
    g_assert_cmpuint(rwp_out_map_out(em.outs), ==, NPAGES - 30);

    /* Another part that size makes room for itself. */
    g_assert_true(rwp_evict_return_add(r, 1000, PART));
    g_assert_true(rwp_evict_return_due(r, &wait_ms));
    run(r);
    g_assert_cmpuint(armed, ==, 30 + PART);
    g_assert_cmpuint(went, ==, 30);

    /* Released: nothing is armed any more. */
    marking = false;
    rwp_evict_return_add(r, 100, 10);
    run(r);
    g_assert_cmpuint(armed, ==, 30 + PART);
    g_assert_cmpuint(went, ==, 30 + PART);
    finish(r);
}

/* What is queued, and what is armed, is pending; no more than the limit. */
static void test_limit(void)
{
    RwpEvictReturn *r = start();
    int64_t wait_ms = -1;

    rwp_evict_return_add(r, 0, MOST);
    g_assert_true(rwp_evict_return_wait(r, 0));
    rwp_evict_return_add(r, MOST, 1);
    g_assert_false(rwp_evict_return_wait(r, 0));
    g_assert_false(rwp_evict_return_wait(r, 1));
    run(r);
    g_assert_false(rwp_evict_return_wait(r, 0));
    /* They do not stay for the guest's sake, with a reader that waits. */
    g_assert_true(rwp_evict_return_due(r, &wait_ms));
    g_assert_cmpint(wait_ms, ==, -1);
    rwp_evict_return_add(r, MOST + 1, MOST);
    run(r);
    g_assert_cmpuint(went, ==, MOST + 1);
    g_assert_true(rwp_evict_return_wait(r, 0));
    rwp_evict_return_add(r, 2 * MOST + 1, 1);
    g_assert_false(rwp_evict_return_wait(r, 0));
    run(r);
    g_assert_true(rwp_evict_return_wait(r, 0));

    /* What was not out is not pending for long. */
    rwp_out_map_set_in(em.outs, 0, NPAGES);
    rwp_evict_return_add(r, 3 * MOST, 2 * MOST);
    g_assert_false(rwp_evict_return_wait(r, 0));
    run(r);
    g_assert_true(rwp_evict_return_wait(r, 0));
    finish(r);
}

/* Nobody waits for what will not go. */
static void test_in_vain(void)
{
    RwpEvictReturn *r = start();

    blocked_reason = "full";
    rwp_evict_return_add(r, 0, MOST + 1);
    run(r);
    g_assert_false(rwp_evict_return_wait(r, 0));
    run(r);
    g_assert_true(rwp_evict_return_wait(r, 0));
    g_assert_cmpuint(went, ==, 0);

    rwp_evict_return_add(r, 0, MOST + 1);
    marking = false;
    run(r);
    g_assert_true(rwp_evict_return_wait(r, 0));

    /* Closed: what is queued, and what is armed. */
    marking = true;
    rwp_evict_return_add(r, MOST + 1, MOST + 1);
    run(r);
    rwp_evict_return_add(r, 0, MOST + 1);
    rwp_evict_return_close(r);
    g_assert_true(rwp_evict_return_wait(r, FOREVER_MS));
    g_assert_false(rwp_evict_return_add(r, 0, MOST + 1));
    g_assert_true(rwp_evict_return_wait(r, FOREVER_MS));
    rwp_evict_return_open(r);
    g_assert_true(rwp_evict_return_wait(r, 0));
    rwp_evict_return_add(r, 4 * MOST, MOST);
    g_assert_true(rwp_evict_return_wait(r, 0));
    rwp_evict_return_add(r, 0, 1);
    g_assert_false(rwp_evict_return_wait(r, 0));
    finish(r);
}

static void *reader(void *opaque)
{
    return GINT_TO_POINTER(rwp_evict_return_wait(opaque, FOREVER_MS));
}

/*
 * A reader that waits goes on.  Whether it waits already when that happens is
 * left to chance; if it were not woken then, the test would never end.
 */
static void test_waiting(const void *opaque)
{
    bool close = GPOINTER_TO_INT(opaque);

    for (int i = 0; i < 200; i++) {
        RwpEvictReturn *r = start();
        QemuThread thread;

        rwp_evict_return_add(r, 0, MOST + 1);
        qemu_thread_create(&thread, "reader", reader, r, QEMU_THREAD_JOINABLE);
        if (i % 2) {
            g_thread_yield();
        }
        if (close) {
            rwp_evict_return_close(r);
        } else {
            run(r);
            run(r);
        }
        g_assert_true(GPOINTER_TO_INT(qemu_thread_join(&thread)));
        finish(r);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rwp/evict-return/parts", test_parts);
    g_test_add_func("/rwp/evict-return/limit", test_limit);
    g_test_add_func("/rwp/evict-return/in-vain", test_in_vain);
    g_test_add_data_func("/rwp/evict-return/waiting/run",
                         GINT_TO_POINTER(false), test_waiting);
    g_test_add_data_func("/rwp/evict-return/waiting/closed",
                         GINT_TO_POINTER(true), test_waiting);
    return g_test_run();
}
