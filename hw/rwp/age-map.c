/*
 * Idle age of each page of a memory backend
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Theory of operation
 *
 * Pages carry a stamp: 0 for an absent page, STAMP_OLD for one whose age has
 * reached the limit, or 1 + epoch % RING for one last accessed in that epoch.
 * count[] has the number of pages with each stamp.  Opening an epoch makes
 * everything one epoch older without touching a page.
 *
 * An extent of RWP_EXTENT_PAGES pages keeps its stamps in one of three ways:
 *
 *   empty    bit in populated[] clear       all pages are absent
 *   uniform  extent_stamp[] not 0           all pages carry that stamp
 *   mixed    else                           page_stamp[] has them
 *
 * extent_stamp[] is left as it is when an extent becomes empty: someone who
 * saw it populated just before must not go on to an outdated page_stamp[].
 *
 * Huge pages, and long ranges of others, thus cost one byte to record.
 *
 * A stamp is used again after RING epochs, so pages that carry an old one
 * must have been given STAMP_OLD by then.  Each epoch sweeps one of
 * SWEEP_SLICES parts of the map for pages whose age is at the limit.  Thus no
 * ring stamp gets older than RWP_AGE_LIMIT + SWEEP_SLICES epochs.
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qemu/atomic.h"
#include "qemu/bitmap.h"
#include "hw/rwp/age-map.h"

#define STAMP_ABSENT 0
#define STAMP_OLD    255
#define RING         254
#define SWEEP_SLICES 32

/* Extents that are swept at once: some 100 us on hardware */
#define SWEEP_EXTENTS 128

/* Epochs that were seen elsewhere are not believed to be more: no overflows. */
#define RESUMED_MAX  (UINT64_C(1) << 48)

/* One more: the epoch being recorded ages pages before its own sweep. */
QEMU_BUILD_BUG_ON(RWP_AGE_LIMIT + SWEEP_SLICES + 1 >= RING);

struct RwpAgeMap {
    uint64_t npages;
    uint64_t nextents;
    uint8_t *page_stamp;        /* by page, valid in mixed extents */
    uint8_t *extent_stamp;      /* by extent, see above */
    unsigned long *populated;   /* by extent: not empty */
    unsigned long *backed;      /* by host page of page_stamp[]: written to */
    uint64_t nbacked;           /* bits set in @backed */
    unsigned long *huge;        /* by extent: mapped by a huge page */
    uint64_t huge_pages;        /* present pages of extents in @huge */

    uint64_t epoch;             /* last one begun */
    bool open;                  /* @epoch is being recorded */
    uint8_t current;            /* stamp of @epoch */
    uint8_t seen;               /* argument of stamp_seen() */
    RwpEpochClock clock;
    uint64_t sweep_next;        /* extents of this epoch's slice that are */
    uint64_t sweep_end;         /* still to be swept */

    uint64_t count[256];        /* by stamp: pages that carry it */
    uint8_t age[256];           /* by stamp: age, saturated */
    uint64_t recorded;          /* pages recorded in @epoch, while open */
    uint64_t accessed;          /* the same of the last completed epoch */
    uint64_t promotions[RWP_AGE_LIMIT + 1];
};

static uint8_t stamp_of(uint64_t epoch)
{
    return 1 + epoch % RING;
}

/* Epochs between the one that @stamp stands for and the last one begun. */
static unsigned stamp_distance(const RwpAgeMap *map, uint8_t stamp)
{
    return (map->current + RING - stamp) % RING;
}

/* Work out the age that each stamp means from now on. */
static void update_ages(RwpAgeMap *map)
{
    for (unsigned s = 1; s <= RING; s++) {
        unsigned distance = stamp_distance(map, s);
        unsigned age = distance ? distance - map->open : 0;

        map->age[s] = MIN(age, RWP_AGE_LIMIT);
    }
    map->age[STAMP_OLD] = RWP_AGE_LIMIT;
}

/* Host pages that page_stamp[] lies in: an extent never lies in two. */
static uint64_t backing_pages(const RwpAgeMap *map)
{
    return DIV_ROUND_UP(map->npages, qemu_real_host_page_size());
}

RwpAgeMap *rwp_age_map_new(uint64_t npages, int64_t now_ns)
{
    RwpAgeMap *map = g_new0(RwpAgeMap, 1);

    assert(npages);
    map->npages = npages;
    map->nextents = DIV_ROUND_UP(npages, RWP_EXTENT_PAGES);
    map->page_stamp = mmap(NULL, npages, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map->page_stamp == MAP_FAILED) {
        g_error("%s: no address space for %" PRIu64 " pages", __func__,
                npages);
    }
    /* Huge pages would back stamps of absent memory. */
    madvise(map->page_stamp, npages, MADV_NOHUGEPAGE);
    map->extent_stamp = g_malloc0(map->nextents);
    map->populated = bitmap_new(map->nextents);
    map->backed = bitmap_new(backing_pages(map));
    map->huge = bitmap_new(map->nextents);
    map->current = stamp_of(0);
    rwp_epoch_clock_start(&map->clock, now_ns);
    update_ages(map);
    return map;
}

void rwp_age_map_free(RwpAgeMap *map)
{
    if (map) {
        munmap(map->page_stamp, map->npages);
        g_free(map->extent_stamp);
        g_free(map->populated);
        g_free(map->backed);
        g_free(map->huge);
        g_free(map);
    }
}

void rwp_age_map_reset(RwpAgeMap *map, int64_t now_ns)
{
    /* Not munmap: rwp_age_map_next_run() may be running. */
    bitmap_zero(map->populated, map->nextents);
    madvise(map->page_stamp, map->npages, MADV_DONTNEED);
    bitmap_zero(map->backed, backing_pages(map));
    map->nbacked = 0;
    bitmap_zero(map->huge, map->nextents);
    map->huge_pages = 0;
    map->epoch = 0;
    map->open = false;
    map->sweep_next = map->sweep_end = 0;
    map->current = stamp_of(0);
    rwp_epoch_clock_start(&map->clock, now_ns);
    memset(map->count, 0, sizeof(map->count));
    memset(map->promotions, 0, sizeof(map->promotions));
    map->recorded = 0;
    map->accessed = 0;
    update_ages(map);
}

void rwp_age_map_begin(RwpAgeMap *map)
{
    if (map->open) {
        return;
    }
    while (rwp_age_map_sweep(map)) {
        /* What nobody has done since the last epoch. */
    }
    map->epoch++;
    map->open = true;
    map->current = stamp_of(map->epoch);
    map->recorded = 0;
    assert(!map->count[map->current]);
    update_ages(map);
}

/* Pages of one extent. */
typedef struct ExtentPart {
    uint64_t extent;
    uint64_t first;     /* within the map */
    uint64_t count;
    bool whole;         /* that is all of the extent */
} ExtentPart;

/* The part of [@first, @end) that lies in the first extent. */
static ExtentPart first_part(const RwpAgeMap *map, uint64_t first,
                             uint64_t end)
{
    uint64_t extent = first / RWP_EXTENT_PAGES;
    uint64_t start = extent * RWP_EXTENT_PAGES;
    uint64_t limit = MIN(start + RWP_EXTENT_PAGES, map->npages);
    uint64_t stop = MIN(end, limit);

    return (ExtentPart) {
        .extent = extent,
        .first = first,
        .count = stop - first,
        .whole = first == start && stop == limit,
    };
}

/* Number of pages from @p on that carry the same stamp, at most @n. */
static uint64_t same_stamp(const uint8_t *p, uint64_t n)
{
    uint64_t len = 1;

    /* Most often they all do: let the library compare. */
    if (n == 1 || !memcmp(p, p + 1, n - 1)) {
        return n;
    }
    while (p[len] == p[0]) {
        len++;
    }
    return len;
}

/* Make a mixed extent of any. */
static void spread_stamp(RwpAgeMap *map, uint64_t extent)
{
    uint64_t first = extent * RWP_EXTENT_PAGES;
    uint64_t count = MIN(RWP_EXTENT_PAGES, map->npages - first);
    bool populated = test_bit(extent, map->populated);
    uint8_t stamp = map->extent_stamp[extent];

    if (populated && stamp == STAMP_ABSENT) {
        return;
    }
    memset(map->page_stamp + first, populated ? stamp : STAMP_ABSENT, count);
    map->nbacked += !test_and_set_bit(first / qemu_real_host_page_size(),
                                      map->backed);
    /* rwp_age_map_next_run() must not look at page_stamp[] before. */
    smp_wmb();
    qatomic_set(&map->extent_stamp[extent], STAMP_ABSENT);
    set_bit_atomic(extent, map->populated);
}

/*
 * What to do with @n pages of the stamp @old: return the stamp that they
 * shall carry from now on.
 */
typedef uint8_t Restamp(RwpAgeMap *map, uint8_t old, uint64_t n);

static uint8_t restamp(RwpAgeMap *map, Restamp *rule, uint64_t extent,
                       uint8_t old, uint64_t n)
{
    uint8_t new = rule(map, old, n);

    map->count[old] -= n;
    map->count[new] += n;
    if (test_bit(extent, map->huge)) {
        map->huge_pages -= old != STAMP_ABSENT ? n : 0;
        map->huge_pages += new != STAMP_ABSENT ? n : 0;
    }
    return new;
}

/* Apply @rule to pages that carry their own stamps. */
static void restamp_pages(RwpAgeMap *map, Restamp *rule, const ExtentPart *part)
{
    uint8_t *p = map->page_stamp + part->first;
    uint64_t left = part->count;

    while (left) {
        uint64_t n = same_stamp(p, left);
        uint8_t new = restamp(map, rule, part->extent, *p, n);

        if (new != *p) {
            memset(p, new, n);
        }
        p += n;
        left -= n;
    }
}

/* Apply @rule to the pages of @part. */
static void restamp_part(RwpAgeMap *map, Restamp *rule, const ExtentPart *part)
{
    uint64_t extent = part->extent;
    bool populated = test_bit(extent, map->populated);
    uint8_t old = populated ? map->extent_stamp[extent] : STAMP_ABSENT;

    if (part->whole && (!populated || old != STAMP_ABSENT)) {
        uint8_t new = restamp(map, rule, extent, old, part->count);

        if (new != STAMP_ABSENT) {
            qatomic_set(&map->extent_stamp[extent], new);
            set_bit_atomic(extent, map->populated);
        } else if (populated) {
            clear_bit_atomic(extent, map->populated);
        }
        return;
    }

    if ((!populated || old != STAMP_ABSENT) && rule(map, old, 0) == old) {
        return;
    }
    spread_stamp(map, extent);
    restamp_pages(map, rule, part);
    if (part->whole) {
        uint8_t *p = map->page_stamp + part->first;

        /* An extent that has become uniform again costs less next time. */
        if (same_stamp(p, part->count) == part->count) {
            if (*p == STAMP_ABSENT) {
                clear_bit_atomic(extent, map->populated);
            } else {
                qatomic_set(&map->extent_stamp[extent], *p);
            }
        }
    }
}

static uint64_t present_in_extent(const RwpAgeMap *map, uint64_t extent)
{
    uint64_t first = extent * RWP_EXTENT_PAGES;
    uint64_t count = MIN(RWP_EXTENT_PAGES, map->npages - first);
    uint64_t present = 0;

    if (!test_bit(extent, map->populated)) {
        return 0;
    }
    if (map->extent_stamp[extent] != STAMP_ABSENT) {
        return count;
    }
    for (uint64_t i = 0; i < count; i++) {
        present += map->page_stamp[first + i] != STAMP_ABSENT;
    }
    return present;
}

static void set_huge(RwpAgeMap *map, uint64_t extent, bool huge)
{
    if (test_bit(extent, map->huge) != huge) {
        uint64_t present = present_in_extent(map, extent);

        change_bit(extent, map->huge);
        map->huge_pages += huge ? present : -present;
    }
}

static uint8_t stamp_accessed(RwpAgeMap *map, uint8_t old, uint64_t n)
{
    if (old != map->current) {
        if (old != STAMP_ABSENT) {
            map->promotions[map->age[old]] += n;
        }
        map->recorded += n;
    }
    return map->current;
}

/* Account for @n present pages of one stamp, which become accessed. */
static void count_accessed(RwpAgeMap *map, uint8_t old, uint64_t n)
{
    map->count[old] -= n;
    map->count[map->current] += n;
    map->promotions[map->age[old]] += n;
    map->recorded += n;
}

/* Can stamps of @extent be changed to the current one without more ado? */
static bool stamps_known(const RwpAgeMap *map, uint64_t extent, uint8_t old,
                         bool huge)
{
    return old != STAMP_ABSENT && old != map->current &&
           test_bit(extent, map->populated) &&
           test_bit(extent, map->huge) == huge;
}

/* A frequent case, kept short: a whole extent that is uniform. */
static bool record_uniform(RwpAgeMap *map, const ExtentPart *part, bool huge)
{
    uint8_t *stamp = &map->extent_stamp[part->extent];

    if (!part->whole || !stamps_known(map, part->extent, *stamp, huge)) {
        return false;
    }
    count_accessed(map, *stamp, part->count);
    qatomic_set(stamp, map->current);
    return true;
}

/*
 * The most frequent case, kept shortest: pages that lie alone in a mixed extent
 * and are of one age.  Returns how many of @ranges that is.
 */
static size_t record_alone(RwpAgeMap *map, const RwpPageRange *ranges,
                           size_t nr, bool huge)
{
    uint64_t extent = ranges[0].first / RWP_EXTENT_PAGES;
    uint64_t end = MIN((extent + 1) * RWP_EXTENT_PAGES, map->npages);
    uint64_t begin = extent * RWP_EXTENT_PAGES;
    uint8_t *stamps = map->page_stamp;
    uint8_t current = map->current, old;
    size_t n = 0;

    if (ranges[0].count != 1 || ranges[0].first >= end ||
        map->extent_stamp[extent] != STAMP_ABSENT) {
        return 0;
    }
    old = stamps[ranges[0].first];
    if (!stamps_known(map, extent, old, huge)) {
        return 0;
    }
    while (n < nr && ranges[n].count == 1 && ranges[n].first >= begin &&
           ranges[n].first < end && stamps[ranges[n].first] == old) {
        qatomic_set(&stamps[ranges[n].first], current);
        n++;
    }
    count_accessed(map, old, n);
    return n;
}

void rwp_age_map_record(RwpAgeMap *map, uint64_t first, uint64_t count,
                        bool huge)
{
    uint64_t end = first + count;

    assert(map->open && end <= map->npages && first <= end);
    while (first < end) {
        ExtentPart part = first_part(map, first, end);

        if (!record_uniform(map, &part, huge)) {
            restamp_part(map, stamp_accessed, &part);
            set_huge(map, part.extent, huge);
        }
        first += part.count;
    }
}

void rwp_age_map_record_ranges(RwpAgeMap *map, const RwpPageRange *ranges,
                               size_t nr, bool huge)
{
    const RwpPageRange *end = ranges + nr;

    while (ranges < end) {
        size_t alone = record_alone(map, ranges, end - ranges, huge);

        if (!alone) {
            rwp_age_map_record(map, ranges->first, ranges->count, huge);
            alone = 1;
        }
        ranges += alone;
    }
}

static uint8_t stamp_swept(RwpAgeMap *map, uint8_t old, uint64_t n)
{
    return old != STAMP_ABSENT && map->age[old] == RWP_AGE_LIMIT ?
           STAMP_OLD : old;
}

/*
 * Stamps of this epoch's slice that have reached the limit are to be retired,
 * before they come to mean another epoch.
 */
static void begin_sweep(RwpAgeMap *map)
{
    uint64_t slice = map->epoch % SWEEP_SLICES;
    uint64_t due = 0;

    for (unsigned s = 1; s <= RING; s++) {
        due += map->age[s] == RWP_AGE_LIMIT ? map->count[s] : 0;
    }
    if (due) {
        map->sweep_next = map->nextents * slice / SWEEP_SLICES;
        map->sweep_end = map->nextents * (slice + 1) / SWEEP_SLICES;
    }
}

bool rwp_age_map_sweep(RwpAgeMap *map)
{
    for (unsigned i = 0; i < SWEEP_EXTENTS; i++) {
        uint64_t extent = find_next_bit(map->populated, map->sweep_end,
                                        map->sweep_next);
        ExtentPart part;

        if (extent >= map->sweep_end) {
            map->sweep_next = map->sweep_end;
            return false;
        }
        part = first_part(map, extent * RWP_EXTENT_PAGES, map->npages);
        restamp_part(map, stamp_swept, &part);
        map->sweep_next = extent + 1;
    }
    return true;
}

void rwp_age_map_end(RwpAgeMap *map, int64_t now_ns)
{
    assert(map->open);
    map->open = false;
    map->accessed = map->recorded;
    rwp_epoch_clock_end(&map->clock, now_ns);
    update_ages(map);
    begin_sweep(map);
}

static uint8_t stamp_discarded(RwpAgeMap *map, uint8_t old, uint64_t n)
{
    return STAMP_ABSENT;
}

void rwp_age_map_discard(RwpAgeMap *map, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;

    assert(end <= map->npages && first <= end);
    while (first < end) {
        ExtentPart part = first_part(map, first, end);

        if (test_bit(part.extent, map->populated)) {
            restamp_part(map, stamp_discarded, &part);
            /* Discarding a part splits a huge page. */
            set_huge(map, part.extent, false);
            first += part.count;
        } else {
            first = RWP_EXTENT_PAGES *
                    find_next_bit(map->populated, map->nextents, part.extent);
        }
    }
}

static uint8_t stamp_populated(RwpAgeMap *map, uint8_t old, uint64_t n)
{
    return old == STAMP_ABSENT ? map->current : old;
}

void rwp_age_map_populate(RwpAgeMap *map, uint64_t first, uint64_t count)
{
    uint64_t end = first + count;

    assert(end <= map->npages && first <= end);
    while (first < end) {
        ExtentPart part = first_part(map, first, end);

        restamp_part(map, stamp_populated, &part);
        first += part.count;
    }
}

void rwp_age_map_set_huge(RwpAgeMap *map, uint64_t first, uint64_t count,
                          bool huge)
{
    uint64_t end = first + count;

    assert(end <= map->npages && first <= end);
    for (; first < end; first = ROUND_UP(first + 1, RWP_EXTENT_PAGES)) {
        set_huge(map, first / RWP_EXTENT_PAGES, huge);
    }
}

void rwp_age_map_resume(RwpAgeMap *map, uint64_t epochs)
{
    assert(!map->epoch && epochs);
    map->epoch = MIN(epochs, RESUMED_MAX);
    map->current = stamp_of(map->epoch);
    update_ages(map);
}

static uint8_t stamp_seen(RwpAgeMap *map, uint8_t old, uint64_t n)
{
    return old != STAMP_ABSENT && map->age[old] <= map->age[map->seen] ?
           old : map->seen;
}

void rwp_age_map_seen(RwpAgeMap *map, uint64_t first, uint64_t count,
                      unsigned age)
{
    uint64_t end = first + count;

    assert(!map->open && map->epoch && end <= map->npages && first <= end);
    age = MIN(age, map->epoch - 1);
    map->seen = age < RWP_AGE_LIMIT ? stamp_of(map->epoch - age) : STAMP_OLD;
    while (first < end) {
        ExtentPart part = first_part(map, first, end);

        restamp_part(map, stamp_seen, &part);
        first += part.count;
    }
}

void rwp_age_map_set_times(RwpAgeMap *map, int64_t interval_ns, int64_t now_ns)
{
    assert(!map->open);
    rwp_epoch_clock_assume(&map->clock, map->epoch, interval_ns, now_ns);
    map->accessed = map->count[map->current];
}

void rwp_age_map_unwatched(RwpAgeMap *map, int64_t now_ns)
{
    assert(rwp_age_map_epochs(map));
    rwp_epoch_clock_unwatched(&map->clock, now_ns);
}

/* Stamp of a page whose extent is not empty. */
static uint8_t stamp_at(const RwpAgeMap *map, uint64_t page)
{
    uint8_t stamp = qatomic_read(&map->extent_stamp[page / RWP_EXTENT_PAGES]);

    if (stamp == STAMP_ABSENT) {
        /* Pairs with spread_stamp() */
        smp_rmb();
        stamp = qatomic_read(&map->page_stamp[page]);
    }
    return stamp;
}

int rwp_age_map_get(const RwpAgeMap *map, uint64_t page)
{
    uint8_t stamp = STAMP_ABSENT;

    assert(page < map->npages);
    if (test_bit(page / RWP_EXTENT_PAGES, map->populated)) {
        stamp = stamp_at(map, page);
    }
    return stamp == STAMP_ABSENT ? RWP_AGE_ABSENT : map->age[stamp];
}

bool rwp_age_map_next_run(const RwpAgeMap *map, uint64_t from, uint64_t end,
                          RwpAgeRun *run)
{
    assert(end <= map->npages);
    run->count = 0;
    while (from < end) {
        ExtentPart part = first_part(map, from, end);
        bool huge = test_bit(part.extent, map->huge);
        uint8_t whole;
        uint64_t step;

        if (!test_bit(part.extent, map->populated)) {
            if (run->count) {
                return true;
            }
            from = RWP_EXTENT_PAGES *
                   find_next_bit(map->populated, map->nextents, part.extent);
            continue;
        }
        whole = qatomic_read(&map->extent_stamp[part.extent]);
        step = whole == STAMP_ABSENT ? 1 : part.count;
        /* Pairs with spread_stamp() */
        smp_rmb();
        for (uint64_t i = 0; i < part.count; i += step, from += step) {
            uint8_t stamp = whole != STAMP_ABSENT ? whole :
                            qatomic_read(&map->page_stamp[from]);

            if (run->count &&
                (stamp == STAMP_ABSENT || map->age[stamp] != run->age ||
                 huge != run->huge)) {
                return true;
            }
            if (stamp == STAMP_ABSENT) {
                continue;
            }
            if (!run->count) {
                run->first = from;
                run->age = map->age[stamp];
                run->huge = huge;
            }
            run->count += step;
        }
    }
    return run->count;
}

uint64_t rwp_age_map_epochs(const RwpAgeMap *map)
{
    return map->epoch - map->open;
}

int64_t rwp_age_map_last_end(const RwpAgeMap *map)
{
    return map->clock.last_end_ns;
}

uint64_t rwp_age_map_accessed(const RwpAgeMap *map)
{
    return map->accessed;
}

uint64_t rwp_age_map_present(const RwpAgeMap *map)
{
    uint64_t present = 0;

    for (unsigned s = 1; s <= STAMP_OLD; s++) {
        present += map->count[s];
    }
    return present;
}

uint64_t rwp_age_map_huge(const RwpAgeMap *map)
{
    return map->huge_pages;
}

void rwp_age_map_idle(const RwpAgeMap *map, uint64_t *pages)
{
    memset(pages, 0, (RWP_AGE_LIMIT + 1) * sizeof(*pages));
    for (unsigned s = 1; s <= STAMP_OLD; s++) {
        pages[map->age[s]] += map->count[s];
    }
}

void rwp_age_map_promotions(const RwpAgeMap *map, uint64_t *pages)
{
    memcpy(pages, map->promotions, sizeof(map->promotions));
}

uint64_t rwp_age_map_working_set(const RwpAgeMap *map, int64_t window_ns,
                                 bool *complete)
{
    uint64_t last = rwp_age_map_epochs(map);
    uint64_t pages = map->open ? map->count[map->current] : 0;

    *complete = rwp_epoch_clock_covers(&map->clock, window_ns);
    for (uint64_t age = 0; age < last; age++) {
        if (age && rwp_epoch_clock_idle(&map->clock, age, window_ns)) {
            break;
        }
        if (age == RWP_AGE_LIMIT) {
            /* Within the window still, but not told from older ones. */
            *complete = false;
            break;
        }
        pages += map->count[stamp_of(last - age)];
    }
    return pages;
}

unsigned rwp_age_map_idle_age(const RwpAgeMap *map, int64_t idle_ns)
{
    uint64_t last = rwp_age_map_epochs(map);

    for (unsigned age = 0; age < last && age <= RWP_AGE_LIMIT; age++) {
        if (rwp_epoch_clock_idle(&map->clock, age, idle_ns)) {
            return age;
        }
    }
    return RWP_AGE_LIMIT + 1;
}

bool rwp_age_map_watched(const RwpAgeMap *map, int64_t ns)
{
    return rwp_epoch_clock_watched(&map->clock, ns);
}

uint64_t rwp_age_map_metadata(const RwpAgeMap *map)
{
    uint64_t longs = 2 * BITS_TO_LONGS(map->nextents) +
                     BITS_TO_LONGS(backing_pages(map));

    return map->nbacked * qemu_real_host_page_size() + sizeof(*map) +
           map->nextents + longs * sizeof(unsigned long);
}
