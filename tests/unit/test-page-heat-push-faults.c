/*
 * How often a guest must ask for pages in postcopy
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "page-heat-guest.h"
#include "test-rwp-random.h"

#define HUGE 512            /* pages */

/* What is sent in a tick; @cursor is where stock order goes on. */
static void tick(Guest *guest, bool ordered, uint64_t *cursor)
{
    Block *block = &guest->blocks[0];
    Page page;

    if (!ordered || guest_ask(guest, false, &page) == PAGE_HEAT_PUSH_NONE) {
        while (*cursor < block->npages && block->sent[*cursor]) {
            (*cursor)++;
        }
        if (*cursor == block->npages) {
            return;
        }
        page.nr = *cursor;
    }
    guest_send(guest, 0, page.nr);
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
                guest_send(guest, 0, touches[i]);
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

    guest_add(&guest, 5 * hot_pages, 1, how == ROUND ? 31 : 4);
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
    guest_start(&guest);
    faults = faults_of(&guest, touches, hot_pages, how == ROUND ? 3 : 0,
                       ordered);
    guest_end(&guest);
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
    g_test_add_func("/page-heat-push-faults/faults", test_faults);
    return g_test_run();
}
