/*
 * What migration knows of hot pages, and tells
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All functions are called with the BQL.
 */

#ifndef MIGRATION_PAGE_HEAT_INFO_H
#define MIGRATION_PAGE_HEAT_INFO_H

#include "qapi/qapi-types-migration.h"

/* page_heat_info: of the migration that is under way, or was the last one. */
void page_heat_info(MigrationInfo *info);

/* page_heat_info_before: what is to be expected if one began now. */
void page_heat_info_before(MigrationInfo *info);

#endif /* MIGRATION_PAGE_HEAT_INFO_H */
