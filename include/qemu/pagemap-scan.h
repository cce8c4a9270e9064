/*
 * PAGEMAP_SCAN: what the kernel knows about ranges of pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef QEMU_PAGEMAP_SCAN_H
#define QEMU_PAGEMAP_SCAN_H

#ifdef CONFIG_LINUX

#include <linux/types.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

/*
 * The kernel's interface, for headers older than Linux 6.7
 * (include/uapi/linux/fs.h).
 */
#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)

#define PAGE_IS_PRESENT     (1 << 3)
#define PAGE_IS_SWAPPED     (1 << 4)
#define PAGE_IS_PFNZERO     (1 << 5)
#define PAGE_IS_HUGE        (1 << 6)

struct page_region {
    __u64 start;
    __u64 end;
    __u64 categories;
};

struct pm_scan_arg {
    __u64 size;
    __u64 flags;
    __u64 start;
    __u64 end;
    __u64 walk_end;
    __u64 vec;
    __u64 vec_len;
    __u64 max_pages;
    __u64 category_inverted;
    __u64 category_mask;
    __u64 category_anyof_mask;
    __u64 return_mask;
};
#endif /* PAGEMAP_SCAN */

/* Linux 7.3: touched since it was armed, see qemu/userfaultfd-rwp.h. */
#ifndef PAGE_IS_ACCESSED
#define PAGE_IS_ACCESSED    (1 << 9)
#endif

/* Regions that the kernel gathers before it drops its lock. */
#define PAGEMAP_SCAN_BATCH 512

/* Which pages to report, and where a scan got to. */
typedef struct PagemapScan {
    uint64_t category_inverted; /* these count as set if they are not */
    uint64_t category_mask;     /* all of these must be set */
    uint64_t category_anyof;    /* one of these must be set, if any is given */
    uint64_t return_mask;       /* tell and separate regions by these */
    uint64_t max_pages;         /* stop after that many host pages; 0: don't */
    void *walk_end;             /* out: scan from here on next */
} PagemapScan;

/*
 * pagemap_open: open this process's pagemap, if it is not open yet.  It stays
 * open, so scans work when -run-with has changed the user or the root directory
 * meanwhile.  With the BQL held.
 *
 * Returns false with an error if that is not possible.
 */
bool pagemap_open(Error **errp);

/*
 * pagemap_scan: report the matching regions of [@start, @end), ascending,
 * until @regions is full, @scan->max_pages are reported (this may be within a
 * huge page) or the range ends.
 *
 * Called by any thread, when pagemap_open() has succeeded.
 *
 * @regions: @nr entries; a multiple of PAGEMAP_SCAN_BATCH is best
 *
 * Returns the number of regions, or -errno.  The range is done when
 * @scan->walk_end is @end.
 */
int pagemap_scan(PagemapScan *scan, void *start, void *end,
                 struct page_region *regions, size_t nr);

#endif /* CONFIG_LINUX */

#endif /* QEMU_PAGEMAP_SCAN_H */
