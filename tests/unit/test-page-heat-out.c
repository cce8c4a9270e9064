/*
 * Reading memory that is in swap: what is fetched and given back, and when
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "migration/page-heat-out.h"
#include "test-rwp-random.h"

#define GRAIN PAGE_HEAT_OUT_GRAIN
#define WINDOW_PAGES (PAGE_HEAT_OUT_WINDOW / PAGE_HEAT_OUT_GRAIN)

typedef struct Page {
    bool out;               /* in swap now */
    bool fetched;           /* since it went out */
    bool owed;              /* was out when it was read; not given back since */
} Page;

typedef struct Memory {
    uint64_t npages;
    Page *pages;
    uint64_t in;            /* pages that are owed */
    uint64_t most_in;
    uint64_t calls;         /* of give_back */
    bool slow;              /* what is given back goes too slowly */
} Memory;

static bool next_out(void *opaque, uint64_t *from, uint64_t end,
                     uint64_t *run_end)
{
    Memory *memory = opaque;
    uint64_t page = *from / GRAIN;

    g_assert_cmpuint(*from, <, end);
    g_assert_cmpuint(end, <=, memory->npages * GRAIN);
    while (page < end / GRAIN && !memory->pages[page].out) {
        page++;
    }
    if (page == end / GRAIN) {
        return false;
    }
    *from = page * GRAIN;
    while (page < end / GRAIN && memory->pages[page].out) {
        page++;
    }
    *run_end = page * GRAIN;
    return true;
}

static void fetch(void *opaque, uint64_t offset, uint64_t length)
{
    Memory *memory = opaque;
    uint64_t first = offset / GRAIN, last = first + length / GRAIN;

    g_assert_cmpuint(length, >, 0);
    for (uint64_t i = first; i < last; i++) {
        g_assert_true(memory->pages[i].out);
        memory->pages[i].fetched = true;
    }
    /* All of a run at once. */
    g_assert(last % WINDOW_PAGES == 0 || last == memory->npages ||
             !memory->pages[last].out);
}

static bool give_back(void *opaque, uint64_t offset, uint64_t length)
{
    Memory *memory = opaque;
    uint64_t first = offset / GRAIN, last = first + length / GRAIN;

    g_assert_cmpuint(length, >, 0);
    memory->calls++;
    for (uint64_t i = first; i < last; i++) {
        g_assert_true(memory->pages[i].owed);
        memory->pages[i].owed = false;
        memory->pages[i].out = true;
        memory->pages[i].fetched = false;
        memory->in--;
    }
    return !memory->slow;
}

static const PageHeatOutOps ops = {
    .next_out = next_out,
    .fetch = fetch,
    .give_back = give_back,
};

static void memory_init(Memory *memory, uint64_t npages)
{
    *memory = (Memory) { .npages = npages };
    memory->pages = g_new0(Page, npages);
}

static void memory_destroy(Memory *memory)
{
    for (uint64_t i = 0; i < memory->npages; i++) {
        g_assert_false(memory->pages[i].owed);
    }
    g_free(memory->pages);
}

static void read_pages(PageHeatOut *out, Memory *memory, uint64_t first,
                       uint64_t count)
{
    page_heat_out_reading(out, memory, memory->npages * GRAIN, first * GRAIN,
                          count * GRAIN);
    for (uint64_t i = first; i < first + count; i++) {
        Page *page = &memory->pages[i];

        if (page->out) {
            page->out = false;
            page->owed = true;
            memory->in++;
            memory->most_in = MAX(memory->most_in, memory->in);
        }
    }
}

/* A pass through all of memory: swap is read in runs, and little stays in. */
static void test_pass(void)
{
    Memory memory;
    PageHeatOut *out;

    memory_init(&memory, 40 * WINDOW_PAGES + 5);
    for (uint64_t i = 0; i < memory.npages; i++) {
        memory.pages[i].out = i % 5;
    }
    out = page_heat_out_new(&ops);
    for (uint64_t i = 0; i < memory.npages; i++) {
        if (i % WINDOW_PAGES) {
            g_assert(memory.pages[i].fetched == memory.pages[i].out);
        }
        read_pages(out, &memory, i, 1);
        g_assert(!memory.pages[i].owed || memory.pages[i].fetched);
    }
    g_assert_cmpuint(memory.most_in, <=,
                     (PAGE_HEAT_OUT_BEHIND + 1) * WINDOW_PAGES);
    g_assert_cmpuint(memory.most_in, >,
                     PAGE_HEAT_OUT_BEHIND * WINDOW_PAGES * 4 / 5);
    page_heat_out_free(out);
    g_assert_cmpuint(memory.calls, <=, memory.npages / 5 + 1 + 40);
    memory_destroy(&memory);
}

/* Where nothing is out there is nothing to be done. */
static void test_nothing_out(void)
{
    Memory memory;
    PageHeatOut *out;

    memory_init(&memory, 100 * WINDOW_PAGES);
    memory.pages[3].out = true;
    out = page_heat_out_new(&ops);
    for (uint64_t i = 0; i < memory.npages; i++) {
        read_pages(out, &memory, i, 1);
    }
    g_assert_true(memory.pages[3].owed);

    /* What was not read is not given back. */
    memory.pages[10].out = true;
    memory.pages[11].out = true;
    read_pages(out, &memory, 11, 1);
    page_heat_out_free(out);
    g_assert_cmpuint(memory.calls, ==, 2);
    g_assert_true(memory.pages[10].fetched);
    g_assert_false(memory.pages[11].fetched);
    memory_destroy(&memory);
}

/* It takes some time until a page that was read goes again. */
static void test_distance(void)
{
    Memory memory;
    PageHeatOut *out;

    memory_init(&memory, 100 * WINDOW_PAGES);
    for (uint64_t i = 0; i < memory.npages; i++) {
        memory.pages[i].out = true;
    }
    out = page_heat_out_new(&ops);
    for (uint64_t i = 0; i < memory.npages; i++) {
        uint64_t kept = PAGE_HEAT_OUT_BEHIND * WINDOW_PAGES;

        read_pages(out, &memory, i, 1);
        for (uint64_t j = i < kept ? 0 : i - kept; j <= i; j++) {
            g_assert_true(memory.pages[j].owed);
        }
    }
    page_heat_out_free(out);
    memory_destroy(&memory);
}

/* Who lets go too slowly is remembered until it was waited for. */
static void test_late(void)
{
    const uint64_t behind = PAGE_HEAT_OUT_BEHIND;
    Memory memories[2];
    PageHeatOut *out = page_heat_out_new(&ops);

    for (int i = 0; i < 2; i++) {
        memory_init(&memories[i], 20 * WINDOW_PAGES);
        for (uint64_t j = 0; j < memories[i].npages; j++) {
            memories[i].pages[j].out = true;
        }
        memories[i].slow = true;
    }

    /* Two windows of the first one are given back, then all of it. */
    for (uint64_t i = 0; i < behind + 3; i++) {
        g_assert((page_heat_out_late(out) == &memories[0]) == (i > behind + 1));
        read_pages(out, &memories[0], i * WINDOW_PAGES, 1);
    }
    g_assert(page_heat_out_late(out) == &memories[0]);
    for (uint64_t i = 0; i < behind + 3; i++) {
        read_pages(out, &memories[1], i * WINDOW_PAGES, 1);
    }
    g_assert(page_heat_out_late(out) == &memories[0]);

    page_heat_out_waited(out);
    g_assert_null(page_heat_out_late(out));
    page_heat_out_waited(out);
    read_pages(out, &memories[1], (behind + 3) * WINDOW_PAGES, 1);
    g_assert(page_heat_out_late(out) == &memories[1]);

    /* Nobody waits at the end. */
    page_heat_out_free(out);
    memory_destroy(&memories[0]);
    memory_destroy(&memories[1]);
}

/* Pages are read in any order, from several memories, and go out meanwhile. */
static void test_random(void)
{
    for (int i = 0; i < 50; i++) {
        Memory memories[2];
        PageHeatOut *out = page_heat_out_new(&ops);

        memory_init(&memories[0], between(1, 3000));
        memory_init(&memories[1], between(1, 3000));
        for (int j = 0; j < 3000; j++) {
            Memory *memory = &memories[one_in(4)];
            uint64_t first = some_page(0, memory->npages - 1, WINDOW_PAGES);
            uint64_t limit = MIN(memory->npages,
                                 ROUND_UP(first + 1, WINDOW_PAGES));
            uint64_t count = between(1, MIN(limit - first, 50));

            if (one_in(3)) {
                for (uint64_t k = first; k < first + count; k++) {
                    Page *page = &memory->pages[k];

                    page->out = !page->owed;
                }
            } else {
                while (count) {
                    uint64_t n = between(1, count);

                    read_pages(out, memory, first, n);
                    first += n;
                    count -= n;
                }
            }
        }
        /* Some went out after the window was looked at: nobody's business. */
        for (int j = 0; j < 2; j++) {
            for (uint64_t k = 0; k < memories[j].npages; k++) {
                Page *page = &memories[j].pages[k];

                if (page->owed && !page->fetched) {
                    page->owed = false;
                }
            }
        }
        page_heat_out_free(out);
        memory_destroy(&memories[0]);
        memory_destroy(&memories[1]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-heat-out/pass", test_pass);
    g_test_add_func("/page-heat-out/nothing-out", test_nothing_out);
    g_test_add_func("/page-heat-out/distance", test_distance);
    g_test_add_func("/page-heat-out/late", test_late);
    g_test_add_func("/page-heat-out/random", test_random);
    return g_test_run();
}
