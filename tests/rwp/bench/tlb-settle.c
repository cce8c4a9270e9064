/*
 * Give the emulated machine's TLBs their everyday size back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tlb-settle.h"

#define ROUNDS      30
#define PAUSE_US    10000
#define PAGE        4096
/* x86 flushes page by page up to 33 pages, and everything beyond */
#define PAGES       64

static void flush_this_cpu(char *area)
{
    memset(area, 1, PAGES * PAGE);
    if (mprotect(area, PAGES * PAGE, PROT_READ) ||
        mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE)) {
        err(1, "mprotect");
    }
}

void tlb_settle(void)
{
    char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cpu_set_t all, one;

    if (area == MAP_FAILED || sched_getaffinity(0, sizeof(all), &all)) {
        err(1, "settling");
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (!CPU_ISSET(cpu, &all)) {
                continue;
            }
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            if (sched_setaffinity(0, sizeof(one), &one)) {
                err(1, "sched_setaffinity");
            }
            flush_this_cpu(area);
        }
        usleep(PAUSE_US);
    }
    sched_setaffinity(0, sizeof(all), &all);
    munmap(area, PAGES * PAGE);
}
