/*
 * When epochs ended, and which ages that makes idle for how long
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/epoch-clock.h"

static unsigned place(const RwpEpochClock *clock, unsigned age)
{
    unsigned places = ARRAY_SIZE(clock->end_ns);

    assert(age < places);
    return (clock->newest + places - age) % places;
}

void rwp_epoch_clock_start(RwpEpochClock *clock, int64_t now_ns)
{
    rwp_epoch_clock_assume(clock, 0, 0, now_ns);
}

void rwp_epoch_clock_end(RwpEpochClock *clock, int64_t now_ns)
{
    clock->newest = (clock->newest + 1) % ARRAY_SIZE(clock->end_ns);
    clock->end_ns[clock->newest] = clock->last_end_ns = now_ns;
}

void rwp_epoch_clock_assume(RwpEpochClock *clock, uint64_t epochs,
                            int64_t interval_ns, int64_t now_ns)
{
    /* A stream may have told both: no overflows. */
    uint64_t most = INT64_MAX / 4 / MAX(interval_ns, 1);

    epochs = MIN(epochs, most);
    clock->newest = 0;
    clock->start_ns = now_ns - epochs * interval_ns;
    for (unsigned age = 0; age < ARRAY_SIZE(clock->end_ns); age++) {
        clock->end_ns[place(clock, age)] =
            now_ns - MIN(age, epochs) * interval_ns;
    }
    clock->watched_ns = clock->last_end_ns = now_ns;
}

void rwp_epoch_clock_unwatched(RwpEpochClock *clock, int64_t now_ns)
{
    int64_t gap_ns = now_ns - clock->end_ns[clock->newest];

    clock->start_ns += gap_ns;
    clock->watched_ns = now_ns;
    for (unsigned i = 0; i < ARRAY_SIZE(clock->end_ns); i++) {
        clock->end_ns[i] += gap_ns;
    }
}

bool rwp_epoch_clock_idle(const RwpEpochClock *clock, unsigned age,
                          int64_t idle_ns)
{
    return clock->end_ns[place(clock, age)] <=
           clock->end_ns[clock->newest] - idle_ns;
}

bool rwp_epoch_clock_covers(const RwpEpochClock *clock, int64_t window_ns)
{
    return clock->start_ns <= clock->end_ns[clock->newest] - window_ns;
}

bool rwp_epoch_clock_watched(const RwpEpochClock *clock, int64_t ns)
{
    return clock->watched_ns <= clock->end_ns[clock->newest] - ns;
}
