/*
 * The sets of pages, and touching them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SETS_H
#define SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Set {
    const char *name;
    uint32_t *page;             /* numbers of its pages, see pages.h */
    size_t pages;

    /* what 'run' does to it */
    bool running;
    uint64_t period;            /* us; 0: no pause */
    unsigned write;             /* percent */
    bool check;                 /* whole pages */
    uint64_t began;             /* when this round did, us */
    size_t done;                /* pages touched in this round */

    /* a 'wait' that is not answered yet */
    char waiter[32];
    uint64_t wait_rounds;       /* answer when @rounds gets there */

    /* since 'alloc' */
    uint64_t rounds;            /* whole ones */
    uint64_t reads, writes;     /* pages */
    uint64_t busy;              /* us spent touching */
} Set;

/* hot, warm and cold */
#define SETS 3
extern Set sets[SETS];

/*
 * sets_alloc: make them, of @pages pages each, and write each page.  Scattered
 * ones are interleaved, @piece pages at a time.  False, with errno set, if there
 * is not enough memory.
 */
bool sets_alloc(const size_t pages[], bool scattered, size_t piece, bool thp,
                uint64_t seed);

/* sets_free: give all their pages back. */
void sets_free(void);

/* set_shuffle: from now on touch them in another order, a random one. */
void set_shuffle(Set *s);

/*
 * set_touch: touch the page @i of the set; write to this share of pages, in
 * percent.  @check: look at all of it, not only at the count.
 */
void set_touch(Set *s, size_t i, unsigned write, bool check);

/* set_page_is_right: a look at each of its bytes.  Tells damage, once. */
bool set_page_is_right(const Set *s, size_t i);

/* sets_bad_pages: how often a page was found that is damaged. */
uint64_t sets_bad_pages(void);

/* now_us: the guest's monotonic clock. */
uint64_t now_us(void);

#endif /* SETS_H */
