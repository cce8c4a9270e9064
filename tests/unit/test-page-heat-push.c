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
#include "qemu/units.h"
#include "migration/page-heat-push.h"
#include "test-rwp-random.h"

#define PAGE 4096
#define HUGE 512            /* pages */
#define UNKNOWN -1
#define MAX_BLOCKS 3

typedef struct Block {
    uint64_t npages;
    uint64_t page_size;     /* in pages */
    unsigned hot_ages;
    int *age;               /* by page */
    bool *sent;             /* by page */
} Block;

typedef struct Guest {
    Block blocks[MAX_BLOCKS];
    unsigned nblocks;
    unsigned looks;         /* calls of next_run */
    PageHeatPush *push;
} Guest;

typedef struct Page {
    unsigned block;
    uint64_t nr;
} Page;

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

static void add_block(Guest *guest, uint64_t npages, uint64_t page_size,
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

static void start(Guest *guest)
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

static void end(Guest *guest)
{
    page_heat_push_free(guest->push);
    for (unsigned i = 0; i < guest->nblocks; i++) {
        g_free(guest->blocks[i].age);
        g_free(guest->blocks[i].sent);
    }
    memset(guest, 0, sizeof(*guest));
}

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

        add_block(guest, between(1, 3000), page_size, hot_ages);
        if (hot_ages) {
            some_ages(&guest->blocks[i]);
        }
    }
    start(guest);
}

static bool some_unsent(const Guest *guest, Page *page)
{
    page->block = between(0, guest->nblocks - 1);
    page->nr = between(0, guest->blocks[page->block].npages - 1);
    return !guest->blocks[page->block].sent[page->nr];
}

/* The whole host page. */
static void send_page(Guest *guest, unsigned nr, uint64_t page)
{
    Block *block = &guest->blocks[nr];
    uint64_t first = ROUND_DOWN(page, block->page_size);

    memset(block->sent + first, true, block->page_size);
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

/*
 * Asks until there is advice, as long as a hot page is left: a question may
 * find nothing because it may not take long.
 */
static PageHeatPushWhy ask(Guest *guest, bool hot_left, Page *page)
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
            g_assert_cmpint(ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
            check_page(&page, &expected);
            send_page(&guest, page.block, page.nr);

            if (one_in(3) && some_unsent(&guest, &page)) {
                send_page(&guest, page.block, page.nr);
            }
            if (one_in(500)) {
                memset(guest.blocks[0].sent, false, guest.blocks[0].npages);
                page_heat_push_restart(guest.push);
            }
        }
        g_assert_cmpint(ask(&guest, false, &page), ==, PAGE_HEAT_PUSH_NONE);
        end(&guest);
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
                page_heat_push_asked(guest.push, page.block, page.nr * PAGE);
                note_asked(&asked, &guest, &page);
                send_page(&guest, page.block, page.nr);
                continue;
            }
            first = first_asked(&guest, &asked, &expected) ||
                    first_preferred(&guest, &asked, &expected) ||
                    first_asked(&guest, &asked, &expected);
            preferred += asked.preferred >= 0;
            g_assert_cmpint(ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
            check_page(&page, &expected);
            if (!first) {
                asked.now = band(guest.blocks[page.block].age[page.nr]);
            }
            send_page(&guest, page.block, page.nr);
        }
        end(&guest);
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
            send_page(&guest, page.block, page.nr);
        }
        ask(&guest, false, &page);

        for (int j = 0; j < 100; j++) {
            some_unsent(&guest, &asked);
            page_heat_push_asked(guest.push, asked.block, asked.nr * PAGE);
            send_page(&guest, asked.block, asked.nr);

            for (int k = between(0, 90); k; k--) {
                if (!first_near(&guest, &asked, &expected)) {
                    break;
                }
                g_assert_cmpint(ask(&guest, false, &page), ==,
                                PAGE_HEAT_PUSH_NEAR);
                check_page(&page, &expected);
                send_page(&guest, page.block, page.nr);
            }
        }
        end(&guest);
    }
}

/*
 * Walkers are told apart, and whoever was not heard of for longest is
 * forgotten; one that goes on is still the same.
 */
static void test_walkers(void)
{
    const unsigned pages =
        (PAGE_HEAT_PUSH_AHEAD + PAGE_HEAT_PUSH_BEHIND) / PAGE;
    Guest guest = { 0 };
    unsigned near = 0;
    Page page;

    add_block(&guest, 10000, 1, 1);
    start(&guest);
    for (unsigned i = 0; i <= PAGE_HEAT_PUSH_WALKERS; i++) {
        page_heat_push_asked(guest.push, 0, (i + 1) * 1000 * PAGE);
        page_heat_push_asked(guest.push, 0, ((i + 1) * 1000 + 2) * PAGE);
    }
    while (ask(&guest, false, &page) == PAGE_HEAT_PUSH_NEAR) {
        unsigned walker = PAGE_HEAT_PUSH_WALKERS - near++ / pages;

        g_assert_cmpuint((page.nr + 500) / 1000, ==, walker + 1);
        send_page(&guest, 0, page.nr);
    }
    g_assert_cmpuint(near, ==, PAGE_HEAT_PUSH_WALKERS * pages);
    end(&guest);

    /* In another block it is somebody else. */
    add_block(&guest, 200, 1, 1);
    add_block(&guest, 200, 1, 0);
    start(&guest);
    page_heat_push_asked(guest.push, 0, 0);
    page_heat_push_asked(guest.push, 1, 0);
    for (near = 0; ask(&guest, false, &page) == PAGE_HEAT_PUSH_NEAR; near++) {
        send_page(&guest, page.block, page.nr);
    }
    g_assert_cmpuint(near, ==, 2 * PAGE_HEAT_PUSH_AHEAD / PAGE);
    end(&guest);
}

/* Hot pages go before what is around a request. */
static void test_hot_before_near(void)
{
    Guest guest = { 0 };
    Page page;

    add_block(&guest, 5000, 1, 3);
    guest.blocks[0].age[4000] = 2;
    guest.blocks[0].age[4001] = 3;
    start(&guest);

    page_heat_push_asked(guest.push, 0, 100 * PAGE);
    g_assert_cmpint(ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    g_assert_cmpuint(page.nr, ==, 4000);
    send_page(&guest, 0, 4000);
    g_assert_cmpint(ask(&guest, false, &page), ==, PAGE_HEAT_PUSH_NEAR);
    g_assert_cmpuint(page.nr, ==, 101);

    /* The connection breaks: who asked then is of no interest any more. */
    page_heat_push_restart(guest.push);
    g_assert_cmpint(ask(&guest, false, &page), ==, PAGE_HEAT_PUSH_NONE);
    guest.blocks[0].sent[4000] = false;
    page_heat_push_restart(guest.push);
    g_assert_cmpint(ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    end(&guest);
}

/* The rest of a host page that was sent in part when the connection broke. */
static void test_partial(void)
{
    Guest guest = { 0 };
    Page page;

    add_block(&guest, 64, 16, 1);
    memset(guest.blocks[0].age, 0, 64 * sizeof(int));
    memset(guest.blocks[0].sent, true, 5);
    start(&guest);

    g_assert_cmpint(ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    g_assert_cmpuint(page.nr, ==, 5);
    /* Not sent by anybody so far, but it is the turn of the next. */
    g_assert_cmpint(ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    g_assert_cmpuint(page.nr, ==, 16);
    end(&guest);
}

static bool no_run(void *opaque, unsigned block, uint64_t from, uint64_t end,
                   PageHeatRun *run)
{
    unsigned *looks = opaque;

    (*looks)++;
    return false;
}

static uint64_t not_asked(void *opaque, unsigned block, uint64_t from,
                          uint64_t end)
{
    g_assert_not_reached();
}

/* No question takes long, and there are not too many until all is known. */
static void test_bounds(void)
{
    const PageHeatPushOps nothing = {
        .next_run = no_run,
        .next_unsent = not_asked,
    };
    const PageHeatPushBlock block = {
        .length = TiB,
        .page_size = PAGE,
        .hot_ages = PAGE_HEAT_AGE_MAX,
    };
    unsigned looks = 0, nr;
    uint64_t offset;
    PageHeatPush *push = page_heat_push_new(&block, 1, &nothing, &looks);

    for (unsigned i = 0; i < 1000; i++) {
        looks = 0;
        g_assert_cmpint(page_heat_push_next(push, &nr, &offset), ==,
                        PAGE_HEAT_PUSH_NONE);
        g_assert_cmpuint(looks, >, 0);
        g_assert_cmpuint(looks, <=, PAGE_HEAT_PUSH_LOOKS);
    }
    for (unsigned i = 0; i < 100000; i++) {
        looks = 0;
        page_heat_push_next(push, &nr, &offset);
    }
    g_assert_cmpuint(looks, ==, 0);
    page_heat_push_free(push);
}

/* What is sent in a tick; @cursor is where stock order goes on. */
static void tick(Guest *guest, bool ordered, uint64_t *cursor)
{
    Block *block = &guest->blocks[0];
    Page page;

    if (!ordered || ask(guest, false, &page) == PAGE_HEAT_PUSH_NONE) {
        if (*cursor == block->npages) {
            return;
        }
        page.nr = next_unsent(guest, 0, *cursor * PAGE,
                              block->npages * PAGE) / PAGE;
        *cursor = page.nr;
        if (page.nr == block->npages) {
            return;
        }
    }
    send_page(guest, 0, page.nr);
}

/*
 * A guest that touches its working set, a fifth of its memory, a page in so
 * many ticks, or as fast as pages come if that is 0: one page is sent in each
 * tick, and a request takes 8 ticks to reach the source.  Counts how often it
 * must ask.
 */
static unsigned faults_of(Guest *guest, const uint64_t *touches, unsigned n,
                          unsigned ticks, bool ordered)
{
    Block *block = &guest->blocks[0];
    unsigned faults = 0;
    uint64_t cursor = 0;

    for (unsigned i = 0; i < n; i++) {
        faults += !block->sent[touches[i]];
        for (int late = 0; !block->sent[touches[i]]; late++) {
            if (late == 8) {
                page_heat_push_asked(guest->push, 0, touches[i] * PAGE);
                send_page(guest, 0, touches[i]);
            } else {
                tick(guest, ordered, &cursor);
            }
        }
        for (unsigned rest = ticks; rest; rest--) {
            tick(guest, ordered, &cursor);
        }
    }
    return faults;
}

enum { UPWARDS, DOWNWARDS, ANYHOW, ROUND, TOUCHES };

static unsigned guest_faults(int how, unsigned hot_pages, bool huge,
                             bool ordered)
{
    g_autofree uint64_t *touches = g_new(uint64_t, hot_pages);
    Guest guest = { 0 };
    unsigned faults;

    add_block(&guest, 5 * hot_pages, 1, how == ROUND ? 31 : 4);
    for (unsigned i = 0; how == ROUND && i < 5 * hot_pages; i++) {
        /* Tracking began not long ago, so all is young. */
        guest.blocks[0].age[i] = 5;
    }
    for (unsigned i = 0; i < hot_pages; i++) {
        uint64_t page = 2 * hot_pages + 2 * i;

        if (huge) {
            /* Every other one, and both have the same age. */
            page = 2 * hot_pages + 2 * ROUND_DOWN(i, HUGE) + i % HUGE;
        }
        guest.blocks[0].age[page] = 0;
        if (huge || how != ROUND) {
            guest.blocks[0].age[page + (huge ? HUGE : 1)] = huge ? 0 : 9;
        }
        touches[how == DOWNWARDS ? hot_pages - 1 - i : i] = page;
    }
    for (unsigned i = 0; how >= ANYHOW && i < hot_pages; i++) {
        unsigned other = between(i, hot_pages - 1);
        uint64_t page = touches[i];

        touches[i] = touches[other];
        touches[other] = page;
    }
    for (unsigned i = 0; how == ROUND && !huge && i < hot_pages; i++) {
        /* What it comes to next was left alone for longest. */
        guest.blocks[0].age[touches[i]] = 4 - i * 5 / hot_pages;
    }
    start(&guest);
    faults = faults_of(&guest, touches, hot_pages, how == ROUND ? 3 : 0,
                       ordered);
    end(&guest);
    return faults;
}

static void test_faults(void)
{
    const unsigned hot_pages = 8 * HUGE;

    for (int how = 0; how < 2 * TOUCHES; how++) {
        bool huge = how >= TOUCHES;
        unsigned ordered = guest_faults(how % TOUCHES, hot_pages, huge, true);
        unsigned stock = guest_faults(how % TOUCHES, hot_pages, huge, false);

        g_test_message("%u of %u faults, %u without the order", ordered,
                       hot_pages, stock);
        g_assert_cmpuint(ordered, <=, hot_pages / (how == ROUND ? 20 : 5));
        g_assert_cmpuint(stock, >, 2 * ordered);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-heat-push/hot", test_hot);
    g_test_add_func("/page-heat-push/asked", test_asked);
    g_test_add_func("/page-heat-push/near", test_near);
    g_test_add_func("/page-heat-push/walkers", test_walkers);
    g_test_add_func("/page-heat-push/hot-before-near", test_hot_before_near);
    g_test_add_func("/page-heat-push/partial", test_partial);
    g_test_add_func("/page-heat-push/bounds", test_bounds);
    g_test_add_func("/page-heat-push/faults", test_faults);
    return g_test_run();
}
