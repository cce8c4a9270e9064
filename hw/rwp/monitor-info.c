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

static void append_backend(RwpBackend *backend, void *opaque)
{
    g_autoptr(WorkingSetInfo) info = rwp_working_set_info(backend, NULL);
    g_autofree char *size = size_to_str(info->size);
    GString *buf = opaque;

    g_string_append_printf(buf, "%s: %s, %s, tracking is %s%s%s\n", info->id,
                           size, info->share ? "shared" : "private",
                           WorkingSetState_str(info->state),
                           info->reason ? ": " : "", info->reason ?: "");
    if (!info->epochs) {
        append_size(buf, "untracked", info->untracked, info->size);
        return;
    }
    g_string_append_printf(buf, "  scans every %.1f s, %" PRIu64 " so far,"
                           " the last %.1f s ago, took %" PRIu64 " + %" PRIu64
                           " us\n", info->interval / 1000.0, info->epochs,
                           info->sample_age / 1000.0, info->scan_time,
                           info->arm_time);
    append_size(buf, "present", info->present, info->size);
    append_size(buf, "absent", info->absent, info->size);
    if (info->untracked) {
        append_size(buf, "untracked", info->untracked, info->size);
    }
    append_size(buf, "accessed last interval", info->accessed, info->size);
    for (WorkingSetWindowList *l = info->working_set; l; l = l->next) {
        g_autofree char *label =
            g_strdup_printf("working set %" PRIu32 " s%s", l->value->seconds,
                            l->value->complete ? "" : " *");

        append_size(buf, label, l->value->bytes, info->size);
    }
    for (WorkingSetResolutionList *l = info->resolution; l; l = l->next) {
        g_autofree char *page = size_to_str(l->value->page_size);
        g_autofree char *label = g_strdup_printf("seen in pages of %s", page);

        append_size(buf, label, l->value->bytes, info->size);
    }
    append_idle_ages(buf, info);
}

HumanReadableText *qmp_x_query_working_set(Error **errp)
{
    g_autoptr(GString) buf = g_string_new("");

    rwp_backend_foreach(append_backend, buf);
    if (!buf->len) {
        g_string_append(buf, "There is no memory-backend-rwp object.\n");
    } else {
        g_string_append(buf, "(* watched for a shorter time than that)\n");
    }
    return human_readable_text_from_str(buf);
}
