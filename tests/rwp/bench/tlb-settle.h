/*
 * Give the emulated machine's TLBs their everyday size back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef RWP_BENCH_TLB_SETTLE_H
#define RWP_BENCH_TLB_SETTLE_H

/*
 * Under TCG a TLB is a table that grows with the pages used in the last
 * 100 ms and that each flush clears as a whole.  An epoch that comes right
 * after a burst of accesses would pay several hundred microseconds for each
 * flush; in real life seconds lie between the two, and a real TLB does not
 * grow.  So flush all CPUs, for long enough that the tables shrink again.
 * On real hardware this is 0.3 s of nothing.
 */
void tlb_settle(void);

#endif
