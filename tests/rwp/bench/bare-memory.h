/*
 * Memory of the same kinds as memory-backend-rwp gives, and ways to touch it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef RWP_BENCH_BARE_MEMORY_H
#define RWP_BENCH_BARE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct BareMemory {
    char *base;
    uint64_t size;          /* bytes */
    uint64_t granule;       /* bytes that one access marks: 4 KiB or 2 MiB */
} BareMemory;

/*
 * Map @size bytes of @kind, not yet populated:
 *   anon     private anonymous, 4 KiB pages
 *   thp      private anonymous, transparent huge pages
 *   memfd    shared memfd, 4 KiB pages
 *   hugetlb  shared memfd from the pool of 2 MiB pages
 * Exits with a message if the kind is unknown or cannot be had.
 */
BareMemory bare_memory_map(const char *kind, uint64_t size);

/*
 * Write one byte of each granule of @pattern:
 *   none        nothing
 *   contiguous  the first eighth of the memory
 *   scattered   every 8th granule
 *   all         everything
 *   spread:N    N granules, evenly spread over all of the memory
 * Returns the number of granules touched; exits if @pattern is unknown.
 */
uint64_t bare_memory_touch(const BareMemory *m, const char *pattern);

#endif
