/*
 * One epoch in as few instructions as it can be done: scan and re-arm
 *
 * There is no bookkeeping here at all, neither ages nor counts by page: this
 * is the floor that a real tracker is compared with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "bare-epoch.h"
#include "rwp-abi.h"

#define MAX_REGIONS 65536

static int uffd, pagemap;
static struct abi_page_region found[MAX_REGIONS];

static double clock_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static void arm(uint64_t start, uint64_t end)
{
    struct abi_uffdio_rwprotect range = {
        .start = start, .len = end - start, .mode = ABI_RWPROTECT_MODE_RWP,
    };

    if (ioctl(uffd, ABI_UFFDIO_RWPROTECT, &range)) {
        err(1, "UFFDIO_RWPROTECT");
    }
}

void bare_epoch_start(const BareMemory *m)
{
    struct abi_uffdio_api api = {
        .api = ABI_UFFD_API,
        .features = ABI_FEATURE_RWP | ABI_FEATURE_RWP_ASYNC,
    };
    struct abi_uffdio_register range = {
        .start = (uintptr_t)m->base, .len = m->size,
        .mode = ABI_REGISTER_MODE_RWP,
    };

    uffd = syscall(SYS_userfaultfd, O_CLOEXEC | ABI_UFFD_USER_MODE_ONLY);
    if (uffd < 0 || ioctl(uffd, ABI_UFFDIO_API, &api)) {
        err(1, "userfaultfd with RWP");
    }
    if (ioctl(uffd, ABI_UFFDIO_REGISTER, &range)) {
        err(1, "UFFDIO_REGISTER");
    }
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0) {
        err(1, "/proc/self/pagemap");
    }
    arm(range.start, range.start + range.len);
}

static uint64_t parse_size(const char *text)
{
    static const char units[] = "KMGT";
    unsigned long long n;
    char unit = 0, more;
    int fields = sscanf(text, "%llu%c%c", &n, &unit, &more);
    const char *known = strchr(units, unit);

    if (!strcmp(text, "whole")) {
        return BARE_WHOLE;
    }
    if (fields < 1 || fields > 2 || !known) {
        errx(1, "not a size: %s", text);
    }
    return fields == 1 ? n : n << 10 * (known - units + 1);
}

BareStrategy bare_strategy_parse(const char *text)
{
    BareStrategy s = { .chunk = BARE_WHOLE, .gap = 0, .regions = 512 };
    char *copy = strdup(text), *next = copy, *word;

    while ((word = strsep(&next, ","))) {
        if (!strncmp(word, "chunk=", 6)) {
            s.chunk = parse_size(word + 6);
        } else if (!strncmp(word, "gap=", 4)) {
            s.gap = parse_size(word + 4);
        } else if (!strncmp(word, "regions=", 8)) {
            s.regions = parse_size(word + 8);
        } else if (!strcmp(word, "huge=on")) {
            s.huge = true;
        } else if (strcmp(word, "huge=off")) {
            errx(1, "not a part of a strategy: %s", word);
        }
    }
    free(copy);
    if (!s.chunk || !s.regions || s.regions > MAX_REGIONS) {
        errx(1, "%s: chunk and regions must be positive, regions at most %d",
             text, MAX_REGIONS);
    }
    return s;
}

/* The range that waits to be armed, and where the last accessed one ended */
typedef struct Pending {
    uint64_t start, end;
} Pending;

static void timed_arm(Pending *p, BareEpoch *e)
{
    double t;

    if (p->start == p->end) {
        return;
    }
    t = now_us();
    arm(p->start, p->end);
    t = now_us() - t;
    e->arm_us += t;
    e->arm_calls++;
    if (t > e->longest_us) {
        e->longest_us = t;
    }
    p->start = p->end = 0;
}

static long timed_scan(struct abi_pm_scan_arg *arg, BareEpoch *e)
{
    double t = now_us();
    long n = ioctl(pagemap, ABI_PAGEMAP_SCAN, arg);

    if (n < 0) {
        err(1, "PAGEMAP_SCAN");
    }
    t = now_us() - t;
    e->scan_us += t;
    e->scan_calls++;
    if (t > e->longest_us) {
        e->longest_us = t;
    }
    return n;
}

static void run_chunk(uint64_t start, uint64_t end, const BareStrategy *s,
                      BareEpoch *e)
{
    Pending p = { 0, 0 };
    uint64_t last_end = 0;

    while (start < end) {
        struct abi_pm_scan_arg arg = {
            .size = sizeof(arg), .start = start, .end = end,
            .vec = (uintptr_t)found, .vec_len = s->regions,
            .category_mask = ABI_PAGE_IS_ACCESSED,
            .return_mask = ABI_PAGE_IS_ACCESSED |
                           (s->huge ? ABI_PAGE_IS_HUGE : 0),
        };
        long n = timed_scan(&arg, e);

        for (long i = 0; i < n; i++) {
            e->accessed += found[i].end - found[i].start;
            e->regions += found[i].start != last_end;
            last_end = found[i].end;
            if (p.start != p.end && found[i].start - p.end > s->gap) {
                timed_arm(&p, e);
            }
            if (p.start == p.end) {
                p.start = found[i].start;
            }
            p.end = found[i].end;
        }
        start = arg.walk_end;
    }
    timed_arm(&p, e);
}

BareEpoch bare_epoch_run(const BareMemory *m, const BareStrategy *s)
{
    uint64_t at = (uintptr_t)m->base, end = at + m->size;
    double cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
    BareEpoch e = { 0 };

    while (at < end) {
        uint64_t length = end - at < s->chunk ? end - at : s->chunk;

        run_chunk(at, at + length, s, &e);
        at += length;
    }
    e.cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us;
    return e;
}
