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
 * Pages that are queued or armed, or on their way out, are pending: they occupy
 * memory that was free before.  Somebody who reads faster than the host takes
 * pages back has to wait for that (rwp_evict_return_wait()).
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
 * as this is queued meanwhile, in bytes, or a reader would have to wait for it:
 * it occupies memory.
 */
#define RWP_GIVE_BACK_MS    100
#define RWP_GIVE_BACK_MAX   (8 * MiB)

/*
 * So much may be pending, in bytes, before the reader has to wait: as much as
 * is enough for one part being queued, one armed, and one on its way out.
 */
#define RWP_GIVE_BACK_PENDING_MAX   (3 * RWP_GIVE_BACK_MAX)

typedef struct RwpEvictReturn RwpEvictReturn;

/* rwp_evict_return_new: @em outlives it.  It begins closed. */
RwpEvictReturn *rwp_evict_return_new(RwpEvictMemory *em);

/* rwp_evict_return_free: it must be closed.  NULL is fine. */
void rwp_evict_return_free(RwpEvictReturn *ret);

/*
 * rwp_evict_return_open, rwp_evict_return_close: a thread that calls
 * rwp_evict_return_run() begins, and ends.  While it is closed, what is given
 * back is forgotten at once, and nobody waits; closing forgets what is queued.
 * A thread may still be running when it is closed, but not when it is opened.
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
 * rwp_evict_return_wait: wait, for @ms milliseconds at most, until no more than
 * RWP_GIVE_BACK_PENDING_MAX is pending, or it is closed.  With an @ms of 0 it
 * does not wait.  The thread takes nobody else's lock to get there, but takes
 * as long as the host does: so whoever waits should hold none.  What it is
 * called for must not be freed meanwhile.
 *
 * Returns false if more is still pending.
 */
bool rwp_evict_return_wait(RwpEvictReturn *ret, unsigned ms);

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
