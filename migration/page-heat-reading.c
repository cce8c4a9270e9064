/*
 * Reading swapped-out pages of RAM blocks for a migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "exec/target_page.h"
#include "qemu/bitops.h"
#include "qemu/madvise.h"
#include "qemu/main-loop.h"
#include "qapi/qapi-types-migration.h"
#include "migration/page-heat.h"
#include "migration.h"
#include "options.h"
#include "page-heat-out.h"
#include "page-heat-reading.h"
#include "trace.h"

struct PageHeatReading {
    PageHeatOut *out;
    GPtrArray *held;        /* MemoryRegion: blocks that @out knows of */
    GPtrArray *in;          /* RAMBlock: those of which nothing is out */
    RAMBlock *block;        /* of the last page; may be gone */
    bool skip;              /* it is not for page-heat-out */
};

static bool next_out(void *memory, uint64_t *from, uint64_t end,
                     uint64_t *run_end)
{
    PageHeat *heat = page_heat_of(memory);
    PageHeatClass *phc;
    PageHeatRun run = { .offset = *from };

    if (!heat) {
        return false;
    }
    phc = PAGE_HEAT_GET_CLASS(heat);
    if (!phc->out(heat, *from, end - *from)) {
        return false;
    }
    while (run.offset < end && phc->next_run(heat, run.offset, end, &run)) {
        if (run.out) {
            *from = run.offset;
            *run_end = run.offset + run.length;
            return true;
        }
        run.offset += run.length;
    }
    return false;
}

/* Of the pages that are out only those are wanted that are to be sent. */
static void fetch(void *memory, uint64_t offset, uint64_t length)
{
    RAMBlock *block = memory;
    int bits = qemu_target_page_bits();
    unsigned long end = (offset + length) >> bits;
    unsigned long first = find_next_bit(block->bmap, end, offset >> bits);

    while (first < end) {
        unsigned long last = find_next_zero_bit(block->bmap, end, first);
        ram_addr_t start = (ram_addr_t)first << bits;

        trace_page_heat_reading_fetch(block->idstr, start,
                                      (ram_addr_t)(last - first) << bits);
        /* A hint: if it fails, reading does it. */
        qemu_madvise(block->host + start, (ram_addr_t)(last - first) << bits,
                     QEMU_MADV_WILLNEED);
        first = find_next_bit(block->bmap, end, last);
    }
}

static bool give_back(void *memory, uint64_t offset, uint64_t length)
{
    RAMBlock *block = memory;
    PageHeat *heat = page_heat_of(block);

    trace_page_heat_reading_give_back(block->idstr, offset, length);
    return PAGE_HEAT_GET_CLASS(heat)->give_back(heat, offset, length);
}

static const PageHeatOutOps out_ops = {
    .next_out = next_out,
    .fetch = fetch,
    .give_back = give_back,
};

static void unref_region(gpointer region)
{
    memory_region_unref(region);
}

/* Nothing goes out during a migration but what it gives back. */
static bool may_be_out(RAMBlock *block)
{
    PageHeat *heat = page_heat_of(block);

    /* What is in such pages is never out, or is nobody's to know. */
    if (!heat || qemu_ram_pagesize(block) > PAGE_HEAT_OUT_WINDOW ||
        qemu_target_page_size() % PAGE_HEAT_OUT_GRAIN) {
        return false;
    }
    return PAGE_HEAT_GET_CLASS(heat)->out(heat, 0, block->used_length);
}

/* Blocks take turns in postcopy, so it is asked once for each. */
static bool is_in(PageHeatReading *reading, RAMBlock *block)
{
    if (g_ptr_array_find(reading->held, block->mr, NULL)) {
        return false;
    }
    if (g_ptr_array_find(reading->in, block, NULL)) {
        return true;
    }
    if (may_be_out(block)) {
        return false;
    }
    g_ptr_array_add(reading->in, block);
    return true;
}

PageHeatReading *page_heat_reading_start(void)
{
    PageHeatReading *reading;

    if (!migrate_page_heat()) {
        return NULL;
    }

    reading = g_new0(PageHeatReading, 1);
    reading->out = page_heat_out_new(&out_ops);
    reading->held = g_ptr_array_new_with_free_func(unref_region);
    reading->in = g_ptr_array_new();
    return reading;
}

void page_heat_reading_free(PageHeatReading *reading)
{
    if (reading) {
        page_heat_out_free(reading->out);
        g_ptr_array_unref(reading->held);
        g_ptr_array_unref(reading->in);
        g_free(reading);
    }
}

void page_heat_reading_page(PageHeatReading *reading, RAMBlock *block,
                            ram_addr_t offset)
{
    size_t page_size = qemu_target_page_size();

    if (!reading) {
        return;
    }

    if (reading->block != block) {
        reading->block = block;
        reading->skip = is_in(reading, block);
        if (!reading->skip && !g_ptr_array_find(reading->held, block->mr,
                                                NULL)) {
            /*
             * The guest may let go of it.  The last one to do so needs the BQL,
             * which is not held here: all are held until the end.
             */
            memory_region_ref(block->mr);
            g_ptr_array_add(reading->held, block->mr);
        }
    }
    if (!reading->skip) {
        page_heat_out_reading(reading->out, block, block->used_length, offset,
                              page_size);
    }
}

bool page_heat_reading_late(const PageHeatReading *reading)
{
    return reading && page_heat_out_late(reading->out) && !bql_locked();
}

void page_heat_reading_wait(PageHeatReading *reading)
{
    unsigned ms = PAGE_HEAT_READING_WAIT_MS;
    RAMBlock *block;
    PageHeat *heat;
    bool caught_up;

    if (!page_heat_reading_late(reading)) {
        return;
    }

    if (migration_in_postcopy()) {
        ms = PAGE_HEAT_READING_WAIT_POSTCOPY_MS;
    }
    block = page_heat_out_late(reading->out);
    heat = page_heat_of(block);
    caught_up = PAGE_HEAT_GET_CLASS(heat)->catch_up(heat, ms);
    trace_page_heat_reading_wait(block->idstr, ms, caught_up);
    page_heat_out_waited(reading->out);
}
