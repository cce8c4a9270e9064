/*
 * Reading memory that is in swap, and letting it go again
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "page-heat-out.h"

#define GRAINS (PAGE_HEAT_OUT_WINDOW / PAGE_HEAT_OUT_GRAIN)

typedef struct Window {
    void *memory;           /* NULL: none */
    uint64_t start;
    DECLARE_BITMAP(out, GRAINS);        /* when it was asked */
    DECLARE_BITMAP(read, GRAINS);       /* those of them that were read since */
} Window;

struct PageHeatOut {
    const PageHeatOutOps *ops;
    Window now;
    Window behind[PAGE_HEAT_OUT_BEHIND];
    unsigned oldest;        /* of those */
    void *late;             /* memory that lets go too slowly, or NULL */
};

/* Gives back what was read in @window, and forgets the window. */
static void leave(PageHeatOut *out, Window *window)
{
    unsigned long first = 0, last;

    if (!window->memory) {
        return;
    }

    while ((first = find_next_bit(window->read, GRAINS, first)) < GRAINS) {
        last = find_next_zero_bit(window->read, GRAINS, first);
        if (!out->ops->give_back(window->memory,
                                 window->start + first * PAGE_HEAT_OUT_GRAIN,
                                 (last - first) * PAGE_HEAT_OUT_GRAIN) &&
            !out->late) {
            out->late = window->memory;
        }
        first = last;
    }
    window->memory = NULL;
}

/* Another window follows: keep this one for later, if need be. */
static void pass(PageHeatOut *out)
{
    if (!out->now.memory) {
        return;
    }

    if (bitmap_empty(out->now.read, GRAINS)) {
        leave(out, &out->now);
        return;
    }
    leave(out, &out->behind[out->oldest]);
    out->behind[out->oldest] = out->now;
    out->oldest = (out->oldest + 1) % PAGE_HEAT_OUT_BEHIND;
}

static void enter(PageHeatOut *out, void *memory, uint64_t size, uint64_t start)
{
    Window *window = &out->now;
    uint64_t end = MIN(start + PAGE_HEAT_OUT_WINDOW, size);
    uint64_t from = start, run_end;

    window->memory = memory;
    window->start = start;
    bitmap_zero(window->out, GRAINS);
    bitmap_zero(window->read, GRAINS);

    while (from < end &&
           out->ops->next_out(memory, &from, end, &run_end)) {
        bitmap_set(window->out, (from - start) / PAGE_HEAT_OUT_GRAIN,
                   (run_end - from) / PAGE_HEAT_OUT_GRAIN);
        out->ops->fetch(memory, from, run_end - from);
        from = run_end;
    }
}

void page_heat_out_reading(PageHeatOut *out, void *memory, uint64_t size,
                           uint64_t offset, uint64_t length)
{
    Window *window = &out->now;
    uint64_t start = ROUND_DOWN(offset, PAGE_HEAT_OUT_WINDOW);
    unsigned long grain = (offset - start) / PAGE_HEAT_OUT_GRAIN;

    if (window->memory != memory || window->start != start) {
        pass(out);
        enter(out, memory, size, start);
    }

    for (; length; length -= PAGE_HEAT_OUT_GRAIN, grain++) {
        if (test_bit(grain, window->out)) {
            set_bit(grain, window->read);
        }
    }
}

PageHeatOut *page_heat_out_new(const PageHeatOutOps *ops)
{
    PageHeatOut *out = g_new0(PageHeatOut, 1);

    out->ops = ops;
    return out;
}

void page_heat_out_free(PageHeatOut *out)
{
    if (!out) {
        return;
    }

    pass(out);
    for (unsigned i = 0; i < PAGE_HEAT_OUT_BEHIND; i++) {
        leave(out, &out->behind[i]);
    }
    g_free(out);
}

void *page_heat_out_late(const PageHeatOut *out)
{
    return out->late;
}

void page_heat_out_waited(PageHeatOut *out)
{
    out->late = NULL;
}
