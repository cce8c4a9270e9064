/*
 * Room for hot pages before they come
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Theory of operation
 *
 * To allocate memory when a page comes takes several times as long as to fill
 * it.  One thread does it before.  Whoever loads the stream only puts runs into
 * a queue, so that the main loop stays free, however much is hot.
 *
 * MADV_POPULATE_WRITE faults pages in as if they were written to, but writes
 * nothing: what has come is left as it is, and what is absent is zero, as the
 * receiver expects it.  So nobody needs to know what has come already, whoever
 * is first, and no lock of migration is needed.
 *
 * When the source stops its guest, the thread goes on: what comes now is what
 * it makes room for.  It takes nothing away from those who receive, for what it
 * populates they need not, and a page that they were faster with costs it a
 * look.  Usually it is done long before, for hot pages come last.
 *
 * When the guest starts here, all pages have come, and the thread ends: from
 * then on memory may be discarded, and time is the guest's.  So it does when
 * the migration fails.  If QEMU quits, the thread goes with the process.
 */

#include "qemu/osdep.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "qemu/lockable.h"
#include "qemu/madvise.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "system/runstate.h"
#include "page-heat-room.h"
#include "trace.h"

/*
 * Populated by one call.  So long the start of the guest may have to wait for
 * the thread, and whoever maps memory in QEMU for the kernel's lock: these are
 * no more than 4096 faults.  They still are so many that the call itself costs
 * nothing beside them.
 */
#define PIECE (16 * MiB)

/* More get no room, whatever the source tells: the queue has 64 MiB at most. */
#define MAX_RUNS (1024 * 1024)

typedef struct Run {
    RAMBlock *block;
    uint64_t offset;
    uint64_t length;
} Run;

struct PageHeatRoom {
    GThread *thread;        /* NULL: there is none any more */
    VMChangeStateEntry *vm_change;
    GPtrArray *blocks;      /* that are referenced */
    uint64_t wanted;        /* bytes */
    uint64_t populated;     /* bytes; the thread's, while there is one */

    QemuMutex lock;         /* protects what follows */
    QemuCond cond;          /* there are runs, or it is to stop */
    GArray *runs;           /* of Run, that nobody has taken yet */
    bool stop;              /* may be read without the lock */
};

static void populate(PageHeatRoom *room, const Run *run)
{
    uint64_t end = run->offset + run->length;
    uint64_t length;

    for (uint64_t at = run->offset; at < end && !qatomic_read(&room->stop);
         at += length) {
        int err = 0;

        length = MIN(end - at, PIECE);
        if (qemu_madvise(run->block->host + at, length,
                         QEMU_MADV_POPULATE_WRITE)) {
            /* It is done when the page comes. */
            err = errno;
        } else {
            room->populated += length;
        }
        trace_page_heat_room(run->block->idstr, at, length, err);
    }
}

/* Exchange @runs, which are done, for others; false if it is to stop. */
static bool take_runs(PageHeatRoom *room, GArray **runs)
{
    GArray *done = *runs;

    g_array_set_size(done, 0);
    QEMU_LOCK_GUARD(&room->lock);
    while (!room->stop && !room->runs->len) {
        qemu_cond_wait(&room->cond, &room->lock);
    }
    *runs = room->runs;
    room->runs = done;
    return !room->stop;
}

static void *room_thread(void *opaque)
{
    PageHeatRoom *room = opaque;
    g_autoptr(GArray) runs = g_array_new(false, false, sizeof(Run));

    while (take_runs(room, &runs)) {
        for (guint i = 0; i < runs->len; i++) {
            populate(room, &g_array_index(runs, Run, i));
        }
    }
    return NULL;
}

/* qemu_thread_create() would end QEMU if there can be none. */
static GThread *start_thread(PageHeatRoom *room)
{
    GThread *thread;
#ifndef _WIN32
    sigset_t all, old;

    /* Signals are for others. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
#endif
    thread = g_thread_try_new("page-heat-room", room_thread, room, NULL);
#ifndef _WIN32
    pthread_sigmask(SIG_SETMASK, &old, NULL);
#endif
    return thread;
}

static void stop_thread(PageHeatRoom *room)
{
    if (!room->thread) {
        return;
    }

    WITH_QEMU_LOCK_GUARD(&room->lock) {
        qatomic_set(&room->stop, true);
        qemu_cond_signal(&room->cond);
    }
    g_thread_join(room->thread);
    room->thread = NULL;
    trace_page_heat_room_end(room->wanted, room->populated);
}

/* Comes before the first vCPU runs. */
static void vm_changed(void *opaque, bool running, RunState state)
{
    if (running) {
        stop_thread(opaque);
    }
}

PageHeatRoom *page_heat_room_new(void)
{
    PageHeatRoom *room = g_new0(PageHeatRoom, 1);

    room->blocks = g_ptr_array_new();
    qemu_mutex_init(&room->lock);
    qemu_cond_init(&room->cond);
    room->runs = g_array_new(false, false, sizeof(Run));
    room->vm_change = qemu_add_vm_change_state_handler(vm_changed, room);
    room->thread = start_thread(room);
    return room;
}

void page_heat_room_want(PageHeatRoom *room, RAMBlock *block, uint64_t offset,
                         uint64_t length)
{
    Run run = { .block = block, .offset = offset, .length = length };
    Run *last;

    if (!room->thread) {
        return;
    }

    if (!g_ptr_array_find(room->blocks, block, NULL)) {
        memory_region_ref(block->mr);
        g_ptr_array_add(room->blocks, block);
    }
    room->wanted += length;

    QEMU_LOCK_GUARD(&room->lock);
    last = room->runs->len ? &g_array_index(room->runs, Run,
                                            room->runs->len - 1) : NULL;
    if (last && last->block == block && last->offset + last->length == offset) {
        /* Their ages differed. */
        last->length += length;
    } else if (room->runs->len < MAX_RUNS) {
        g_array_append_val(room->runs, run);
        qemu_cond_signal(&room->cond);
    }
}

void page_heat_room_free(PageHeatRoom *room)
{
    if (!room) {
        return;
    }

    stop_thread(room);
    qemu_del_vm_change_state_handler(room->vm_change);
    for (guint i = 0; i < room->blocks->len; i++) {
        RAMBlock *block = g_ptr_array_index(room->blocks, i);

        memory_region_unref(block->mr);
    }
    g_ptr_array_free(room->blocks, true);
    g_array_free(room->runs, true);
    qemu_cond_destroy(&room->cond);
    qemu_mutex_destroy(&room->lock);
    g_free(room);
}
