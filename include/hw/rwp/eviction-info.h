/*
 * What there is to tell about eviction from a memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_RWP_EVICTION_INFO_H
#define HW_RWP_EVICTION_INFO_H

#include "hw/rwp/backend.h"

/* Most thresholds that one query may ask for. */
#define RWP_THRESHOLDS_MAX 32

/*
 * rwp_eviction_info: the eviction part of query-working-set.  With the BQL and
 * the tracker's lock held.
 */
EvictionInfo *rwp_eviction_info(RwpBackend *backend);

/*
 * rwp_what_if_list: its "what if" part.  @thresholds: in seconds, NULL for the
 * default ones.  Locks as above.
 */
WorkingSetWhatIfList *rwp_what_if_list(RwpBackend *backend,
                                       const RwpAgeMap *map,
                                       uint32List *thresholds);

/* rwp_eviction_skipped: @count in bytes. */
EvictionSkipped *rwp_eviction_skipped(const RwpEvictCount *count,
                                      uint64_t page_size);

#endif /* HW_RWP_EVICTION_INFO_H */
