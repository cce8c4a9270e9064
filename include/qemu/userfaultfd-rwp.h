/*
 * userfaultfd read-write protection (RWP) of Linux 7.3 and newer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RWP lets a process see, by page, what it touched: "arming" a present page
 * makes the next read or write fault.  In the asynchronous mode the kernel
 * answers that fault by itself and the page is simply no longer armed, which
 * pagemap_scan() reports.
 *
 * All functions but uffd_rwp_probe() may be called from any thread, without the
 * BQL.
 */

#ifndef QEMU_USERFAULTFD_RWP_H
#define QEMU_USERFAULTFD_RWP_H

#ifdef CONFIG_LINUX

#include <linux/userfaultfd.h>

/*
 * The kernel's interface, for headers older than Linux 7.3
 * (include/uapi/linux/userfaultfd.h).
 */
#ifndef UFFD_FEATURE_RWP
#define UFFD_FEATURE_RWP                (1 << 17)
#define UFFD_FEATURE_RWP_ASYNC          (1 << 18)
#define UFFDIO_REGISTER_MODE_RWP        ((__u64)1 << 3)
#define _UFFDIO_RWPROTECT               (0x09)
#define UFFDIO_RWPROTECT                _IOWR(UFFDIO, _UFFDIO_RWPROTECT, \
                                              struct uffdio_rwprotect)

struct uffdio_rwprotect {
    struct uffdio_range range;
#define UFFDIO_RWPROTECT_MODE_RWP       ((__u64)1 << 0)
#define UFFDIO_RWPROTECT_MODE_DONTWAKE  ((__u64)1 << 1)
    __u64 mode;
};
#endif /* UFFD_FEATURE_RWP */

/*
 * uffd_rwp_probe: does this host track accesses?
 *
 * Asks the kernel for each part of what tracking needs, with a page of
 * private anonymous memory.  Needs no privilege.  With the BQL held: opens the
 * pagemap (qemu/pagemap-scan.h).
 *
 * Returns true if so; otherwise false with an error that names the part that
 * is missing.
 */
bool uffd_rwp_probe(Error **errp);

/*
 * uffd_rwp_create: a userfaultfd for asynchronous RWP only.  It needs no
 * privilege and never has a message to read.
 *
 * Returns the file descriptor, to be closed by uffd_close_fd(), or -1 with
 * an error.
 */
int uffd_rwp_create(Error **errp);

/*
 * uffd_rwp_register: let [@addr, @addr + @length) be armed.  Both must be
 * aligned to the page size of the memory.
 *
 * Returns true, or false with an error that says what the memory is not fit
 * for.
 */
bool uffd_rwp_register(int uffd_fd, void *addr, uint64_t length, Error **errp);

/*
 * uffd_rwp_arm: arm what is present or swapped out in
 * [@addr, @addr + @length); holes are passed over and armed pages left as
 * they are.  Both must be aligned to the page size of the memory.
 *
 * Holds the lock of the address space for reading all the while, and vCPU
 * faults in the range wait: the caller bounds the length.
 *
 * Returns 0 on success or -errno; -ENOENT if a part of the range is not
 * registered (any more).
 */
int uffd_rwp_arm(int uffd_fd, void *addr, uint64_t length);

#endif /* CONFIG_LINUX */

#endif /* QEMU_USERFAULTFD_RWP_H */
