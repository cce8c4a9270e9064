/*
 * A thread for the epochs, apart from the one that accesses memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arming flushes the TLBs of all processors that the process has run on.
 * QEMU's tracker has a thread of its own beside those that access guest
 * memory, so it has to flush others' TLBs as well; a bare loop that did all
 * in one thread would be spared that.
 */
#ifndef RWP_BENCH_EPOCH_THREAD_H
#define RWP_BENCH_EPOCH_THREAD_H

#include "bare-epoch.h"

/* Start the thread; exits on error. */
void epoch_thread_start(void);

/* bare_epoch_run(), in that thread. */
BareEpoch epoch_thread_run(const BareMemory *m, const BareStrategy *s);

#endif
