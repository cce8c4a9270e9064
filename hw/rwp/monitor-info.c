/*
 * HMP: info working-set
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/qapi-commands-working-set.h"
#include "qapi/type-helpers.h"
#include "qemu/cutils.h"
#include "hw/rwp/backend.h"
#include "hw/rwp/working-set-info.h"

#define BAR_WIDTH 32

typedef struct Report {
    GString *text;
    bool has_incomplete;    /* some window was watched in part only */
} Report;

static void append_size(GString *buf, const char *label, uint64_t bytes,
                        uint64_t whole)
{
    g_autofree char *size = size_to_str(bytes);

    g_string_append_printf(buf, "  %-22s %10s", label, size);
    if (whole) {
        g_string_append_printf(buf, " %5.1f %%", 100.0 * bytes / whole);
    }
    g_string_append_c(buf, '\n');
}

static void append_untracked(GString *buf, const WorkingSetInfo *info)
{
    if (!info->untracked) {
        return;
    }
    append_size(buf, "untracked", info->untracked, info->size);
    /* The first line may have said it already. */
    if (g_strcmp0(info->untracked_reason, info->reason)) {
        g_string_append_printf(buf, "    (%s)\n", info->untracked_reason);
    }
}

static void append_idle_ages(GString *buf, const WorkingSetInfo *info)
{
    g_string_append(buf, "  idle for (intervals)\n");
    for (WorkingSetIdleAgeList *l = info->idle_ages; l; l = l->next) {
        WorkingSetIdleAge *idle = l->value;
        g_autofree char *size = size_to_str(idle->bytes);
        g_autofree char *label = NULL;
        unsigned bar;

        if (!idle->has_max_age) {
            label = g_strdup_printf("%" PRIu32 " and more", idle->min_age);
        } else if (idle->max_age == idle->min_age) {
            label = g_strdup_printf("%" PRIu32, idle->min_age);
        } else {
            label = g_strdup_printf("%" PRIu32 " to %" PRIu32, idle->min_age,
                                    idle->max_age);
        }
        /* Even little memory is something. */
        bar = info->present ? DIV_ROUND_UP(idle->bytes * BAR_WIDTH,
                                           info->present) : 0;
        g_string_append_printf(buf, "    %-20s %10s ", label, size);
        for (unsigned i = 0; i < bar; i++) {
            g_string_append_c(buf, '#');
        }
        g_string_append_c(buf, '\n');
    }
}

static void append_eviction(GString *buf, const WorkingSetInfo *info)
{
    const EvictionInfo *e = info->eviction;
    g_autofree char *promotions = size_to_str(e->promotions);
    g_autofree char *refaults = size_to_str(e->refaults);
    g_autofree char *allowed = size_to_str(e->allowed);

    g_string_append_printf(buf, "  eviction by %s is %s, limit: %s%s%s\n",
                           EvictionEngine_str(e->engine),
                           EvictionState_str(e->state),
                           EvictionLimit_str(e->limit), e->reason ? ": " : "",
                           e->reason ?: "");
    if (e->has_cold_age) {
        g_string_append_printf(buf, "  goes when idle for %" PRIu32
                               " intervals\n", e->cold_age);
    }
    g_string_append_printf(buf, "  a minute: promotions %s, refaults %s, of %s"
                           " allowed\n", promotions, refaults, allowed);
    append_size(buf, "evicted so far", e->evicted, 0);
    append_size(buf, "refaulted so far", e->refaulted, 0);
    append_size(buf, "skipped: accessed", e->skipped->accessed, 0);
    append_size(buf, "skipped: huge page", e->skipped->huge_page, 0);
    append_size(buf, "skipped: kept", e->skipped->kept, 0);
}

static void append_what_if(GString *buf, const WorkingSetInfo *info)
{
    g_string_append(buf, "  what if memory went when idle for (seconds)\n");
    for (WorkingSetWhatIfList *l = info->what_if; l; l = l->next) {
        WorkingSetWhatIf *w = l->value;
        g_autofree char *bytes = size_to_str(w->bytes);
        g_autofree char *mean = size_to_str(w->promotions);
        g_autofree char *max = size_to_str(w->promotions_max);

        g_string_append_printf(buf, "    %-20" PRIu32, w->seconds);
        if (!w->complete) {
            g_string_append(buf, "    not known\n");
        } else if (!w->minutes) {
            g_string_append_printf(buf, " %10s out\n", bytes);
        } else {
            g_string_append_printf(buf, " %10s out, promotions a minute: mean"
                                   " %s, worst %s\n", bytes, mean, max);
        }
    }
}

/* What was found out since tracking began. */
static void append_found(Report *report, const WorkingSetInfo *info)
{
    GString *buf = report->text;

    g_string_append_printf(buf, "  scans every %.1f s, %" PRIu64 " so far,"
                           " the last %.1f s ago, took %" PRIu64 " + %" PRIu64
                           " us\n", info->interval / 1000.0, info->epochs,
                           info->sample_age / 1000.0, info->scan_time,
                           info->arm_time);
    append_size(buf, "present", info->present, info->size);
    append_size(buf, "absent", info->absent, info->size);
    append_size(buf, "resident", info->resident, info->size);
    append_untracked(buf, info);
    append_size(buf, "accessed last interval", info->accessed, info->size);
    for (WorkingSetWindowList *l = info->working_set; l; l = l->next) {
        g_autofree char *label =
            g_strdup_printf("working set %" PRIu32 " s%s", l->value->seconds,
                            l->value->complete ? "" : " *");

        append_size(buf, label, l->value->bytes, info->size);
        report->has_incomplete |= !l->value->complete;
    }
    for (WorkingSetResolutionList *l = info->resolution; l; l = l->next) {
        g_autofree char *page = size_to_str(l->value->page_size);
        g_autofree char *label = g_strdup_printf("seen in pages of %s", page);

        append_size(buf, label, l->value->bytes, info->size);
    }
    append_idle_ages(buf, info);
    append_what_if(buf, info);
}

static void append_backend(RwpBackend *backend, void *opaque)
{
    g_autoptr(WorkingSetInfo) info = rwp_working_set_info(backend, NULL, NULL);
    g_autofree char *size = size_to_str(info->size);
    Report *report = opaque;
    GString *buf = report->text;

    g_string_append_printf(buf, "%s: %s, %s, tracking is %s%s%s\n", info->id,
                           size, info->share ? "shared" : "private",
                           WorkingSetState_str(info->state),
                           info->reason ? ": " : "", info->reason ?: "");
    if (info->epochs) {
        append_found(report, info);
    } else {
        append_untracked(buf, info);
    }
    if (info->eviction->engine != EVICTION_ENGINE_OFF ||
        info->eviction->evicted) {
        append_eviction(buf, info);
    }
}

HumanReadableText *qmp_x_query_working_set(Error **errp)
{
    g_autoptr(GString) buf = g_string_new("");
    Report report = { .text = buf };

    rwp_backend_foreach(append_backend, &report);
    if (!buf->len) {
        g_string_append(buf, "There is no memory-backend-rwp object.\n");
    } else if (report.has_incomplete) {
        g_string_append(buf, "(* watched for a shorter time than that)\n");
    }
    return human_readable_text_from_str(buf);
}
