/*
 * The order of postcopy's pages: who asks, and what a question may cost
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "page-heat-guest.h"

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

    guest_add(&guest, 10000, 1, 1);
    guest_start(&guest);
    for (unsigned i = 0; i <= PAGE_HEAT_PUSH_WALKERS; i++) {
        page_heat_push_asked(guest.push, 0, (i + 1) * 1000 * PAGE);
        page_heat_push_asked(guest.push, 0, ((i + 1) * 1000 + 2) * PAGE);
    }
    while (guest_ask(&guest, false, &page) == PAGE_HEAT_PUSH_NEAR) {
        unsigned walker = PAGE_HEAT_PUSH_WALKERS - near++ / pages;

        g_assert_cmpuint((page.nr + 500) / 1000, ==, walker + 1);
        guest_send(&guest, 0, page.nr);
    }
    g_assert_cmpuint(near, ==, PAGE_HEAT_PUSH_WALKERS * pages);
    guest_end(&guest);

    /* In another block it is somebody else. */
    guest_add(&guest, 200, 1, 1);
    guest_add(&guest, 200, 1, 0);
    guest_start(&guest);
    page_heat_push_asked(guest.push, 0, 0);
    page_heat_push_asked(guest.push, 1, 0);
    for (near = 0; guest_ask(&guest, false, &page) == PAGE_HEAT_PUSH_NEAR;
         near++) {
        guest_send(&guest, page.block, page.nr);
    }
    g_assert_cmpuint(near, ==, 2 * PAGE_HEAT_PUSH_AHEAD / PAGE);
    guest_end(&guest);
}

/* Hot pages go before what is around a request. */
static void test_hot_before_near(void)
{
    Guest guest = { 0 };
    Page page;

    guest_add(&guest, 5000, 1, 3);
    guest.blocks[0].age[4000] = 2;
    guest.blocks[0].age[4001] = 3;
    guest_start(&guest);

    page_heat_push_asked(guest.push, 0, 100 * PAGE);
    g_assert_cmpint(guest_ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    g_assert_cmpuint(page.nr, ==, 4000);
    guest_send(&guest, 0, 4000);
    g_assert_cmpint(guest_ask(&guest, false, &page), ==, PAGE_HEAT_PUSH_NEAR);
    g_assert_cmpuint(page.nr, ==, 101);

    /* The connection breaks: who asked then is of no interest any more. */
    page_heat_push_restart(guest.push);
    g_assert_cmpint(guest_ask(&guest, false, &page), ==, PAGE_HEAT_PUSH_NONE);
    /* Nor is who asks for what there is not. */
    page_heat_push_asked(guest.push, 0, 5000 * PAGE);
    g_assert_cmpint(guest_ask(&guest, false, &page), ==, PAGE_HEAT_PUSH_NONE);
    guest.blocks[0].sent[4000] = false;
    page_heat_push_restart(guest.push);
    g_assert_cmpint(guest_ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    guest_end(&guest);
}

/* The rest of a host page that was sent in part when the connection broke. */
static void test_partial(void)
{
    Guest guest = { 0 };
    Page page;

    guest_add(&guest, 64, 16, 1);
    memset(guest.blocks[0].age, 0, 64 * sizeof(int));
    memset(guest.blocks[0].sent, true, 5);
    guest_start(&guest);

    g_assert_cmpint(guest_ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    g_assert_cmpuint(page.nr, ==, 5);
    /* Not sent by anybody so far, but it is the turn of the next. */
    g_assert_cmpint(guest_ask(&guest, true, &page), ==, PAGE_HEAT_PUSH_HOT);
    g_assert_cmpuint(page.nr, ==, 16);
    guest_end(&guest);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-heat-push/walkers", test_walkers);
    g_test_add_func("/page-heat-push/hot-before-near", test_hot_before_near);
    g_test_add_func("/page-heat-push/partial", test_partial);
    g_test_add_func("/page-heat-push/bounds", test_bounds);
    return g_test_run();
}
