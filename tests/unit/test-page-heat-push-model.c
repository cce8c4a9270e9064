/*
 * The order of postcopy's pages, against a search through all of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guests are small here, so that what is to come next can be found by looking
 * at each page and each rule of migration/page-heat-push.h.
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "page-heat-guest.h"
#include "test-rwp-random.h"

/* Ages by host page: long and short runs of neighbours. */
static void some_ages(Block *block)
{
    uint64_t page = 0;

    while (page < block->npages) {
        uint64_t run = block->page_size * between(1, one_in(3) ? 200 : 3);
        int age = one_in(4) ? UNKNOWN : between(0, one_in(2) ? 5 : 30);

        for (; run-- && page < block->npages; page++) {
            block->age[page] = age;
        }
    }
}

/* All blocks with heat but perhaps the last. */
static void some_guest(Guest *guest)
{
    unsigned nblocks = between(1, MAX_BLOCKS);

    for (unsigned i = 0; i < nblocks; i++) {
        uint64_t page_size = one_in(3) ? (one_in(2) ? 4 : 1024) : 1;
        unsigned hot_ages = i && one_in(3) ? 0 : between(1, 25);

        guest_add(guest, between(1, 3000), page_size, hot_ages);
        if (hot_ages) {
            some_ages(&guest->blocks[i]);
        }
    }
    guest_start(guest);
}

static bool some_unsent(const Guest *guest, Page *page)
{
    page->block = between(0, guest->nblocks - 1);
    page->nr = between(0, guest->blocks[page->block].npages - 1);
    return !guest->blocks[page->block].sent[page->nr];
}

static unsigned band(unsigned age)
{
    unsigned n = 0;

    if (age < 8) {
        return age;
    }
    while (age >= 8) {
        age /= 2;
        n++;
    }
    return 7 + n;
}

static uint64_t stretch_pages(const Block *block)
{
    return MAX(PAGE_HEAT_PUSH_STRETCH / PAGE, block->page_size);
}

/* What must come first among the hot pages: smaller is earlier. */
static uint64_t rank(const Guest *guest, unsigned nr, uint64_t page)
{
    const Block *block = &guest->blocks[nr];
    uint64_t stretch = stretch_pages(block);

    return ((uint64_t)band(block->age[page]) << 56) | ((uint64_t)nr << 48) |
        ((0xffff - page / stretch) << 32) | page;
}

static bool is_hot(const Block *block, uint64_t page)
{
    return block->age[page] != UNKNOWN && block->age[page] < block->hot_ages;
}

static bool first_hot(const Guest *guest, Page *first)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < guest->nblocks; i++) {
        const Block *block = &guest->blocks[i];

        for (uint64_t page = 0; page < block->npages; page++) {
            if (is_hot(block, page) && !block->sent[page] &&
                rank(guest, i, page) < best) {
                best = rank(guest, i, page);
                *first = (Page){ i, page };
            }
        }
    }
    return best != UINT64_MAX;
}

/* What is unsent around the page that was asked for last. */
static bool first_near(const Guest *guest, const Page *asked, Page *first)
{
    const Block *block = &guest->blocks[asked->block];
    uint64_t at = ROUND_DOWN(asked->nr, block->page_size);
    uint64_t ahead = MAX(PAGE_HEAT_PUSH_AHEAD / PAGE, block->page_size);
    uint64_t behind = MAX(PAGE_HEAT_PUSH_BEHIND / PAGE, block->page_size);
    uint64_t next = at + block->page_size;
    uint64_t page;

    first->block = asked->block;
    for (page = next; page < MIN(next + ahead, block->npages); page++) {
        if (!block->sent[page]) {
            first->nr = page;
            return true;
        }
    }
    for (page = at - MIN(behind, at); page < at; page++) {
        if (!block->sent[page]) {
            first->nr = page;
            return true;
        }
    }
    return false;
}

static void check_page(const Page *page, const Page *expected)
{
    g_assert_cmpuint(page->block, ==, expected->block);
    g_assert_cmpuint(page->nr, ==, expected->nr);
}

/* Hot pages come in order, whatever else is sent meanwhile; nothing is lost. */
static void test_hot(void)
{
    for (int i = 0; i < 200; i++) {
        Guest guest = { 0 };
        Page page, expected;

        some_guest(&guest);
        while (first_hot(&guest, &expected)) {
            g_assert_cmpint(guest_ask(&guest, true, &page), ==,
                            PAGE_HEAT_PUSH_HOT);
            check_page(&page, &expected);
            guest_send(&guest, page.block, page.nr);

            if (one_in(3) && some_unsent(&guest, &page)) {
                guest_send(&guest, page.block, page.nr);
            }
            if (one_in(500)) {
                memset(guest.blocks[0].sent, false, guest.blocks[0].npages);
                page_heat_push_restart(guest.push);
            }
        }
        g_assert_cmpint(guest_ask(&guest, false, &page), ==,
                        PAGE_HEAT_PUSH_NONE);
        guest_end(&guest);
    }
}

/* What follows from the pages that were asked for. */
typedef struct Asked {
    Page stretch[PAGE_HEAT_PUSH_ASKED + 1];     /* the newest first */
    unsigned n;
    unsigned now;           /* the band that hot pages come of in their order */
    int recent[PAGE_HEAT_PUSH_RECENT];          /* bands; the newest first */
    int preferred;          /* the band that comes before that, or -1 */
    bool done[32];          /* it was that one, until nothing was left of it */
} Asked;

static void asked_init(Asked *asked)
{
    *asked = (Asked) { .preferred = -1 };
    for (unsigned i = 0; i < PAGE_HEAT_PUSH_RECENT; i++) {
        asked->recent[i] = -1;
    }
}

static void forget(Asked *asked, unsigned i)
{
    asked->n--;
    memmove(asked->stretch + i, asked->stretch + i + 1,
            (asked->n - i) * sizeof(Page));
}

static void note_band(Asked *asked, int now)
{
    unsigned same = 0, preferred = 0;

    memmove(asked->recent + 1, asked->recent,
            sizeof(asked->recent) - sizeof(asked->recent[0]));
    asked->recent[0] = now;
    for (unsigned i = 0; i < PAGE_HEAT_PUSH_RECENT; i++) {
        same += asked->recent[i] == now;
        preferred += asked->recent[i] == asked->preferred;
    }
    if (asked->preferred >= 0 &&
        preferred <= PAGE_HEAT_PUSH_RECENT - PAGE_HEAT_PUSH_SAME) {
        asked->preferred = -1;
        asked->n = 0;
    }
    if (same >= PAGE_HEAT_PUSH_SAME && now > (int)asked->now &&
        !asked->done[now] && now != asked->preferred) {
        asked->preferred = now;
        asked->n = 0;
    }
}

static void note_asked(Asked *asked, const Guest *guest, const Page *page)
{
    const Block *block = &guest->blocks[page->block];
    Page stretch = { page->block, page->nr / stretch_pages(block) };

    note_band(asked, is_hot(block, page->nr) ? band(block->age[page->nr]) : -1);
    if (!block->hot_ages) {
        return;
    }
    for (unsigned i = 0; i < asked->n; i++) {
        if (asked->stretch[i].block == stretch.block &&
            asked->stretch[i].nr == stretch.nr) {
            forget(asked, i);
        }
    }
    memmove(asked->stretch + 1, asked->stretch, asked->n * sizeof(Page));
    asked->stretch[0] = stretch;
    asked->n = MIN(asked->n + 1, PAGE_HEAT_PUSH_ASKED);
}

/* Is it a page that comes before others now, if it is unsent? */
static bool has_turn(const Guest *guest, const Asked *asked, unsigned nr,
                     uint64_t page)
{
    const Block *block = &guest->blocks[nr];

    if (!is_hot(block, page)) {
        return false;
    }
    return asked->preferred >= 0 ?
           band(block->age[page]) == asked->preferred :
           band(block->age[page]) <= asked->now;
}

/* What is unsent in a stretch, from its end on. */
static bool first_in_stretch(const Guest *guest, const Asked *asked,
                             const Page *stretch, Page *first)
{
    const Block *block = &guest->blocks[stretch->block];
    uint64_t part = MAX(PAGE_HEAT_PUSH_BEHIND / PAGE, block->page_size);
    uint64_t page = stretch->nr * stretch_pages(block);
    uint64_t end = MIN(page + stretch_pages(block), block->npages);
    bool found = false;

    for (; page < end; page++) {
        if (has_turn(guest, asked, stretch->block, page) &&
            !block->sent[page] &&
            (!found || page / part > first->nr / part)) {
            *first = (Page){ stretch->block, page };
            found = true;
        }
    }
    return found;
}

static bool first_asked(const Guest *guest, Asked *asked, Page *first)
{
    while (asked->n && !first_in_stretch(guest, asked, &asked->stretch[0],
                                         first)) {
        forget(asked, 0);
    }
    return asked->n;
}

static bool first_preferred(const Guest *guest, Asked *asked, Page *first)
{
    uint64_t best = UINT64_MAX;

    if (asked->preferred < 0) {
        return false;
    }
    for (unsigned i = 0; i < guest->nblocks; i++) {
        const Block *block = &guest->blocks[i];

        for (uint64_t page = 0; page < block->npages; page++) {
            if (has_turn(guest, asked, i, page) && !block->sent[page] &&
                rank(guest, i, page) < best) {
                best = rank(guest, i, page);
                *first = (Page){ i, page };
            }
        }
    }
    if (best == UINT64_MAX) {
        asked->done[asked->preferred] = true;
        asked->preferred = -1;
    }
    return best != UINT64_MAX;
}

/* Some page that is unsent, often of one band only. */
static bool some_asked(const Guest *guest, int only, Page *page)
{
    for (int i = 0; i < 100; i++) {
        if (some_unsent(guest, page)) {
            const Block *block = &guest->blocks[page->block];

            if (only < 0 || (is_hot(block, page->nr) &&
                             band(block->age[page->nr]) == only)) {
                return true;
            }
        }
    }
    return false;
}

/* As migration does with what is queued. */
static void ask_by_pieces(Guest *guest, const Page *page)
{
    uint64_t page_size = guest->blocks[page->block].page_size;
    uint64_t first = ROUND_DOWN(page->nr, page_size);

    for (uint64_t nr = first; nr < first + page_size; nr++) {
        page_heat_push_asked(guest->push, page->block, nr * PAGE);
    }
}

/* Hot pages where one was asked for, or of such a band, come before others. */
static void test_asked(void)
{
    unsigned preferred = 0;

    for (int i = 0; i < 200; i++) {
        Guest guest = { 0 };
        Asked asked;
        Page page, expected;
        int only = one_in(2) ? -1 : between(0, 4);

        asked_init(&asked);
        some_guest(&guest);
        while (first_hot(&guest, &expected)) {
            bool first;

            if (one_in(8) && some_asked(&guest, only, &page)) {
                ask_by_pieces(&guest, &page);
                note_asked(&asked, &guest, &page);
                guest_send(&guest, page.block, page.nr);
                continue;
            }
            first = first_asked(&guest, &asked, &expected) ||
                    first_preferred(&guest, &asked, &expected) ||
                    first_asked(&guest, &asked, &expected);
            preferred += asked.preferred >= 0;
            g_assert_cmpint(guest_ask(&guest, true, &page), ==,
                            PAGE_HEAT_PUSH_HOT);
            check_page(&page, &expected);
            if (!first) {
                asked.now = band(guest.blocks[page.block].age[page.nr]);
            }
            guest_send(&guest, page.block, page.nr);
        }
        guest_end(&guest);
    }
    g_assert_cmpuint(preferred, >, 1000);
}

/* After them, what is around the newest request, but for pages sent already. */
static void test_near(void)
{
    for (int i = 0; i < 200; i++) {
        Guest guest = { 0 };
        Page page, expected, asked;

        some_guest(&guest);
        while (first_hot(&guest, &page)) {
            guest_send(&guest, page.block, page.nr);
        }
        guest_ask(&guest, false, &page);

        for (int j = 0; j < 100; j++) {
            some_unsent(&guest, &asked);
            ask_by_pieces(&guest, &asked);
            guest_send(&guest, asked.block, asked.nr);

            for (int k = between(0, 90); k; k--) {
                if (!first_near(&guest, &asked, &expected)) {
                    break;
                }
                g_assert_cmpint(guest_ask(&guest, false, &page), ==,
                                PAGE_HEAT_PUSH_NEAR);
                check_page(&page, &expected);
                guest_send(&guest, page.block, page.nr);
            }
        }
        guest_end(&guest);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-heat-push-model/hot", test_hot);
    g_test_add_func("/page-heat-push-model/asked", test_asked);
    g_test_add_func("/page-heat-push-model/near", test_near);
    return g_test_run();
}
