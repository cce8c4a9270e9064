/*
 * What an epoch of tracking costs at least
 *
 * The same system calls as memory-backend-rwp makes, on the same kind of
 * memory, accessed in the same pattern, and nothing else: the reference for
 * the cost of an epoch.  It takes one command a line and answers each with
 * one line of JSON, so that a driver can run it and QEMU in alternation:
 *
 *   touch PATTERN     access memory (bare-memory.h has the patterns)
 *   settle            let the TLBs shrink (tlb-settle.h says why)
 *   epoch STRATEGY    scan and re-arm (bare-epoch.h has the strategies)
 *   pageout WHICH CHUNK RANGES    page memory out (bare-pageout.h)
 *
 * usage: bare-loop KIND SIZE-IN-MIB [POPULATE]
 *
 * POPULATE is a pattern: what is populated before tracking starts, "all" if
 * it is not given.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <string.h>
#include "bare-pageout.h"
#include "epoch-thread.h"
#include "tlb-settle.h"

typedef unsigned long long ull;

static void answer_epoch(const BareMemory *m, const char *strategy)
{
    BareStrategy s = bare_strategy_parse(strategy);
    BareEpoch e = epoch_thread_run(m, &s);

    printf("{\"scan_us\": %.1f, \"arm_us\": %.1f, \"longest_us\": %.1f, "
           "\"cpu_us\": %.1f, \"scan_calls\": %llu, \"arm_calls\": %llu, "
           "\"regions\": %llu, \"accessed\": %llu}\n",
           e.scan_us, e.arm_us, e.longest_us, e.cpu_us, (ull)e.scan_calls,
           (ull)e.arm_calls, (ull)e.regions, (ull)e.accessed);
}

static void answer_pageout(const BareMemory *m, const char *arguments)
{
    char which[8];
    unsigned ranges;
    ull chunk;
    BarePageout p;

    if (sscanf(arguments, "%7s %llu %u", which, &chunk, &ranges) != 3) {
        errx(1, "pageout WHICH CHUNK RANGES, not %s", arguments);
    }
    p = bare_pageout_run(m, which, chunk, ranges);
    printf("{\"us\": %.1f, \"cpu_us\": %.1f, \"calls\": %llu, "
           "\"asked\": %llu}\n", p.us, p.cpu_us, (ull)p.calls,
           (ull)p.asked);
}

int main(int argc, char **argv)
{
    char line[256];
    ull mib;
    BareMemory m;

    if ((argc != 3 && argc != 4) || sscanf(argv[2], "%llu", &mib) != 1) {
        errx(2, "usage: bare-loop anon|thp|memfd|hugetlb SIZE-IN-MIB "
                "[POPULATE]");
    }
    m = bare_memory_map(argv[1], mib << 20);
    bare_memory_touch(&m, argc == 4 ? argv[3] : "all");
    bare_epoch_start(&m);
    epoch_thread_start();
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("{\"granule\": %llu, \"base\": %llu}\n", (ull)m.granule,
           (ull)(uintptr_t)m.base);

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "touch ", 6)) {
            printf("{\"touched\": %llu}\n",
                   (ull)bare_memory_touch(&m, line + 6));
        } else if (!strcmp(line, "settle")) {
            tlb_settle();
            printf("{}\n");
        } else if (!strncmp(line, "epoch ", 6)) {
            answer_epoch(&m, line + 6);
        } else if (!strncmp(line, "pageout ", 8)) {
            answer_pageout(&m, line + 8);
        } else {
            errx(1, "unknown command: %s", line);
        }
    }
    return 0;
}
