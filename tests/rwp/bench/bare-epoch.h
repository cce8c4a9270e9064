/*
 * One epoch in as few instructions as it can be done: scan and re-arm
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef RWP_BENCH_BARE_EPOCH_H
#define RWP_BENCH_BARE_EPOCH_H

#include "bare-memory.h"

#define BARE_WHOLE UINT64_MAX

/* How the work is cut into system calls */
typedef struct BareStrategy {
    uint64_t chunk;     /* bytes scanned before they are re-armed */
    uint64_t gap;       /* cold bytes that one re-arm call may run across */
    uint64_t regions;   /* what one scan call may return at most */
    bool huge;          /* whether to ask for the page size of each region */
} BareStrategy;

typedef struct BareEpoch {
    double scan_us;         /* wall clock spent in PAGEMAP_SCAN ... */
    double arm_us;          /* ... and in UFFDIO_RWPROTECT */
    double longest_us;      /* longest single call of either kind */
    double cpu_us;          /* processor time of the whole epoch */
    uint64_t scan_calls;
    uint64_t arm_calls;
    uint64_t regions;       /* accessed ranges, neighbours joined */
    uint64_t accessed;      /* bytes */
} BareEpoch;

/* Register @m for asynchronous tracking and arm all of it; exits on error. */
void bare_epoch_start(const BareMemory *m);

/*
 * Parse "chunk=64M,gap=32K,regions=512,huge=on", in any order; what is left
 * out is whole, 0, 512 and off.  "whole" is a valid size.  Exits on error.
 */
BareStrategy bare_strategy_parse(const char *text);

/*
 * Scan for what was accessed since the last epoch and arm just that, and
 * what lies in gaps of up to s->gap, again.
 */
BareEpoch bare_epoch_run(const BareMemory *m, const BareStrategy *s);

#endif
