/*
 * What is known of pages as bytes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runs of pages (migration/page-heat.h) are coded one after the other, in
 * ascending order: pages since the end of the last run, pages of this one
 * times two plus whether they are out, both as LEB128, and its age, one byte.
 * So many of them as fit into PAGE_HEAT_PIECE bytes are a piece, which is
 * deflated by itself.
 *
 * What was learned is a piece, too, of LEB128 numbers: intervals, ms, minutes;
 * and for each minute the working set, and from the oldest age to the youngest
 * by how much the rate of that age or more is higher than that of the age
 * before.
 *
 * Decoding believes nothing.  Nothing here locks.
 */

#ifndef MIGRATION_PAGE_HEAT_CODE_H
#define MIGRATION_PAGE_HEAT_CODE_H

#include "migration/page-heat.h"

/* Most bytes of a piece, and of what zlib may make of it. */
#define PAGE_HEAT_PIECE     (64 * 1024)
#define PAGE_HEAT_PACKED    (PAGE_HEAT_PIECE + 1024)

/* Most bytes of a run: 64 bits by 7, twice, and the age. */
#define PAGE_HEAT_RUN_MAX   (10 + 10 + 1)

/* Where coding or decoding has come to. */
typedef struct PageHeatCoder {
    uint64_t page_size;     /* bytes; offsets and lengths are multiples of it */
    uint64_t length;        /* of the memory, likewise; below 2^63 */
    uint64_t at;            /* end of the last run; 0 at first */
} PageHeatCoder;

/*
 * page_heat_put_run: append @run to @to.  It must not begin before the end of
 * the last one.
 */
void page_heat_put_run(PageHeatCoder *coder, GByteArray *to,
                       const PageHeatRun *run);

/*
 * page_heat_get_run: decode the run at *@from and move that on, no further
 * than @end.
 *
 * Returns false if there is no run that lies within the memory.
 */
bool page_heat_get_run(PageHeatCoder *coder, const uint8_t **from,
                       const uint8_t *end, PageHeatRun *run);

/* page_heat_put_past: append @past to @to; it fits into a piece. */
void page_heat_put_past(GByteArray *to, const PageHeatPast *past);

/*
 * page_heat_get_past: decode the bytes from @from to @end.
 *
 * Returns false if they are not just what was learned.
 */
bool page_heat_get_past(const uint8_t *from, const uint8_t *end,
                        PageHeatPast *past);

/*
 * page_heat_deflate: deflate @piece, of 1 to PAGE_HEAT_PIECE bytes, to
 * @packed, which has room for PAGE_HEAT_PACKED.  Returns how many they are, or
 * 0 if that failed.
 */
size_t page_heat_deflate(const GByteArray *piece, uint8_t *packed);

/*
 * page_heat_inflate: the reverse.  Returns false if the @size bytes at @packed
 * are not @raw bytes deflated.
 */
bool page_heat_inflate(const uint8_t *packed, size_t size, uint8_t *piece,
                       size_t raw);

#endif /* MIGRATION_PAGE_HEAT_CODE_H */
