/*
 * What is known of pages goes along with them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_PAGE_HEAT_STREAM_H
#define MIGRATION_PAGE_HEAT_STREAM_H

/*
 * page_heat_stream_init: from now on, send the section "page-heat" with
 * migrations that have the capability, and take it.  To be called once.
 */
void page_heat_stream_init(void);

#endif /* MIGRATION_PAGE_HEAT_STREAM_H */
