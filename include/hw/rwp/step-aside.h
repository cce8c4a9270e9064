/*
 * Stepping aside for migration, snapshots and live update
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_RWP_STEP_ASIDE_H
#define HW_RWP_STEP_ASIDE_H

/*
 * rwp_step_aside_init: from now on, suspend all backends whenever somebody
 * else reads all memory or needs a userfaultfd of his own on it.  Further
 * calls have no effect.  Needs the BQL.
 */
void rwp_step_aside_init(void);

/*
 * rwp_step_aside_reason: why a backend that starts now must not track yet, or
 * NULL.  @detach is set to whether the memory must not be registered, either,
 * @forget to whether it is being given new contents.  Needs the BQL.
 */
const char *rwp_step_aside_reason(bool *detach, bool *forget);

#endif /* HW_RWP_STEP_ASIDE_H */
