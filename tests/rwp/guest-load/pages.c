/*
 * Pages, and what must be in each of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <sys/mman.h>
#include "pages.h"

#define WORDS       (PAGE / sizeof(uint64_t))

/* All pages are cut out of one mapping. */
static uint8_t *arena;
static size_t npages;
static uint32_t *written;       /* by page: writes so far */
static uint64_t arena_seed;

/* The finalizer of splitmix64. */
uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t inner_word(uint64_t base, size_t w)
{
    return base + w * UINT64_C(0x9e3779b97f4a7c15);
}

void *map_aligned(size_t size)
{
    uint8_t *p = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t head;

    if (p == MAP_FAILED) {
        return NULL;
    }
    head = -(uintptr_t)p % HUGE;
    if (head) {
        munmap(p, head);
    }
    munmap(p + head + size, HUGE - head);
    return p + head;
}

bool arena_alloc(size_t pages, bool thp, uint64_t seed)
{
    void *p;

    npages = pages;
    arena_seed = mix(seed);
    arena = map_aligned(npages * PAGE);
    if (!arena || madvise(arena, npages * PAGE,
                          thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE)) {
        return false;
    }
    p = mmap(NULL, npages * sizeof(*written), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    /* Its own data must not be huge pages: each would count as hot. */
    written = p;
    madvise(written, npages * sizeof(*written), MADV_NOHUGEPAGE);
    return true;
}

void arena_free(void)
{
    if (arena) {
        munmap(arena, npages * PAGE);
    }
    if (written) {
        munmap(written, npages * sizeof(*written));
    }
    arena = NULL;
    written = NULL;
    npages = 0;
}

size_t arena_pages(void)
{
    return npages;
}

uint64_t *page_words(uint32_t n)
{
    return (uint64_t *)(arena + n * PAGE);
}

uint32_t page_writes(uint32_t n)
{
    return written[n];
}

uint64_t page_random(uint64_t x)
{
    return mix(arena_seed + x);
}

static uint64_t last_word(uint32_t n, uint32_t count)
{
    return mix(arena_seed ^ ((uint64_t)n << 32 | count));
}

void page_write(uint32_t n)
{
    uint64_t *word = page_words(n);
    uint32_t count = ++written[n];

    word[0] = count;
    word[WORDS - 1] = last_word(n, count);
}

static void page_fill(uint32_t n)
{
    uint64_t *word = page_words(n);
    uint64_t base = page_random(n);

    for (size_t w = 1; w < WORDS - 1; w++) {
        word[w] = inner_word(base, w);
    }
    page_write(n);
}

void arena_fill(void)
{
    for (size_t i = 0; i < npages; i++) {
        page_fill((uint32_t)i);
    }
}

bool page_count_is_right(uint32_t n)
{
    /* volatile: the access itself is what this is about. */
    return *(volatile uint64_t *)page_words(n) == written[n];
}

bool page_is_right(uint32_t n)
{
    const uint64_t *word = page_words(n);
    uint64_t base = page_random(n);

    if (word[0] != written[n] || word[WORDS - 1] != last_word(n, written[n])) {
        return false;
    }
    for (size_t w = 1; w < WORDS - 1; w++) {
        if (word[w] != inner_word(base, w)) {
            return false;
        }
    }
    return true;
}
