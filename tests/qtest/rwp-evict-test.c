/*
 * evict-cold-memory: what is evicted is what a model says, to the page
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include "rwp-evict-guest.h"

/* Give pages here and there an age, or access them. */
static void scatter(EvictGuest *g, unsigned nth, unsigned which)
{
    uint64_t granule = g->vm->memory->granule / PAGE;

    for (uint64_t i = which * granule; i < NPAGES; i += nth * granule) {
        evict_touch(g, i, 1);
        rwp_vm_touch(g->vm, i * PAGE, g->vm->memory->granule);
    }
}

/* All that was not accessed since the scan goes, and nothing else. */
static void test_pages(const void *data)
{
    EvictGuest g;

    if (!evict_guest_start(&g, data, "tracking=on")) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    evict_epoch(&g);
    evict_epoch(&g);
    scatter(&g, 4, 1);
    evict_epoch(&g);
    evict_check(&g);

    /* These are in use. */
    scatter(&g, 4, 2);
    evict_and_check(&g, SIZE, 0, 0, "min-age", evict_touched_bytes(&g, 0));
    rwp_vm_split(g.vm);
    g_assert_cmpuint(g.evicted, ==, SIZE / 4 * 3);

    /* What is out goes on ageing, and nothing came back. */
    evict_epoch(&g);
    rwp_vm_check(g.vm);
    evict_check(&g);
    evict_epoch(&g);
    rwp_vm_check(g.vm);

    /* One page, the last one, and some in a row come back. */
    evict_touch(&g, 0, 1);
    evict_touch(&g, NPAGES - 1, 1);
    evict_touch(&g, 11, 500);
    evict_check(&g);
    evict_epoch(&g);
    rwp_vm_check(g.vm);
    evict_check(&g);
    g_assert_cmpuint(g.refaulted, >, 300 * PAGE);

    /* Written to, while it is out; and by a part of a page only. */
    evict_fill(&g, 5, 2);
    evict_epoch(&g);
    evict_check(&g);

    /* Once more: what came back goes again. */
    evict_epoch(&g);
    evict_and_check(&g, SIZE, 0, 0, "none", 0);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==, 0);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "present"), ==, SIZE);

    evict_check_contents(&g);
    evict_epoch(&g);
    evict_check(&g);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==, SIZE);
    evict_guest_stop(&g);
}

/* Accesses, scans and evictions in any order. */
static void test_random(const void *data)
{
    EvictGuest g;

    if (!evict_guest_start(&g, data, "tracking=on")) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    evict_epoch(&g);
    for (int i = 0; i < 60; i++) {
        for (int k = g_test_rand_int_range(0, 200); k > 0; k--) {
            evict_touch(&g, g_test_rand_int_range(0, NPAGES), 1);
        }
        if (g_test_rand_bit()) {
            evict_fill(&g, g_test_rand_int_range(0, NPAGES - 50),
                       g_test_rand_int_range(1, 50));
        }
        if (g_test_rand_int_range(0, 3)) {
            evict_epoch(&g);
            evict_check(&g);
        }
        if (!g_test_rand_int_range(0, 3)) {
            uint64_t bytes = g_test_rand_int_range(1, NPAGES / 4) * PAGE;
            g_autoptr(QDict) answer = evict_by_hand(&g, bytes, 0);

            g_assert_cmpuint(evict_model(&g, 0, bytes), ==,
                             qdict_get_int(answer, "evicted"));
            evict_check(&g);
        }
    }
    evict_check_contents(&g);
    evict_epoch(&g);
    evict_check(&g);
    evict_guest_stop(&g);
}

/* Four sets of 4 MiB whose ages are 30, 20, 10 and 0 s. */
static void make_ages(EvictGuest *g)
{
    for (int i = 0; i < 4; i++) {
        evict_fill(g, i * NPAGES / 4, NPAGES / 4);
        evict_step_seconds(g, 10);
        evict_epoch(g);
    }
}

static void test_coldest_first(const void *data)
{
    const RwpMemory *memory = data;
    EvictGuest g;

    if (!evict_guest_start(&g, memory, "tracking=on")) {
        return;
    }
    make_ages(&g);

    /* Less than the oldest set, the rest of it, and a part of the next. */
    evict_and_check(&g, 2 * MiB, 0, 0, "none", 0);
    evict_and_check(&g, 2 * MiB, 0, 0, "none", 0);
    evict_and_check(&g, 2 * MiB, 0, 0, "none", 0);
    g_assert_cmpuint(evict_cold_bytes(&g, 3, 3), ==, 0);
    g_assert_cmpuint(evict_cold_bytes(&g, 2, 2), ==, 2 * MiB);
    /* Over the end of one. */
    evict_and_check(&g, 4 * MiB, 0, 0, "none", 0);
    g_assert_cmpuint(evict_cold_bytes(&g, 2, 2), ==, 0);
    if (memory->granule == PAGE) {
        /* A single page, or the part of one. */
        evict_and_check(&g, PAGE, 0, 0, "none", 0);
        g_assert_cmpuint(qdict_get_int(evict_by_hand(&g, 1, 0), "evicted"), ==,
                         PAGE);
        g_assert_cmpuint(evict_model(&g, 0, PAGE), ==, PAGE);
        evict_check(&g);
    }
    evict_check_contents(&g);
    evict_guest_stop(&g);
}

/* When the coldest are in use again, others go instead. */
static void test_coldest_in_use(void)
{
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"), "tracking=on")) {
        return;
    }
    make_ages(&g);
    evict_touch(&g, 0, NPAGES / 4);
    evict_and_check(&g, 6 * MiB, 0, 0, "none", 4 * MiB);
    g_assert_cmpuint(evict_cold_bytes(&g, 2, 2), ==, 0);
    g_assert_cmpuint(evict_cold_bytes(&g, 1, 1), ==, 2 * MiB);
    evict_check_contents(&g);
    evict_guest_stop(&g);
}

static void test_min_age(void)
{
    g_autoptr(QDict) answer = NULL;
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"), "tracking=on,min-age=20")) {
        return;
    }
    make_ages(&g);
    evict_and_check(&g, SIZE, NEVER_COLD, 255, "min-age", 0);
    evict_and_check(&g, SIZE, 31, 4, "min-age", 0);
    evict_and_check(&g, SIZE, 21, 3, "min-age", 0);
    g_assert_cmpuint(g.evicted, ==, SIZE / 4);

    /* By default as the property says. */
    answer = qtest_qmp_assert_success_ref(g.qts, "{ 'execute':"
                                          " 'evict-cold-memory',"
                                          " 'arguments': { 'id': 'ram0',"
                                          " 'bytes': %" PRIu64 " } }",
                                          (uint64_t)SIZE);
    g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, SIZE / 4);
    g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "min-age");
    evict_model(&g, 2, SIZE);
    evict_check(&g);
    evict_and_check(&g, SIZE, 1, 1, "min-age", 0);
    evict_check_contents(&g);
    evict_guest_stop(&g);
}

static void test_min_resident(void)
{
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"),
                           "tracking=on,min-resident=12M")) {
        return;
    }
    make_ages(&g);
    {
        g_autoptr(QDict) answer = evict_by_hand(&g, SIZE, 0);

        g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, 4 * MiB);
        g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "min-resident");
        evict_model(&g, 0, 4 * MiB);
        evict_check(&g);
    }
    /* It is not in the way of what is less. */
    rwp_qom_set(g.qts, "min-resident", "6291456");
    evict_and_check(&g, 4 * MiB, 0, 0, "none", 0);
    {
        g_autoptr(QDict) answer = evict_by_hand(&g, 4 * MiB, 0);

        g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, 2 * MiB);
        g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "min-resident");
        evict_model(&g, 0, 2 * MiB);
        evict_check(&g);
    }
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==, 6 * MiB);
    evict_guest_stop(&g);
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
        { "9223372036854775807", SIZE, 0, "min-resident" },
    };
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("thp"), "tracking=on")) {
        return;
    }
    make_ages(&g);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        g_autoptr(QDict) answer = NULL;

        rwp_qom_set(g.qts, "min-resident", steps[i].min_resident);
        answer = evict_by_hand(&g, steps[i].bytes, 0);
        g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==,
                         steps[i].evicted);
        g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, steps[i].limit);
        g_assert_cmpuint(evict_model(&g, 0, steps[i].evicted), ==,
                         steps[i].evicted);
        evict_check(&g);
    }
    evict_check_contents(&g);
    evict_guest_stop(&g);
}

/* Someone else has @bytes of memory from page @first on paged out. */
static void page_out(EvictGuest *g, uint64_t first, uint64_t bytes)
{
    struct iovec iov = {
        .iov_base = (void *)(uintptr_t)(g->host + first * PAGE),
        .iov_len = bytes,
    };
    int fd = syscall(SYS_pidfd_open, qtest_pid(g->qts), 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(syscall(SYS_process_madvise, fd, &iov, 1,
                            MADV_PAGEOUT, 0), ==, bytes);
    close(fd);
}

/* What the host has paged out by itself counts: so much less goes. */
static void test_min_resident_host(void)
{
    static const uint64_t others[] = { 6 * MiB, 8 * MiB, 12 * MiB };

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        uint64_t left = SIZE - others[i], room = left - MIN(left, SIZE / 2);
        g_autoptr(QDict) answer = NULL;
        EvictGuest g;

        if (!evict_guest_start(&g, rwp_memory("anon"),
                               "tracking=on,min-resident=8M")) {
            return;
        }
        evict_fill(&g, 0, NPAGES);
        evict_epoch(&g);
        evict_epoch(&g);
        page_out(&g, 0, others[i]);
        answer = evict_by_hand(&g, SIZE, 0);
        g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, room);
        g_assert_cmpstr(qdict_get_str(answer, "limit"), ==, "min-resident");
        g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==,
                         left - room);
        evict_check_contents(&g);
        evict_guest_stop(&g);
    }
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

    if (!evict_host_usable(rwp_memory("anon"), size)) {
        return;
    }
    qts = qtest_init(args);
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

int main(int argc, char **argv)
{
    evict_test_init(&argc, &argv);

    rwp_qtest_add_each("/rwp/evict/pages", "anon thp memfd", test_pages);
    rwp_qtest_add_each("/rwp/evict/random", "anon memfd", test_random);
    rwp_qtest_add_each("/rwp/evict/coldest-first", "anon thp memfd",
                       test_coldest_first);
    rwp_qtest_add("/rwp/evict/coldest-in-use", test_coldest_in_use);
    rwp_qtest_add("/rwp/evict/min-age", test_min_age);
    rwp_qtest_add("/rwp/evict/min-resident", test_min_resident);
    rwp_qtest_add("/rwp/evict/min-resident/host", test_min_resident_host);
    rwp_qtest_add("/rwp/evict/huge-page", test_huge_page);
    rwp_qtest_add("/rwp/evict/interrupted", test_interrupted);
    return g_test_run();
}
