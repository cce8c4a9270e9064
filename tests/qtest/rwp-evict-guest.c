/*
 * A guest whose memory is evicted, and the model of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include "rwp-ages.h"
#include "rwp-evict-guest.h"

#define BLOCK       (32 * KiB)      /* longer qtest commands cost the square */

#define SECOND_NS   1000000000LL

/* No timer of the board fires while the clock is stepped. */
#define QUIET       "-machine pit=off"

void evict_test_init(int *argc, char ***argv)
{
    cpu_set_t one;

    g_test_init(argc, argv, NULL);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    g_assert_cmpint(sched_setaffinity(0, sizeof(one), &one), ==, 0);
}

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

void evict_look(EvictGuest *g)
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

static void guest_attach(EvictGuest *g, QTestState *qts,
                         const RwpMemory *memory)
{
    *g = (EvictGuest) { .qts = qts };
    g->vm = rwp_vm_attach(qts, memory, "ram0", rwp_vm_base(), SIZE);
    g->host = rwp_host_address(qts, g->vm->base);
    if (memory->shared) {
        g->file = map_file_of(qtest_pid(qts), g->host);
    }
}

bool evict_host_usable(const RwpMemory *memory, uint64_t swap)
{
    struct sysinfo info;

    g_assert_cmpint(sysinfo(&info), ==, 0);
    if ((uint64_t)info.freeswap * info.mem_unit < swap) {
        g_autofree char *why =
            g_strdup_printf("this RWP test needs %" PRIu64 " MiB of free swap"
                            " space", swap / MiB);

        g_test_skip(why);
        return false;
    }
    return rwp_memory_usable(memory, SIZE);
}

bool evict_guest_start(EvictGuest *g, const RwpMemory *memory,
                       const char *options)
{
    g_autofree char *args = rwp_vm_args(memory, SIZE, options);

    if (!evict_host_usable(memory, 4 * SIZE)) {
        return false;
    }
    guest_attach(g, qtest_initf("%s " QUIET, args), memory);
    return true;
}

void evict_guest_stop(EvictGuest *g)
{
    if (g->file) {
        munmap(g->file, SIZE);
    }
    rwp_vm_free(g->vm);
}

void evict_step_seconds(EvictGuest *g, unsigned seconds)
{
    qtest_clock_step(g->qts, seconds * SECOND_NS);
}

void evict_qom_set_size(EvictGuest *g, const char *property, uint64_t bytes)
{
    g_autofree char *value = g_strdup_printf("%" PRIu64, bytes);

    rwp_qom_set(g->qts, property, value);
}

/* Each word of each page is different, and from round to round. */
static uint64_t word_of(const EvictGuest *g, uint64_t page, uint64_t word)
{
    uint64_t x = page << 20 | (uint64_t)g->round[page] << 10 | word;

    x = (x + 1) * 0x9e3779b97f4a7c15ULL;
    return x ^ x >> 29;
}

void evict_fill(EvictGuest *g, uint64_t first, uint64_t count)
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

void evict_touch(EvictGuest *g, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        uint64_t word = i % (PAGE / sizeof(uint64_t));

        g_assert_cmphex(qtest_readq(g->qts, g->vm->base + i * PAGE +
                                    word * sizeof(uint64_t)), ==,
                        word_of(g, i, word));
    }
    rwp_vm_touch(g->vm, first * PAGE, count * PAGE);
}

void evict_check_contents(EvictGuest *g)
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

void evict_epoch(EvictGuest *g)
{
    for (uint64_t i = 0; i < NPAGES; i++) {
        if (g->vm->touched[i] && g->out[i]) {
            g->out[i] = false;
            g->refaulted += PAGE;
        }
    }
    rwp_vm_epoch(g->vm);
}

static bool may_go(const EvictGuest *g, uint64_t page, int min_age, int max_age)
{
    int age = g->vm->age[page];

    return !g->out[page] && !g->vm->touched[page] && age >= min_age &&
           age <= max_age;
}

uint64_t evict_cold_bytes(const EvictGuest *g, int min_age, int max_age)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < NPAGES; i++) {
        bytes += may_go(g, i, min_age, max_age) ? PAGE : 0;
    }
    return bytes;
}

uint64_t evict_model(EvictGuest *g, int min_age, uint64_t bytes)
{
    uint64_t left = bytes;

    evict_look(g);
    for (int age = RWP_AGE_LIMIT; age >= min_age && left; age--) {
        uint64_t group = evict_cold_bytes(g, age, age);
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

QDict *evict_info(EvictGuest *g)
{
    g_autoptr(QDict) info = rwp_query(g->qts, "ram0");

    return qobject_ref(qdict_get_qdict(info, "eviction"));
}

uint64_t evict_info_int(EvictGuest *g, const char *member)
{
    g_autoptr(QDict) info = evict_info(g);

    return qdict_get_int(info, member);
}

void evict_check(EvictGuest *g)
{
    g_autoptr(QDict) info = rwp_query(g->qts, "ram0");
    QDict *evict = qdict_get_qdict(info, "eviction");
    uint64_t resident = 0;

    evict_look(g);
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

void evict_wait(EvictGuest *g, uint64_t bytes)
{
    int64_t start = 0;
    uint64_t now;

    while ((now = evict_info_int(g, "evicted")) < bytes) {
        rwp_deadline(&start, "eviction");
    }
    g_assert_cmpuint(now, ==, bytes);
}

QDict *evict_by_hand(EvictGuest *g, uint64_t bytes, uint32_t min_age)
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

void evict_and_check(EvictGuest *g, uint64_t bytes, uint32_t min_age,
                     int min_age_epochs, const char *limit, uint64_t accessed)
{
    g_autoptr(QDict) before = evict_info(g);
    g_autoptr(QDict) answer = evict_by_hand(g, bytes, min_age);
    g_autoptr(QDict) after = evict_info(g);
    uint64_t went = evict_model(g, min_age_epochs, bytes);

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
    evict_check(g);
}

uint64_t evict_touched_bytes(const EvictGuest *g, int min_age)
{
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < NPAGES; i++) {
        bytes += g->vm->touched[i] && !g->out[i] && g->vm->age[i] >= min_age ?
                 PAGE : 0;
    }
    return bytes;
}
