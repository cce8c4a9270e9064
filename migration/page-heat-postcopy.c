/*
 * The order in which postcopy pushes the pages of RAM blocks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "exec/target_page.h"
#include "qemu/bitops.h"
#include "qemu/rcu_queue.h"
#include "migration/misc.h"
#include "migration/page-heat.h"
#include "options.h"
#include "page-heat-postcopy.h"
#include "page-heat-push.h"
#include "ram.h"
#include "trace.h"

/*
 * Pages that were accessed within so many ms are hot.  This is long: being
 * taken for hot costs a page nothing, as it must be sent in any case, and those
 * that are younger go first.
 */
#define HOT_MS 120000

typedef struct Block {
    RAMBlock *rb;           /* with a reference to its region */
    PageHeat *heat;         /* NULL if it has none */
} Block;

struct PageHeatPostcopy {
    PageHeatPush *push;
    GArray *blocks;         /* Block */
};

static Block *nth_block(PageHeatPostcopy *postcopy, unsigned nr)
{
    return &g_array_index(postcopy->blocks, Block, nr);
}

static bool next_run(void *opaque, unsigned nr, uint64_t from, uint64_t end,
                     PageHeatRun *run)
{
    PageHeat *heat = nth_block(opaque, nr)->heat;

    return PAGE_HEAT_GET_CLASS(heat)->next_run(heat, from, end, run);
}

static uint64_t next_unsent(void *opaque, unsigned nr, uint64_t from,
                            uint64_t end)
{
    RAMBlock *rb = nth_block(opaque, nr)->rb;
    int bits = qemu_target_page_bits();
    uint64_t page = find_next_bit(rb->bmap, end >> bits, from >> bits);

    return page << bits;
}

static const PageHeatPushOps push_ops = {
    .next_run = next_run,
    .next_unsent = next_unsent,
};

/* How many ages of the block are hot; 0 if nothing is known of them. */
static unsigned hot_ages(PageHeat *heat)
{
    PageHeatHistory history;

    if (!heat || !PAGE_HEAT_GET_CLASS(heat)->history(heat, &history)) {
        return 0;
    }
    /* The oldest age stands for all that are older still. */
    return MIN(1 + HOT_MS / MAX(history.interval_ms, 1), PAGE_HEAT_AGE_MAX);
}

PageHeatPostcopy *page_heat_postcopy_start(void)
{
    g_autoptr(GArray) order = NULL;
    PageHeatPostcopy *postcopy;
    bool heat = false;
    RAMBlock *rb;

    if (!migrate_page_heat()) {
        return NULL;
    }

    postcopy = g_new0(PageHeatPostcopy, 1);
    postcopy->blocks = g_array_new(false, false, sizeof(Block));
    order = g_array_new(false, false, sizeof(PageHeatPushBlock));

    RAMBLOCK_FOREACH_NOT_IGNORED(rb) {
        Block block = { rb, page_heat_of(rb) };
        PageHeatPushBlock entry = {
            .length = rb->used_length,
            .page_size = MAX(qemu_ram_pagesize(rb), qemu_target_page_size()),
            .hot_ages = hot_ages(block.heat),
        };

        heat |= entry.hot_ages;
        memory_region_ref(rb->mr);
        g_array_append_val(postcopy->blocks, block);
        g_array_append_val(order, entry);
        trace_page_heat_postcopy_block(rb->idstr, entry.hot_ages);
    }

    if (!heat) {
        page_heat_postcopy_free(postcopy);
        return NULL;
    }

    postcopy->push = page_heat_push_new((PageHeatPushBlock *)order->data,
                                        order->len, &push_ops, postcopy);
    return postcopy;
}

void page_heat_postcopy_free(PageHeatPostcopy *postcopy)
{
    if (!postcopy) {
        return;
    }

    for (unsigned i = 0; i < postcopy->blocks->len; i++) {
        memory_region_unref(nth_block(postcopy, i)->rb->mr);
    }
    g_array_free(postcopy->blocks, true);
    page_heat_push_free(postcopy->push);
    g_free(postcopy);
}

void page_heat_postcopy_resume(PageHeatPostcopy *postcopy)
{
    if (postcopy) {
        page_heat_push_restart(postcopy->push);
    }
}

void page_heat_postcopy_asked(PageHeatPostcopy *postcopy, RAMBlock *rb,
                              unsigned long page)
{
    if (!postcopy) {
        return;
    }

    for (unsigned i = 0; i < postcopy->blocks->len; i++) {
        if (nth_block(postcopy, i)->rb == rb) {
            page_heat_push_asked(postcopy->push, i,
                                 (uint64_t)page << qemu_target_page_bits());
        }
    }
}

bool page_heat_postcopy_next(PageHeatPostcopy *postcopy, RAMBlock **block,
                             unsigned long *page)
{
    PageHeatPushWhy why;
    uint64_t offset;
    unsigned nr;

    if (!postcopy) {
        return false;
    }

    why = page_heat_push_next(postcopy->push, &nr, &offset);
    if (why == PAGE_HEAT_PUSH_NONE) {
        return false;
    }

    *block = nth_block(postcopy, nr)->rb;
    *page = offset >> qemu_target_page_bits();
    trace_page_heat_postcopy_next((*block)->idstr, offset,
                                  why == PAGE_HEAT_PUSH_HOT);
    return true;
}
