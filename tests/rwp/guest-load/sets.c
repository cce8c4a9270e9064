/*
 * The sets of pages, and touching them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "pages.h"
#include "port.h"
#include "sets.h"

Set sets[SETS] = {
    { .name = "hot" }, { .name = "warm" }, { .name = "cold" },
};

static uint64_t bad_pages;
static bool told_corrupt;

uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void sets_free(void)
{
    for (size_t i = 0; i < SETS; i++) {
        free(sets[i].page);
        sets[i] = (Set) { .name = sets[i].name };
    }
    arena_free();
    bad_pages = 0;
    told_corrupt = false;
}

/* Depends on the seed alone. */
static void shuffle(uint32_t *page, size_t pages)
{
    for (size_t i = pages; i-- > 1;) {
        size_t j = page_random(i) % (i + 1);
        uint32_t swap = page[i];

        page[i] = page[j];
        page[j] = swap;
    }
}

/*
 * The numbers of all pages of the arena, in the order that sets take them:
 * piece by piece, of so many pages each.
 */
static uint32_t *page_order(bool scattered, size_t piece)
{
    uint32_t *order = malloc(arena_pages() * sizeof(*order));
    size_t pieces = arena_pages() / piece;

    for (size_t i = 0; order && i < pieces; i++) {
        order[i] = (uint32_t)i;
    }
    if (order && scattered) {
        shuffle(order, pieces);
    }
    /* From the end on, so that none is overwritten that is still needed. */
    for (size_t i = pieces; order && i-- > 0;) {
        uint32_t first = order[i] * (uint32_t)piece;

        for (size_t k = piece; k-- > 0;) {
            order[i * piece + k] = first + (uint32_t)k;
        }
    }
    return order;
}

bool sets_alloc(const size_t pages[], bool scattered, size_t piece, bool thp,
                uint64_t seed)
{
    const size_t align = scattered ? piece : HUGE / PAGE;
    size_t total = 0, at = 0;
    uint32_t *order;

    sets_free();
    for (size_t i = 0; i < SETS; i++) {
        total += (pages[i] + align - 1) / align * align;
    }
    if (!total || total > UINT32_MAX) {
        errno = EINVAL;
        return false;
    }
    if (!arena_alloc(total, thp, seed)) {
        return false;
    }

    order = page_order(scattered, align);
    for (size_t i = 0; order && i < SETS; i++) {
        Set *s = &sets[i];

        s->page = malloc((pages[i] + !pages[i]) * sizeof(*s->page));
        if (!s->page) {
            break;
        }
        s->pages = pages[i];
        memcpy(s->page, order + at, pages[i] * sizeof(*s->page));
        at += (pages[i] + align - 1) / align * align;
    }
    free(order);
    if (at != total) {
        errno = ENOMEM;
        return false;
    }

    arena_fill();
    return true;
}

void set_shuffle(Set *s)
{
    shuffle(s->page, s->pages);
}

static void corrupt(const Set *s, size_t i)
{
    uint32_t n = s->page[i];
    const uint64_t *word = page_words(n);

    bad_pages++;
    if (!told_corrupt) {
        told_corrupt = true;
        say("* corrupt set=%s page=%zu writes=%" PRIu32 " first-word=0x%"
            PRIx64 " last-word=0x%" PRIx64, s->name, i, page_writes(n), word[0],
            word[PAGE / sizeof(*word) - 1]);
    }
}

void set_touch(Set *s, size_t i, unsigned write, bool check)
{
    uint32_t n = s->page[i];

    if (!page_count_is_right(n) || (check && !page_is_right(n))) {
        corrupt(s, i);
    }
    /* Which ones are written changes from round to round. */
    if (write && mix(s->rounds << 32 | n) % 100 < write) {
        page_write(n);
        s->writes++;
    } else {
        s->reads++;
    }
}

bool set_page_is_right(const Set *s, size_t i)
{
    bool right = page_is_right(s->page[i]);

    if (!right) {
        corrupt(s, i);
    }
    return right;
}

uint64_t sets_bad_pages(void)
{
    return bad_pages;
}
