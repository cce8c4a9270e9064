/*
 * memory-backend-rwp: what is evicted is what a model says, to the page
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where pages really are is asked of the kernel, from outside of QEMU.  Time is
 * the virtual clock, which stands still unless it is stepped, and epochs end
 * when the test says so.
 *
 * The kernel pages out what is on its LRU lists, and a page that was just
 * populated waits for that in a list of its CPU; MADV_PAGEOUT looks at the
 * list of its own CPU only.  So all of QEMU runs on one.
 */

#include "qemu/osdep.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include "rwp-qtest.h"

#define SIZE        (16 * MiB)
#define PAGE        (4 * KiB)
#define NPAGES      (SIZE / PAGE)
#define BLOCK       (32 * KiB)      /* longer qtest commands cost the square */

#define SECOND_NS   1000000000LL

/* Of the tests of the policy: time between two scans. */
#define EPOCH_S     300
#define EPOCH       "interval=300000"

/* No timer of the board fires while the clock is stepped. */
#define QUIET       "-machine pit=off"

/* What is old enough for nothing. */
#define NEVER_COLD  UINT32_MAX

typedef struct Guest {
    RwpVm *vm;
    QTestState *qts;
    uint64_t host;          /* where QEMU has the memory */
    uint8_t *file;          /* shared memory, as the test maps it */
    bool in[NPAGES];        /* what the kernel said last */
    uint8_t round[NPAGES];  /* which contents a page has */

    /* The model. */
    bool out[NPAGES];
    uint64_t evicted;       /* bytes */
    uint64_t refaulted;
} Guest;

/* Where pages are */

/* The memfd that QEMU has at @host, mapped here; touching it is not allowed. */
static uint8_t *map_file_of(pid_t pid, uint64_t host)
{
    g_autofree char *name = g_strdup_printf("/proc/%d/maps", pid);
    g_autofree char *folder = g_strdup_printf("/proc/%d/fd", pid);
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *entry;
    uint64_t inode = 0;

    g_assert_true(g_file_get_contents(name, &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", 0);
    for (char **line = lines; *line; line++) {
        uint64_t first, end, number;

        if (sscanf(*line, "%" SCNx64 "-%" SCNx64 " %*s %*x %*s %" SCNu64,
                   &first, &end, &number) == 3 &&
            first <= host && host < end) {
            inode = number;
        }
    }
    g_assert_cmpuint(inode, !=, 0);
    while ((entry = g_dir_read_name(dir))) {
        g_autofree char *path = g_strdup_printf("%s/%s", folder, entry);
        struct stat st;

        if (!stat(path, &st) && S_ISREG(st.st_mode) && st.st_ino == inode &&
            st.st_size == SIZE) {
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            uint8_t *file = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

            g_assert_true(file != MAP_FAILED);
            close(fd);
            return file;
        }
    }
    g_assert_not_reached();
}

static void look(Guest *g)
{
    if (g->file) {
        g_autofree unsigned char *vec = g_new0(unsigned char, NPAGES);

        g_assert_cmpint(mincore(g->file, SIZE, vec), ==, 0);
        for (size_t i = 0; i < NPAGES; i++) {
            g->in[i] = vec[i] & 1;
        }
    } else {
        g_autofree uint64_t *entries = rwp_pagemap(g->qts, g->host, SIZE);

        for (size_t i = 0; i < NPAGES; i++) {
            g->in[i] = entries[i] & RWP_PAGEMAP_PRESENT;
        }
    }
}

static void guest_attach(Guest *g, QTestState *qts, const RwpMemory *memory)
{
    *g = (Guest) { .qts = qts };
    g->vm = rwp_vm_attach(qts, memory, "ram0", rwp_vm_base(), SIZE);
    g->host = rwp_host_address(qts, g->vm->base);
    if (memory->shared) {
        g->file = map_file_of(qtest_pid(qts), g->host);
    }
}

/* Whether this host can do it.  If not, skips the current test. */
static bool host_usable(const RwpMemory *memory)
{
    struct sysinfo info;

    g_assert_cmpint(sysinfo(&info), ==, 0);
    if ((uint64_t)info.freeswap * info.mem_unit < 4 * SIZE) {
        g_test_skip("this RWP test needs 64 MiB of free swap space");
        return false;
    }
    return rwp_memory_usable(memory, SIZE);
}

/* Returns false if the test is skipped. */
static bool guest_start(Guest *g, const RwpMemory *memory, const char *options)
{
    g_autofree char *args = rwp_vm_args(memory, SIZE, options);

    if (!host_usable(memory)) {
        return false;
    }
    guest_attach(g, qtest_initf("%s " QUIET, args), memory);
    return true;
}

static void guest_stop(Guest *g)
{
    if (g->file) {
        munmap(g->file, SIZE);
    }
    rwp_vm_free(g->vm);
}

static void step_seconds(Guest *g, unsigned seconds)
{
    qtest_clock_step(g->qts, seconds * SECOND_NS);
}

static void qom_set(Guest *g, const char *property, const char *value)
{
    g_autoptr(QDict) rsp = NULL;

    qtest_qmp_send_raw(g->qts, "{ 'execute': 'qom-set', 'arguments': {"
                       " 'path': '/objects/ram0', 'property': '%s',"
                       " 'value': %s } }", property, value);
    rsp = qtest_qmp_receive(g->qts);
    if (!qdict_haskey(rsp, "return")) {
        g_error("cannot set %s to %s: %s", property, value,
                qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"));
    }
}

static void qom_set_size(Guest *g, const char *property, uint64_t bytes)
{
    g_autofree char *value = g_strdup_printf("%" PRIu64, bytes);

    qom_set(g, property, value);
}

/* Contents */

/* Each word of each page is different, and from round to round. */
static uint64_t word_of(const Guest *g, uint64_t page, uint64_t word)
{
    uint64_t x = page << 20 | (uint64_t)g->round[page] << 10 | word;

    x = (x + 1) * 0x9e3779b97f4a7c15ULL;
    return x ^ x >> 29;
}

static void fill(Guest *g, uint64_t first, uint64_t count)
{
    static uint64_t block[BLOCK / sizeof(uint64_t)];
    const uint64_t words = PAGE / sizeof(uint64_t);

    rwp_vm_touch(g->vm, first * PAGE, count * PAGE);
    for (uint64_t end = first + count; first < end;) {
        uint64_t n = MIN(BLOCK / PAGE, end - first);

        for (uint64_t i = 0; i < n; i++) {
            g->round[first + i]++;
            for (uint64_t word = 0; word < words; word++) {
                block[i * words + word] = word_of(g, first + i, word);
            }
        }
        qtest_bufwrite(g->qts, g->vm->base + first * PAGE, block, n * PAGE);
        first += n;
    }
}

/* Access pages without changing them. */
static void touch(Guest *g, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        uint64_t word = i % (PAGE / sizeof(uint64_t));

        g_assert_cmphex(qtest_readq(g->qts, g->vm->base + i * PAGE +
                                    word * sizeof(uint64_t)), ==,
                        word_of(g, i, word));
    }
    rwp_vm_touch(g->vm, first * PAGE, count * PAGE);
}

/* Every byte of all pages that were filled; brings everything back in. */
static void check_contents(Guest *g)
{
    g_autofree char *name = rwp_temp_name("memory");
    g_autofree char *data = NULL;
    gsize length;

    qtest_qmp_assert_success(g->qts, "{ 'execute': 'pmemsave', 'arguments': {"
                             " 'val': %" PRIu64 ", 'size': %" PRIu64 ","
                             " 'filename': %s } }", g->vm->base,
                             (uint64_t)SIZE, name);
    g_assert_true(g_file_get_contents(name, &data, &length, NULL));
    unlink(name);
    g_assert_cmpuint(length, ==, SIZE);
    for (uint64_t i = 0; i < NPAGES; i++) {
        const uint64_t *words = (uint64_t *)(data + i * PAGE);

        for (uint64_t word = 0; g->round[i] && word < PAGE / 8; word++) {
            if (words[word] != word_of(g, i, word)) {
                g_error("page %" PRIu64 ", word %" PRIu64 ": %" PRIx64
                        " instead of %" PRIx64, i, word, words[word],
                        word_of(g, i, word));
            }
        }
    }
    rwp_vm_touch(g->vm, 0, SIZE);
}

/* The model */

static void epoch(Guest *g)
{
    for (uint64_t i = 0; i < NPAGES; i++) {
        if (g->vm->touched[i] && g->out[i]) {
            g->out[i] = false;
            g->refaulted += PAGE;
        }
    }
    rwp_vm_epoch(g->vm);
}

static bool may_go(const Guest *g, uint64_t page, int min_age, int max_age)
{
    int age = g->vm->age[page];

    return !g->out[page] && !g->vm->touched[page] && age >= min_age &&
           age <= max_age;
}

static uint64_t cold_bytes(const Guest *g, int min_age, int max_age)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < NPAGES; i++) {
        bytes += may_go(g, i, min_age, max_age) ? PAGE : 0;
    }
    return bytes;
}

/*
 * Pages of @min_age or more have been evicted, @bytes of them at most.  The
 * coldest go first; of those of one age the kernel is asked which ones went.
 * Returns how much.
 */
static uint64_t model_evict(Guest *g, int min_age, uint64_t bytes)
{
    uint64_t left = bytes;

    look(g);
    for (int age = RWP_AGE_LIMIT; age >= min_age && left; age--) {
        uint64_t group = cold_bytes(g, age, age);
        uint64_t went = 0;

        for (uint64_t i = 0; i < NPAGES; i++) {
            if (may_go(g, i, age, age) && (group <= left || !g->in[i])) {
                g->out[i] = true;
                went += PAGE;
            }
        }
        g_assert_cmpuint(went, ==, MIN(group, left));
        left -= went;
    }
    g->evicted += bytes - left;
    return bytes - left;
}

static QDict *eviction(Guest *g)
{
    g_autoptr(QDict) info = rwp_query(g->qts, "ram0");

    return qobject_ref(qdict_get_qdict(info, "eviction"));
}

static uint64_t eviction_int(Guest *g, const char *member)
{
    g_autoptr(QDict) info = eviction(g);

    return qdict_get_int(info, member);
}

/* Pages are out and in as the model says, and QEMU says so, too. */
static void check(Guest *g)
{
    g_autoptr(QDict) info = rwp_query(g->qts, "ram0");
    QDict *evict = qdict_get_qdict(info, "eviction");
    uint64_t resident = 0;

    look(g);
    for (uint64_t i = 0; i < NPAGES; i++) {
        bool out = g->out[i] && !g->vm->touched[i];

        if (g->vm->age[i] == RWP_ABSENT) {
            continue;
        }
        resident += g->out[i] ? 0 : PAGE;
        if (g->in[i] == out) {
            g_error("page %" PRIu64 " of age %d is %s, but should be %s", i,
                    g->vm->age[i], g->in[i] ? "in" : "out",
                    out ? "out" : "in");
        }
    }
    g_assert_cmpuint(qdict_get_int(info, "resident"), ==, resident);
    g_assert_cmpuint(qdict_get_int(evict, "evicted"), ==, g->evicted);
    g_assert_cmpuint(qdict_get_int(evict, "refaulted"), ==, g->refaulted);
}

static void wait_evicted(Guest *g, uint64_t bytes)
{
    int64_t start = 0;
    uint64_t now;

    while ((now = eviction_int(g, "evicted")) < bytes) {
        rwp_deadline(&start, "eviction");
    }
    g_assert_cmpuint(now, ==, bytes);
}

/* Evicting by hand */

static QDict *evict_by_hand(Guest *g, uint64_t bytes, uint32_t min_age)
{
    return qtest_qmp_assert_success_ref(g->qts, "{ 'execute':"
                                        " 'evict-cold-memory', 'arguments': {"
                                        " 'id': 'ram0', 'bytes': %" PRIu64 ","
                                        " 'min-age': %" PRIu32 " } }", bytes,
                                        min_age);
}

static uint64_t skipped(QDict *info, const char *member)
{
    return qdict_get_int(qdict_get_qdict(info, "skipped"), member);
}

/*
 * Evict, where pages of @min_age_epochs and more are @min_age seconds old, and
 * check the answer: @accessed bytes did not go since they were accessed.
 */
static void evict(Guest *g, uint64_t bytes, uint32_t min_age,
                  int min_age_epochs, const char *limit, uint64_t accessed)
{
    g_autoptr(QDict) before = eviction(g);
    g_autoptr(QDict) answer = evict_by_hand(g, bytes, min_age);
    g_autoptr(QDict) after = eviction(g);
    uint64_t went = model_evict(g, min_age_epochs, bytes);

    g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, went);
    g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, limit);
    g_assert_cmpuint(skipped(answer, "accessed"), ==, accessed);
    g_assert_cmpuint(skipped(answer, "huge-page"), ==, 0);
    g_assert_cmpuint(skipped(answer, "kept"), ==, 0);
    g_assert_cmpuint(skipped(after, "accessed"), ==,
                     skipped(before, "accessed") + accessed);
    g_assert_cmpuint(skipped(after, "kept"), ==, skipped(before, "kept"));
    if (went) {
        g_assert_cmpuint(qdict_get_int(after, "batches"), >,
                         qdict_get_int(before, "batches"));
        g_assert_cmpuint(qdict_get_int(after, "ranges"), >,
                         qdict_get_int(before, "ranges"));
        g_assert_cmpuint(qdict_get_int(after, "evict-time"), >,
                         qdict_get_int(before, "evict-time"));
    }
    check(g);
}

/* Give pages here and there an age, or access them. */
static void scatter(Guest *g, unsigned nth, unsigned which)
{
    uint64_t granule = g->vm->memory->granule / PAGE;

    for (uint64_t i = which * granule; i < NPAGES; i += nth * granule) {
        touch(g, i, 1);
        rwp_vm_touch(g->vm, i * PAGE, g->vm->memory->granule);
    }
}

static uint64_t touched_bytes(const Guest *g, int min_age)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < NPAGES; i++) {
        bytes += g->vm->touched[i] && !g->out[i] && g->vm->age[i] >= min_age ?
                 PAGE : 0;
    }
    return bytes;
}

/* All that was not accessed since the scan goes, and nothing else. */
static void test_pages(const void *data)
{
    Guest g;

    if (!guest_start(&g, data, "tracking=on")) {
        return;
    }
    fill(&g, 0, NPAGES);
    epoch(&g);
    epoch(&g);
    scatter(&g, 4, 1);
    epoch(&g);
    check(&g);

    /* These are in use. */
    scatter(&g, 4, 2);
    evict(&g, SIZE, 0, 0, "min-age", touched_bytes(&g, 0));
    rwp_vm_split(g.vm);
    g_assert_cmpuint(g.evicted, ==, SIZE / 4 * 3);

    /* What is out goes on ageing, and nothing came back. */
    epoch(&g);
    rwp_vm_check(g.vm);
    check(&g);
    epoch(&g);
    rwp_vm_check(g.vm);

    /* One page, the last one, and some in a row come back. */
    touch(&g, 0, 1);
    touch(&g, NPAGES - 1, 1);
    touch(&g, 11, 500);
    check(&g);
    epoch(&g);
    rwp_vm_check(g.vm);
    check(&g);
    g_assert_cmpuint(g.refaulted, >, 300 * PAGE);

    /* Written to, while it is out; and by a part of a page only. */
    fill(&g, 5, 2);
    epoch(&g);
    check(&g);

    /* Once more: what came back goes again. */
    epoch(&g);
    evict(&g, SIZE, 0, 0, "none", 0);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==, 0);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "present"), ==, SIZE);

    check_contents(&g);
    epoch(&g);
    check(&g);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==, SIZE);
    guest_stop(&g);
}

/* Accesses, scans and evictions in any order. */
static void test_random(const void *data)
{
    Guest g;

    if (!guest_start(&g, data, "tracking=on")) {
        return;
    }
    fill(&g, 0, NPAGES);
    epoch(&g);
    for (int i = 0; i < 60; i++) {
        for (int k = g_test_rand_int_range(0, 200); k > 0; k--) {
            touch(&g, g_test_rand_int_range(0, NPAGES), 1);
        }
        if (g_test_rand_bit()) {
            fill(&g, g_test_rand_int_range(0, NPAGES - 50),
                 g_test_rand_int_range(1, 50));
        }
        if (g_test_rand_int_range(0, 3)) {
            epoch(&g);
            check(&g);
        }
        if (!g_test_rand_int_range(0, 3)) {
            uint64_t bytes = g_test_rand_int_range(1, NPAGES / 4) * PAGE;
            g_autoptr(QDict) answer = evict_by_hand(&g, bytes, 0);

            g_assert_cmpuint(model_evict(&g, 0, bytes), ==,
                             qdict_get_int(answer, "evicted"));
            check(&g);
        }
    }
    check_contents(&g);
    epoch(&g);
    check(&g);
    guest_stop(&g);
}

/* Four sets of 4 MiB whose ages are 30, 20, 10 and 0 s. */
static void make_ages(Guest *g)
{
    for (int i = 0; i < 4; i++) {
        fill(g, i * NPAGES / 4, NPAGES / 4);
        step_seconds(g, 10);
        epoch(g);
    }
}

static void test_coldest_first(const void *data)
{
    const RwpMemory *memory = data;
    Guest g;

    if (!guest_start(&g, memory, "tracking=on")) {
        return;
    }
    make_ages(&g);

    /* Less than the oldest set, the rest of it, and a part of the next. */
    evict(&g, 2 * MiB, 0, 0, "none", 0);
    evict(&g, 2 * MiB, 0, 0, "none", 0);
    evict(&g, 2 * MiB, 0, 0, "none", 0);
    g_assert_cmpuint(cold_bytes(&g, 3, 3), ==, 0);
    g_assert_cmpuint(cold_bytes(&g, 2, 2), ==, 2 * MiB);
    /* Over the end of one. */
    evict(&g, 4 * MiB, 0, 0, "none", 0);
    g_assert_cmpuint(cold_bytes(&g, 2, 2), ==, 0);
    if (memory->granule == PAGE) {
        /* A single page, or the part of one. */
        evict(&g, PAGE, 0, 0, "none", 0);
        g_assert_cmpuint(qdict_get_int(evict_by_hand(&g, 1, 0), "evicted"), ==,
                         PAGE);
        g_assert_cmpuint(model_evict(&g, 0, PAGE), ==, PAGE);
        check(&g);
    }
    check_contents(&g);
    guest_stop(&g);
}

/* When the coldest are in use again, others go instead. */
static void test_coldest_in_use(void)
{
    Guest g;

    if (!guest_start(&g, rwp_memory("anon"), "tracking=on")) {
        return;
    }
    make_ages(&g);
    touch(&g, 0, NPAGES / 4);
    evict(&g, 6 * MiB, 0, 0, "none", 4 * MiB);
    g_assert_cmpuint(cold_bytes(&g, 2, 2), ==, 0);
    g_assert_cmpuint(cold_bytes(&g, 1, 1), ==, 2 * MiB);
    check_contents(&g);
    guest_stop(&g);
}

static void test_min_age(void)
{
    g_autoptr(QDict) answer = NULL;
    Guest g;

    if (!guest_start(&g, rwp_memory("anon"), "tracking=on,min-age=20")) {
        return;
    }
    make_ages(&g);
    evict(&g, SIZE, NEVER_COLD, 255, "min-age", 0);
    evict(&g, SIZE, 31, 4, "min-age", 0);
    evict(&g, SIZE, 21, 3, "min-age", 0);
    g_assert_cmpuint(g.evicted, ==, SIZE / 4);

    /* By default as the property says. */
    answer = qtest_qmp_assert_success_ref(g.qts, "{ 'execute':"
                                          " 'evict-cold-memory',"
                                          " 'arguments': { 'id': 'ram0',"
                                          " 'bytes': %" PRIu64 " } }",
                                          (uint64_t)SIZE);
    g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, SIZE / 4);
    g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "min-age");
    model_evict(&g, 2, SIZE);
    check(&g);
    evict(&g, SIZE, 1, 1, "min-age", 0);
    check_contents(&g);
    guest_stop(&g);
}

static void test_min_resident(void)
{
    Guest g;

    if (!guest_start(&g, rwp_memory("anon"),
                     "tracking=on,min-resident=12M")) {
        return;
    }
    make_ages(&g);
    {
        g_autoptr(QDict) answer = evict_by_hand(&g, SIZE, 0);

        g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, 4 * MiB);
        g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "min-resident");
        model_evict(&g, 0, 4 * MiB);
        check(&g);
    }
    /* It is not in the way of what is less. */
    qom_set(&g, "min-resident", "6291456");
    evict(&g, 4 * MiB, 0, 0, "none", 0);
    {
        g_autoptr(QDict) answer = evict_by_hand(&g, 4 * MiB, 0);

        g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, 2 * MiB);
        g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "min-resident");
        model_evict(&g, 0, 2 * MiB);
        check(&g);
    }
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==, 6 * MiB);
    guest_stop(&g);
}

/* A huge page goes as a whole or not at all. */
static void test_huge_page(void)
{
    static const struct {
        const char *min_resident;
        uint64_t bytes;
        uint64_t evicted;
        const char *limit;
    } steps[] = {
        { "0", 3 * MiB, 4 * MiB, "none" },
        { "0", 1, 2 * MiB, "none" },
        /* Room for less than one. */
        { "9437184", SIZE, 0, "min-resident" },
        { "9437184", PAGE, 0, "min-resident" },
        /* Room for one and a half. */
        { "7340032", SIZE, 2 * MiB, "min-resident" },
        { "18446744073709551615", SIZE, 0, "min-resident" },
    };
    Guest g;

    if (!guest_start(&g, rwp_memory("thp"), "tracking=on")) {
        return;
    }
    make_ages(&g);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        g_autoptr(QDict) answer = NULL;

        qom_set(&g, "min-resident", steps[i].min_resident);
        answer = evict_by_hand(&g, steps[i].bytes, 0);
        g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==,
                         steps[i].evicted);
        g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, steps[i].limit);
        g_assert_cmpuint(model_evict(&g, 0, steps[i].evicted), ==,
                         steps[i].evicted);
        check(&g);
    }
    check_contents(&g);
    guest_stop(&g);
}

/* QEMU that is told to end does not first evict all that it was asked to. */
static void test_interrupted(void)
{
    const uint64_t size = 192 * MiB;
    g_autofree char *args = rwp_vm_args(rwp_memory("anon"), size,
                                        "tracking=on," RWP_NEVER);
    QTestState *qts;
    QDict *answer = NULL, *result;
    uint64_t host, out = 0;
    int64_t start = 0;

    if (!host_usable(rwp_memory("anon"))) {
        return;
    }
    qts = qtest_initf("%s " QUIET, args);
    rwp_wait_state(qts, "ram0", "active");
    host = rwp_host_address(qts, rwp_vm_base());
    qtest_memset(qts, rwp_vm_base(), 0x5a, size);
    rwp_scan(qts, "ram0");
    rwp_scan(qts, "ram0");

    qtest_qmp_send(qts, "{ 'execute': 'evict-cold-memory', 'arguments': {"
                        " 'id': 'ram0', 'bytes': %" PRIu64 ","
                        " 'min-age': 0 } }", size);
    while (!out) {
        g_autofree uint64_t *entries = rwp_pagemap(qts, host, size);

        for (uint64_t p = 0; p < size / PAGE; p++) {
            out += !!(entries[p] & RWP_PAGEMAP_SWAPPED);
        }
        rwp_deadline(&start, "the first page to go");
    }
    g_assert_cmpint(kill(qtest_pid(qts), SIGTERM), ==, 0);
    while (!answer || !qdict_haskey(answer, "return")) {
        qobject_unref(answer);
        answer = qtest_qmp_receive_dict(qts);
    }
    result = qdict_get_qdict(answer, "return");
    g_assert_cmpstr(qdict_get_str(result, "limit"), ==, "inhibited");
    g_assert_cmpuint(qdict_get_int(result, "evicted"), <, size);
    qobject_unref(answer);
    qtest_wait_qemu(qts);
    qtest_quit(qts);
}

/* The policy */

/* Nothing that was asked of the evictor before is under way. */
static void settle(Guest *g)
{
    /* What follows from an epoch may have to wait for one of these. */
    for (int i = 0; i < 3; i++) {
        qobject_unref(evict_by_hand(g, PAGE, NEVER_COLD));
    }
}

static void wait_state(Guest *g, const char *state, const char *limit)
{
    g_autofree char *what = g_strdup_printf("%s, limit %s", state, limit);
    int64_t start = 0;

    while (true) {
        g_autoptr(QDict) info = eviction(g);

        if (g_str_equal(qdict_get_str(info, "state"), state) &&
            g_str_equal(qdict_get_str(info, "limit"), limit)) {
            return;
        }
        rwp_deadline(&start, what);
    }
}

/* The next event that tells something else than @state and @limit. */
static void wait_event(Guest *g, const char **state, const char **limit)
{
    while (true) {
        g_autoptr(QDict) event =
            qtest_qmp_eventwait_ref(g->qts, "EVICTION_STATE_CHANGE");
        QDict *data = qdict_get_qdict(event, "data");

        g_assert_cmpstr(qdict_get_str(data, "id"), ==, "ram0");
        g_assert_cmpstr(qdict_get_str(data, "qom-path"), ==, "/objects/ram0");
        if (g_strcmp0(qdict_get_str(data, "state"), *state) ||
            g_strcmp0(qdict_get_str(data, "limit"), *limit)) {
            *state = g_intern_string(qdict_get_str(data, "state"));
            *limit = g_intern_string(qdict_get_str(data, "limit"));
            g_test_message("eviction is %s, limit %s", *state, *limit);
            return;
        }
    }
}

/* Pages that are always in use, in the tests that follow. */
#define HOT 32

static void policy_epoch(Guest *g, unsigned seconds)
{
    touch(g, 0, HOT);
    step_seconds(g, seconds);
    epoch(g);
}

/* A guest of which enough is known that all but the hot pages could go. */
static bool start_learned(Guest *g, const char *options)
{
    g_autofree char *all = g_strdup_printf("tracking=on," EPOCH ",min-age=600"
                                           "%s", options);

    if (!guest_start(g, rwp_memory("anon"), all)) {
        return false;
    }
    fill(g, 0, NPAGES);
    while (g->vm->epochs < 24) {
        policy_epoch(g, EPOCH_S);
    }
    return true;
}

/* @bytes of cold memory, the coldest, go by themselves. */
static void expect_evicted(Guest *g, uint64_t bytes)
{
    wait_evicted(g, g->evicted + bytes);
    settle(g);
    g_assert_cmpuint(model_evict(g, 1, bytes), ==, bytes);
    check(g);
}

static void test_by_itself(void)
{
    const char *state = NULL, *limit = NULL;
    Guest g;

    if (!guest_start(&g, rwp_memory("anon"),
                     "tracking=on," EPOCH ",min-age=600")) {
        return;
    }
    fill(&g, 0, NPAGES);
    policy_epoch(&g, EPOCH_S);
    policy_epoch(&g, EPOCH_S);
    /* Nothing goes that was not asked to. */
    wait_state(&g, "off", "none");
    qom_set(&g, "evict", "'pageout'");
    wait_state(&g, "learning", "learning");
    wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "learning");
    g_assert_cmpstr(limit, ==, "learning");
    while (g.vm->epochs < 23) {
        policy_epoch(&g, EPOCH_S);
        settle(&g);
        check(&g);
    }
    g_assert_false(g.evicted);

    policy_epoch(&g, EPOCH_S);
    wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "active");
    g_assert_cmpstr(limit, ==, "min-age");
    expect_evicted(&g, (NPAGES - HOT) * PAGE);

    /* And that was that. */
    policy_epoch(&g, EPOCH_S);
    settle(&g);
    check(&g);

    qom_set(&g, "evict", "'off'");
    wait_state(&g, "off", "none");
    step_seconds(&g, 2);
    wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "off");
    fill(&g, HOT, 100);
    for (int i = 0; i < 5; i++) {
        policy_epoch(&g, EPOCH_S);
        settle(&g);
        check(&g);
    }
    guest_stop(&g);
}

static void test_min_resident_policy(void)
{
    Guest g;

    if (!start_learned(&g, ",evict=pageout,min-resident=10M")) {
        return;
    }
    expect_evicted(&g, SIZE - 10 * MiB);
    policy_epoch(&g, EPOCH_S);
    wait_state(&g, "limited", "min-resident");
    settle(&g);
    check(&g);
    guest_stop(&g);
}

static void test_target_resident(void)
{
    Guest g;

    if (!start_learned(&g, ",evict=pageout,target-resident=8M")) {
        return;
    }
    expect_evicted(&g, SIZE - 8 * MiB);
    policy_epoch(&g, EPOCH_S);
    wait_state(&g, "limited", "target-resident");
    settle(&g);
    check(&g);

    /* By hand it may be less. */
    evict(&g, 2 * MiB, 600, 2, "none", 0);
    qom_set(&g, "target-resident", "4194304");
    policy_epoch(&g, EPOCH_S);
    expect_evicted(&g, 2 * MiB);
    guest_stop(&g);
}

/* In any time, it is the rate times that time. */
static void test_max_rate(void)
{
    Guest g;

    if (!start_learned(&g, "")) {
        return;
    }
    qom_set_size(&g, "max-rate", 2 * MiB);
    qom_set(&g, "evict", "'pageout'");
    for (int i = 0; i < 4; i++) {
        policy_epoch(&g, 1);
        expect_evicted(&g, 2 * MiB);
        wait_state(&g, "limited", "max-rate");
    }
    /* Without a limit, the rest. */
    qom_set_size(&g, "max-rate", 0);
    policy_epoch(&g, 1);
    expect_evicted(&g, SIZE - HOT * PAGE - 8 * MiB);
    guest_stop(&g);
}

/* A sixth of the day's budget in an hour. */
static void test_write_budget(void)
{
    unsigned hour = 3600 / EPOCH_S;
    Guest g;

    if (!start_learned(&g, ",evict=pageout,write-budget=36M")) {
        return;
    }
    expect_evicted(&g, 6 * MiB);
    for (unsigned i = 1; i < hour; i++) {
        policy_epoch(&g, EPOCH_S);
        settle(&g);
        check(&g);
        wait_state(&g, "limited", "write-budget");
    }
    for (unsigned i = 0; i < 2; i++) {
        policy_epoch(&g, EPOCH_S);
    }
    expect_evicted(&g, 6 * MiB);

    /* What goes by hand counts as well. */
    evict(&g, 1 * MiB, 0, 0, "none", 0);
    qom_set_size(&g, "write-budget", 42 * MiB);
    for (unsigned i = 1; i < 3; i++) {
        policy_epoch(&g, EPOCH_S);
        wait_state(&g, "limited", "write-budget");
        settle(&g);
        check(&g);
    }
    guest_stop(&g);
}

/* A host that is never that short of memory. */
static void test_host_pressure(void)
{
    Guest g;

    if (access("/proc/pressure/memory", R_OK)) {
        g_test_skip("the host does not tell its memory pressure");
        return;
    }
    if (!start_learned(&g, ",evict=pageout,host-pressure=100")) {
        return;
    }
    wait_state(&g, "limited", "host-pressure");
    check(&g);
    /* By hand it does not matter. */
    evict(&g, 1 * MiB, 0, 0, "none", 0);
    qom_set(&g, "host-pressure", "0");
    policy_epoch(&g, EPOCH_S);
    expect_evicted(&g, SIZE - HOT * PAGE - 1 * MiB);
    guest_stop(&g);
}

/* While tracking stands aside, nothing goes. */
static void test_inhibited(void)
{
    g_autofree char *file = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    const char *state = NULL, *limit = NULL;
    Guest g;

    if (!start_learned(&g, ",evict=pageout")) {
        return;
    }
    expect_evicted(&g, SIZE - HOT * PAGE);
    fill(&g, HOT, 512);
    epoch(&g);
    step_seconds(&g, 2);
    do {
        wait_event(&g, &state, &limit);
    } while (g_str_equal(state, "learning"));

    /* So slow that it does not end by itself. */
    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate-set-parameters',"
                             " 'arguments': { 'max-bandwidth': 4096,"
                             " 'downtime-limit': 1 } }");
    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate', 'arguments': {"
                             " 'uri': %s } }", uri);
    rwp_wait_state(g.qts, "ram0", "suspended");
    wait_state(&g, "inhibited", "inhibited");
    step_seconds(&g, 2);
    do {
        wait_event(&g, &state, &limit);
    } while (!g_str_equal(state, "inhibited"));
    g_assert_cmpstr(limit, ==, "inhibited");
    rwp_assert_error(g.qts, "", "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'id': 'ram0', 'bytes': 4096,"
                     " 'min-age': 0 } }");
    g_assert_cmpuint(eviction_int(&g, "evicted"), ==, g.evicted);

    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate_cancel' }");
    rwp_wait_state(g.qts, "ram0", "active");
    unlink(file);
    step_seconds(&g, 2);
    do {
        wait_event(&g, &state, &limit);
    } while (g_str_equal(state, "inhibited"));
    guest_stop(&g);
}

static bool migration_ended(Guest *g)
{
    g_autoptr(QDict) info =
        qtest_qmp_assert_success_ref(g->qts, "{ 'execute':"
                                     " 'query-migrate' }");
    const char *status = qdict_get_try_str(info, "status");

    g_assert_cmpstr(status, !=, "failed");
    return !g_strcmp0(status, "completed");
}

/* Pages that were out and are in now. */
static uint64_t pages_back(Guest *g)
{
    uint64_t back = 0;

    look(g);
    for (uint64_t i = 0; i < NPAGES; i++) {
        back += g->out[i] && g->in[i];
    }
    return back;
}

/*
 * A migration reads all that is out, and lets it go again: never is much of it
 * in.  That is no refault.
 */
static void test_given_back(const void *data)
{
    const uint64_t most = NPAGES / 2;
    g_autofree char *file = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    uint64_t back, evicted;
    int64_t start = 0;
    Guest g;

    if (!guest_start(&g, data, "tracking=on")) {
        return;
    }
    fill(&g, 0, NPAGES);
    epoch(&g);
    epoch(&g);
    touch(&g, 256, 64);
    evict(&g, SIZE, 0, 0, "min-age", touched_bytes(&g, 0));
    rwp_vm_split(g.vm);
    g_assert_cmpuint(g.evicted, >, SIZE / 4 * 3);
    evicted = g.evicted;

    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate-set-capabilities',"
                             " 'arguments': { 'capabilities': [ {"
                             " 'capability': 'page-heat', 'state': true } ]"
                             " } }");
    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate-set-parameters',"
                             " 'arguments': { 'max-bandwidth': 4194304,"
                             " 'downtime-limit': 1 } }");
    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate', 'arguments': {"
                             " 'uri': %s } }", uri);
    while (!migration_ended(&g)) {
        back = pages_back(&g);
        if (back > most) {
            g_error("%" PRIu64 " of %" PRIu64 " pages are in at once", back,
                    evicted / PAGE);
        }
        rwp_deadline(&start, "migration");
    }
    rwp_wait_state(g.qts, "ram0", "active");
    rwp_vm_suspended(g.vm);
    back = pages_back(&g);
    g_assert_cmpuint(back, <=, most);
    for (uint64_t i = 0; i < NPAGES; i++) {
        g.out[i] = g.out[i] && !g.in[i];
    }
    g.evicted = eviction_int(&g, "evicted");
    g_test_message("went again: %" PRIu64 " of %" PRIu64 " pages",
                   (g.evicted - evicted) / PAGE, evicted / PAGE);
    g_assert_cmpuint(g.evicted - evicted, >=, evicted - most * PAGE);

    epoch(&g);
    check(&g);
    touch(&g, 1000, 10);
    epoch(&g);
    check(&g);
    check_contents(&g);
    guest_stop(&g);
    unlink(file);
}

/*
 * The policy against a model that knows the whole trace
 */

#define AGES        (RWP_AGE_LIMIT + 1)
#define TARGET      3       /* percent */
#define MIN_AGE     2       /* epochs */
#define WINDOW_S    (2 * EPOCH_S)
#define SET         64      /* pages */
#define PHASE       512     /* the first page that is hot later */
#define TRACE       72      /* epochs */
#define HISTORY     60      /* ... of which these count */

typedef struct Trace {
    /* Of each epoch so far: how many pages came back, of which age or more. */
    uint64_t back[TRACE][AGES];
    uint64_t allowed[TRACE];
    unsigned epochs;
} Trace;

/* As a rate a minute, parts rounded up. */
static uint64_t a_minute(uint64_t pages)
{
    return DIV_ROUND_UP(pages * 60, EPOCH_S);
}

static unsigned best_age(const Trace *t, unsigned i)
{
    uint64_t spare = 0, aimed;
    unsigned age = 0;

    /* Two standard deviations are left to chance. */
    while (spare * spare < 4 * t->allowed[i]) {
        spare++;
    }
    aimed = MAX(t->allowed[i], spare + 1) - spare;
    while (age < AGES && a_minute(t->back[i][age]) > aimed) {
        age++;
    }
    return age;
}

/* The first one that still counts. */
static unsigned oldest(const Trace *t)
{
    return t->epochs - MIN(t->epochs, HISTORY);
}

static int compare(const void *a, const void *b)
{
    return *(const unsigned *)a - *(const unsigned *)b;
}

/* The age from which pages are cold, or AGES if none is. */
static unsigned model_cold_age(const Trace *t, uint64_t refaulted,
                               uint64_t epochs, const char **state,
                               const char **limit)
{
    unsigned best[HISTORY];
    unsigned n = 0, age, last = t->epochs - 1;

    for (unsigned i = oldest(t); i < t->epochs; i++) {
        best[n++] = best_age(t, i);
    }
    age = best[n - 1];
    qsort(best, n, sizeof(best[0]), compare);
    age = MAX(age, best[DIV_ROUND_UP(n * 98, 100) - 1]);

    *state = *limit = "learning";
    if (epochs < 24) {
        return AGES;
    }
    if (age == AGES || a_minute(refaulted) > t->allowed[last]) {
        *state = "limited";
        *limit = "refault-target";
        return AGES;
    }
    if (age > MIN_AGE && age + MIN(age, 8) > epochs) {
        /* It has not been watched for long enough. */
        *state = "limited";
        *limit = "refault-target";
        return AGES;
    }
    *state = "active";
    *limit = age > MIN_AGE ? "refault-target" : "min-age";
    return MAX(age, MIN_AGE);
}

static uint64_t working_set(Guest *g)
{
    g_autoptr(QDict) rsp = NULL;
    QDict *info, *window;

    rsp = qtest_qmp(g->qts, "{ 'execute': 'query-working-set', 'arguments': {"
                    " 'id': 'ram0', 'windows': [ %d ] } }", WINDOW_S);
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    window = qobject_to(QDict,
                        qlist_peek(qdict_get_qlist(info, "working-set")));
    return qdict_get_int(window, "bytes") / PAGE;
}

static void check_what_if(Guest *g, const Trace *t)
{
    static const unsigned ages[] = { 1, 2, 3, 5, 8, 13, 21, 34, 200 };
    g_autoptr(QDict) rsp = NULL;
    const QListEntry *entry;
    QDict *info;
    size_t i = 0;

    /* The first one ends in the middle of an interval. */
    rsp = qtest_qmp(g->qts, "{ 'execute': 'query-working-set', 'arguments': {"
                    " 'id': 'ram0', 'thresholds': [ %d, %d, %d, %d, %d, %d,"
                    " %d, %d, %d ] } }", 1, 2 * EPOCH_S, 2 * EPOCH_S + 1,
                    5 * EPOCH_S, 8 * EPOCH_S, 13 * EPOCH_S, 21 * EPOCH_S,
                    34 * EPOCH_S, 200 * EPOCH_S);
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "what-if"), entry) {
        QDict *w = qobject_to(QDict, qlist_entry_obj(entry));
        unsigned age = ages[i++];
        uint64_t bytes = 0, sum = 0, worst = 0;

        g_assert_cmpuint(qdict_get_int(w, "min-age"), ==, age);
        if (age > g->vm->epochs) {
            g_assert_false(qdict_get_bool(w, "complete"));
        }
        if (!qdict_get_bool(w, "complete")) {
            g_assert_cmpuint(age + 2, >=, g->vm->epochs);
            g_assert_cmpuint(qdict_get_int(w, "bytes"), ==, 0);
            g_assert_cmpuint(qdict_get_int(w, "promotions"), ==, 0);
            g_assert_cmpuint(qdict_get_int(w, "promotions-max"), ==, 0);
            continue;
        }
        for (uint64_t page = 0; page < NPAGES; page++) {
            bytes += g->vm->age[page] >= (int)age ? PAGE : 0;
        }
        for (unsigned k = oldest(t); k < t->epochs; k++) {
            uint64_t rate = a_minute(t->back[k][age]);

            sum += rate;
            worst = MAX(worst, rate);
        }
        g_assert_cmpuint(qdict_get_int(w, "bytes"), ==, bytes);
        g_assert_cmpuint(qdict_get_int(w, "minutes"), ==,
                         t->epochs - oldest(t));
        g_assert_cmpuint(qdict_get_int(w, "promotions"), ==,
                         DIV_ROUND_UP(sum, t->epochs - oldest(t)) * PAGE);
        g_assert_cmpuint(qdict_get_int(w, "promotions-max"), ==,
                         worst * PAGE);
    }
    g_assert_cmpuint(i, ==, ARRAY_SIZE(ages));
}

/* What the guest does in an epoch. */
static void trace_accesses(Guest *g, unsigned n)
{
    /* Hot; from a phase change on it is memory that had long gone. */
    if (n < 50) {
        touch(g, 0, SET);
    } else {
        touch(g, PHASE, SET);
    }
    /* Warm: all at once, every fifth epoch; and the same, bit by bit. */
    if (n % 5 == 0) {
        touch(g, SET, SET / 4);
    }
    touch(g, 2 * SET + n % 7 * 4, 4);
    /* A few here and there. */
    for (int i = 0; i < 3; i++) {
        touch(g, g_test_rand_int_range(3 * SET, 4 * SET), 1);
    }
}

static void test_trace(void)
{
    g_autofree Trace *t = g_new0(Trace, 1);
    const char *state = "learning", *limit = "learning";
    unsigned phase = 0;
    Guest g;

    if (!guest_start(&g, rwp_memory("anon"), "tracking=on,evict=pageout," EPOCH
                     ",refault-target=3,min-age=600,working-set-window=600")) {
        return;
    }
    g_assert_cmpint(WINDOW_S, ==, 600);
    g_assert_cmpint(MIN_AGE * EPOCH_S, ==, 600);
    fill(&g, 0, NPAGES);

    for (unsigned n = 0; n < TRACE; n++) {
        uint64_t refaulted = g.refaulted, before = g.evicted, went;
        const char *new_state, *new_limit;
        g_autoptr(QDict) info = NULL;
        unsigned cold_age;

        if (n) {
            trace_accesses(&g, n);
        }
        for (uint64_t i = 0; i < NPAGES; i++) {
            for (int age = 0; g.vm->touched[i] && age <= g.vm->age[i]; age++) {
                t->back[n][age]++;
            }
        }
        step_seconds(&g, EPOCH_S);
        epoch(&g);
        t->allowed[n] = MAX(1, working_set(&g) * TARGET / 100);
        t->epochs = n + 1;
        refaulted = (g.refaulted - refaulted) / PAGE;
        cold_age = model_cold_age(t, refaulted, g.vm->epochs, &new_state,
                                  &new_limit);

        /* It does as the model says ... */
        wait_state(&g, new_state, new_limit);
        if (!g_str_equal(state, new_state) || !g_str_equal(limit, new_limit)) {
            const char *s = state, *l = limit;

            wait_event(&g, &s, &l);
            g_assert_cmpstr(s, ==, new_state);
            g_assert_cmpstr(l, ==, new_limit);
        }
        state = new_state;
        limit = new_limit;
        went = cold_age == AGES ? 0 : cold_bytes(&g, cold_age, RWP_AGE_LIMIT);
        expect_evicted(&g, went);
        g_assert_cmpuint(g.evicted, ==, before + went);

        /* ... and says so. */
        info = eviction(&g);
        g_assert_cmpint(qdict_get_try_int(info, "cold-age", AGES), ==,
                        cold_age);
        g_assert_cmpuint(qdict_get_int(info, "allowed"), ==,
                         t->allowed[n] * PAGE);
        g_assert_cmpuint(qdict_get_int(info, "refaults"), ==,
                         a_minute(refaulted) * PAGE);
        if (cold_age < AGES) {
            g_assert_cmpuint(qdict_get_int(info, "promotions"), ==,
                             a_minute(t->back[n][cold_age]) * PAGE);
        }
        check_what_if(&g, t);

        if (n == 49) {
            /* There is something to come back in the next phase. */
            g_assert_cmpstr(state, ==, "active");
            g_assert_true(g.out[PHASE]);
            phase = g.refaulted / PAGE;
        }
        if (n == 50) {
            /* Within one epoch. */
            g_assert_cmpuint(g.refaulted / PAGE - phase, >=, SET);
            g_assert_cmpstr(state, ==, "limited");
            g_assert_cmpuint(went, ==, 0);
        }
    }
    check_contents(&g);
    guest_stop(&g);
}

static const struct {
    const char *name;
    GTestDataFunc fn;
    const char *memories;
} by_memory[] = {
    { "pages", test_pages, "anon thp memfd" },
    { "random", test_random, "anon memfd" },
    { "coldest-first", test_coldest_first, "anon thp memfd" },
    { "given-back", test_given_back, "anon thp memfd" },
};

static const struct {
    const char *name;
    void (*fn)(void);
} once[] = {
    { "coldest-in-use", test_coldest_in_use },
    { "min-age", test_min_age },
    { "min-resident", test_min_resident },
    { "huge-page", test_huge_page },
    { "interrupted", test_interrupted },
    { "by-itself", test_by_itself },
    { "policy-min-resident", test_min_resident_policy },
    { "target-resident", test_target_resident },
    { "max-rate", test_max_rate },
    { "write-budget", test_write_budget },
    { "host-pressure", test_host_pressure },
    { "inhibited", test_inhibited },
    { "trace", test_trace },
};

int main(int argc, char **argv)
{
    cpu_set_t one;

    g_test_init(&argc, &argv, NULL);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    g_assert_cmpint(sched_setaffinity(0, sizeof(one), &one), ==, 0);

    for (size_t i = 0; i < ARRAY_SIZE(by_memory); i++) {
        g_auto(GStrv) names = g_strsplit(by_memory[i].memories, " ", 0);

        for (char **name = names; *name; name++) {
            g_autofree char *path = g_strdup_printf("/rwp/evict/%s/%s",
                                                    by_memory[i].name, *name);

            rwp_qtest_add_data(path, rwp_memory(*name), by_memory[i].fn);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/evict/%s", once[i].name);

        rwp_qtest_add(path, once[i].fn);
    }
    return g_test_run();
}
