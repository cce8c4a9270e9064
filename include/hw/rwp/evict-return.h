/*
 * Giving back what was read for somebody who is not the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Somebody reads pages that are out, while the tracker is held for him, and
 * does not need them any more: then they are given back.  Such a page is
 *
 *   queued   from rwp_evict_return_add() on
 *   armed    since the next rwp_evict_return_run(): it is in by the out map,
 *            and the guest's next access to it shows
 *   gone     since the one after that, if it was not accessed meanwhile.  If it
 *            was, or the host kept it, or the tracker was released, it stays.
 *
 * Reading makes pages look accessed, so they have to be armed to see what the
 * guest does; what it did to them before that is not known.
 *
 * Pages are counted from 0, as in hw/rwp/age-map.h.
 *
 * Locking: by any thread unless said otherwise.  There is a lock of its own,
 * which is taken last: nothing is called with it held.
 */

#ifndef HW_RWP_EVICT_RETURN_H
#define HW_RWP_EVICT_RETURN_H

#include "qemu/units.h"
#include "hw/rwp/evict-job.h"

/*
 * Pages are armed for so long, in milliseconds, before they go, unless as much
 * as this is queued meanwhile, in bytes: it occupies memory.
 */
#define RWP_GIVE_BACK_MS    100
#define RWP_GIVE_BACK_MAX   (8 * MiB)

typedef struct RwpEvictReturn RwpEvictReturn;

/* rwp_evict_return_new: @em outlives it.  It begins closed. */
RwpEvictReturn *rwp_evict_return_new(RwpEvictMemory *em);

/* rwp_evict_return_free: it must be closed.  NULL is fine. */
void rwp_evict_return_free(RwpEvictReturn *ret);

/*
 * rwp_evict_return_open, rwp_evict_return_close: a thread that calls
 * rwp_evict_return_run() begins, and ends.  While it is closed, what is given
 * back is forgotten at once; closing forgets what is queued.  A thread may
 * still be running when it is closed, but not when it is opened.
 */
void rwp_evict_return_open(RwpEvictReturn *ret);
void rwp_evict_return_close(RwpEvictReturn *ret);

/*
 * rwp_evict_return_add: @count pages from @first on are given back; it does
 * not matter whether they were out.
 *
 * Returns true if the thread has to ask rwp_evict_return_due() now.
 */
bool rwp_evict_return_add(RwpEvictReturn *ret, uint64_t first, uint64_t count);

/*
 * rwp_evict_return_due: is it time to call rwp_evict_return_run()?  By the
 * thread that does.
 *
 * @wait_ms: if not, but it will be, set to the milliseconds until then
 */
bool rwp_evict_return_due(RwpEvictReturn *ret, int64_t *wait_ms);

/*
 * rwp_evict_return_run: arm what is queued, and have go what was armed before.
 * By one thread at a time, without locks.
 *
 * @how: engine (NULL: nothing goes), go_on and opaque of the job; the rest of
 *       it is not looked at
 * @account: see hw/rwp/evict-job.h
 */
void rwp_evict_return_run(RwpEvictReturn *ret, const RwpEvictJob *how,
                          RwpEvictAccount *account);

#endif /* HW_RWP_EVICT_RETURN_H */
