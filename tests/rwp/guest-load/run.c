/*
 * Touching sets again and again: the command 'run'
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <stdio.h>
#include "commands.h"
#include "port.h"
#include "run.h"

#define SLICE       64          /* pages between two looks at the port */

static uint64_t pages_due(const Set *s, uint64_t now)
{
    uint64_t due;

    if (!s->running || !s->pages) {
        return 0;
    }
    if (!s->period) {
        return s->pages - s->done;
    }
    if (now < s->began) {
        return 0;
    }
    due = (uint64_t)((double)s->pages * (double)(now - s->began)
                     / (double)s->period);
    if (due > s->pages) {
        due = s->pages;
    }
    return due > s->done ? due - s->done : 0;
}

int run_idle_ms(void)
{
    uint64_t now = now_us();
    int timeout = -1;

    for (size_t i = 0; i < SETS; i++) {
        const Set *s = &sets[i];

        if (!s->running || !s->pages) {
            continue;
        }
        if (pages_due(s, now)) {
            return 0;
        }
        /* No finer than a tick of the guest's kernel. */
        uint64_t step = s->period / s->pages * SLICE / 1000;
        int ms = step < 4 ? 4 : step > 1000 ? 1000 : (int)step;

        if (timeout < 0 || ms < timeout) {
            timeout = ms;
        }
    }
    return timeout;
}

static void round_ends(Set *s, uint64_t now)
{
    s->rounds++;
    s->done = 0;
    s->began = s->began + s->period > now ? s->began + s->period : now;
    if (s->waiter[0] && s->rounds >= s->wait_rounds) {
        say("%s ok rounds=%" PRIu64, s->waiter, s->rounds);
        s->waiter[0] = '\0';
    }
}

void run_slice(Set *s)
{
    uint64_t start = now_us();
    uint64_t due = pages_due(s, start);

    if (!due) {
        return;
    }
    for (unsigned i = 0; i < SLICE && i < due; i++) {
        set_touch(s, s->done++, s->write, s->check);
    }
    start = now_us() - start;
    s->busy += start;
    if (s->done == s->pages) {
        round_ends(s, now_us());
    }
}

void do_run(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t write = 0, period = 0;
    bool check = false;

    if (!s || !share(r, &write) || !number(r, "period", &period) ||
        !choice(r, "check", "on", "off", &check)) {
        return;
    }
    s->running = true;
    s->period = period * 1000;
    s->write = (unsigned)write;
    s->check = check;
    s->began = now_us();
    s->done = 0;
    say("%s ok", r->tag);
}

void do_wait(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t rounds = 1;

    if (!s || !number(r, "rounds", &rounds)) {
        return;
    }
    if (!s->running || s->waiter[0]) {
        fail(r, s->running ? "%s is waited for already" : "%s does not run",
             s->name);
        return;
    }
    snprintf(s->waiter, sizeof(s->waiter), "%s", r->tag);
    /* One that has begun already does not count. */
    s->wait_rounds = s->rounds + rounds + (s->done ? 1 : 0);
}

static void halt(Set *s)
{
    s->running = false;
    if (s->waiter[0]) {
        say("%s error %s was halted", s->waiter, s->name);
        s->waiter[0] = '\0';
    }
}

void do_halt(const Request *r)
{
    if (r->argc) {
        Set *s = set_named(r, 0);

        if (!s) {
            return;
        }
        halt(s);
    } else {
        for (size_t i = 0; i < SETS; i++) {
            halt(&sets[i]);
        }
    }
    say("%s ok", r->tag);
}
