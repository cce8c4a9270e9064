/*
 * Paging memory out in as few instructions as it can be done
 *
 * Nothing is asked of the kernel beforehand or afterwards: this is the floor
 * that an evictor is compared with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "bare-pageout.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* The same on all architectures; headers of Debian 11 lack it. */
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

/* What one process_madvise() takes. */
#define MAX_RANGES 1024

typedef struct Call {
    struct iovec ranges[MAX_RANGES];
    unsigned nr;
    uint64_t bytes;
    int pidfd;
} Call;

static double clock_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void flush(Call *call, unsigned ranges, BarePageout *p)
{
    long ret;

    if (!call->nr) {
        return;
    }
    if (ranges == 1) {
        ret = madvise(call->ranges[0].iov_base, call->ranges[0].iov_len,
                      MADV_PAGEOUT);
    } else {
        ret = syscall(SYS_process_madvise, call->pidfd, call->ranges,
                      (long)call->nr, MADV_PAGEOUT, 0);
    }
    if (ret < 0) {
        err(1, "MADV_PAGEOUT");
    }
    p->calls++;
    p->asked += call->bytes;
    call->nr = 0;
    call->bytes = 0;
}

BarePageout bare_pageout_run(const BareMemory *m, const char *which,
                             uint64_t chunk, unsigned ranges)
{
    static Call call;
    bool half = !strcmp(which, "half");
    uint64_t step = half ? 2 * m->granule : chunk;
    double us, cpu_us;
    BarePageout p = { 0 };

    if ((!half && strcmp(which, "all")) || !chunk || !ranges ||
        ranges > MAX_RANGES) {
        errx(1, "pageout all|half CHUNK RANGES, not of %s", which);
    }
    call.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    if (call.pidfd < 0) {
        err(1, "pidfd_open");
    }

    us = clock_us(CLOCK_MONOTONIC);
    cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t at = half ? m->granule : 0; at < m->size; at += step) {
        uint64_t length = half ? m->granule : chunk;

        if (length > m->size - at) {
            length = m->size - at;
        }
        call.ranges[call.nr++] = (struct iovec) {
            .iov_base = m->base + at, .iov_len = length,
        };
        call.bytes += length;
        if (call.nr == ranges || call.bytes >= chunk) {
            flush(&call, ranges, &p);
        }
    }
    flush(&call, ranges, &p);
    p.cpu_us = clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us;
    p.us = clock_us(CLOCK_MONOTONIC) - us;
    close(call.pidfd);
    return p;
}
