/*
 * query-stats provider for the working set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The statistics belong to the virtual machine as a whole; the QOM path of
 * each result names the backend that it is about.
 */

#include "qemu/osdep.h"
#include "qapi/qapi-types-stats.h"
#include "qapi/util.h"
#include "system/stats.h"
#include "hw/rwp/backend.h"
#include "hw/rwp/stats.h"
#include "hw/rwp/working-set-info.h"

/* The window that the "working-set" statistic is about, in seconds. */
#define STATS_WINDOW 120

typedef uint64_t StatRead(const WorkingSetInfo *info);

typedef struct StatDescription {
    const char *name;
    StatsType type;
    bool has_unit;
    StatsUnit unit;
    int exponent;       /* of 10: seconds and -6 make microseconds */
    StatRead *read;
} StatDescription;

static uint64_t read_working_set(const WorkingSetInfo *info)
{
    return info->working_set->value->bytes;
}

static uint64_t read_accessed(const WorkingSetInfo *info)
{
    return info->accessed;
}

static uint64_t read_present(const WorkingSetInfo *info)
{
    return info->present;
}

static uint64_t read_absent(const WorkingSetInfo *info)
{
    return info->absent;
}

static uint64_t read_untracked(const WorkingSetInfo *info)
{
    return info->untracked;
}

static uint64_t read_resident(const WorkingSetInfo *info)
{
    return info->resident;
}

static uint64_t read_evicted(const WorkingSetInfo *info)
{
    return info->eviction->evicted;
}

static uint64_t read_refaulted(const WorkingSetInfo *info)
{
    return info->eviction->refaulted;
}

static uint64_t read_evict_time(const WorkingSetInfo *info)
{
    return info->eviction->evict_time;
}

static uint64_t read_epochs(const WorkingSetInfo *info)
{
    return info->epochs;
}

static uint64_t read_scan_time(const WorkingSetInfo *info)
{
    return info->scan_time;
}

static uint64_t read_arm_time(const WorkingSetInfo *info)
{
    return info->arm_time;
}

static uint64_t read_metadata(const WorkingSetInfo *info)
{
    return info->metadata;
}

#define BYTES(name, read) \
    { name, STATS_TYPE_INSTANT, true, STATS_UNIT_BYTES, 0, read }
#define BYTES_SO_FAR(name, read) \
    { name, STATS_TYPE_CUMULATIVE, true, STATS_UNIT_BYTES, 0, read }
#define MICROSECONDS(type, name, read) \
    { name, STATS_TYPE_ ## type, true, STATS_UNIT_SECONDS, -6, read }

static const StatDescription descriptions[] = {
    BYTES("working-set-120s", read_working_set),
    BYTES("accessed", read_accessed),
    BYTES("present", read_present),
    BYTES("absent", read_absent),
    BYTES("untracked", read_untracked),
    { "epochs", STATS_TYPE_CUMULATIVE, false, 0, 0, read_epochs },
    MICROSECONDS(INSTANT, "scan-time", read_scan_time),
    MICROSECONDS(INSTANT, "arm-time", read_arm_time),
    BYTES("metadata", read_metadata),
    BYTES("resident", read_resident),
    BYTES_SO_FAR("evicted", read_evicted),
    BYTES_SO_FAR("refaulted", read_refaulted),
    MICROSECONDS(CUMULATIVE, "evict-time", read_evict_time),
};

typedef struct StatsQuery {
    StatsResultList **results;
    strList *names;
} StatsQuery;

static void append_stats(RwpBackend *backend, void *opaque)
{
    StatsQuery *query = opaque;
    uint32List window = { .value = STATS_WINDOW };
    g_autoptr(WorkingSetInfo) info =
        rwp_working_set_info(backend, &window, NULL);
    StatsList *list = NULL, **tail = &list;

    for (size_t i = 0; i < ARRAY_SIZE(descriptions); i++) {
        Stats *stats;

        if (!apply_str_list_filter(descriptions[i].name, query->names)) {
            continue;
        }
        stats = g_new0(Stats, 1);
        stats->name = g_strdup(descriptions[i].name);
        stats->value = g_new0(StatsValue, 1);
        stats->value->type = QTYPE_QNUM;
        stats->value->u.scalar = descriptions[i].read(info);
        QAPI_LIST_APPEND(tail, stats);
    }
    if (list) {
        add_stats_entry(query->results, STATS_PROVIDER_WORKING_SET,
                        info->qom_path, list);
    }
}

static void retrieve_stats(StatsResultList **result, StatsTarget target,
                           strList *names, strList *targets, Error **errp)
{
    StatsQuery query = { .results = result, .names = names };

    if (target == STATS_TARGET_VM) {
        rwp_backend_foreach(append_stats, &query);
    }
}

static void retrieve_schemas(StatsSchemaList **result, Error **errp)
{
    StatsSchemaValueList *list = NULL, **tail = &list;

    for (size_t i = 0; i < ARRAY_SIZE(descriptions); i++) {
        const StatDescription *d = &descriptions[i];
        StatsSchemaValue *value = g_new0(StatsSchemaValue, 1);

        value->name = g_strdup(d->name);
        value->type = d->type;
        value->has_unit = d->has_unit;
        value->unit = d->unit;
        if (d->exponent) {
            value->has_base = true;
            value->base = 10;
            value->exponent = d->exponent;
        }
        QAPI_LIST_APPEND(tail, value);
    }
    add_stats_schema(result, STATS_PROVIDER_WORKING_SET, STATS_TARGET_VM,
                     list);
}

void rwp_stats_init(void)
{
    add_stats_callbacks(STATS_PROVIDER_WORKING_SET, retrieve_stats,
                        retrieve_schemas);
}
