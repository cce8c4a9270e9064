/*
 * The host's pool of huge pages, as far as errors tell of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "hw/rwp/backend.h"
#include "hw/rwp/huge-pool.h"

/* The size of huge pages that are asked for without naming one; 0: unknown. */
static uint64_t default_page_size(void)
{
    g_autofree char *text = NULL;
    const char *line;
    uint64_t kib;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL)) {
        return 0;
    }
    line = strstr(text, "Hugepagesize:");
    return line && sscanf(line, "Hugepagesize: %" SCNu64, &kib) == 1 ?
           kib * KiB : 0;
}

#define POOLS "/sys/kernel/mm/hugepages"

static char *pool_directory(uint64_t page_size)
{
    return g_strdup_printf(POOLS "/hugepages-%" PRIu64 "kB", page_size / KiB);
}

static bool is_directory(const char *path)
{
    return g_file_test(path, G_FILE_TEST_IS_DIR);
}

static uint64_t pool_count(const char *directory, const char *what)
{
    g_autofree char *file = g_build_filename(directory, what, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(file, &text, NULL, NULL) ?
           g_ascii_strtoull(text, NULL, 10) : 0;
}

/* Pages that can still be had: others are reserved, used or not. */
static uint64_t free_pages(const char *directory)
{
    uint64_t reserved = pool_count(directory, "resv_hugepages");
    uint64_t unused = pool_count(directory, "free_hugepages");

    return unused - MIN(unused, reserved);
}

bool rwp_huge_pool_check(const char *id, uint64_t page_size, uint64_t size,
                         Error **errp)
{
    g_autofree char *directory = NULL;

    if (page_size && !is_power_of_2(page_size)) {
        error_setg(errp, "property 'hugetlbsize' of " TYPE_MEMORY_BACKEND_RWP
                   " '%s' doesn't take value '%" PRIu64 "', it must be a power"
                   " of 2, as 2M", id, page_size);
        return false;
    }
    page_size = page_size ?: default_page_size();
    if (!page_size) {
        /* The kernel will tell. */
        return true;
    }
    directory = pool_directory(page_size);
    /* In a container there may be no sysfs at all. */
    if (is_directory(POOLS) && !is_directory(directory)) {
        error_setg(errp, "property 'hugetlbsize' of " TYPE_MEMORY_BACKEND_RWP
                   " '%s' doesn't take value '%" PRIu64 "': the host has no"
                   " huge pages of that size, " POOLS " tells which it has",
                   id, page_size);
        return false;
    }
    if (size % page_size) {
        error_setg(errp, "property 'size' of " TYPE_MEMORY_BACKEND_RWP
                   " '%s' doesn't take value '%" PRIu64 "', it must be a"
                   " multiple of its huge pages, %" PRIu64 " bytes each", id,
                   size, page_size);
        return false;
    }
    return true;
}

void rwp_huge_pool_explain(const char *id, uint64_t page_size, uint64_t size,
                           Error *why, Error **errp)
{
    g_autofree char *directory = NULL;
    uint64_t free;

    page_size = page_size ?: default_page_size();
    directory = pool_directory(page_size);
    free = free_pages(directory);
    if (page_size && free < size / page_size) {
        error_setg(errp, "property 'hugetlb' of " TYPE_MEMORY_BACKEND_RWP
                   " '%s' cannot be 'on': %s; %" PRIu64 " huge pages of %"
                   PRIu64 " KiB are needed, %" PRIu64 " are free, and"
                   " %s/nr_hugepages sets how many there are", id,
                   error_get_pretty(why), size / page_size, page_size / KiB,
                   free, directory);
        error_free(why);
    } else {
        error_propagate(errp, why);
    }
}
