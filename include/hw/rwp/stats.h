/*
 * query-stats provider for the working set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_RWP_STATS_H
#define HW_RWP_STATS_H

/* rwp_stats_init: register the provider; to be called once. */
void rwp_stats_init(void);

#endif /* HW_RWP_STATS_H */
