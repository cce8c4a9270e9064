/*
 * Properties of memory-backend-rwp that are about eviction
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All of them can be changed at any time.  What goes just then stops; from the
 * end of the interval on the new values count.
 */

#ifndef HW_RWP_EVICT_PROPERTIES_H
#define HW_RWP_EVICT_PROPERTIES_H

#include "qom/object.h"

/* rwp_evict_properties_add: add them to the class @oc. */
void rwp_evict_properties_add(ObjectClass *oc);

#endif /* HW_RWP_EVICT_PROPERTIES_H */
