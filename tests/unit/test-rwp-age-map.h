/*
 * For the tests of idle ages of pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TEST_RWP_AGE_MAP_H
#define TEST_RWP_AGE_MAP_H

#include "qemu/units.h"
#include "hw/rwp/age-map.h"

#define SECOND INT64_C(1000000000)

/* What each extent costs: eleven bits.  The map itself is a few pages. */
static inline uint64_t extents_metadata(uint64_t npages)
{
    return DIV_ROUND_UP(npages, RWP_EXTENT_PAGES) * 11 / 8 + 16 * KiB;
}

#endif /* TEST_RWP_AGE_MAP_H */
