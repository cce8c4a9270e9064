/*
 * A small guest, for the tests of the order of postcopy's pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is known of each page, and whether it was sent, in plain arrays.
 */

#ifndef PAGE_HEAT_GUEST_H
#define PAGE_HEAT_GUEST_H

#include "migration/page-heat-push.h"

#define PAGE 4096
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

/* Of all its pages nothing is known, and none is sent. */
void guest_add(Guest *guest, uint64_t npages, uint64_t page_size,
               unsigned hot_ages);

/* Once the ages are there. */
void guest_start(Guest *guest);

/* The guest is empty then, and can be used anew. */
void guest_end(Guest *guest);

/* The whole host page. */
void guest_send(Guest *guest, unsigned nr, uint64_t page);

/*
 * Asks for advice until there is some, as long as a hot page is left: a
 * question may find nothing because it may not take long.
 */
PageHeatPushWhy guest_ask(Guest *guest, bool hot_left, Page *page);

#endif /* PAGE_HEAT_GUEST_H */
