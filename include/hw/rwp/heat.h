/*
 * What memory-backend-rwp tells migration about its pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_RWP_HEAT_H
#define HW_RWP_HEAT_H

#include "qom/object.h"

/*
 * rwp_heat_class_init: implement the interface "page-heat"
 * (migration/page-heat.h) for the class of the backend.
 */
void rwp_heat_class_init(ObjectClass *oc);

#endif /* HW_RWP_HEAT_H */
