/*
 * Which pages are out
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "hw/rwp/out-map.h"

/* A page has a bit in one of the two at most. */
struct RwpOutMap {
    uint64_t npages;
    unsigned long *out;
    unsigned long *kept;
    uint64_t nr_out;
    uint64_t nr_kept;
    bool used;                  /* some bit was ever set */
};

RwpOutMap *rwp_out_map_new(uint64_t npages)
{
    RwpOutMap *map = g_new0(RwpOutMap, 1);

    map->npages = npages;
    map->out = bitmap_new(npages);
    map->kept = bitmap_new(npages);
    return map;
}

void rwp_out_map_free(RwpOutMap *map)
{
    if (map) {
        g_free(map->out);
        g_free(map->kept);
        g_free(map);
    }
}

/*
 * Clear bits, of which there are *@total in all.  Most often there are none in
 * a range, so look before writing: memory that is only read is not allocated.
 */
static uint64_t clear_bits(unsigned long *bits, uint64_t *total,
                           uint64_t first, uint64_t count)
{
    uint64_t end = first + count, nr = 0;

    while (*total && (first = find_next_bit(bits, end, first)) < end) {
        uint64_t next = find_next_zero_bit(bits, end, first);

        bitmap_clear(bits, first, next - first);
        nr += next - first;
        *total -= next - first;
        first = next;
    }
    return nr;
}

static uint64_t set_bits(RwpOutMap *map, unsigned long *bits, uint64_t *total,
                         uint64_t first, uint64_t count)
{
    uint64_t nr = count - bitmap_count_one_with_offset(bits, first, count);

    bitmap_set(bits, first, count);
    *total += nr;
    map->used = true;
    return nr;
}

static void check_range(const RwpOutMap *map, uint64_t first, uint64_t count)
{
    assert(first <= map->npages && count <= map->npages - first);
}

uint64_t rwp_out_map_set_out(RwpOutMap *map, uint64_t first, uint64_t count)
{
    check_range(map, first, count);
    clear_bits(map->kept, &map->nr_kept, first, count);
    return set_bits(map, map->out, &map->nr_out, first, count);
}

void rwp_out_map_set_kept(RwpOutMap *map, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;
    RwpPageRange run;

    check_range(map, first, count);
    while (rwp_out_map_next_in(map, first, end, &run)) {
        set_bits(map, map->kept, &map->nr_kept, run.first, run.count);
        first = run.first + run.count;
    }
}

uint64_t rwp_out_map_set_in(RwpOutMap *map, uint64_t first, uint64_t count)
{
    check_range(map, first, count);
    clear_bits(map->kept, &map->nr_kept, first, count);
    return clear_bits(map->out, &map->nr_out, first, count);
}

void rwp_out_map_retry(RwpOutMap *map)
{
    clear_bits(map->kept, &map->nr_kept, 0, map->npages);
}

void rwp_out_map_reset(RwpOutMap *map)
{
    rwp_out_map_set_in(map, 0, map->npages);
}

uint64_t rwp_out_map_out(const RwpOutMap *map)
{
    return map->nr_out;
}

uint64_t rwp_out_map_kept(const RwpOutMap *map)
{
    return map->nr_kept;
}

uint64_t rwp_out_map_same(const RwpOutMap *map, uint64_t from, uint64_t end,
                          bool *out)
{
    uint64_t stop = end;

    check_range(map, 0, end);
    assert(from < end);
    *out = map->nr_out && test_bit(from, map->out);
    if (*out) {
        stop = find_next_zero_bit(map->out, end, from);
    } else if (map->nr_out) {
        stop = find_next_bit(map->out, end, from);
    }
    return stop - from;
}

uint64_t rwp_out_map_count(const RwpOutMap *map, uint64_t first,
                           uint64_t count)
{
    check_range(map, first, count);
    return map->nr_out && count ?
           bitmap_count_one_with_offset(map->out, first, count) : 0;
}

uint64_t rwp_out_map_metadata(const RwpOutMap *map)
{
    return sizeof(*map) +
           2 * (map->used ? BITS_TO_LONGS(map->npages) * sizeof(long) : 0);
}

/* The first page of [@from, @end) that is in and was not kept, or @end. */
static uint64_t next_in(const RwpOutMap *map, uint64_t from, uint64_t end)
{
    uint64_t at;

    while (from < end) {
        at = find_next_zero_bit(map->out, end, from);
        from = at < end ? find_next_zero_bit(map->kept, end, at) : end;
        if (from == at) {
            break;
        }
    }
    return from;
}

bool rwp_out_map_next_in(const RwpOutMap *map, uint64_t from, uint64_t end,
                         RwpPageRange *run)
{
    uint64_t stop;

    check_range(map, 0, end);
    from = next_in(map, from, end);
    if (from >= end) {
        return false;
    }
    stop = map->nr_out ? find_next_bit(map->out, end, from) : end;
    if (map->nr_kept) {
        stop = find_next_bit(map->kept, stop, from);
    }
    *run = (RwpPageRange) { .first = from, .count = stop - from };
    return true;
}
