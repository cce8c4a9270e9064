/*
 * memory-backend-rwp: what is known of pages goes along with a migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source gives its pages contents and many different ages.  Those of the
 * destination must be the same, page by page, before its first interval ends,
 * and grow from there.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/sockets.h"
#include "rwp-ages.h"
#include "rwp-migration.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE        (16 * MiB)
#define BLOCK       (32 * KiB)      /* longer qtest commands cost the square */
#define EPOCHS      13

/* Where on the source: contents; zeroes, but written; the rest is absent. */
#define FILLED      (6 * MiB)
#define ZEROED      (8 * MiB)

typedef struct Case {
    const char *name;
    const char *from;
    const char *to;
    const char *capability; /* one more, or NULL */
    bool file;              /* by way of a file */
} Case;

static const Case cases[] = {
    { "precopy/anon", "anon", "anon" },
    { "precopy/thp", "thp", "thp" },
    { "precopy/anon-to-memfd", "anon", "memfd" },
    { "precopy/memfd-to-anon", "memfd", "anon" },
    { "precopy/anon-to-hugetlb", "anon", "hugetlb-shared" },
    { "precopy/hugetlb-to-anon", "hugetlb-private", "anon" },
    { "multifd/anon", "anon", "anon", "multifd" },
    { "mapped-ram/anon", "anon", "anon", "mapped-ram", true },
    { "postcopy/anon", "anon", "anon", "postcopy-ram" },
    { "postcopy/thp", "thp", "thp", "postcopy-ram" },
    { "postcopy/memfd-to-anon", "memfd", "anon", "postcopy-ram" },
};

static void set_capabilities(QTestState *qts, const Case *c)
{
    rwp_migration_capability(qts, "page-heat", true);
    if (c->capability) {
        rwp_migration_capability(qts, c->capability, true);
    }
}

static void migrate(QTestState *qts, const char *uri)
{
    rwp_migration_speed(qts, RWP_MIGRATION_FAST);
    rwp_migrate(qts, uri);
}

/* A machine whose pages have contents and many different ages. */
static RwpVm *start_source(const RwpMemory *memory)
{
    RwpVm *vm = rwp_vm_new(memory, SIZE, " ");

    for (uint64_t at = 0; at < FILLED; at += BLOCK) {
        rwp_vm_write(vm, at, BLOCK);
    }
    for (uint64_t at = FILLED; at < ZEROED; at += BLOCK) {
        qtest_memset(vm->qts, vm->base + at, 0, BLOCK);
        rwp_vm_touch(vm, at, BLOCK);
    }
    rwp_vm_scan(vm);
    for (int i = 0; i < EPOCHS; i++) {
        /* Scattered pages at first, then longer and longer runs. */
        for (uint64_t p = i; p < 1 * MiB / (4 * KiB); p += EPOCHS) {
            rwp_vm_write(vm, p * 4 * KiB, 1);
        }
        for (uint64_t at = MiB + i * i * 28 * KiB; at < FILLED;
             at += BLOCK * 64) {
            rwp_vm_write(vm, at, 1 + i * 2 * KiB);
        }
        rwp_vm_epoch(vm);
    }
    rwp_vm_scan(vm);
    return vm;
}

static QTestState *start_destination(const RwpMemory *memory,
                                     const char *options)
{
    g_autofree char *args = rwp_vm_args(memory, SIZE, options);

    return qtest_initf("%s -incoming defer", args);
}

/*
 * The age that a page of @size bytes at @offset must have, RWP_ABSENT if it
 * must be absent; false if that cannot be said.
 */
static bool expected_age(const RwpVm *from, const RwpMemory *to,
                         uint64_t offset, int *age)
{
    uint64_t page = from->memory->page_size;
    uint64_t end = offset + to->page_size;

    *age = RWP_ABSENT;
    if (offset >= FILLED && (to->shared || to->granule != 4 * KiB)) {
        /* What is all zero is looked at, and maybe populated by that. */
        return false;
    }
    if (offset >= FILLED) {
        return true;
    }
    for (uint64_t p = offset / page; p <= (end - 1) / page; p++) {
        if (*age == RWP_ABSENT ||
            (from->age[p] != RWP_ABSENT && from->age[p] < *age)) {
            *age = from->age[p];
        }
    }
    return true;
}

/* Pages of @ages that are not as they must be, @older than at the source. */
static uint64_t wrong_pages(const RwpVm *from, const RwpMemory *to,
                            const RwpAges *ages, int older, bool tell)
{
    uint64_t wrong = 0;

    for (uint64_t p = 0; p < ages->npages; p++) {
        int age;

        if (!expected_age(from, to, p * to->page_size, &age)) {
            continue;
        }
        age += age == RWP_ABSENT ? 0 : older;
        if (ages->age[p] != age && tell && !wrong) {
            g_test_message("page %" PRIu64 ": age %d, not %d", p,
                           ages->age[p], age);
        }
        wrong += ages->age[p] != age;
    }
    return wrong;
}

static void check_destination(QTestState *to, const RwpMemory *memory,
                              const RwpVm *from)
{
    int64_t start = 0;
    int turn = 0;

    rwp_wait_state(to, "ram0", "active");
    g_assert_cmpuint(rwp_query_int(to, "ram0", "epochs"), ==, from->epochs);
    while (true) {
        /* What was not populated is found out when it begins to track. */
        g_autoptr(RwpAges) ages = rwp_export(to, "ram0");

        if (!wrong_pages(from, memory, ages, 0, turn++ == 10)) {
            break;
        }
        rwp_deadline(&start, "the ages of the source");
    }
    if (from->memory == memory && !memory->shared &&
        memory->granule == 4 * KiB) {
        g_assert_cmpuint(rwp_query_int(to, "ram0", "accessed"), ==,
                         from->accessed);
        g_assert_cmpuint(rwp_query_int(to, "ram0", "present"), ==, FILLED);
    }

    rwp_scan(to, "ram0");
    {
        g_autoptr(RwpAges) ages = rwp_export(to, "ram0");

        g_assert_cmpuint(ages->epochs, ==, from->epochs + 1);
        g_assert_cmpuint(wrong_pages(from, memory, ages, 1, true), ==, 0);
    }
}

static void test_case(const void *opaque)
{
    const Case *c = opaque;
    const RwpMemory *from_memory = rwp_memory(c->from);
    const RwpMemory *to_memory = rwp_memory(c->to);
    g_autofree char *path = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("%s:%s", c->file ? "file" : "unix",
                                           path);
    bool postcopy = !g_strcmp0(c->capability, "postcopy-ram");
    QTestState *to;
    RwpVm *from;

    if (!rwp_memory_usable(from_memory, 2 * SIZE) ||
        !rwp_memory_usable(to_memory, 2 * SIZE)) {
        return;
    }
    to = start_destination(to_memory, "tracking=on");
    set_capabilities(to, c);
    from = start_source(from_memory);
    set_capabilities(from->qts, c);

    if (!c->file) {
        rwp_receive(to, uri);
    }
    if (postcopy) {
        /* All of it is sent afterwards. */
        rwp_migration_speed(from->qts, RWP_MIGRATION_SLOW);
        rwp_migrate(from->qts, uri);
        rwp_wait_migration(from->qts, "active");
        qtest_qmp_assert_success(from->qts,
                                 "{ 'execute': 'migrate-start-postcopy' }");
    } else {
        migrate(from->qts, uri);
    }
    rwp_wait_migration(from->qts, "completed");
    if (c->file) {
        rwp_receive(to, uri);
    }
    check_destination(to, to_memory, from);
    rwp_vm_free(from);
    qtest_quit(to);
    unlink(path);
}

/* Whoever has no use for it goes on without. */
static void skipped(const char *args, const char *state)
{
    g_autofree char *path = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    RwpVm *from = start_source(rwp_memory("anon"));
    QTestState *to = qtest_initf("%s -incoming defer", args);

    rwp_migration_capability(from->qts, "page-heat", true);
    rwp_migration_capability(to, "page-heat", true);
    migrate(from->qts, uri);
    rwp_wait_migration(from->qts, "completed");
    rwp_receive(to, uri);
    rwp_wait_migration(to, "completed");
    if (state) {
        rwp_wait_state(to, "ram0", state);
    }
    qtest_quit(to);
    rwp_vm_free(from);
    unlink(path);
}

static void test_no_heat(void)
{
    g_autofree char *args =
        g_strdup_printf("-nodefaults -machine pc -m 32M,slots=4,maxmem=16G"
                        " -object memory-backend-ram,id=ram0,size=%" PRIu64
                        " -device pc-dimm,id=dimm0,memdev=ram0", SIZE);

    skipped(args, NULL);
}

static void test_not_tracked(void)
{
    g_autofree char *args = rwp_vm_args(rwp_memory("anon"), SIZE,
                                        "tracking=off");

    skipped(args, "off");
}

/* Nothing is sent by whoever knows nothing. */
static void test_nothing_known(void)
{
    g_autofree char *path = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    g_autofree char *args = rwp_vm_args(rwp_memory("anon"), SIZE,
                                        "tracking=off");
    QTestState *from = qtest_init(args);
    QTestState *to = start_destination(rwp_memory("anon"), "tracking=on");

    rwp_migration_capability(from, "page-heat", true);
    rwp_migration_capability(to, "page-heat", true);
    migrate(from, uri);
    rwp_wait_migration(from, "completed");
    rwp_receive(to, uri);
    rwp_wait_state(to, "ram0", "active");
    rwp_wait_epochs(to, "ram0", 1);
    g_assert_cmpuint(rwp_query_int(to, "ram0", "epochs"), ==, 1);
    qtest_quit(from);
    qtest_quit(to);
    unlink(path);
}

/* Without the capability the destination begins as ever. */
static void test_off(void)
{
    g_autofree char *path = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    RwpVm *from = start_source(rwp_memory("anon"));
    QTestState *to = start_destination(rwp_memory("anon"), "tracking=on");
    g_autofree char *stream = NULL;
    gsize length;

    migrate(from->qts, uri);
    rwp_wait_migration(from->qts, "completed");
    rwp_receive(to, uri);
    rwp_wait_state(to, "ram0", "active");
    rwp_wait_epochs(to, "ram0", 1);
    g_assert_cmpuint(rwp_query_int(to, "ram0", "epochs"), ==, 1);
    g_assert_true(g_file_get_contents(path, &stream, &length, NULL));
    g_assert_null(memmem(stream, length, "page-heat", 9));
    rwp_vm_free(from);
    qtest_quit(to);
    unlink(path);
}

static void run_job(QTestState *qts, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* Do the command, whose job must be called "job", and wait for that. */
static void run_job(QTestState *qts, const char *fmt, ...)
{
    int64_t start = 0;
    bool ended = false;
    va_list ap;

    va_start(ap, fmt);
    qobject_unref(qtest_vqmp_assert_success_ref(qts, fmt, ap));
    va_end(ap);
    while (!ended) {
        g_autoptr(QDict) rsp = qtest_qmp(qts, "{ 'execute': 'query-jobs' }");
        const QListEntry *entry = qlist_first(qdict_get_qlist(rsp, "return"));
        QDict *job = qobject_to(QDict, qlist_entry_obj(entry));

        ended = g_str_equal(qdict_get_str(job, "status"), "concluded");
        if (ended) {
            g_assert_null(qdict_get_try_str(job, "error"));
        }
        rwp_deadline(&start, "job");
    }
    qtest_qmp_assert_success(qts, "{ 'execute': 'job-dismiss',"
                             " 'arguments': { 'id': 'job' } }");
}

static void snapshot(QTestState *qts, const char *command)
{
    run_job(qts, "{ 'execute': %s, 'arguments': { 'job-id': 'job',"
            " 'tag': 'one', 'vmstate': 'state', 'devices': [ 'state' ] } }",
            command);
}

/*
 * A snapshot has none of it, whatever the capability was or is, and whether the
 * guest ran or not.
 */
static void test_snapshot(void)
{
    for (int n = 0; n < 4; n++) {
        bool saved = n & 1, stopped = n & 2;
        g_autofree char *path = rwp_temp_name("qcow2");
        RwpVm *vm = start_source(rwp_memory("anon"));
        QTestState *qts = vm->qts;

        run_job(qts, "{ 'execute': 'blockdev-create', 'arguments': {"
                " 'job-id': 'job', 'options': { 'driver': 'file',"
                " 'filename': %s, 'size': 0 } } }", path);
        qtest_qmp_assert_success(qts, "{ 'execute': 'blockdev-add',"
                                 " 'arguments': { 'driver': 'file',"
                                 " 'filename': %s, 'node-name': 'file' } }",
                                 path);
        run_job(qts, "{ 'execute': 'blockdev-create', 'arguments': {"
                " 'job-id': 'job', 'options': { 'driver': 'qcow2',"
                " 'file': 'file', 'size': 1048576 } } }");
        qtest_qmp_assert_success(qts, "{ 'execute': 'blockdev-add',"
                                 " 'arguments': { 'driver': 'qcow2',"
                                 " 'file': 'file', 'node-name': 'state' } }");

        if (stopped) {
            qtest_qmp_assert_success(qts, "{ 'execute': 'stop' }");
        }
        rwp_migration_capability(qts, "page-heat", saved);
        snapshot(qts, "snapshot-save");
        rwp_wait_state(qts, "ram0", "active");
        rwp_migration_capability(qts, "page-heat", !saved);
        snapshot(qts, "snapshot-load");
        rwp_wait_state(qts, "ram0", "active");
        rwp_wait_epochs(qts, "ram0", 1);
        g_assert_cmpuint(rwp_query_int(qts, "ram0", "epochs"), ==, 1);
        rwp_vm_free(vm);
        unlink(path);
    }
}

/* Where fields are, from the end of the section's header on. */
enum {
    AT_LENGTH = 1 + 1 + 4,      /* a mark, and the name "ram0" */
    AT_PAGE_SIZE = AT_LENGTH + 8,
    AT_INTERVALS = AT_PAGE_SIZE + 8,
    AT_INTERVAL = AT_INTERVALS + 8,
    AT_RAW = AT_INTERVAL + 4,
    AT_PACKED = AT_RAW + 4,
    AT_PIECE = AT_PACKED + 4,
};

/* Migrate to a file, whose content and the section in it are returned. */
static char *save_stream(RwpVm *from, const char *path, gsize *length,
                         char **section)
{
    const char header[] = "\x09page-heat\0\0\0\0\0\0\0\2";
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    char *stream;

    rwp_migration_capability(from->qts, "page-heat", true);
    migrate(from->qts, uri);
    rwp_wait_migration(from->qts, "completed");
    g_assert_true(g_file_get_contents(path, &stream, length, NULL));
    *section = memmem(stream, *length, header, sizeof(header) - 1);
    g_assert_nonnull(*section);
    *section += sizeof(header) - 1;
    g_assert_cmpmem(*section, 6, "\1\4ram0", 6);
    return stream;
}

/* Where what was learned is in a stream, and where all of it ends. */
static char *find_past(char *section, char **end)
{
    char *at = section + AT_RAW;

    while (ldl_be_p(at)) {
        at += 4 + 4 + ldl_be_p(at + 4);
    }
    at += 4;
    *end = at + 4 + (ldl_be_p(at) ? 4 + ldl_be_p(at + 4) : 0);
    return at;
}

static void load_stream(const char *path, const char *stream, gsize length)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    QTestState *to = start_destination(rwp_memory("anon"), "tracking=on");

    g_assert_true(g_file_set_contents(path, stream, length, NULL));
    rwp_migration_capability(to, "page-heat", true);
    rwp_receive(to, uri);
    rwp_wait_state(to, "ram0", "active");
    rwp_scan(to, "ram0");
    g_assert_cmpuint(rwp_query_int(to, "ram0", "present"), ==, FILLED);
    qtest_quit(to);
}

/* An older source tells less, a newer one what nobody here can know. */
static void test_version(void)
{
    g_autofree char *path = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    g_autofree char *args = rwp_vm_args(rwp_memory("anon"), SIZE, NULL);
    RwpVm *from = start_source(rwp_memory("anon"));
    g_autofree char *stream = NULL, *said = NULL;
    char *section, *past, *end;
    gsize length;

    stream = save_stream(from, path, &length, &section);
    rwp_vm_free(from);
    section[-1] = 3;
    g_assert_true(g_file_set_contents(path, stream, length, NULL));
    said = rwp_start_fails("%s -global migration.page-heat=on -incoming %s",
                           args, uri);
    g_assert_nonnull(strstr(said, "unsupported version 3 for 'page-heat'"));

    past = find_past(section, &end);
    g_assert_cmpuint(ldl_be_p(past), >, 0);
    section[-1] = 1;
    memmove(past, end, stream + length - end);
    load_stream(path, stream, length - (end - past));
    unlink(path);
}

static void test_hostile(void)
{
    static const struct {
        unsigned at;
        unsigned size;
        uint64_t value;
    } lies[] = {
        { 0, 1, 2 },
        { AT_LENGTH, 8, UINT64_MAX },
        { AT_PAGE_SIZE, 8, 0 },
        { AT_PAGE_SIZE, 8, 2 * KiB },       /* no host has such pages */
        { AT_PAGE_SIZE, 8, UINT64_C(1) << 63 },
        { AT_PAGE_SIZE, 8, 2 * MiB },       /* too few of them */
        { AT_INTERVALS, 8, 0 },
        { AT_INTERVAL, 4, 0 },
        { AT_RAW, 4, 65536 },
        { AT_RAW, 4, UINT32_MAX },
        { AT_PACKED, 4, 1 },
        { AT_PACKED, 4, UINT32_MAX },
        { AT_PIECE + 20, 8, UINT64_MAX },
    };
    g_autofree char *path = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    g_autofree char *args = rwp_vm_args(rwp_memory("anon"), SIZE, NULL);
    RwpVm *from = start_source(rwp_memory("anon"));
    g_autofree char *stream = NULL;
    char *section, *past, *end;
    gsize length;

    stream = save_stream(from, path, &length, &section);
    rwp_vm_free(from);
    g_assert_cmpuint(ldq_be_p(section + AT_LENGTH), ==, SIZE);
    g_assert_cmpuint(ldq_be_p(section + AT_PAGE_SIZE), ==, 4 * KiB);

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        g_autofree char *told = g_memdup2(stream, length);
        g_autofree char *said = NULL;

        g_test_message("%u bytes at %u are %" PRIx64, lies[i].size,
                       lies[i].at, lies[i].value);
        stn_be_p(told + (section - stream) + lies[i].at, lies[i].size,
                 lies[i].value);
        g_assert_true(g_file_set_contents(path, told, length, NULL));
        said = rwp_start_fails("%s -global migration.page-heat=on"
                               " -incoming %s", args, uri);
        g_assert_nonnull(strstr(said, "page-heat"));
    }

    /* Of what was learned: too long, or not what it says it is. */
    past = find_past(section, &end);
    for (int n = 0; n < 3; n++) {
        const uint32_t lengths[] = { UINT32_MAX, 65536, 1 };
        g_autofree char *told = g_memdup2(stream, length);
        g_autofree char *said = NULL;

        stl_be_p(told + (past - stream), lengths[n]);
        g_assert_true(g_file_set_contents(path, told, length, NULL));
        said = rwp_start_fails("%s -global migration.page-heat=on"
                               " -incoming %s", args, uri);
        g_assert_nonnull(strstr(said, "page-heat"));
    }

    /* What cannot be is taken for what can. */
    stq_be_p(section + AT_INTERVALS, UINT64_MAX);
    stl_be_p(section + AT_INTERVAL, UINT32_MAX);
    load_stream(path, stream, length);
    unlink(path);
}

/* Pages of @qts that are populated and not hot on @from, or the reverse. */
static uint64_t wrong_room(QTestState *qts, const RwpVm *from)
{
    uint64_t host = rwp_host_address(qts, from->base);
    g_autofree uint64_t *entries = rwp_pagemap(qts, host, SIZE);
    size_t system_page = qemu_real_host_page_size();
    uint64_t wrong = 0;

    for (uint64_t p = 0; p < SIZE; p += system_page) {
        bool hot = !from->age[p / from->memory->page_size];

        wrong += hot != !!(entries[p / system_page] &
                           (RWP_PAGEMAP_PRESENT | RWP_PAGEMAP_SWAPPED));
    }
    return wrong;
}

typedef struct RoomCase {
    const char *name;
    const char *memory;
    bool hurry;             /* not even wait for the room */
    bool fail;
} RoomCase;

static const RoomCase room_cases[] = {
    { "room/anon", "anon" },
    { "room/thp", "thp" },
    { "room/memfd", "memfd" },
    { "room/hurry", "anon", .hurry = true },
    { "room/fail", "anon", .fail = true },
    { "room/hurry-and-fail", "anon", .hurry = true, .fail = true },
};

/*
 * When the heat has come, and nothing else, there is room for what is hot and
 * for nothing else.  Then the rest comes, or never does.
 */
static void test_room(const void *opaque)
{
    const RoomCase *c = opaque;
    const RwpMemory *memory = rwp_memory(c->memory);
    g_autofree char *path = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    g_autofree char *stream = NULL;
    int64_t start = 0;
    QTestState *to;
    char *section, *rest;
    RwpVm *from;
    gsize length;
    int fd;

    if (!rwp_memory_usable(memory, 2 * SIZE)) {
        return;
    }
    from = start_source(memory);
    for (uint64_t at = 0; at < FILLED / 2; at += 128 * KiB) {
        rwp_vm_write(from, at, 1);
    }
    for (uint64_t at = FILLED / 2; at < FILLED - MiB; at += BLOCK) {
        rwp_vm_write(from, at, BLOCK);
    }
    rwp_vm_scan(from);
    stream = save_stream(from, path, &length, &section);
    unlink(path);
    find_past(section, &rest);
    rest++;                 /* no more blocks */

    to = start_destination(memory, "tracking=on");
    rwp_migration_capability(to, "page-heat", true);
    qtest_qmp_assert_success(to, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s,"
                             " 'exit-on-error': false } }", uri);
    fd = unix_connect(path, &error_abort);
    g_assert_cmpint(qemu_write_full(fd, stream, rest - stream), ==,
                    rest - stream);
    while (!c->hurry && wrong_room(to, from)) {
        rwp_deadline(&start, "room for what is hot");
    }
    if (!c->fail) {
        g_assert_cmpint(qemu_write_full(fd, rest, stream + length - rest), ==,
                        stream + length - rest);
    }
    close(fd);
    rwp_wait_migration(to, c->fail ? "failed" : "completed");
    if (!c->fail) {
        check_destination(to, memory, from);
    }
    rwp_vm_free(from);
    qtest_quit(to);
    unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/heat/%s", cases[i].name);

        rwp_qtest_add_data(path, &cases[i], test_case);
    }
    for (size_t i = 0; i < ARRAY_SIZE(room_cases); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/heat/%s",
                                                room_cases[i].name);

        rwp_qtest_add_data(path, &room_cases[i], test_room);
    }
    rwp_qtest_add("/rwp/heat/skipped/no-heat", test_no_heat);
    rwp_qtest_add("/rwp/heat/skipped/not-tracked", test_not_tracked);
    rwp_qtest_add("/rwp/heat/nothing-known", test_nothing_known);
    rwp_qtest_add("/rwp/heat/off", test_off);
    rwp_qtest_add("/rwp/heat/snapshot", test_snapshot);
    rwp_qtest_add("/rwp/heat/version", test_version);
    rwp_qtest_add("/rwp/heat/hostile", test_hostile);
    return g_test_run();
}
