/*
 * A guest that the evictor has learned about, and what it does by itself
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef RWP_EVICT_LEARNED_H
#define RWP_EVICT_LEARNED_H

#include "rwp-evict-guest.h"

/* Time between two scans. */
#define EPOCH_S     300
#define EPOCH       "interval=300000"

/* Pages that are always in use; the first ones. */
#define HOT         32

/* evict_busy_epoch: @seconds in which the hot pages alone are accessed. */
void evict_busy_epoch(EvictGuest *g, unsigned seconds);

/*
 * evict_start_learned_on: a guest of @memory, with more @options for the
 * backend, of which enough is known that all but the hot pages could go.
 * evict_start_learned: the same of private memory in small pages.  Return
 * false if the test is skipped.
 */
bool evict_start_learned_on(EvictGuest *g, const RwpMemory *memory,
                            const char *options);
bool evict_start_learned(EvictGuest *g, const char *options);

/* evict_settle: nothing is under way of what the evictor was asked before. */
void evict_settle(EvictGuest *g);

/* evict_wait_state: until query-working-set tells that. */
void evict_wait_state(EvictGuest *g, const char *state, const char *limit);

/*
 * evict_wait_event: the next event that tells something else than @state and
 * @limit; they become what it tells.
 */
void evict_wait_event(EvictGuest *g, const char **state, const char **limit);

/* evict_expect: @bytes of cold memory, the coldest, go by themselves. */
void evict_expect(EvictGuest *g, uint64_t bytes);

#endif /* RWP_EVICT_LEARNED_H */
