/*
 * Precopy that holds hot pages back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "exec/memory.h"
#include "exec/target_page.h"
#include "system/cpu-throttle.h"
#include "system/runstate.h"
#include "migration.h"
#include "migration-stats.h"
#include "options.h"
#include "page-heat-order.h"
#include "page-heat-precopy.h"
#include "page-heat-writes.h"
#include "ram.h"
#include "trace.h"

/* The dirty log is cleared in pieces of this size: that of a huge page. */
#define CLEAR_SIZE (2 * MiB)

/* Pieces whose log is cleared while others wait for the mutex. */
#define WATCH_CHUNKS 256

struct PageHeatPrecopy {
    PageHeatOrder order;
    PageHeatWindows windows;
    GHashTable *writes;         /* RAMBlock with heat -> its PageHeatWrites */
    /* While a sync is under way: */
    bool syncing;
    bool new_window;
    PageHeatFold fold;
    /* While a block is merged: its bitmap, and the copy of its clear_bmap. */
    unsigned long *bmap;
    unsigned long *unwatched;
    /* An empty bitmap as large as that of the largest block with heat. */
    unsigned long *log;
    /* Where page_heat_precopy_watch() goes on; NULL: nothing to do. */
    RAMBlock *watch_block;
    unsigned long watch_page;
    uint32_t watch_version;     /* of the list of blocks */
};

static unsigned long used_pages(const RAMBlock *block)
{
    return block->used_length >> qemu_target_page_bits();
}

static unsigned long max_pages(const RAMBlock *block)
{
    return block->max_length >> qemu_target_page_bits();
}

static unsigned long clear_chunks(const RAMBlock *block, unsigned long pages)
{
    return DIV_ROUND_UP(pages, 1UL << block->clear_bmap_shift);
}

/* A block with heat, before anything is held back. */
typedef struct Candidate {
    RAMBlock *block;
    PageHeat *heat;             /* referenced */
    unsigned young;             /* ages below that are hot */
    unsigned long *hot;         /* bitmap, to become the block's */
} Candidate;

/* Pages that are out are cold, whatever was known of them before. */
static void find_hot(Candidate *c)
{
    PageHeatClass *phc = PAGE_HEAT_GET_CLASS(c->heat);
    unsigned bits = qemu_target_page_bits();
    PageHeatRun run;
    uint64_t at = 0;

    while (at < c->block->used_length &&
           phc->next_run(c->heat, at, c->block->used_length, &run)) {
        at = run.offset + run.length;
        if (run.age < c->young && !run.out) {
            bitmap_set(c->hot, run.offset >> bits,
                       (at >> bits) - (run.offset >> bits));
        }
    }
}

static GArray *find_candidates(void)
{
    GArray *candidates = g_array_new(false, false, sizeof(Candidate));
    PageHeatHistory history;
    RAMBlock *block;

    RAMBLOCK_FOREACH_NOT_IGNORED(block) {
        Candidate c = { .block = block };

        if (page_heat_known(block, &c.heat, &history)) {
            object_ref(OBJECT(c.heat));
            c.young = page_heat_young(&history);
            c.hot = bitmap_new(max_pages(block));
            g_array_append_val(candidates, c);
        }
    }
    return candidates;
}

/* Host pages are sent as a whole, so one that is hot in part is hot. */
static void widen(RAMBlock *block)
{
    unsigned long unit = qemu_ram_pagesize(block) >> qemu_target_page_bits();

    if (unit > 1) {
        page_heat_order_widen(block->hot_bmap, unit, used_pages(block));
    }
}

/* Bytes that are dirty, of memory that has heat. */
static uint64_t count_with_heat(void)
{
    RAMBlock *block;
    uint64_t pages = 0;

    RAMBLOCK_FOREACH_NOT_IGNORED(block) {
        if (block->hot_bmap) {
            pages += bitmap_count_one(block->bmap, used_pages(block));
        }
    }
    return pages << qemu_target_page_bits();
}

/* Bytes that are dirty and hot. */
static uint64_t count_hot(void)
{
    RAMBlock *block;
    uint64_t pages = 0;

    RAMBLOCK_FOREACH_NOT_IGNORED(block) {
        if (block->hot_bmap) {
            pages += page_heat_order_count(block->bmap, block->hot_bmap,
                                           used_pages(block));
        }
    }
    return pages << qemu_target_page_bits();
}

/* xbzrle's pages are counted on from one migration to the next. */
static uint64_t transferred(void)
{
    return (stat64_get(&mig_stats.normal_pages) + xbzrle_counters.pages) <<
           qemu_target_page_bits();
}

static void watch_from_start(PageHeatPrecopy *heat)
{
    heat->watch_version = ram_list.version;
    /* Read version before ram_list.blocks */
    smp_rmb();
    heat->watch_block = heat->order.ended ? NULL
                                          : QLIST_FIRST_RCU(&ram_list.blocks);
    heat->watch_page = 0;
}

PageHeatPrecopy *page_heat_precopy_new(void)
{
    g_autoptr(GArray) candidates = NULL;
    unsigned long longest = 0, chunks = 0;
    PageHeatPrecopy *heat;
    uint64_t hot;
    int64_t now_ms;

    /* A guest that is stopped writes to nothing. */
    if (!migrate_page_heat() || !runstate_is_running()) {
        return NULL;
    }

    WITH_RCU_READ_LOCK_GUARD() {
        candidates = find_candidates();
    }
    if (!candidates->len) {
        warn_report("page-heat%s no effect on this migration: of what it sends"
                    " no memory-backend-rwp was tracked for an interval or"
                    " longer (query-working-set tells why)",
                    migrate_auto_postcopy() ? " and auto-postcopy have"
                                            : " has");
        return NULL;
    }

    /* There can be as many runs as pages: the guest must not wait for that. */
    bql_unlock();
    for (guint i = 0; i < candidates->len; i++) {
        find_hot(&g_array_index(candidates, Candidate, i));
    }
    bql_lock();

    heat = g_new0(PageHeatPrecopy, 1);
    heat->writes = g_hash_table_new_full(
        NULL, NULL, NULL, (GDestroyNotify)page_heat_writes_free);

    RCU_READ_LOCK_GUARD();
    for (guint i = 0; i < candidates->len; i++) {
        Candidate *c = &g_array_index(candidates, Candidate, i);

        c->block->hot_bmap = c->hot;
        g_hash_table_insert(heat->writes, c->block,
                            page_heat_writes_new(max_pages(c->block)));
        widen(c->block);
        longest = MAX(longest, max_pages(c->block));
        chunks = MAX(chunks, clear_chunks(c->block, max_pages(c->block)));
        object_unref(OBJECT(c->heat));
    }

    heat->log = bitmap_new(longest);
    heat->unwatched = bitmap_new(chunks);
    hot = count_hot();
    now_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    page_heat_order_begin(&heat->order, now_ms, ram_bytes_total(),
                          count_with_heat(), hot, transferred());
    page_heat_windows_begin(&heat->windows, now_ms);
    watch_from_start(heat);

    stat64_set(&mig_stats.page_heat_deferred_pages,
               hot >> qemu_target_page_bits());
    stat64_set(&mig_stats.page_heat_hot_bytes, hot);
    stat64_set(&mig_stats.page_heat_in_force, 1);
    return heat;
}

void page_heat_precopy_free(PageHeatPrecopy *heat)
{
    RAMBlock *block;

    if (!heat) {
        return;
    }
    /* One that was unplugged meanwhile is ignored by now, or gone. */
    RAMBLOCK_FOREACH(block) {
        g_clear_pointer(&block->hot_bmap, g_free);
    }
    g_hash_table_destroy(heat->writes);
    g_free(heat->unwatched);
    g_free(heat->log);
    g_free(heat);
}

uint8_t page_heat_precopy_clear_shift(RAMBlock *block, uint8_t shift)
{
    uint8_t ours = ctz64(CLEAR_SIZE) - qemu_target_page_bits();
    PageHeatHistory history;
    PageHeat *heat;

    /* Nothing is held back of a guest that is stopped. */
    if (!runstate_is_running() || !page_heat_known(block, &heat, &history)) {
        return shift;
    }
    return MIN(shift, MAX(ours, CLEAR_BITMAP_SHIFT_MIN));
}

void page_heat_precopy_end(PageHeatPrecopy *heat)
{
    if (heat) {
        page_heat_order_end(&heat->order);
        heat->watch_block = NULL;
    }
}

bool page_heat_precopy_ended(const PageHeatPrecopy *heat)
{
    return heat->order.ended;
}

unsigned long page_heat_precopy_next(PageHeatPrecopy *heat, RAMBlock *block,
                                     unsigned long pages, unsigned long page)
{
    if (heat->order.hold == PAGE_HEAT_HOLD_NONE) {
        return find_next_bit(block->bmap, pages, page);
    }
    return page_heat_order_next(block->bmap, block->hot_bmap, pages, page);
}

void page_heat_precopy_watch(PageHeatPrecopy *heat)
{
    int chunks = 0;

    if (!heat || !heat->watch_block) {
        return;
    }
    if (heat->watch_version != ram_list.version) {
        /* The guest let go of a device: that block may be gone. */
        watch_from_start(heat);
    }
    while (heat->watch_block) {
        RAMBlock *block = heat->watch_block;
        unsigned long pages = used_pages(block);
        unsigned long page;

        /* One that was unplugged may have lost its memory region. */
        page = block->hot_bmap && !migrate_ram_is_ignored(block) ?
               find_next_bit(block->hot_bmap, pages, heat->watch_page) : pages;
        if (page >= pages) {
            heat->watch_block = QLIST_NEXT_RCU(block, next);
            heat->watch_page = 0;
            continue;
        }
        ram_clear_dirty_log(block, page);
        heat->watch_page = ((page >> block->clear_bmap_shift) + 1) <<
                           block->clear_bmap_shift;
        if (++chunks == WATCH_CHUNKS) {
            return;
        }
    }
}

void page_heat_precopy_sent(PageHeatPrecopy *heat, RAMBlock *block,
                            unsigned long page)
{
    page_heat_order_sent(&heat->order, qemu_target_page_size(),
                         !heat->watch_block);
    if (test_bit(page, block->hot_bmap)) {
        stat64_add(&mig_stats.page_heat_hot_pages, 1);
    } else {
        stat64_add(&mig_stats.page_heat_cold_pages, 1);
    }
}

void page_heat_precopy_rest(PageHeatPrecopy *heat)
{
    RAMBlock *block;

    if (!heat) {
        return;
    }
    RAMBLOCK_FOREACH_NOT_IGNORED(block) {
        if (block->hot_bmap) {
            unsigned long pages = used_pages(block);
            uint64_t hot = page_heat_order_count(block->bmap, block->hot_bmap,
                                                 pages);

            stat64_add(&mig_stats.page_heat_hot_pages, hot);
            stat64_add(&mig_stats.page_heat_cold_pages,
                       bitmap_count_one(block->bmap, pages) - hot);
            g_clear_pointer(&block->hot_bmap, g_free);
        }
    }
}

void page_heat_precopy_pass_done(PageHeatPrecopy *heat)
{
    if (heat) {
        page_heat_order_pass_done(&heat->order);
    }
}

void page_heat_precopy_sync_begin(PageHeatPrecopy *heat, RAMBlock *block)
{
    if (heat->order.ended) {
        return;
    }
    if (!heat->syncing) {
        heat->syncing = true;
        heat->new_window = page_heat_windows_next(
            &heat->windows, qemu_clock_get_ms(QEMU_CLOCK_REALTIME));
    }

    /* A sync marks all chunks, so what was cleared is to be known before. */
    bitmap_copy(heat->unwatched, block->clear_bmap,
                clear_chunks(block, used_pages(block)));
    heat->bmap = block->bmap;
    block->bmap = heat->log;
}

uint64_t page_heat_precopy_sync_end(PageHeatPrecopy *heat, RAMBlock *block,
                                    uint64_t merged)
{
    unsigned long pages = used_pages(block);
    uint64_t before = heat->fold.again;
    PageHeatWrites *writes;
    unsigned long *window;

    if (heat->order.ended) {
        stat64_add(&mig_stats.page_heat_resent_pages, merged);
        return merged;
    }

    block->bmap = heat->bmap;
    heat->bmap = NULL;
    writes = g_hash_table_lookup(heat->writes, block);
    window = writes->window[heat->windows.newest];
    if (heat->new_window) {
        bitmap_clear(window, 0, pages);
    }
    page_heat_writes_fold(window, block->bmap, block->hot_bmap, heat->log,
                          heat->unwatched, block->clear_bmap_shift, pages,
                          &heat->fold);
    bitmap_clear(heat->log, 0, pages);
    widen(block);
    return heat->fold.again - before;
}

/* Forgets what is hot, but for what was written to in @times windows. */
static void forget_hot(PageHeatPrecopy *heat, unsigned times)
{
    RAMBlock *block;

    RAMBLOCK_FOREACH_NOT_IGNORED(block) {
        if (block->hot_bmap) {
            page_heat_writes_find(g_hash_table_lookup(heat->writes, block),
                                  times, block->hot_bmap, used_pages(block));
            widen(block);
        }
    }
}

/* Returns what is hot after a sync, in bytes of @dirty, which has heat. */
static uint64_t find_hot_bytes(PageHeatPrecopy *heat, uint64_t dirty)
{
    uint64_t threshold = migrate_get_current()->threshold_size;
    unsigned times_max = page_heat_windows_times_max(&heat->windows);
    uint64_t hot = count_hot();

    if (page_heat_order_keeps(&heat->order, dirty, hot, threshold)) {
        return hot;
    }
    for (unsigned times = 1; times <= times_max; times++) {
        forget_hot(heat, times);
        hot = count_hot();
        if (page_heat_order_worth_a_pass(&heat->order, dirty, hot,
                                         threshold)) {
            break;
        }
    }
    return hot;
}

/* Slows the guest down as much as it takes, instead of step by step. */
static void throttle(PageHeatPrecopy *heat, unsigned tolerated)
{
    unsigned now = cpu_throttle_active() ? cpu_throttle_get_percentage() : 0;
    unsigned then;

    if (!migrate_auto_converge()) {
        return;
    }
    then = page_heat_order_throttle(&heat->order, now, tolerated);
    then = MIN(then, migrate_max_cpu_throttle());
    if (then > now) {
        trace_page_heat_throttle(now, then);
        cpu_throttle_set(then);
    }
}

/*
 * Returns false if that is for the user to decide, or too early.  A guest that
 * was paused meanwhile would run on the other side, and a link that is broken
 * in one direction would be noticed too late.
 */
static bool start_postcopy(const PageHeatOrder *order)
{
    MigrationState *s = migrate_get_current();

    if (!migrate_auto_postcopy() || !page_heat_order_gives_up(order) ||
        !runstate_is_running() || migrate_has_error(s)) {
        return false;
    }
    trace_page_heat_start_postcopy(order->bandwidth, order->write_rate);
    qatomic_set(&s->start_postcopy, true);
    return true;
}

void page_heat_precopy_synced(PageHeatPrecopy *heat, uint64_t dirty)
{
    PageHeatOrder *order = &heat->order;
    unsigned bits = qemu_target_page_bits();
    PageHeatSync sync;
    uint64_t with_heat, hot;

    if (order->ended) {
        return;
    }

    with_heat = count_with_heat();
    hot = find_hot_bytes(heat, with_heat);
    sync = (PageHeatSync) {
        .now_ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME),
        .dirty = dirty,
        .other = dirty - MIN(dirty, with_heat),
        .hot = hot,
        .written = heat->fold.written << bits,
        .again = heat->fold.again << bits,
        .threshold = migrate_get_current()->threshold_size,
        .transferred = transferred(),
        .tolerated = migrate_throttle_trigger_threshold(),
    };
    stat64_add(&mig_stats.page_heat_resent_pages, heat->fold.again);
    heat->fold = (PageHeatFold) { };
    heat->syncing = false;

    page_heat_order_synced(order, &sync);
    trace_page_heat_synced(order->hold, sync.dirty, sync.hot, sync.written,
                           sync.again, sync.threshold, order->bandwidth,
                           order->write_rate, order->outlook);
    if (!start_postcopy(order)) {
        throttle(heat, sync.tolerated);
    }
    watch_from_start(heat);

    stat64_set(&mig_stats.page_heat_hot_bytes, sync.hot);
    stat64_set(&mig_stats.page_heat_write_rate, order->write_rate);
    stat64_set(&mig_stats.page_heat_outlook, order->outlook);
}

bool page_heat_precopy_wants_sync(const PageHeatPrecopy *heat, uint64_t dirty,
                                  uint64_t threshold)
{
    return heat ? page_heat_order_wants_sync(&heat->order, dirty, threshold)
                : dirty < threshold;
}
