/*
 * The part of the kernel's user-space interface that the bench needs
 *
 * Carried here, apart from the copy that QEMU itself uses, for two reasons:
 * the bench builds with the headers of Debian 12, which know none of it, and
 * a wrong constant in QEMU must not make the reference wrong as well.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef RWP_BENCH_ABI_H
#define RWP_BENCH_ABI_H

#include <stdint.h>
#include <sys/ioctl.h>

#define ABI_UFFD_API                0xaaULL
#define ABI_UFFD_USER_MODE_ONLY     1
#define ABI_FEATURE_RWP             (1ULL << 17)
#define ABI_FEATURE_RWP_ASYNC       (1ULL << 18)
#define ABI_REGISTER_MODE_RWP       (1ULL << 3)
#define ABI_RWPROTECT_MODE_RWP      (1ULL << 0)

struct abi_uffdio_api {
    uint64_t api, features, ioctls;
};

struct abi_uffdio_register {
    uint64_t start, len, mode, ioctls;
};

struct abi_uffdio_rwprotect {
    uint64_t start, len, mode;
};

#define ABI_UFFDIO_API       _IOWR(0xaa, 0x3f, struct abi_uffdio_api)
#define ABI_UFFDIO_REGISTER  _IOWR(0xaa, 0x00, struct abi_uffdio_register)
#define ABI_UFFDIO_RWPROTECT _IOWR(0xaa, 0x09, struct abi_uffdio_rwprotect)

#define ABI_PAGE_IS_HUGE            (1ULL << 6)
#define ABI_PAGE_IS_ACCESSED        (1ULL << 9)

struct abi_page_region {
    uint64_t start, end, categories;
};

struct abi_pm_scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask;
    uint64_t return_mask;
};

#define ABI_PAGEMAP_SCAN     _IOWR('f', 16, struct abi_pm_scan_arg)

#endif
