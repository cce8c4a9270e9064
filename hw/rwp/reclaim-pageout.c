/*
 * Giving memory back: the host's kernel pages it out
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MADV_PAGEOUT is safe beside anything: the kernel leaves pages in that are
 * pinned, locked or mapped by others, too.  Pages that are all zero are
 * nothing special here, since the kernel's swap code finds them by itself and
 * writes nothing for them (Linux 6.11).  Dropping them from here would race
 * with whoever writes to them.
 */

#include "qemu/osdep.h"
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include "hw/rwp/reclaim.h"

/* For headers older than Linux 5.4. */
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static const char *pageout_blocked(void)
{
    struct sysinfo info;

    if (!sysinfo(&info) && !info.freeswap) {
        return info.totalswap ? "the host's swap space is full" :
                                "the host has no swap space";
    }
    return NULL;
}

/* A file descriptor for this process, or -1. */
static int own_pidfd(void)
{
    static gsize once;
    static int fd = -1;

    if (g_once_init_enter(&once)) {
#ifdef SYS_pidfd_open
        fd = syscall(SYS_pidfd_open, getpid(), 0);
#endif
        g_once_init_leave(&once, 1);
    }
    return fd;
}

/* All ranges by one system call.  False if that cannot be done here. */
static bool pageout_together(const struct iovec *ranges, size_t nr)
{
#ifdef SYS_process_madvise
    /* What it did not get to the end of is looked at by the caller. */
    return syscall(SYS_process_madvise, own_pidfd(), ranges, nr, MADV_PAGEOUT,
                   0) > 0;
#else
    return false;
#endif
}

static int pageout(const struct iovec *ranges, size_t nr)
{
    int ret = -EINVAL;

    if (pageout_together(ranges, nr)) {
        return 0;
    }
    for (size_t i = 0; i < nr; i++) {
        if (!madvise(ranges[i].iov_base, ranges[i].iov_len, MADV_PAGEOUT)) {
            ret = 0;
        } else if (ret) {
            ret = -errno;
        }
    }
    return ret;
}

const RwpReclaimEngine rwp_reclaim_pageout = {
    .blocked = pageout_blocked,
    .reclaim = pageout,
};
