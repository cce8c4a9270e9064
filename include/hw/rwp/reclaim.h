/*
 * How memory is given back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An engine takes ranges of guest memory and frees what they occupy, in a way
 * that the next access brings back what was there.  It may leave out any page
 * that it cannot take; the caller looks afterwards.  Engines have no state and
 * take no locks.
 */

#ifndef HW_RWP_RECLAIM_H
#define HW_RWP_RECLAIM_H

/* Most ranges that an engine is given at once. */
#define RWP_RECLAIM_RANGES 32

typedef struct RwpReclaimEngine {
    /* Why it can take nothing now, for humans, or NULL. */
    const char *(*blocked)(void);

    /*
     * Take @nr ranges, 1 to RWP_RECLAIM_RANGES, ascending and made of whole
     * pages.  Returns 0, or -errno if none of them can be taken at all.
     */
    int (*reclaim)(const struct iovec *ranges, size_t nr);
} RwpReclaimEngine;

/* The host's kernel pages it out (MADV_PAGEOUT). */
extern const RwpReclaimEngine rwp_reclaim_pageout;

#endif /* HW_RWP_RECLAIM_H */
