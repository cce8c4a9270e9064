/*
 * What is known of pages as bytes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <zlib.h>
#include "page-heat-code.h"

/* Three numbers, and for each minute one of 64 bits and many of 32. */
QEMU_BUILD_BUG_ON(30 + PAGE_HEAT_PAST_MAX * (10 + 5 * (PAGE_HEAT_AGE_MAX + 1)) >
                  PAGE_HEAT_PIECE);

/* A number in pieces of 7 bits, the lowest first; bit 7: more follow. */
static void put_number(GByteArray *to, uint64_t number)
{
    uint8_t byte;

    do {
        byte = (number & 0x7f) | (number > 0x7f ? 0x80 : 0);
        number >>= 7;
        g_byte_array_append(to, &byte, 1);
    } while (number);
}

static bool get_number(const uint8_t **from, const uint8_t *end,
                       uint64_t *number)
{
    const uint8_t *p = *from;
    uint8_t byte;

    *number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p == end) {
            return false;
        }
        byte = *p++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *from = p;
            return true;
        }
    }
    return false;
}

void page_heat_put_run(PageHeatCoder *coder, GByteArray *to,
                       const PageHeatRun *run)
{
    uint8_t age = MIN(run->age, PAGE_HEAT_AGE_MAX);

    assert(run->length && run->offset >= coder->at);
    put_number(to, (run->offset - coder->at) / coder->page_size);
    put_number(to, run->length / coder->page_size * 2 + run->out);
    g_byte_array_append(to, &age, 1);
    coder->at = run->offset + run->length;
}

bool page_heat_get_run(PageHeatCoder *coder, const uint8_t **from,
                       const uint8_t *end, PageHeatRun *run)
{
    uint64_t left = (coder->length - coder->at) / coder->page_size;
    uint64_t gap, pages;

    if (!get_number(from, end, &gap) || !get_number(from, end, &pages) ||
        *from == end || **from > PAGE_HEAT_AGE_MAX) {
        return false;
    }
    if (gap > left || !(pages / 2) || pages / 2 > left - gap) {
        return false;
    }
    *run = (PageHeatRun) {
        .offset = coder->at + gap * coder->page_size,
        .length = pages / 2 * coder->page_size,
        .age = *(*from)++,
        .out = pages & 1,
    };
    coder->at = run->offset + run->length;
    return true;
}

void page_heat_put_past(GByteArray *to, const PageHeatPast *past)
{
    assert(past->minutes <= PAGE_HEAT_PAST_MAX);
    put_number(to, past->intervals);
    put_number(to, past->ms);
    put_number(to, past->minutes);
    for (unsigned i = 0; i < past->minutes; i++) {
        const PageHeatMinute *minute = &past->minute[i];
        uint32_t older = 0;

        put_number(to, minute->working_set);
        for (int age = PAGE_HEAT_AGE_MAX; age >= 0; age--) {
            assert(minute->rate[age] >= older);
            put_number(to, minute->rate[age] - older);
            older = minute->rate[age];
        }
    }
}

bool page_heat_get_past(const uint8_t *from, const uint8_t *end,
                        PageHeatPast *past)
{
    uint64_t minutes;

    if (!get_number(&from, end, &past->intervals) ||
        !get_number(&from, end, &past->ms) ||
        !get_number(&from, end, &minutes) || minutes > PAGE_HEAT_PAST_MAX) {
        return false;
    }
    past->minutes = minutes;
    for (unsigned i = 0; i < minutes; i++) {
        PageHeatMinute *minute = &past->minute[i];
        uint32_t rate = 0;
        uint64_t more;

        if (!get_number(&from, end, &minute->working_set)) {
            return false;
        }
        for (int age = PAGE_HEAT_AGE_MAX; age >= 0; age--) {
            if (!get_number(&from, end, &more) || more > UINT32_MAX - rate) {
                return false;
            }
            rate += more;
            minute->rate[age] = rate;
        }
    }
    return from == end;
}

size_t page_heat_deflate(const GByteArray *piece, uint8_t *packed)
{
    uLongf size = PAGE_HEAT_PACKED;

    assert(piece->len && piece->len <= PAGE_HEAT_PIECE);
    /* It is sent before any page is: fast is better than small. */
    return compress2(packed, &size, piece->data, piece->len,
                     Z_BEST_SPEED) == Z_OK ? size : 0;
}

bool page_heat_inflate(const uint8_t *packed, size_t size, uint8_t *piece,
                       size_t raw)
{
    uLongf length = raw;

    return uncompress(piece, &length, packed, size) == Z_OK && length == raw;
}
