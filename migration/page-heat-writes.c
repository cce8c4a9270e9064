/*
 * Which pages were written to, and how often lately
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bitops.h"
#include "qemu/host-utils.h"
#include "page-heat-writes.h"

#define WINDOW_MS 1000
#define WINDOW_SHARE 8

QEMU_BUILD_BUG_ON(PAGE_HEAT_WINDOWS != 3);

void page_heat_windows_begin(PageHeatWindows *windows, int64_t now_ms)
{
    *windows = (PageHeatWindows) {
        .begun_ms = now_ms,
        .opened_ms = now_ms,
        .synced_ms = now_ms,
        .opened = 1,
    };
}

static bool newest_is_full(const PageHeatWindows *windows)
{
    int64_t elapsed = windows->synced_ms - windows->begun_ms;
    int64_t lasted = windows->synced_ms - windows->opened_ms;

    return lasted > 0 && lasted >= MIN(elapsed / WINDOW_SHARE, WINDOW_MS);
}

bool page_heat_windows_next(PageHeatWindows *windows, int64_t now_ms)
{
    bool closed = newest_is_full(windows);

    if (closed) {
        windows->opened++;
        windows->newest = (windows->newest + 1) % PAGE_HEAT_WINDOWS;
        windows->opened_ms = windows->synced_ms;
    }
    windows->synced_ms = now_ms;
    return closed;
}

unsigned page_heat_windows_times_max(const PageHeatWindows *windows)
{
    unsigned windows_full = MIN(windows->opened, PAGE_HEAT_WINDOWS) -
                            !newest_is_full(windows);

    return MAX(windows_full, 1);
}

PageHeatWrites *page_heat_writes_new(unsigned long pages)
{
    PageHeatWrites *writes = g_new(PageHeatWrites, 1);

    for (int i = 0; i < PAGE_HEAT_WINDOWS; i++) {
        writes->window[i] = bitmap_new(pages);
    }
    return writes;
}

void page_heat_writes_free(PageHeatWrites *writes)
{
    for (int i = 0; i < PAGE_HEAT_WINDOWS; i++) {
        g_free(writes->window[i]);
    }
    g_free(writes);
}

void page_heat_writes_fold(unsigned long *window, unsigned long *dirty,
                           unsigned long *hot, const unsigned long *log,
                           const unsigned long *unwatched, unsigned shift,
                           unsigned long pages, PageHeatFold *fold)
{
    for (unsigned long i = 0; i < BITS_TO_LONGS(pages); i++) {
        unsigned long again = log[i] & ~dirty[i];
        unsigned long written = log[i];

        if (test_bit((i * BITS_PER_LONG) >> shift, unwatched)) {
            written = again;
            window[i] |= hot[i];
        }
        window[i] |= written;
        hot[i] |= written;
        dirty[i] |= again;
        fold->written += ctpopl(written);
        fold->again += ctpopl(again);
    }
}

void page_heat_writes_find(const PageHeatWrites *writes, unsigned times,
                           unsigned long *hot, unsigned long pages)
{
    for (unsigned long i = 0; i < BITS_TO_LONGS(pages); i++) {
        unsigned long a = writes->window[0][i];
        unsigned long b = writes->window[1][i];
        unsigned long c = writes->window[2][i];

        switch (times) {
        case 1:
            hot[i] = a | b | c;
            break;
        case 2:
            hot[i] = (a & b) | (a & c) | (b & c);
            break;
        case 3:
            hot[i] = a & b & c;
            break;
        default:
            g_assert_not_reached();
        }
    }
}
