/*
 * PAGEMAP_SCAN: what the kernel knows about ranges of pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/pagemap-scan.h"
#include "trace.h"

static int pagemap_fd = -1;

bool pagemap_open(Error **errp)
{
    if (pagemap_fd < 0) {
        pagemap_fd = qemu_open("/proc/self/pagemap", O_RDONLY, NULL);
    }
    if (pagemap_fd < 0) {
        error_setg_errno(errp, errno, "cannot open /proc/self/pagemap, is /proc"
                         " mounted?");
    }
    return pagemap_fd >= 0;
}

int pagemap_scan(PagemapScan *scan, void *start, void *end,
                 struct page_region *regions, size_t nr)
{
    struct pm_scan_arg arg = {
        .size = sizeof(arg),
        .start = (uintptr_t)start,
        .end = (uintptr_t)end,
        .vec = (uintptr_t)regions,
        .vec_len = nr,
        .max_pages = scan->max_pages,
        .category_inverted = scan->category_inverted,
        .category_mask = scan->category_mask,
        .category_anyof_mask = scan->category_anyof,
        .return_mask = scan->return_mask,
    };
    int ret = ioctl(pagemap_fd, PAGEMAP_SCAN, &arg);

    if (ret < 0) {
        ret = -errno;
        trace_pagemap_scan_failed(start, end, -ret);
        return ret;
    }
    scan->walk_end = (void *)(uintptr_t)arg.walk_end;
    return ret;
}
