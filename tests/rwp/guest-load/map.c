/*
 * Where the pages of a set are in guest-physical memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "commands.h"
#include "pages.h"
#include "port.h"

static uint8_t *bitmap;         /* of the last 'map' */
static size_t bitmap_size;

/* Guest-physical number of the page at @p, which must be present. */
static bool physical_page(int pagemap, const void *p, uint64_t *gfn)
{
    uint64_t entry;
    off_t at = (off_t)((uintptr_t)p / PAGE * sizeof(entry));

    if (pread(pagemap, &entry, sizeof(entry), at) != sizeof(entry) ||
        !(entry >> 63)) {
        return false;
    }
    *gfn = entry & ((UINT64_C(1) << 55) - 1);
    return *gfn != 0;           /* 0: no privilege to know */
}

/* The bitmap must reach to the guest's last page. */
static uint64_t highest_page(int pagemap)
{
    uint64_t highest = 0, gfn;

    for (size_t n = 0; n < arena_pages(); n++) {
        if (physical_page(pagemap, page_words((uint32_t)n), &gfn) &&
            gfn > highest) {
            highest = gfn;
        }
    }
    return highest;
}

void do_map(const Request *r)
{
    const Set *s = set_named(r, 0);
    char where[PORT_LINE_MAX * 3] = "";
    size_t len = 0, runs = 0, size;
    int pagemap;
    uint64_t gfn;

    if (!s) {
        return;
    }
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    if (pagemap < 0) {
        fail(r, "/proc/self/pagemap: %s", strerror(errno));
        return;
    }
    size = (highest_page(pagemap) / 8 / PAGE + 1) * PAGE;
    if (bitmap) {
        munmap(bitmap, bitmap_size);
    }
    bitmap_size = size;
    bitmap = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bitmap == MAP_FAILED) {
        bitmap = NULL;
        fail(r, "no memory for the bitmap");
        goto out;
    }
    memset(bitmap, 0xff, size);     /* no zero page: it would not be ours */
    memset(bitmap, 0, size);

    for (size_t i = 0; i < s->pages; i++) {
        if (!physical_page(pagemap, page_words(s->page[i]), &gfn)) {
            fail(r, "page %zu of %s has no known place", i, s->name);
            goto out;
        }
        bitmap[gfn / 8] |= (uint8_t)(1u << gfn % 8);
    }
    for (uint64_t i = 0; i < size * 8; i++) {
        bool set = bitmap[i / 8] >> i % 8 & 1;
        bool before = i && (bitmap[(i - 1) / 8] >> (i - 1) % 8 & 1);

        runs += set && !before;
    }
    for (size_t off = 0; off < size; off += PAGE) {
        if (!physical_page(pagemap, bitmap + off, &gfn) ||
            len > sizeof(where) - 20) {
            fail(r, "the bitmap itself has no known place");
            goto out;
        }
        len += (size_t)sprintf(where + len, "%s0x%" PRIx64, len ? "," : "",
                               gfn * PAGE);
    }
    say("%s ok pages=%zu runs=%zu bitmap=%s", r->tag, s->pages, runs, where);
out:
    close(pagemap);
}
