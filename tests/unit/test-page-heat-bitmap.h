/*
 * Random bitmaps for the tests of page-heat
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TEST_PAGE_HEAT_BITMAP_H
#define TEST_PAGE_HEAT_BITMAP_H

#include "qemu/bitmap.h"

/* A bitmap of @pages in which one of @one_of is set. */
static inline unsigned long *random_bitmap(unsigned long pages, int one_of)
{
    unsigned long *map = bitmap_new(pages);

    for (unsigned long p = 0; p < pages; p++) {
        if (g_test_rand_int_range(0, one_of) == 0) {
            set_bit(p, map);
        }
    }
    return map;
}

#endif /* TEST_PAGE_HEAT_BITMAP_H */
