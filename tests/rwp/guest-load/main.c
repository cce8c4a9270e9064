/*
 * A load whose working set is known
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runs in a guest as the only user of most of its memory.  That memory
 * is split into three sets of pages:
 *
 *   hot    touched again and again
 *   warm   touched now and then
 *   cold   written once, never again
 *
 * When they are touched, and how, is up to the host, which speaks a
 * line protocol over a serial port.  So whatever the host claims to
 * see of the guest's working set can be compared with the truth.
 *
 * Each page holds a pattern of its own, and a count of the writes to
 * it that is also kept elsewhere.  Every touch compares the counts,
 * and 'verify' compares whole pages: a page that was lost, swapped
 * with another one or put back from an old copy is found.
 *
 * The protocol
 * ============
 *
 * A request is a line "TAG COMMAND [SET] [KEY=VALUE...]", its answer
 * one line "TAG ok [KEY=VALUE...]" or "TAG error TEXT".  TAG is any
 * word; it tells a late answer from the one that is waited for.  The
 * load says nothing unasked, but for two lines: "* ready" when it
 * starts, and "* corrupt ..." when it sees the first bad page.
 *
 *   alloc hot=SIZE warm=SIZE cold=SIZE layout=contiguous|scattered
 *         piece=SIZE thp=on|off seed=N
 *       Make the sets (sizes default to 0) and write every page once.
 *       Contiguous sets lie one after the other, each aligned to
 *       2 MiB; scattered ones are interleaved, piece by piece
 *       (default: page by page), in a random order that depends on the
 *       seed alone.  thp asks the guest's kernel for huge pages, or to
 *       use none.
 *   shuffle SET
 *       From now on touch the set in another order: a random one.
 *   free
 *       Give the sets back to the guest's kernel.
 *   touch SET [write=PERCENT] [check=on|off] [rounds=N]
 *       Touch each page of the set N times (default 1), write to that
 *       share of them (default 0) and read the others; with check=on,
 *       verify the whole page each time.  Answers when it is done.
 *       Everything else waits meanwhile.
 *   run SET [period=MS] [write=PERCENT] [check=on|off]
 *       Keep touching the set, one round in each period, evenly spread
 *       (default 0: as fast as possible).  Answers at once.
 *   wait SET [rounds=N]
 *       Answer when N whole rounds of 'run' were both started and
 *       ended.
 *   halt [SET]
 *       End 'run' for one set, or for all.
 *   swap SET SET
 *       The pages of one set become those of the other: a phase
 *       change.  What runs goes on, with the new pages.
 *   verify [SET]
 *       Compare each byte of one set, or of all.
 *   spoil SET page=N
 *       Flip a bit in the set's page N, so that tests can tell that
 *       verification works.
 *   map SET
 *       Make a bitmap of the guest-physical pages of the set (bit 0 of
 *       byte 0 is page 0) and say where in guest-physical memory it
 *       lies, page by page.
 *   disk DEVICE [jobs=N]
 *       Write blocks of a disk past all caches, read them back to another
 *       place and compare, all the time, in N processes (default 2).
 *   disk off
 *       End that.
 *   status
 *   quit
 *
 * Sizes take K, M and G.  Times in answers are in microseconds, sizes
 * in bytes.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "commands.h"
#include "disk.h"
#include "port.h"
#include "run.h"

static void do_quit(const Request *r)
{
    disk_end();
    say("%s ok", r->tag);
    port_drain();
    exit(0);
}

static void request(char *line)
{
    static const struct {
        const char *name;
        void (*run)(const Request *r);
    } commands[] = {
        { "alloc", do_alloc }, { "free", do_free }, { "touch", do_touch },
        { "run", do_run }, { "wait", do_wait }, { "halt", do_halt },
        { "swap", do_swap }, { "shuffle", do_shuffle },
        { "verify", do_verify }, { "spoil", do_spoil }, { "map", do_map },
        { "disk", do_disk }, { "status", do_status }, { "quit", do_quit },
    };
    Request r = { .argc = 0 };
    const char *command;
    char *next, *word;

    r.tag = strtok_r(line, " \r", &next);
    command = strtok_r(NULL, " \r", &next);
    if (!r.tag || !command) {
        return;
    }
    while ((word = strtok_r(NULL, " \r", &next))) {
        if (r.argc == REQUEST_ARGS_MAX) {
            fail(&r, "too many words");
            return;
        }
        r.argv[r.argc++] = word;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!strcmp(command, commands[i].name)) {
            commands[i].run(&r);
            return;
        }
    }
    fail(&r, "no such command: %s", command);
}

int main(int argc, char **argv)
{
    if (argc == DISK_ARGC) {
        return disk_main(argv);
    }
    if (argc != 2) {
        fprintf(stderr, "usage: guest-load PORT\n"
                "PORT is a serial port, or - for standard input and output;"
                " its source tells the protocol.\n");
        return 2;
    }
    port_open(argv[1]);
    say("* ready");

    for (;;) {
        struct pollfd p = { .fd = port_fd(), .events = POLLIN };

        if (poll(&p, 1, run_idle_ms()) > 0) {
            port_read(request);
        }
        for (size_t i = 0; i < SETS; i++) {
            run_slice(&sets[i]);
        }
    }
}
