/*
 * Reading memory that is in swap, and letting it go again
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * To migrate a page that is swapped out, it has to be read, which brings it
 * in.  So that a migration neither waits for swap page by page, nor brings in
 * all that is out:
 *
 * - memory is looked at in windows of PAGE_HEAT_OUT_WINDOW bytes.  When the
 *   first page of one is about to be read, it is asked which of its pages are
 *   out, and the host is told to fetch them, run by run, ascending;
 *
 * - pages that were out, and were read, are given back when
 *   PAGE_HEAT_OUT_BEHIND more such windows were read.  Those are for whoever
 *   reads a little later than it was announced: the buffers of a channel, or
 *   the threads of multifd.  For them a page that has gone again already is
 *   no harm but work.
 *
 * So the reader keeps no more than PAGE_HEAT_OUT_BEHIND + 1 windows in that
 * were out, besides what is on its way out.  If this becomes too much, it is to
 * wait when it can (page_heat_out_late()).
 *
 * This file needs no guest.  Memories are pointers that are handed through.
 * Offsets and lengths are bytes, multiples of PAGE_HEAT_OUT_GRAIN; memory in
 * larger pages than PAGE_HEAT_OUT_WINDOW is not for it.  For one thread.
 */

#ifndef MIGRATION_PAGE_HEAT_OUT_H
#define MIGRATION_PAGE_HEAT_OUT_H

#include "qemu/units.h"

#define PAGE_HEAT_OUT_GRAIN (4 * KiB)
#define PAGE_HEAT_OUT_WINDOW (512 * KiB)
#define PAGE_HEAT_OUT_BEHIND 4

typedef struct PageHeatOut PageHeatOut;

typedef struct PageHeatOutOps {
    /*
     * The first run of pages in [@from, @end) that are out: moves @from there
     * and sets @run_end to its end.  Returns false if there is none.
     */
    bool (*next_out)(void *memory, uint64_t *from, uint64_t end,
                     uint64_t *run_end);

    /* Pages that are out are about to be read; does not wait for them. */
    void (*fetch)(void *memory, uint64_t offset, uint64_t length);

    /*
     * Pages that were out have been read.  Returns false if too much is on its
     * way out: see page_heat_out_late().  Must not wait for that.
     */
    bool (*give_back)(void *memory, uint64_t offset, uint64_t length);
} PageHeatOutOps;

/* page_heat_out_new: @ops are not copied. */
PageHeatOut *page_heat_out_new(const PageHeatOutOps *ops);

/*
 * page_heat_out_free: gives back what has not been so far.  @out may be NULL.
 */
void page_heat_out_free(PageHeatOut *out);

/*
 * page_heat_out_reading: the pages in [@offset, @offset + @length), which cross
 * no window's border, are about to be read.  @memory must stay until
 * page_heat_out_free().
 *
 * @size: of @memory
 */
void page_heat_out_reading(PageHeatOut *out, void *memory, uint64_t size,
                           uint64_t offset, uint64_t length);

/*
 * page_heat_out_late: the first memory that said so of what was given back, or
 * NULL, until page_heat_out_waited(), which forgets it.
 */
void *page_heat_out_late(const PageHeatOut *out);
void page_heat_out_waited(PageHeatOut *out);

#endif /* MIGRATION_PAGE_HEAT_OUT_H */
