/*
 * When epochs ended, and which ages that makes idle for how long
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Epochs need not be of one length, and there is time in which nobody watches
 * (tracking stands aside for a migration, say).  The latter is left out of all
 * that is told here, but for last_end_ns: a page is not idle because nobody
 * looked.
 *
 * Ages count completed epochs back from the last one, which is age 0.  Times
 * are nanoseconds on any clock that does not go backwards.  Nothing here locks.
 */

#ifndef HW_RWP_EPOCH_CLOCK_H
#define HW_RWP_EPOCH_CLOCK_H

/* Ages at and beyond this many epochs are not told apart. */
#define RWP_AGE_LIMIT 200

typedef struct RwpEpochClock {
    int64_t start_ns;                   /* accesses are seen since then, */
    int64_t watched_ns;                 /* and without a gap since then */
    int64_t end_ns[RWP_AGE_LIMIT + 1];  /* a ring: when each epoch ended */
    unsigned newest;                    /* the last one's place in there */
    int64_t last_end_ns;                /* when that one really did */
} RwpEpochClock;

/* rwp_epoch_clock_start: no epoch has ended; accesses are seen from @now_ns. */
void rwp_epoch_clock_start(RwpEpochClock *clock, int64_t now_ns);

/* rwp_epoch_clock_end: one more epoch has ended, at @now_ns. */
void rwp_epoch_clock_end(RwpEpochClock *clock, int64_t now_ns);

/*
 * rwp_epoch_clock_assume: @epochs epochs have ended, each of them @interval_ns
 * long, the last one at @now_ns.  Somebody else watched them.
 */
void rwp_epoch_clock_assume(RwpEpochClock *clock, uint64_t epochs,
                            int64_t interval_ns, int64_t now_ns);

/*
 * rwp_epoch_clock_unwatched: not all accesses were seen since the last epoch
 * ended; they are from @now_ns on.
 */
void rwp_epoch_clock_unwatched(RwpEpochClock *clock, int64_t now_ns);

/*
 * rwp_epoch_clock_idle: was a page of this age, 0 to RWP_AGE_LIMIT and less
 * than the number of epochs, idle for @idle_ns when the last epoch ended?
 */
bool rwp_epoch_clock_idle(const RwpEpochClock *clock, unsigned age,
                          int64_t idle_ns);

/*
 * rwp_epoch_clock_covers: were accesses seen in all of the @window_ns before
 * the last epoch ended?
 */
bool rwp_epoch_clock_covers(const RwpEpochClock *clock, int64_t window_ns);

/*
 * rwp_epoch_clock_watched: were they seen, and here, without a gap in the last
 * @ns before the last epoch ended?
 */
bool rwp_epoch_clock_watched(const RwpEpochClock *clock, int64_t ns);

#endif /* HW_RWP_EPOCH_CLOCK_H */
