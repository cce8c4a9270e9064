/*
 * A small guest, for the tests of the order of postcopy's pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "page-heat-guest.h"

static bool next_run(void *opaque, unsigned nr, uint64_t from, uint64_t end,
                     PageHeatRun *run)
{
    Guest *guest = opaque;
    const Block *block = &guest->blocks[nr];
    uint64_t page = from / PAGE, last;

    g_assert_cmpuint(block->hot_ages, >, 0);
    g_assert_cmpuint(from, <, end);
    g_assert_cmpuint(end, <=, block->npages * PAGE);
    g_assert_cmpuint(from % (block->page_size * PAGE), ==, 0);
    guest->looks++;

    while (page < end / PAGE && block->age[page] == UNKNOWN) {
        page++;
    }
    if (page == end / PAGE) {
        return false;
    }
    for (last = page; last < end / PAGE; last++) {
        if (block->age[last] != block->age[page]) {
            break;
        }
    }
    run->offset = page * PAGE;
    run->length = (last - page) * PAGE;
    run->age = block->age[page];
    run->out = false;
    return true;
}

static uint64_t next_unsent(void *opaque, unsigned nr, uint64_t from,
                            uint64_t end)
{
    const Guest *guest = opaque;
    const Block *block = &guest->blocks[nr];

    g_assert_cmpuint(from, <, end);
    g_assert_cmpuint(end, <=, block->npages * PAGE);
    g_assert_cmpuint(end % (block->page_size * PAGE), ==, 0);
    for (uint64_t page = from / PAGE; page < end / PAGE; page++) {
        if (!block->sent[page]) {
            return page * PAGE;
        }
    }
    return end;
}

static const PageHeatPushOps ops = {
    .next_run = next_run,
    .next_unsent = next_unsent,
};

void guest_add(Guest *guest, uint64_t npages, uint64_t page_size,
               unsigned hot_ages)
{
    Block *block = &guest->blocks[guest->nblocks++];

    g_assert_cmpuint(guest->nblocks, <=, MAX_BLOCKS);
    block->npages = ROUND_UP(npages, page_size);
    block->page_size = page_size;
    block->hot_ages = hot_ages;
    block->age = g_new(int, block->npages);
    block->sent = g_new0(bool, block->npages);
    for (uint64_t i = 0; i < block->npages; i++) {
        block->age[i] = UNKNOWN;
    }
}

void guest_start(Guest *guest)
{
    PageHeatPushBlock blocks[MAX_BLOCKS];

    for (unsigned i = 0; i < guest->nblocks; i++) {
        blocks[i].length = guest->blocks[i].npages * PAGE;
        blocks[i].page_size = guest->blocks[i].page_size * PAGE;
        blocks[i].hot_ages = guest->blocks[i].hot_ages;
    }
    guest->push = page_heat_push_new(blocks, guest->nblocks, &ops, guest);
    memset(blocks, 0xff, sizeof(blocks));
}

void guest_end(Guest *guest)
{
    page_heat_push_free(guest->push);
    for (unsigned i = 0; i < guest->nblocks; i++) {
        g_free(guest->blocks[i].age);
        g_free(guest->blocks[i].sent);
    }
    memset(guest, 0, sizeof(*guest));
}

void guest_send(Guest *guest, unsigned nr, uint64_t page)
{
    Block *block = &guest->blocks[nr];
    uint64_t first = ROUND_DOWN(page, block->page_size);

    memset(block->sent + first, true, block->page_size);
}

PageHeatPushWhy guest_ask(Guest *guest, bool hot_left, Page *page)
{
    PageHeatPushWhy why;
    uint64_t offset = 1;
    unsigned questions = 0;

    do {
        guest->looks = 0;
        why = page_heat_push_next(guest->push, &page->block, &offset);
        g_assert_cmpuint(guest->looks, <=, PAGE_HEAT_PUSH_LOOKS);
        g_assert_cmpuint(questions++, <, 1000);
    } while (hot_left && why != PAGE_HEAT_PUSH_HOT);

    page->nr = offset / PAGE;
    return why;
}
