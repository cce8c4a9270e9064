/*
 * Memory of the same kinds as memory-backend-rwp gives, and ways to touch it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bare-memory.h"

#define SMALL_PAGE  4096ULL
#define HUGE_PAGE   (2ULL << 20)

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

static char *map_anonymous(uint64_t size, int advice)
{
    /* Aligned as QEMU aligns it: otherwise the ends have no huge pages */
    char *area = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *base;

    if (area == MAP_FAILED) {
        err(1, "mmap of %llu MiB", (unsigned long long)size >> 20);
    }
    base = (char *)(((uintptr_t)area + HUGE_PAGE - 1) & -HUGE_PAGE);
    if (madvise(base, size, advice)) {
        err(1, "madvise");
    }
    return base;
}

static char *map_memfd(uint64_t size, unsigned int flags)
{
    int fd = memfd_create("bare-loop", flags);
    char *base;

    if (fd < 0 || ftruncate(fd, size)) {
        err(1, "memfd");
    }
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        err(1, "mmap of a memfd (hugetlb: is the pool large enough?)");
    }
    close(fd);
    return base;
}

BareMemory bare_memory_map(const char *kind, uint64_t size)
{
    BareMemory m = { .size = size, .granule = SMALL_PAGE };

    if (!strcmp(kind, "anon")) {
        m.base = map_anonymous(size, MADV_NOHUGEPAGE);
    } else if (!strcmp(kind, "thp")) {
        m.base = map_anonymous(size, MADV_HUGEPAGE);
        m.granule = HUGE_PAGE;
    } else if (!strcmp(kind, "memfd")) {
        m.base = map_memfd(size, 0);
        /* A memfd's huge pages lose their marks when they are split */
        if (madvise(m.base, size, MADV_NOHUGEPAGE)) {
            err(1, "madvise");
        }
    } else if (!strcmp(kind, "hugetlb")) {
        m.base = map_memfd(size, MFD_HUGETLB | MFD_HUGE_2MB);
        m.granule = HUGE_PAGE;
    } else {
        errx(1, "unknown kind of memory: %s", kind);
    }
    return m;
}

static uint64_t touch_strided(const BareMemory *m, uint64_t end,
                              uint64_t stride)
{
    uint64_t touched = 0;

    for (uint64_t at = 0; at < end; at += stride, touched++) {
        /* volatile: nobody reads it, and still it must be written */
        *(volatile char *)(m->base + at) = 1;
    }
    return touched;
}

uint64_t bare_memory_touch(const BareMemory *m, const char *pattern)
{
    if (!strcmp(pattern, "none")) {
        return 0;
    } else if (!strcmp(pattern, "contiguous")) {
        return touch_strided(m, m->size / 8, m->granule);
    } else if (!strcmp(pattern, "scattered")) {
        return touch_strided(m, m->size, 8 * m->granule);
    } else if (!strcmp(pattern, "all")) {
        return touch_strided(m, m->size, m->granule);
    } else if (!strncmp(pattern, "spread:", 7)) {
        unsigned long long pages = 0;

        if (sscanf(pattern + 7, "%llu", &pages) != 1 || !pages ||
            pages > m->size / m->granule) {
            errx(1, "%s: there are not so many pages", pattern);
        }
        return touch_strided(m, m->size, m->size / pages / m->granule *
                                         m->granule);
    }
    errx(1, "unknown pattern: %s", pattern);
}
