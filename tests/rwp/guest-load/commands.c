/*
 * The commands about sets and pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "commands.h"
#include "disk.h"
#include "pages.h"
#include "port.h"

Set *set_named(const Request *r, unsigned arg)
{
    for (size_t i = 0; arg < r->argc && i < SETS; i++) {
        if (!strcmp(r->argv[arg], sets[i].name)) {
            if (!sets[i].pages) {
                fail(r, "the set %s is empty", sets[i].name);
                return NULL;
            }
            return &sets[i];
        }
    }
    fail(r, "which set: hot, warm or cold?");
    return NULL;
}

bool share(const Request *r, uint64_t *write)
{
    if (!number(r, "write", write)) {
        return false;
    }
    if (*write > 100) {
        fail(r, "write= is a share in percent");
        return false;
    }
    return true;
}

void do_alloc(const Request *r)
{
    size_t pages[SETS];
    uint64_t seed = 1, piece = PAGE, start = now_us();
    bool scattered = false, thp = false;

    for (size_t i = 0; i < SETS; i++) {
        uint64_t size = 0;

        if (!number(r, sets[i].name, &size)) {
            return;
        }
        pages[i] = (size + PAGE - 1) / PAGE;
    }
    if (!number(r, "seed", &seed) || !number(r, "piece", &piece) ||
        !choice(r, "layout", "scattered", "contiguous", &scattered) ||
        !choice(r, "thp", "on", "off", &thp)) {
        return;
    }
    if (!piece || piece % PAGE) {
        fail(r, "piece= must be whole pages");
        return;
    }
    if (!sets_alloc(pages, scattered, piece / PAGE, thp, seed)) {
        fail(r, "cannot make the sets: %s", strerror(errno));
        sets_free();
        return;
    }
    say("%s ok bytes=%zu us=%" PRIu64, r->tag, arena_pages() * PAGE,
        now_us() - start);
}

void do_free(const Request *r)
{
    sets_free();
    say("%s ok", r->tag);
}

void do_touch(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t write = 0, rounds = 1, start;
    bool check = false;

    if (!s || !share(r, &write) || !number(r, "rounds", &rounds) ||
        !choice(r, "check", "on", "off", &check)) {
        return;
    }
    if (s->running) {
        fail(r, "%s is running", s->name);
        return;
    }
    start = now_us();
    for (uint64_t n = 0; n < rounds; n++) {
        for (size_t i = 0; i < s->pages; i++) {
            set_touch(s, i, (unsigned)write, check);
        }
        s->rounds++;
    }
    start = now_us() - start;
    s->busy += start;
    say("%s ok pages=%" PRIu64 " us=%" PRIu64, r->tag, rounds * s->pages,
        start);
}

void do_swap(const Request *r)
{
    Set *a = set_named(r, 0);
    Set *b = a ? set_named(r, 1) : NULL;
    uint32_t *page;
    size_t pages;

    if (!b) {
        return;
    }
    page = a->page;
    pages = a->pages;
    a->page = b->page;
    a->pages = b->pages;
    b->page = page;
    b->pages = pages;
    /* A round in the middle starts again, with the new pages. */
    a->done = b->done = 0;
    a->began = b->began = now_us();
    say("%s ok", r->tag);
}

void do_shuffle(const Request *r)
{
    Set *s = set_named(r, 0);

    if (!s) {
        return;
    }
    if (s->done) {
        fail(r, "%s is in the middle of a round", s->name);
        return;
    }
    set_shuffle(s);
    say("%s ok", r->tag);
}

void do_verify(const Request *r)
{
    const Set *only = NULL;
    uint64_t pages = 0, bad = 0, start = now_us();
    char first[64] = "";

    if (r->argc) {
        only = set_named(r, 0);
        if (!only) {
            return;
        }
    }
    for (size_t k = 0; k < SETS; k++) {
        const Set *s = &sets[k];

        for (size_t i = 0; (!only || s == only) && i < s->pages; i++) {
            pages++;
            if (!set_page_is_right(s, i) && !bad++) {
                snprintf(first, sizeof(first), " first-bad=%s:%zu", s->name,
                         i);
            }
        }
    }
    say("%s ok pages=%" PRIu64 " bad=%" PRIu64 " us=%" PRIu64 "%s", r->tag,
        pages, bad, now_us() - start, first);
}

void do_spoil(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t page = 0;

    if (!s || !number(r, "page", &page)) {
        return;
    }
    if (page >= s->pages) {
        fail(r, "%s has only %zu pages", s->name, s->pages);
        return;
    }
    page_words(s->page[page])[PAGE / sizeof(uint64_t) / 2] ^= 1;
    say("%s ok", r->tag);
}

/* A field of /proc/self/status or /proc/meminfo, in bytes. */
static uint64_t proc_bytes(const char *file, const char *field)
{
    char line[256];
    uint64_t kib = 0;
    FILE *f = fopen(file, "r");

    while (f && fgets(line, sizeof(line), f)) {
        if (!strncmp(line, field, strlen(field))) {
            kib = strtoull(line + strlen(field) + 1, NULL, 10);
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kib * 1024;
}

void do_status(const Request *r)
{
    char text[PORT_LINE_MAX] = "";
    size_t len = 0;

    for (size_t i = 0; i < SETS; i++) {
        const Set *s = &sets[i];

        len += (size_t)snprintf(text + len, sizeof(text) - len,
            " %s=%zu %s-running=%d %s-rounds=%" PRIu64 " %s-reads=%" PRIu64
            " %s-writes=%" PRIu64 " %s-busy-us=%" PRIu64,
            s->name, s->pages * PAGE, s->name, s->running, s->name, s->rounds,
            s->name, s->reads, s->name, s->writes, s->name, s->busy);
    }
    say("%s ok us=%" PRIu64 " bad=%" PRIu64 " disk-rounds=%" PRIu64 " rss=%"
        PRIu64 " guest-total=%" PRIu64 " guest-free=%" PRIu64 "%s", r->tag,
        now_us(), sets_bad_pages(), disk_rounds(),
        proc_bytes("/proc/self/status", "VmRSS"),
        proc_bytes("/proc/meminfo", "MemTotal"),
        proc_bytes("/proc/meminfo", "MemFree"), text);
}
