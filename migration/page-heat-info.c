/*
 * What migration knows of hot pages, and tells
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "exec/memory.h"
#include "migration.h"
#include "migration-stats.h"
#include "options.h"
#include "page-heat-info.h"
#include "page-heat-order.h"
#include "page-heat-precopy.h"
#include "ram.h"

/*
 * @bandwidth: of precopy, bytes/s, which postcopy is not held to; 0: not known
 */
static void add_stall(MigrationPageHeat *heat, double bandwidth)
{
    uint64_t limit = MIN_NON_ZERO(migrate_max_postcopy_bandwidth(),
                                  migrate_avail_switchover_bandwidth());

    if (limit) {
        bandwidth = limit;
    }
    if (bandwidth) {
        heat->has_postcopy_stall = true;
        heat->postcopy_stall = heat->hot_bytes * 1000 / bandwidth;
    }
}

void page_heat_info(MigrationInfo *info)
{
    uint64_t write_rate = stat64_get(&mig_stats.page_heat_write_rate);
    uint64_t outlook = stat64_get(&mig_stats.page_heat_outlook);
    MigrationPageHeat *heat;

    if (!migrate_page_heat()) {
        return;
    }
    if (!stat64_get(&mig_stats.page_heat_in_force)) {
        /* A snapshot, for one, tells nothing of the next migration. */
        if (!migration_is_running()) {
            page_heat_info_before(info);
        }
        return;
    }

    heat = info->page_heat = g_new0(MigrationPageHeat, 1);
    heat->hot_bytes = stat64_get(&mig_stats.page_heat_hot_bytes);
    heat->cold_pages = stat64_get(&mig_stats.page_heat_cold_pages);
    heat->hot_pages = stat64_get(&mig_stats.page_heat_hot_pages);
    heat->deferred_pages = stat64_get(&mig_stats.page_heat_deferred_pages);
    heat->resent_pages = stat64_get(&mig_stats.page_heat_resent_pages);
    heat->has_write_rate = write_rate;
    heat->write_rate = write_rate;
    heat->has_converges = outlook != PAGE_HEAT_OUTLOOK_UNKNOWN;
    heat->converges = outlook == PAGE_HEAT_OUTLOOK_CONVERGES;
    add_stall(heat, migrate_get_current()->mbps * 1e6 / 8);
}

void page_heat_info_before(MigrationInfo *info)
{
    uint64_t bandwidth = migrate_avail_switchover_bandwidth() ?:
                         migrate_max_bandwidth();
    MigrationPageHeat *heat = NULL;
    RAMBlock *block;

    if (!migrate_page_heat()) {
        return;
    }

    RCU_READ_LOCK_GUARD();
    RAMBLOCK_FOREACH_NOT_IGNORED(block) {
        PageHeatHistory history;
        PageHeat *owner;

        if (page_heat_known(block, &owner, &history)) {
            heat = heat ?: g_new0(MigrationPageHeat, 1);
            heat->hot_bytes += PAGE_HEAT_GET_CLASS(owner)->younger(
                owner, page_heat_young(&history));
        }
    }
    if (!heat) {
        return;
    }

    if (bandwidth) {
        heat->has_converges = true;
        heat->converges = heat->hot_bytes <=
                          bandwidth * (double)migrate_downtime_limit() / 1000;
    }
    add_stall(heat, bandwidth);
    info->page_heat = heat;
}
