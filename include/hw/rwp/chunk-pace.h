/*
 * How much memory one system call may be given
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The calls that scan and arm hold locks of the process for their whole
 * length, and vCPUs wait behind them.  How long a call takes depends on how
 * the memory is mapped, so the length of the next chunk follows from what the
 * last ones took: halved when two in a row took longer than the target,
 * doubled when the last one took less than a quarter of it.
 *
 * Two, because any single call may have been preempted, and a length that was
 * halved for that only comes back when a call of full length is made again.
 */

#ifndef HW_RWP_CHUNK_PACE_H
#define HW_RWP_CHUNK_PACE_H

/* What a call may take: half of the limit of 2 ms, to leave room. */
#define RWP_PACE_TARGET_NS 1000000

typedef struct RwpChunkPace {
    uint64_t pages;     /* length of the next chunk */
    uint64_t min;       /* bounds of it, inclusive */
    uint64_t max;
    uint64_t slow;      /* length of a slow call that nothing disproved yet */
} RwpChunkPace;

/* rwp_chunk_pace_init: start with @start pages; 0 < @min <= @start <= @max. */
void rwp_chunk_pace_init(RwpChunkPace *pace, uint64_t start, uint64_t min,
                         uint64_t max);

/*
 * rwp_chunk_pace_update: a call for @pages pages took @ns nanoseconds.
 * A call for less than the chunk's length says nothing about longer ones, so
 * it can only shorten them; and a shorter one that is not slow does not speak
 * for one that was.
 */
void rwp_chunk_pace_update(RwpChunkPace *pace, uint64_t pages, int64_t ns);

#endif /* HW_RWP_CHUNK_PACE_H */
