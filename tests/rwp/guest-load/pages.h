/*
 * Pages, and what must be in each of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each page has a pattern of its own, and a count of the writes to it that is
 * also kept elsewhere.
 */

#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE        ((size_t)4096)
#define HUGE        ((size_t)2 << 20)

/* mix: a random number for each @x: every bit depends on every other. */
uint64_t mix(uint64_t x);

/* inner_word: the word @w of a pattern that begins with @base. */
uint64_t inner_word(uint64_t base, size_t w);

/* map_aligned: @size bytes, aligned to a huge page; NULL if there are none. */
void *map_aligned(size_t size);

/*
 * arena_alloc: map @pages pages, which are numbered from 0 on; their patterns
 * depend on @seed.  @thp asks for huge pages, or to use none.  False, with errno
 * set, if there is not enough memory.
 */
bool arena_alloc(size_t pages, bool thp, uint64_t seed);

/*
 * arena_fill: write every page for the first time, in the order of their
 * addresses, so that the guest's kernel hands out what it has in one piece: what
 * is scattered here is scattered in the guest's physical memory.
 */
void arena_fill(void);

/* arena_free: give it back, if there is one. */
void arena_free(void);

/* arena_pages: how many there are. */
size_t arena_pages(void);

/* page_words: where the page @n is. */
uint64_t *page_words(uint32_t n);

/* page_writes: how often it was written. */
uint32_t page_writes(uint32_t n);

/* page_write: write to its first and its last word. */
void page_write(uint32_t n);

/* page_count_is_right: a look at its first word. */
bool page_count_is_right(uint32_t n);

/* page_is_right: a look at each of its bytes. */
bool page_is_right(uint32_t n);

/* page_random: a random number that depends on @x and the seed alone. */
uint64_t page_random(uint64_t x);

#endif /* PAGES_H */
