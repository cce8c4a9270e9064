/*
 * memory-backend-rwp: several of them, in all the places that take a backend
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "rwp-ages.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE (16 * MiB)
#define ANON rwp_memory("anon")

#define OBJECT(id, size, options)                                           \
    " -object memory-backend-rwp,id=" id ",size=" size ",tracking=on,"      \
    RWP_NEVER "," options

/* The backends that query-working-set tells of, with a blank behind each. */
static char *known_ids(QTestState *qts)
{
    g_autoptr(QDict) rsp = qtest_qmp(qts,
                                     "{ 'execute': 'query-working-set' }");
    g_autoptr(GString) ids = g_string_new("");
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), entry) {
        QDict *info = qobject_to(QDict, qlist_entry_obj(entry));

        rwp_check_info(info);
        g_string_append_printf(ids, "%s ", qdict_get_str(info, "id"));
    }
    return g_string_free(g_steal_pointer(&ids), false);
}

static void assert_ids(QTestState *qts, const char *expected)
{
    g_autofree char *ids = known_ids(qts);

    g_assert_cmpstr(ids, ==, expected);
}

static void object_add(QTestState *qts, const char *id, uint64_t size)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-rwp', 'id': %s,"
                             " 'size': %" PRIu64 ", 'tracking': 'on',"
                             " 'interval': 86400000, 'thp': false } }", id,
                             size);
}

static void object_del(QTestState *qts, const char *id)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'object-del',"
                             " 'arguments': { 'id': %s } }", id);
}

/* Main memory: firmware and machine have touched it before tracking began. */
static void test_main_memory(void)
{
    QTestState *qts = qtest_init("-nodefaults -machine pc,memory-backend=ram0"
                                 " -m 16M" OBJECT("ram0", "16M", "thp=off"));
    RwpVm *vm = rwp_vm_attach(qts, ANON, "ram0", 0, SIZE);

    rwp_vm_write(vm, 0, 1);
    rwp_vm_write(vm, 1 * MiB, 12 * KiB);
    rwp_vm_read(vm, 2 * MiB + 4 * KiB, 1);
    rwp_vm_write(vm, SIZE - 1, 1);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 640 * KiB - 1, 1);
    rwp_vm_scan(vm);
    /* The firmware hides what is behind it. */
    qtest_writeb(qts, 960 * KiB, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
}

/* Beyond the hole below 4 GiB the addresses are others. */
static void test_above_4g(void)
{
    g_autoptr(RwpAges) ages = NULL;
    QTestState *qts =
        qtest_init("-nodefaults -machine pc,memory-backend=ram0 -m 5G"
                   OBJECT("ram0", "5G", "thp=off,reserve=off"));
    uint64_t below = 3 * GiB;

    rwp_scan(qts, NULL);
    qtest_writeb(qts, 4 * MiB, 1);
    qtest_writeb(qts, below - 1, 1);
    qtest_writeb(qts, 4 * GiB, 1);
    qtest_writeb(qts, 6 * GiB - 1, 1);
    rwp_scan(qts, NULL);
    g_assert_cmpuint(rwp_query_int(qts, "ram0", "accessed"), ==, 16 * KiB);
    ages = rwp_export(qts, "ram0");
    g_assert_cmpuint(rwp_ages_sum(ages, 0, 0), ==, 16 * KiB);
    g_assert_cmpint(ages->age[4 * MiB / (4 * KiB)], ==, 0);
    g_assert_cmphex(ages->gpa[4 * MiB / (4 * KiB)], ==, 4 * MiB);
    g_assert_cmpint(ages->age[below / (4 * KiB) - 1], ==, 0);
    g_assert_cmphex(ages->gpa[below / (4 * KiB) - 1], ==, below - 4 * KiB);
    g_assert_cmpint(ages->age[below / (4 * KiB)], ==, 0);
    g_assert_cmphex(ages->gpa[below / (4 * KiB)], ==, 4 * GiB);
    g_assert_cmpint(ages->age[ages->npages - 1], ==, 0);
    g_assert_cmphex(ages->gpa[ages->npages - 1], ==, 6 * GiB - 4 * KiB);
    qtest_quit(qts);
}

static void test_numa(void)
{
    QTestState *qts =
        qtest_init("-nodefaults -machine pc -m 32M -smp 2"
                   OBJECT("far", "16M", "share=on") " "
                   OBJECT("near", "16M", "thp=off")
                   " -numa node,nodeid=0,cpus=0,memdev=near"
                   " -numa node,nodeid=1,cpus=1,memdev=far");
    RwpVm *near, *far;

    /* In the order of creation, not of use or name. */
    assert_ids(qts, "far near ");
    near = rwp_vm_attach(qts, ANON, "near", 0, SIZE);
    far = rwp_vm_attach(qts, rwp_memory("memfd"), "far", SIZE, SIZE);

    rwp_vm_write(near, 2 * MiB, 8 * KiB);
    rwp_vm_write(far, 0, 1);
    rwp_vm_scan(near);
    /* What the one was told is not told to the other. */
    rwp_vm_check(far);
    rwp_vm_scan(far);
    rwp_vm_check(near);

    /* An access across the border. */
    rwp_vm_write(near, SIZE - 1, 1);
    rwp_vm_write(far, 0, 1);
    rwp_scan(qts, NULL);
    g_assert_cmpuint(rwp_query_int(qts, "near", "accessed"), ==, 4 * KiB);
    g_assert_cmpuint(rwp_query_int(qts, "far", "accessed"), ==, 4 * KiB);
    g_assert_cmpuint(rwp_query_int(qts, "near", "epochs"), ==,
                     near->epochs + 1);
    g_assert_cmpuint(rwp_query_int(qts, "far", "epochs"), ==, far->epochs + 1);
    rwp_vm_detach(near);
    rwp_vm_free(far);
}

/* All kinds of memory side by side, each with its own interval and state. */
static void test_all_kinds(void)
{
    QTestState *qts =
        qtest_init("-nodefaults -machine pc,memory-backend=m0"
                   " -m 16M,slots=4,maxmem=16G"
                   OBJECT("m0", "16M", "thp=off")
                   OBJECT("m1", "16M", "share=on")
                   OBJECT("m2", "16M", "thp=on")
                   OBJECT("m3", "16M", "hugetlb=on,hugetlbsize=2M")
                   " -object memory-backend-rwp,id=m4,size=16M,tracking=off"
                   " -device pc-dimm,memdev=m1 -device pc-dimm,memdev=m2"
                   " -device pc-dimm,memdev=m3 -device pc-dimm,memdev=m4");
    static const struct {
        const char *id;
        uint64_t granule;
        uint64_t base;
    } backends[] = {
        { "m0", 4 * KiB, 0 },
        { "m1", 4 * KiB, 4 * GiB },
        { "m2", 2 * MiB, 4 * GiB + SIZE },
        { "m3", 2 * MiB, 4 * GiB + 2 * SIZE },
    };

    assert_ids(qts, "m0 m1 m2 m3 m4 ");
    rwp_assert_state(qts, "m4", "off", NULL);
    rwp_scan(qts, NULL);
    for (size_t touched = 0; touched < ARRAY_SIZE(backends); touched++) {
        qtest_writeb(qts, backends[touched].base + 8 * MiB, 1);
        qtest_writeb(qts, 4 * GiB + 3 * SIZE, 1);
        rwp_scan(qts, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
            g_assert_cmpuint(rwp_query_int(qts, backends[i].id, "accessed"),
                             ==, i == touched ? backends[i].granule : 0);
        }
    }
    qtest_quit(qts);
}

static void test_object_add(void)
{
    QTestState *qts = qtest_init("-nodefaults -machine pc"
                                 " -m 32M,slots=4,maxmem=16G");
    RwpVm *vm;

    assert_ids(qts, "");
    for (int i = 0; i < 3; i++) {
        object_add(qts, "b", SIZE);
        object_add(qts, "a", SIZE);
        assert_ids(qts, "b a ");
        rwp_wait_state(qts, "a", "active");
        rwp_scan(qts, NULL);
        /* Nobody sees it yet: it has pages, but no addresses. */
        g_assert_cmpuint(rwp_query_int(qts, "a", "absent"), ==, SIZE);
        object_del(qts, "b");
        assert_ids(qts, "a ");
        rwp_scan(qts, NULL);
        object_del(qts, "a");
        assert_ids(qts, "");
    }

    object_add(qts, "a", SIZE);
    qtest_qmp_device_add(qts, "pc-dimm", "dimm0",
                         "{ 'memdev': 'a', 'addr': %" PRIu64 " }",
                         4 * GiB + 64 * MiB);
    vm = rwp_vm_attach(qts, ANON, "a", 4 * GiB + 64 * MiB, SIZE);
    rwp_vm_write(vm, 0, 1);
    rwp_vm_write(vm, SIZE - 1, 1);
    rwp_vm_scan(vm);
    rwp_assert_error(qts, "object 'a' is in use, can not be deleted",
                     "{ 'execute': 'object-del', 'arguments': {"
                     " 'id': 'a' } }");
    rwp_vm_read(vm, 4 * MiB, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
}

/* Memory that the guest cannot address is exported all the same. */
static void test_unmapped(void)
{
    QTestState *qts = qtest_init("-nodefaults -machine none");
    g_autoptr(RwpAges) ages = NULL;

    qtest_qmp_assert_success(qts, "{ 'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-rwp', 'id': 'a',"
                             " 'size': %" PRIu64 ", 'tracking': 'on',"
                             " 'prealloc': true, 'thp': false,"
                             " 'interval': 86400000 } }", SIZE);
    rwp_scan(qts, "a");
    ages = rwp_export(qts, "a");
    for (uint64_t i = 0; i < ages->npages; i++) {
        g_assert_cmpint(ages->age[i], ==, 1);
        g_assert_cmphex(ages->gpa[i], ==, RWP_UNMAPPED);
    }
    object_del(qts, "a");
    qtest_quit(qts);
}

/* -machine none: no CPU, no address, but an object. */
static void test_machine_none(void)
{
    QTestState *qts = qtest_init("-nodefaults -machine none"
                                 OBJECT("ram0", "16M", "share=on"));

    rwp_wait_state(qts, "ram0", "active");
    rwp_scan(qts, NULL);
    rwp_scan(qts, NULL);
    g_assert_cmpuint(rwp_query_int(qts, "ram0", "absent"), ==, SIZE);
    object_del(qts, "ram0");
    assert_ids(qts, "");
    rwp_scan(qts, NULL);
    qtest_quit(qts);
}

/* An object that goes away while it is being scanned, exported, asked about. */
static void test_deleted_meanwhile(void)
{
    QTestState *qts = qtest_init("-nodefaults -machine none");

    for (int i = 0; i < 6; i++) {
        g_autofree char *id = g_strdup_printf("m%d", i);
        g_autofree char *path = g_strdup_printf("/objects/m%d", i);

        object_add(qts, id, 256 * MiB);
        /* The scan that comes first is under way now. */
        object_del(qts, id);
        object_add(qts, id, 256 * MiB);
        qtest_qmp_assert_success(qts, "{ 'execute': 'qom-set', 'arguments': {"
                                 " 'path': %s, 'property': 'interval',"
                                 " 'value': 100 } }", path);
        rwp_wait_epochs(qts, id, 1);
        object_del(qts, id);
    }
    assert_ids(qts, "");
    qtest_quit(qts);
}

/* A backend costs next to nothing while little of it is populated. */
static void test_sparse(void)
{
    QTestState *qts =
        qtest_init("-nodefaults -machine pc"
                   " -cpu max,phys-bits=46,vendor=GenuineIntel"
                   " -m 32M,slots=4,maxmem=3T"
                   " -object memory-backend-rwp,id=ram0,size=1T,reserve=off,"
                   "tracking=on,thp=off," RWP_NEVER
                   " -device pc-dimm,memdev=ram0");
    g_autofree char *file = rwp_temp_name("ages");
    g_autoptr(QDict) info = NULL;
    uint64_t present = 0;
    struct stat st;

    rwp_scan(qts, "ram0");
    g_assert_cmpuint(rwp_query_int(qts, "ram0", "absent"), ==, TiB);
    for (uint64_t offset = 0; offset < TiB; offset += 16 * GiB) {
        qtest_writeb(qts, 4 * GiB + offset, 1);
        present += 4 * KiB;
    }
    qtest_writeb(qts, 4 * GiB + TiB - 1, 1);
    present += 4 * KiB;
    rwp_scan(qts, "ram0");
    info = rwp_query(qts, "ram0");
    g_assert_cmpuint(qdict_get_int(info, "present"), ==, present);
    g_assert_cmpuint(qdict_get_int(info, "accessed"), ==, present);
    g_assert_cmpuint(qdict_get_int(info, "absent"), ==, TiB - present);
    /* A byte of age for each page would be 256 MiB. */
    g_assert_cmpuint(qdict_get_int(info, "metadata"), <, 4 * MiB);
    /* Nothing cold lies between: but arming all in one go would stall. */
    g_assert_cmpuint(qdict_get_int(info, "arm-calls"), <=,
                     present / (4 * KiB));

    /* A header, a run for each page, the end. */
    qtest_qmp_assert_success(qts, "{ 'execute': 'export-working-set',"
                             " 'arguments': { 'id': 'ram0', 'filename': %s } }",
                             file);
    g_assert_cmpint(stat(file, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 64 + 24 * (present / (4 * KiB) + 1));
    unlink(file);
    qtest_quit(qts);
}

/* What is told for humans, of each of them, with eviction or without. */
static void test_hmp(void)
{
    QTestState *qts = qtest_init("-machine none -nodefaults"
                                 OBJECT("m0", "4M", "evict=pageout")
                                 OBJECT("m1", "4M", "share=on"));
    g_autofree char *said = NULL;
    const char *second;

    rwp_scan(qts, NULL);
    said = qtest_hmp(qts, "info working-set");
    g_assert_true(g_str_has_prefix(said, "m0: 4 MiB, private, tracking is"
                                         " active\r\n  scans every 86400.0 s,"
                                         " "));
    second = strstr(said, "\r\nm1: 4 MiB, shared, tracking is active\r\n");
    g_assert_nonnull(second);
    g_assert_nonnull(strstr(said, "\r\n  eviction by pageout is "));
    g_assert_true(strstr(said, "\r\n  eviction by pageout is ") < second);
    g_assert_null(strstr(second, "eviction"));
    g_assert_nonnull(strstr(second, "\r\n  working set 60 s *  "));
    g_assert_true(g_str_has_suffix(said, "\r\n(* watched for a shorter time"
                                         " than that)\r\n"));
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    rwp_qtest_add("/rwp/backends/main-memory", test_main_memory);
    rwp_qtest_add("/rwp/backends/above-4g", test_above_4g);
    rwp_qtest_add("/rwp/backends/numa", test_numa);
    rwp_qtest_add("/rwp/backends/all-kinds", test_all_kinds);
    rwp_qtest_add("/rwp/backends/object-add", test_object_add);
    rwp_qtest_add("/rwp/backends/unmapped", test_unmapped);
    rwp_qtest_add("/rwp/backends/machine-none", test_machine_none);
    rwp_qtest_add("/rwp/backends/deleted-meanwhile", test_deleted_meanwhile);
    rwp_qtest_add("/rwp/backends/sparse", test_sparse);
    rwp_qtest_add("/rwp/backends/hmp", test_hmp);
    return g_test_run();
}
