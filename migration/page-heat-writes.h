/*
 * Which pages were written to, and how often lately
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The dirty log tells of a page that it was written to since the last sync, not
 * how often, and syncs come as they are wanted: near the end of a migration
 * several in a second.  So what it tells is kept for the last few windows of
 * time, none of which is short, but for the newest.  A page that is written to
 * all the time is in each of them, one that is written to now and then is in
 * one, or in none.
 *
 * Nothing here knows of guests, clocks or locks.  The caller serializes all
 * calls.  Bitmaps have a bit for each target page.
 */

#ifndef MIGRATION_PAGE_HEAT_WRITES_H
#define MIGRATION_PAGE_HEAT_WRITES_H

#define PAGE_HEAT_WINDOWS 3

/* The windows of all memory */
typedef struct PageHeatWindows {
    int64_t begun_ms;       /* the first one */
    int64_t opened_ms;      /* the newest one */
    int64_t synced_ms;      /* the last sync */
    unsigned opened;        /* how many */
    unsigned newest;        /* index */
} PageHeatWindows;

/* What was written to in them, of one block of memory */
typedef struct PageHeatWrites {
    unsigned long *window[PAGE_HEAT_WINDOWS];   /* bitmaps */
} PageHeatWrites;

/* Pages */
typedef struct PageHeatFold {
    uint64_t written;       /* known to be written to since the last sync */
    uint64_t again;         /* those of them that were not dirty before it */
} PageHeatFold;

/* page_heat_windows_begin: after the first sync, at @now_ms. */
void page_heat_windows_begin(PageHeatWindows *windows, int64_t now_ms);

/*
 * page_heat_windows_next: a sync begins, at @now_ms, which never goes back.
 * Returns true if its log is the first of a new window.
 *
 * A window is closed by the sync at which it has lasted for a second, or for an
 * eighth of the time since the first one began.
 */
bool page_heat_windows_next(PageHeatWindows *windows, int64_t now_ms);

/*
 * page_heat_windows_times_max: in how many windows a page can have been written
 * to.  The newest one only counts when it is as long as one that is closed.
 * Then each page that is written to all the time is in all of them.
 */
unsigned page_heat_windows_times_max(const PageHeatWindows *windows);

/* page_heat_writes_new, page_heat_writes_free: for @pages. */
PageHeatWrites *page_heat_writes_new(unsigned long pages);
void page_heat_writes_free(PageHeatWrites *writes);

/*
 * page_heat_writes_fold: takes over the log of the pages that were written to.
 * They become hot.
 *
 * @window: bitmap of the newest window; what was written to is added
 * @dirty: the migration's dirty bitmap; what @log has is added
 * @hot: pages that are hot, updated
 * @log: as it came from the hypervisor, may have pages that were dirty before
 * @unwatched: a bit for each 1 << @shift pages: set if the hypervisor's log
 *             was not cleared since the sync before, so that @log says nothing
 *             about pages there that were dirty already.  What is hot there is
 *             taken to be written to.  @shift is 6 or more.
 * @pages: length of the bitmaps
 * @fold: what was found is added
 */
void page_heat_writes_fold(unsigned long *window, unsigned long *dirty,
                           unsigned long *hot, const unsigned long *log,
                           const unsigned long *unwatched, unsigned shift,
                           unsigned long pages, PageHeatFold *fold);

/*
 * page_heat_writes_find: what was written to in @times windows at least, which
 * is 1 to PAGE_HEAT_WINDOWS.
 * @hot: becomes that
 * @pages: length of the bitmaps
 */
void page_heat_writes_find(const PageHeatWrites *writes, unsigned times,
                           unsigned long *hot, unsigned long pages);

#endif /* MIGRATION_PAGE_HEAT_WRITES_H */
