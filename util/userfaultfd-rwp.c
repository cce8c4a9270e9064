/*
 * userfaultfd read-write protection (RWP) of Linux 7.3 and newer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "qapi/error.h"
#include "qemu/bitops.h"
#include "qemu/pagemap-scan.h"
#include "qemu/userfaultfd.h"
#include "qemu/userfaultfd-rwp.h"
#include "trace.h"

/* A kernel that only tracks its own user-mode faults asks no privilege. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define HOW_TO_GET_IT \
    "the host needs Linux 7.3 or newer with CONFIG_USERFAULTFD=y"

static int open_and_negotiate(uint64_t features, uint64_t *available,
                              Error **errp)
{
    struct uffdio_api api = { .api = UFFD_API, .features = features };
    int fd = uffd_open(O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

    if (fd < 0) {
        int err = errno;

        error_setg_errno(errp, err, "cannot open a userfaultfd%s",
                         err == ENOSYS ? " (" HOW_TO_GET_IT ")" :
                         err == EPERM || err == EACCES ?
                         " (does a security policy forbid it?)" : "");
        return -1;
    }
    if (ioctl(fd, UFFDIO_API, &api)) {
        trace_uffd_create_fd_api_failed(errno);
        error_setg_errno(errp, errno, "userfaultfd refuses the features 0x%"
                         PRIx64, features);
        close(fd);
        return -1;
    }
    *available = api.features;
    return fd;
}

int uffd_rwp_create(Error **errp)
{
    const uint64_t needed = UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC;
    uint64_t available;

    return open_and_negotiate(needed, &available, errp);
}

bool uffd_rwp_register(int uffd_fd, void *addr, uint64_t length, Error **errp)
{
    uint64_t ioctls;

    if (uffd_register_memory(uffd_fd, addr, length, UFFDIO_REGISTER_MODE_RWP,
                             &ioctls)) {
        error_setg_errno(errp, errno, "userfaultfd cannot register the memory"
                         " for read-write protection%s", errno == EBUSY ?
                         " (another userfaultfd watches it)" : "");
        return false;
    }
    if (!(ioctls & BIT_ULL(_UFFDIO_RWPROTECT))) {
        uffd_unregister_memory(uffd_fd, addr, length);
        error_setg(errp, "userfaultfd cannot arm memory of this type");
        return false;
    }
    return true;
}

int uffd_rwp_arm(int uffd_fd, void *addr, uint64_t length)
{
    struct uffdio_rwprotect arm = {
        .range = { .start = (uintptr_t)addr, .len = length },
        .mode = UFFDIO_RWPROTECT_MODE_RWP,
    };

    if (ioctl(uffd_fd, UFFDIO_RWPROTECT, &arm)) {
        int err = errno;

        trace_uffd_rwp_arm_failed(addr, length, err);
        return -err;
    }
    return 0;
}

/* Does an access to an armed page show in a scan? */
static bool probe_page(int uffd_fd, void *page, size_t size, Error **errp)
{
    PagemapScan scan = {
        .category_mask = PAGE_IS_ACCESSED,
        .return_mask = PAGE_IS_ACCESSED,
    };
    struct page_region region;
    int ret;

    if (!uffd_rwp_register(uffd_fd, page, size, errp)) {
        return false;
    }
    /* Volatile: the compiler must not drop a store that nobody reads. */
    *(volatile char *)page = 1;
    ret = uffd_rwp_arm(uffd_fd, page, size);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "userfaultfd cannot arm a page");
        return false;
    }
    ret = pagemap_scan(&scan, page, page + size, &region, 1);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "PAGEMAP_SCAN does not tell accesses ("
                         HOW_TO_GET_IT ")");
        return false;
    }
    if (ret == 0) {
        /* Volatile, as above. */
        *(volatile char *)page = 2;
        ret = pagemap_scan(&scan, page, page + size, &region, 1);
        if (ret == 1) {
            return true;
        }
    }
    error_setg(errp, "this kernel arms a page but does not tell its accesses");
    return false;
}

bool uffd_rwp_probe(Error **errp)
{
    const uint64_t needed = UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC;
    size_t size = qemu_real_host_page_size();
    uint64_t available;
    void *page;
    bool ok;
    int fd;

    if (!pagemap_open(errp)) {
        return false;
    }
    /* The kernel tells its features to a descriptor that asks for none. */
    fd = open_and_negotiate(0, &available, errp);
    if (fd < 0) {
        return false;
    }
    close(fd);
    if ((available & needed) != needed) {
        error_setg(errp, "the kernel's userfaultfd has no %s, "
                   HOW_TO_GET_IT, available & UFFD_FEATURE_RWP ?
                   "asynchronous read-write protection"
                   " (UFFD_FEATURE_RWP_ASYNC)" :
                   "read-write protection (UFFD_FEATURE_RWP)");
        return false;
    }

    fd = uffd_rwp_create(errp);
    if (fd < 0) {
        return false;
    }
    page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map a page to probe RWP");
        close(fd);
        return false;
    }
    ok = probe_page(fd, page, size, errp);
    munmap(page, size);
    close(fd);
    return ok;
}
