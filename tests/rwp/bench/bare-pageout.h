/*
 * Paging memory out in as few instructions as it can be done
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef RWP_BENCH_BARE_PAGEOUT_H
#define RWP_BENCH_BARE_PAGEOUT_H

#include "bare-memory.h"

typedef struct BarePageout {
    double us;          /* wall clock */
    double cpu_us;      /* processor time */
    uint64_t calls;
    uint64_t asked;     /* bytes */
} BarePageout;

/*
 * Page @m out.
 *
 * @which: "all", or "half": every second granule, beginning with the second
 * @chunk: bytes that one call is given at most
 * @ranges: ranges that one call is given at most; with 1 the call is
 *          madvise(), with more it is process_madvise()
 *
 * Whether it really went is for the caller to see.  Exits on error.
 */
BarePageout bare_pageout_run(const BareMemory *m, const char *which,
                             uint64_t chunk, unsigned ranges);

#endif
