/*
 * What is known about the working set of a memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_RWP_WORKING_SET_INFO_H
#define HW_RWP_WORKING_SET_INFO_H

#include "hw/rwp/backend.h"

/* Most windows that one query may ask for. */
#define RWP_WINDOWS_MAX 32

/*
 * rwp_working_set_info: the answer of query-working-set for @backend.
 * @windows, @thresholds: in seconds, NULL for the default ones.  Needs the BQL.
 */
WorkingSetInfo *rwp_working_set_info(RwpBackend *backend, uint32List *windows,
                                     uint32List *thresholds);

#endif /* HW_RWP_WORKING_SET_INFO_H */
