/*
 * A load whose working set is known
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runs in a guest as the only user of most of its memory.  That memory
 * is split into three sets of pages:
 *
 *   hot    touched again and again
 *   warm   touched now and then
 *   cold   written once, never again
 *
 * When they are touched, and how, is up to the host, which speaks a
 * line protocol over a serial port.  So whatever the host claims to
 * see of the guest's working set can be compared with the truth.
 *
 * Each page holds a pattern of its own, and a count of the writes to
 * it that is also kept elsewhere.  Every touch compares the counts,
 * and 'verify' compares whole pages: a page that was lost, swapped
 * with another one or put back from an old copy is found.
 *
 * The protocol
 * ============
 *
 * A request is a line "TAG COMMAND [SET] [KEY=VALUE...]", its answer
 * one line "TAG ok [KEY=VALUE...]" or "TAG error TEXT".  TAG is any
 * word; it tells a late answer from the one that is waited for.  The
 * load says nothing unasked, but for two lines: "* ready" when it
 * starts, and "* corrupt ..." when it sees the first bad page.
 *
 *   alloc hot=SIZE warm=SIZE cold=SIZE layout=contiguous|scattered
 *         piece=SIZE thp=on|off seed=N
 *       Make the sets (sizes default to 0) and write every page once.
 *       Contiguous sets lie one after the other, each aligned to
 *       2 MiB; scattered ones are interleaved, piece by piece
 *       (default: page by page), in a random order that depends on the
 *       seed alone.  thp asks the guest's kernel for huge pages, or to
 *       use none.
 *   shuffle SET
 *       From now on touch the set in another order: a random one.
 *   free
 *       Give the sets back to the guest's kernel.
 *   touch SET [write=PERCENT] [check=on|off] [rounds=N]
 *       Touch each page of the set N times (default 1), write to that
 *       share of them (default 0) and read the others; with check=on,
 *       verify the whole page each time.  Answers when it is done.
 *       Everything else waits meanwhile.
 *   run SET [period=MS] [write=PERCENT] [check=on|off]
 *       Keep touching the set, one round in each period, evenly spread
 *       (default 0: as fast as possible).  Answers at once.
 *   wait SET [rounds=N]
 *       Answer when N whole rounds of 'run' were both started and
 *       ended.
 *   halt [SET]
 *       End 'run' for one set, or for all.
 *   swap SET SET
 *       The pages of one set become those of the other: a phase
 *       change.  What runs goes on, with the new pages.
 *   verify [SET]
 *       Compare each byte of one set, or of all.
 *   spoil SET page=N
 *       Flip a bit in the set's page N, so that tests can tell that
 *       verification works.
 *   map SET
 *       Make a bitmap of the guest-physical pages of the set (bit 0 of
 *       byte 0 is page 0) and say where in guest-physical memory it
 *       lies, page by page.
 *   disk DEVICE [jobs=N]
 *       Write blocks of a disk past all caches, read them back to another
 *       place and compare, all the time, in N processes (default 2).
 *   disk off
 *       End that.
 *   status
 *   quit
 *
 * Sizes take K, M and G.  Times in answers are in microseconds, sizes
 * in bytes.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PAGE        ((size_t)4096)
#define HUGE        ((size_t)2 << 20)
#define WORDS       (PAGE / sizeof(uint64_t))
#define SLICE       64          /* pages between two looks at the port */
#define LINE_MAX_   1024
#define ARGS_MAX    16
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

typedef struct Set {
    const char *name;
    uint32_t *page;             /* numbers of the pages in the arena */
    size_t pages;

    /* what 'run' does to it */
    bool running;
    uint64_t period;            /* us; 0: no pause */
    unsigned write;             /* percent */
    bool check;                 /* whole pages */
    uint64_t began;             /* when this round did, us */
    size_t done;                /* pages touched in this round */

    /* a 'wait' that is not answered yet */
    char waiter[32];
    uint64_t wait_rounds;       /* answer when @rounds gets there */

    /* since 'alloc' */
    uint64_t rounds;            /* whole ones */
    uint64_t reads, writes;     /* pages */
    uint64_t busy;              /* us spent touching */
} Set;

static Set sets[] = {
    { .name = "hot" }, { .name = "warm" }, { .name = "cold" },
};

/* All sets are cut out of one mapping. */
static uint8_t *arena;
static size_t arena_pages;
static uint32_t *written;       /* by page of the arena: writes so far */
static uint64_t arena_seed;
static uint64_t bad_pages;
static bool told_corrupt;

static uint8_t *bitmap;         /* of the last 'map' */
static size_t bitmap_size;

static int port_in, port_out;
static const char *port_name;

/*
 * The processes of 'disk'.  Each begins with exec: a mere fork would share the
 * arena, and writing to it would then copy it.
 */
#define DISK_JOBS       16
#define DISK_BUFFER     ((size_t)4 << 20)
#define DISK_BLOCK      ((size_t)256 << 10)     /* the largest */

typedef struct DiskCounts {
    uint64_t rounds[DISK_JOBS];
} DiskCounts;

static pid_t disk_job[DISK_JOBS];
static unsigned disk_jobs;
static DiskCounts *disk_counts;     /* shared with them */
static int disk_counts_fd = -1;

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The finalizer of splitmix64: every bit depends on every other. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
    char line[LINE_MAX_ * 4];
    va_list ap;
    size_t len, off = 0;
    int n;

    va_start(ap, format);
    n = vsnprintf(line, sizeof(line) - 1, format, ap);
    va_end(ap);
    len = n < 0 ? 0 : (size_t)n;
    if (len > sizeof(line) - 2) {
        len = sizeof(line) - 2;
    }
    line[len++] = '\n';

    while (off < len) {
        ssize_t w = write(port_out, line + off, len - off);

        if (w < 0 && errno != EINTR && errno != EAGAIN) {
            exit(1);
        }
        off += w > 0 ? (size_t)w : 0;
    }
}

/* Pages and their content */

static uint64_t *page_words(uint32_t n)
{
    return (uint64_t *)(arena + n * PAGE);
}

static uint64_t last_word(uint32_t n, uint32_t count)
{
    return mix(arena_seed ^ ((uint64_t)n << 32 | count));
}

/* All words but the first (the count) and the last differ by one step. */
static uint64_t inner_word(uint64_t base, size_t w)
{
    return base + w * UINT64_C(0x9e3779b97f4a7c15);
}

static void page_write(uint32_t n)
{
    uint64_t *word = page_words(n);
    uint32_t count = ++written[n];

    word[0] = count;
    word[WORDS - 1] = last_word(n, count);
}

static void page_fill(uint32_t n)
{
    uint64_t *word = page_words(n);
    uint64_t base = mix(arena_seed + n);

    for (size_t w = 1; w < WORDS - 1; w++) {
        word[w] = inner_word(base, w);
    }
    page_write(n);
}

static bool page_is_right(uint32_t n)
{
    const uint64_t *word = page_words(n);
    uint64_t base = mix(arena_seed + n);

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

static void corrupt(const Set *s, size_t i)
{
    uint32_t n = s->page[i];
    const uint64_t *word = page_words(n);

    bad_pages++;
    if (!told_corrupt) {
        told_corrupt = true;
        say("* corrupt set=%s page=%zu writes=%" PRIu32 " first-word=0x%"
            PRIx64 " last-word=0x%" PRIx64, s->name, i, written[n], word[0],
            word[WORDS - 1]);
    }
}

static void page_touch(Set *s, size_t i, unsigned write, bool check)
{
    uint32_t n = s->page[i];

    /* volatile: the access itself is what this is about. */
    if (*(volatile uint64_t *)page_words(n) != written[n] ||
        (check && !page_is_right(n))) {
        corrupt(s, i);
    }
    /* Which ones are written changes from round to round. */
    if (write && mix(s->rounds << 32 | n) % 100 < write) {
        page_write(n);
        s->writes++;
    } else {
        s->reads++;
    }
}

/* The sets */

static void sets_free(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        free(sets[i].page);
        sets[i] = (Set) { .name = sets[i].name };
    }
    if (arena) {
        munmap(arena, arena_pages * PAGE);
    }
    if (written) {
        munmap(written, arena_pages * sizeof(*written));
    }
    arena = NULL;
    written = NULL;
    arena_pages = 0;
    bad_pages = 0;
    told_corrupt = false;
}

/* @size bytes, aligned to a huge page; NULL if there is no memory. */
static void *map_aligned(size_t size)
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

/* Depends on the seed alone. */
static void shuffle(uint32_t *page, size_t pages)
{
    for (size_t i = pages; i-- > 1;) {
        size_t j = mix(arena_seed + i) % (i + 1);
        uint32_t swap = page[i];

        page[i] = page[j];
        page[j] = swap;
    }
}

/*
 * The numbers of all pages of the arena, in the order that sets take them:
 * piece by piece, of so many pages each.
 */
static uint32_t *page_order(bool scattered, size_t piece)
{
    uint32_t *order = malloc(arena_pages * sizeof(*order));
    size_t pieces = arena_pages / piece;

    for (size_t i = 0; order && i < pieces; i++) {
        order[i] = (uint32_t)i;
    }
    if (order && scattered) {
        shuffle(order, pieces);
    }
    /* From the end on, so that none is overwritten that is still needed. */
    for (size_t i = pieces; order && i-- > 0;) {
        uint32_t first = order[i] * (uint32_t)piece;

        for (size_t k = piece; k-- > 0;) {
            order[i * piece + k] = first + (uint32_t)k;
        }
    }
    return order;
}

/* False, with errno set, if there is not enough memory. */
static bool sets_alloc(const size_t pages[], bool scattered, size_t piece,
                       bool thp, uint64_t seed)
{
    const size_t align = scattered ? piece : HUGE / PAGE;
    uint32_t *order;
    size_t at = 0;
    void *p;

    sets_free();
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        arena_pages += (pages[i] + align - 1) / align * align;
    }
    if (!arena_pages || arena_pages > UINT32_MAX) {
        errno = EINVAL;
        return false;
    }

    arena_seed = mix(seed);
    arena = map_aligned(arena_pages * PAGE);
    if (!arena || madvise(arena, arena_pages * PAGE,
                          thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE)) {
        return false;
    }
    p = mmap(NULL, arena_pages * sizeof(*written), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    /* Its own data must not be huge pages: each would count as hot. */
    written = p;
    madvise(written, arena_pages * sizeof(*written), MADV_NOHUGEPAGE);

    order = page_order(scattered, align);
    for (size_t i = 0; order && i < ARRAY_SIZE(sets); i++) {
        Set *s = &sets[i];

        s->page = malloc((pages[i] + !pages[i]) * sizeof(*s->page));
        if (!s->page) {
            break;
        }
        s->pages = pages[i];
        memcpy(s->page, order + at, pages[i] * sizeof(*s->page));
        at += (pages[i] + align - 1) / align * align;
    }
    free(order);
    if (at != arena_pages) {
        errno = ENOMEM;
        return false;
    }

    /*
     * In address order, so that the guest's kernel hands out what it has in
     * one piece: what is scattered here is scattered in the guest's physical
     * memory.
     */
    for (size_t i = 0; i < arena_pages; i++) {
        page_fill((uint32_t)i);
    }
    return true;
}

/* The pages of 'run' that are due */

static uint64_t pages_due(const Set *s, uint64_t now)
{
    uint64_t due;

    if (!s->running || !s->pages) {
        return 0;
    }
    if (!s->period) {
        return s->pages - s->done;
    }
    if (now < s->began) {
        return 0;
    }
    due = (uint64_t)((double)s->pages * (double)(now - s->began)
                     / (double)s->period);
    if (due > s->pages) {
        due = s->pages;
    }
    return due > s->done ? due - s->done : 0;
}

/* How long nothing is due, in ms for poll(); -1: for ever. */
static int idle_ms(void)
{
    uint64_t now = now_us();
    int timeout = -1;

    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        const Set *s = &sets[i];

        if (!s->running || !s->pages) {
            continue;
        }
        if (pages_due(s, now)) {
            return 0;
        }
        /* No finer than a tick of the guest's kernel. */
        uint64_t step = s->period / s->pages * SLICE / 1000;
        int ms = step < 4 ? 4 : step > 1000 ? 1000 : (int)step;

        if (timeout < 0 || ms < timeout) {
            timeout = ms;
        }
    }
    return timeout;
}

static void round_ends(Set *s, uint64_t now)
{
    s->rounds++;
    s->done = 0;
    s->began = s->began + s->period > now ? s->began + s->period : now;
    if (s->waiter[0] && s->rounds >= s->wait_rounds) {
        say("%s ok rounds=%" PRIu64, s->waiter, s->rounds);
        s->waiter[0] = '\0';
    }
}

static void run_slice(Set *s)
{
    uint64_t start = now_us();
    uint64_t due = pages_due(s, start);

    if (!due) {
        return;
    }
    for (unsigned i = 0; i < SLICE && i < due; i++) {
        page_touch(s, s->done++, s->write, s->check);
    }
    start = now_us() - start;
    s->busy += start;
    if (s->done == s->pages) {
        round_ends(s, now_us());
    }
}

/* Requests */

typedef struct Request {
    const char *tag;
    unsigned argc;
    char *argv[ARGS_MAX];       /* after the command */
} Request;

__attribute__((format(printf, 2, 3)))
static void fail(const Request *r, const char *format, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    say("%s error %s", r->tag, text);
}

static const char *option(const Request *r, const char *key)
{
    size_t len = strlen(key);

    for (unsigned i = 0; i < r->argc; i++) {
        if (!strncmp(r->argv[i], key, len) && r->argv[i][len] == '=') {
            return r->argv[i] + len + 1;
        }
    }
    return NULL;
}

static bool parse_size(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno || end == text || *text == '-') {
        return false;
    }
    switch (*end) {
    case 'G':
        *value <<= 10;
        /* fall through */
    case 'M':
        *value <<= 10;
        /* fall through */
    case 'K':
        *value <<= 10;
        end++;
    }
    return *end == '\0';
}

/* An option that is a number; @value keeps its default without it. */
static bool number(const Request *r, const char *key, uint64_t *value)
{
    const char *text = option(r, key);

    if (text && !parse_size(text, value)) {
        fail(r, "%s=%s is not a number", key, text);
        return false;
    }
    return true;
}

/* An option that is one of two words. */
static bool choice(const Request *r, const char *key, const char *yes,
                   const char *no, bool *value)
{
    const char *text = option(r, key);

    if (text && strcmp(text, yes) && strcmp(text, no)) {
        fail(r, "%s=%s is neither %s nor %s", key, text, yes, no);
        return false;
    }
    *value = text ? !strcmp(text, yes) : *value;
    return true;
}

static Set *set_named(const Request *r, unsigned arg)
{
    for (size_t i = 0; arg < r->argc && i < ARRAY_SIZE(sets); i++) {
        if (!strcmp(r->argv[arg], sets[i].name)) {
            if (!sets[i].pages) {
                fail(r, "the set %s is empty", sets[i].name);
                return NULL;
            }
            return &sets[i];
        }
    }
    fail(r, "which set: hot, warm or cold?");
    return NULL;
}

static bool share(const Request *r, uint64_t *write)
{
    if (!number(r, "write", write)) {
        return false;
    }
    if (*write > 100) {
        fail(r, "write= is a share in percent");
        return false;
    }
    return true;
}

static void do_alloc(const Request *r)
{
    size_t pages[ARRAY_SIZE(sets)];
    uint64_t seed = 1, piece = PAGE, start = now_us();
    bool scattered = false, thp = false;

    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        uint64_t size = 0;

        if (!number(r, sets[i].name, &size)) {
            return;
        }
        pages[i] = (size + PAGE - 1) / PAGE;
    }
    if (!number(r, "seed", &seed) || !number(r, "piece", &piece) ||
        !choice(r, "layout", "scattered", "contiguous", &scattered) ||
        !choice(r, "thp", "on", "off", &thp)) {
        return;
    }
    if (!piece || piece % PAGE) {
        fail(r, "piece= must be whole pages");
        return;
    }
    if (!sets_alloc(pages, scattered, piece / PAGE, thp, seed)) {
        fail(r, "cannot make the sets: %s", strerror(errno));
        sets_free();
        return;
    }
    say("%s ok bytes=%zu us=%" PRIu64, r->tag, arena_pages * PAGE,
        now_us() - start);
}

static void do_free(const Request *r)
{
    sets_free();
    say("%s ok", r->tag);
}

static void do_touch(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t write = 0, rounds = 1, start;
    bool check = false;

    if (!s || !share(r, &write) || !number(r, "rounds", &rounds) ||
        !choice(r, "check", "on", "off", &check)) {
        return;
    }
    if (s->running) {
        fail(r, "%s is running", s->name);
        return;
    }
    start = now_us();
    for (uint64_t n = 0; n < rounds; n++) {
        for (size_t i = 0; i < s->pages; i++) {
            page_touch(s, i, (unsigned)write, check);
        }
        s->rounds++;
    }
    start = now_us() - start;
    s->busy += start;
    say("%s ok pages=%" PRIu64 " us=%" PRIu64, r->tag, rounds * s->pages,
        start);
}

static void do_run(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t write = 0, period = 0;
    bool check = false;

    if (!s || !share(r, &write) || !number(r, "period", &period) ||
        !choice(r, "check", "on", "off", &check)) {
        return;
    }
    s->running = true;
    s->period = period * 1000;
    s->write = (unsigned)write;
    s->check = check;
    s->began = now_us();
    s->done = 0;
    say("%s ok", r->tag);
}

static void do_wait(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t rounds = 1;

    if (!s || !number(r, "rounds", &rounds)) {
        return;
    }
    if (!s->running || s->waiter[0]) {
        fail(r, s->running ? "%s is waited for already" : "%s does not run",
             s->name);
        return;
    }
    snprintf(s->waiter, sizeof(s->waiter), "%s", r->tag);
    /* One that has begun already does not count. */
    s->wait_rounds = s->rounds + rounds + (s->done ? 1 : 0);
}

static void halt(Set *s)
{
    s->running = false;
    if (s->waiter[0]) {
        say("%s error %s was halted", s->waiter, s->name);
        s->waiter[0] = '\0';
    }
}

static void do_halt(const Request *r)
{
    if (r->argc) {
        Set *s = set_named(r, 0);

        if (!s) {
            return;
        }
        halt(s);
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
            halt(&sets[i]);
        }
    }
    say("%s ok", r->tag);
}

static void do_swap(const Request *r)
{
    Set *a = set_named(r, 0);
    Set *b = a ? set_named(r, 1) : NULL;
    uint32_t *page;
    size_t pages;

    if (!b) {
        return;
    }
    page = a->page;
    pages = a->pages;
    a->page = b->page;
    a->pages = b->pages;
    b->page = page;
    b->pages = pages;
    /* A round in the middle starts again, with the new pages. */
    a->done = b->done = 0;
    a->began = b->began = now_us();
    say("%s ok", r->tag);
}

static void do_shuffle(const Request *r)
{
    Set *s = set_named(r, 0);

    if (!s) {
        return;
    }
    if (s->done) {
        fail(r, "%s is in the middle of a round", s->name);
        return;
    }
    shuffle(s->page, s->pages);
    say("%s ok", r->tag);
}

static void do_verify(const Request *r)
{
    const Set *only = NULL;
    uint64_t pages = 0, bad = 0, start = now_us();
    char first[64] = "";

    if (r->argc) {
        only = set_named(r, 0);
        if (!only) {
            return;
        }
    }
    for (size_t k = 0; k < ARRAY_SIZE(sets); k++) {
        const Set *s = &sets[k];

        for (size_t i = 0; (!only || s == only) && i < s->pages; i++) {
            pages++;
            if (!page_is_right(s->page[i])) {
                if (!bad++) {
                    snprintf(first, sizeof(first), " first-bad=%s:%zu",
                             s->name, i);
                }
                corrupt(s, i);
            }
        }
    }
    say("%s ok pages=%" PRIu64 " bad=%" PRIu64 " us=%" PRIu64 "%s", r->tag,
        pages, bad, now_us() - start, first);
}

static void do_spoil(const Request *r)
{
    Set *s = set_named(r, 0);
    uint64_t page = 0;

    if (!s || !number(r, "page", &page)) {
        return;
    }
    if (page >= s->pages) {
        fail(r, "%s has only %zu pages", s->name, s->pages);
        return;
    }
    page_words(s->page[page])[WORDS / 2] ^= 1;
    say("%s ok", r->tag);
}

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

    for (size_t n = 0; n < arena_pages; n++) {
        if (physical_page(pagemap, page_words((uint32_t)n), &gfn) &&
            gfn > highest) {
            highest = gfn;
        }
    }
    return highest;
}

static void do_map(const Request *r)
{
    const Set *s = set_named(r, 0);
    char where[LINE_MAX_ * 3] = "";
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

/* A field of /proc/self/status or /proc/meminfo, in bytes. */
static uint64_t proc_bytes(const char *file, const char *field)
{
    char line[256];
    uint64_t kib = 0;
    FILE *f = fopen(file, "r");

    while (f && fgets(line, sizeof(line), f)) {
        if (!strncmp(line, field, strlen(field))) {
            kib = strtoull(line + strlen(field) + 1, NULL, 10);
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kib * 1024;
}

/* Write, read back and compare for ever; the arguments are those of main(). */
static int disk_main(char **argv)
{
    unsigned job = (unsigned)atoi(argv[2]);
    unsigned jobs = (unsigned)atoi(argv[3]);
    int fd = open(argv[1], O_RDWR | O_DIRECT);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    size_t part = size < 0 ? 0 : (size_t)size / jobs / PAGE * PAGE;
    uint8_t *out = map_aligned(DISK_BUFFER), *in = map_aligned(DISK_BUFFER);
    DiskCounts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
                              MAP_SHARED, atoi(argv[4]), 0);

    port_out = strcmp(argv[5], "-") ? open(argv[5], O_WRONLY | O_NOCTTY) :
                                      STDOUT_FILENO;
    if (port_out < 0 || part < DISK_BLOCK || !out || !in ||
        counts == MAP_FAILED) {
        say("* corrupt disk job=%u cannot begin: %s", job, strerror(errno));
        return 1;
    }
    for (uint64_t n = 0;; n++) {
        uint64_t random = mix((uint64_t)job << 48 | n);
        size_t length = (1 + random % (DISK_BLOCK / PAGE)) * PAGE;
        size_t to = (random >> 8) % ((DISK_BUFFER - length) / PAGE) * PAGE;
        size_t from = (random >> 24) % ((DISK_BUFFER - length) / PAGE) * PAGE;
        size_t at = job * part + (random >> 40) % ((part - length) / PAGE + 1)
                                 * PAGE;
        uint64_t *word = (uint64_t *)(out + to);

        for (size_t w = 0; w < length / sizeof(*word); w++) {
            word[w] = inner_word(random, w);
        }
        if (pwrite(fd, out + to, length, (off_t)at) != (ssize_t)length ||
            pread(fd, in + from, length, (off_t)at) != (ssize_t)length) {
            say("* corrupt disk job=%u error: %s", job, strerror(errno));
            return 1;
        }
        word = (uint64_t *)(in + from);
        for (size_t w = 0; w < length / sizeof(*word); w++) {
            if (word[w] != inner_word(random, w)) {
                say("* corrupt disk job=%u round=%" PRIu64 " offset=%zu"
                    " word=%zu is 0x%" PRIx64, job, n, at, w, word[w]);
                return 1;
            }
        }
        counts->rounds[job]++;
    }
}

static void disk_end(void)
{
    for (unsigned i = 0; i < disk_jobs; i++) {
        kill(disk_job[i], SIGKILL);
        waitpid(disk_job[i], NULL, 0);
    }
    disk_jobs = 0;
}

static void do_disk(const Request *r)
{
    uint64_t jobs = 2;

    if (!r->argc || !number(r, "jobs", &jobs)) {
        fail(r, "which disk?");
        return;
    }
    if (!jobs || jobs > DISK_JOBS) {
        fail(r, "jobs= is 1 to %d", DISK_JOBS);
        return;
    }
    disk_end();
    if (!strcmp(r->argv[0], "off")) {
        say("%s ok", r->tag);
        return;
    }
    if (!disk_counts) {
        void *p = MAP_FAILED;

        disk_counts_fd = memfd_create("disk", 0);
        if (disk_counts_fd >= 0 &&
            !ftruncate(disk_counts_fd, sizeof(*disk_counts))) {
            p = mmap(NULL, sizeof(*disk_counts), PROT_READ | PROT_WRITE,
                     MAP_SHARED, disk_counts_fd, 0);
        }
        if (p == MAP_FAILED) {
            fail(r, "no memory for counters: %s", strerror(errno));
            return;
        }
        disk_counts = p;
    }
    for (unsigned i = 0; i < jobs; i++) {
        char job[16], all[16], counts[16];
        char *argv[] = { (char *)"guest-load", r->argv[0], job, all, counts,
                         (char *)port_name, NULL };
        char *env[] = { NULL };

        snprintf(job, sizeof(job), "%u", i);
        snprintf(all, sizeof(all), "%" PRIu64, jobs);
        snprintf(counts, sizeof(counts), "%d", disk_counts_fd);
        if (posix_spawn(&disk_job[i], "/proc/self/exe", NULL, NULL, argv,
                        env)) {
            fail(r, "cannot start a process");
            return;
        }
        disk_jobs++;
    }
    say("%s ok", r->tag);
}

/* Of the process that has done the fewest. */
static uint64_t disk_rounds(void)
{
    uint64_t rounds = 0;

    for (unsigned i = 0; i < disk_jobs; i++) {
        uint64_t n = *(volatile uint64_t *)&disk_counts->rounds[i];

        rounds = i && rounds < n ? rounds : n;
    }
    return rounds;
}

static void do_status(const Request *r)
{
    char text[LINE_MAX_] = "";
    size_t len = 0;

    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        const Set *s = &sets[i];

        len += (size_t)snprintf(text + len, sizeof(text) - len,
            " %s=%zu %s-running=%d %s-rounds=%" PRIu64 " %s-reads=%" PRIu64
            " %s-writes=%" PRIu64 " %s-busy-us=%" PRIu64,
            s->name, s->pages * PAGE, s->name, s->running, s->name, s->rounds,
            s->name, s->reads, s->name, s->writes, s->name, s->busy);
    }
    say("%s ok us=%" PRIu64 " bad=%" PRIu64 " disk-rounds=%" PRIu64 " rss=%"
        PRIu64 " guest-total=%" PRIu64 " guest-free=%" PRIu64 "%s", r->tag,
        now_us(), bad_pages, disk_rounds(),
        proc_bytes("/proc/self/status", "VmRSS"),
        proc_bytes("/proc/meminfo", "MemTotal"),
        proc_bytes("/proc/meminfo", "MemFree"), text);
}

static void do_quit(const Request *r)
{
    disk_end();
    say("%s ok", r->tag);
    tcdrain(port_out);
    exit(0);
}

static void request(char *line)
{
    static const struct {
        const char *name;
        void (*run)(const Request *r);
    } commands[] = {
        { "alloc", do_alloc }, { "free", do_free }, { "touch", do_touch },
        { "run", do_run }, { "wait", do_wait }, { "halt", do_halt },
        { "swap", do_swap }, { "shuffle", do_shuffle },
        { "verify", do_verify }, { "spoil", do_spoil }, { "map", do_map },
        { "disk", do_disk }, { "status", do_status }, { "quit", do_quit },
    };
    Request r = { .argc = 0 };
    const char *command;
    char *next, *word;

    r.tag = strtok_r(line, " \r", &next);
    command = strtok_r(NULL, " \r", &next);
    if (!r.tag || !command) {
        return;
    }
    while ((word = strtok_r(NULL, " \r", &next))) {
        if (r.argc == ARGS_MAX) {
            fail(&r, "too many words");
            return;
        }
        r.argv[r.argc++] = word;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(command, commands[i].name)) {
            commands[i].run(&r);
            return;
        }
    }
    fail(&r, "no such command: %s", command);
}

/* Read what there is, and carry out the lines that are complete. */
static void port_read(void)
{
    static char buf[LINE_MAX_];
    static size_t len;
    ssize_t n = read(port_in, buf + len, sizeof(buf) - len);
    char *end;

    if (n <= 0) {
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            return;
        }
        exit(n < 0);
    }
    len += (size_t)n;
    while ((end = memchr(buf, '\n', len))) {
        size_t used = (size_t)(end - buf) + 1;
        char line[LINE_MAX_];

        memcpy(line, buf, used);
        line[used - 1] = '\0';
        len -= used;
        memmove(buf, buf + used, len);
        request(line);
    }
    if (len == sizeof(buf)) {
        len = 0;                /* longer than any request: noise */
    }
}

static void port_open(const char *name)
{
    struct termios t;

    if (!strcmp(name, "-")) {
        port_in = STDIN_FILENO;
        port_out = STDOUT_FILENO;
        return;
    }
    port_in = port_out = open(name, O_RDWR | O_NOCTTY);
    if (port_in < 0) {
        fprintf(stderr, "guest-load: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    if (!tcgetattr(port_in, &t)) {
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL;
        cfsetspeed(&t, B115200);
        tcsetattr(port_in, TCSANOW, &t);
    }
}

int main(int argc, char **argv)
{
    if (argc == 6) {
        return disk_main(argv);
    }
    if (argc != 2) {
        fprintf(stderr, "usage: guest-load PORT\n"
                "PORT is a serial port, or - for standard input and output;"
                " its source tells the protocol.\n");
        return 2;
    }
    port_name = argv[1];
    port_open(argv[1]);
    say("* ready");

    for (;;) {
        struct pollfd p = { .fd = port_in, .events = POLLIN };

        if (poll(&p, 1, idle_ms()) > 0) {
            port_read();
        }
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
            run_slice(&sets[i]);
        }
    }
}
