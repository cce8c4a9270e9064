/*
 * memory-backend-rwp: each page's age is that of its last access, to the byte
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every case runs on every kind of memory.  All offsets are multiples of what
 * an access to one byte counts for there: a page, or a huge page.
 */

#include "qemu/osdep.h"
#include "rwp-ages.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE (48 * MiB)

/* A machine to test, or NULL if the test is skipped. */
static RwpVm *start(const void *data)
{
    const RwpMemory *memory = data;

    return rwp_memory_usable(memory, SIZE) ? rwp_vm_new(memory, SIZE, " ")
                                           : NULL;
}

static void test_exact_pages(const void *data)
{
    g_autoptr(RwpVm) vm = start(data);
    uint64_t g, last;

    if (!vm) {
        return;
    }
    g = vm->granule;
    last = vm->size - g;

    /* Never touched: as QEMU said at the start. */
    rwp_vm_scan(vm);

    /* The first touch counts, by writing and by reading, and be it a byte. */
    rwp_vm_write(vm, 3 * g, 1);
    rwp_vm_write(vm, 6 * g - 1, 1);
    rwp_vm_read(vm, 8 * g, 1);
    rwp_vm_read(vm, 10 * g - 1, 1);
    rwp_vm_scan(vm);

    /* So does each later one; the others grow older. */
    rwp_vm_write(vm, 3 * g + g / 2, 8);
    rwp_vm_read(vm, 9 * g + 100, 8);
    rwp_vm_scan(vm);
    rwp_vm_read(vm, 3 * g, 1);
    rwp_vm_write(vm, 8 * g, 1);
    rwp_vm_scan(vm);

    /* An access that crosses a border counts for both sides. */
    rwp_vm_write(vm, 5 * g - 4, 8);
    rwp_vm_scan(vm);

    /* The first and the last page, one by one and together. */
    rwp_vm_write(vm, 0, 1);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, vm->size - 1, 1);
    rwp_vm_scan(vm);
    rwp_vm_read(vm, 0, 1);
    rwp_vm_read(vm, last, 1);
    rwp_vm_scan(vm);

    /* Nothing at all. */
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);
}

static void test_whole_backend(const void *data)
{
    g_autoptr(RwpVm) vm = start(data);

    if (!vm) {
        return;
    }
    rwp_vm_write(vm, 0, vm->size);
    rwp_vm_scan(vm);
    g_assert_cmpuint(rwp_query_int(vm->qts, vm->id, "absent"), ==, 0);
    rwp_vm_scan(vm);
    rwp_vm_read(vm, vm->size / 2, 1);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 0, vm->size);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);
}

/* Every second page, then the others: nothing may be joined that is not. */
static void test_alternate_pages(const void *data)
{
    g_autoptr(RwpVm) vm = start(data);

    if (!vm) {
        return;
    }
    for (int odd = 0; odd < 2; odd++) {
        for (uint64_t i = odd; i < MIN(vm->size / vm->granule, 1200); i += 2) {
            rwp_vm_write(vm, i * vm->granule, 1);
        }
        rwp_vm_scan(vm);
        rwp_vm_scan(vm);
    }
}

/*
 * More regions than the kernel tells at once, in groups that are too far from
 * each other to be armed together.  A scan ends within a group, between two of
 * them, and within one that began with the scan before.
 */
static void test_many_regions(const void *data)
{
    static const struct {
        uint64_t start;
        int pages;
    } groups[] = {
        { 0, 600 }, { 10 * MiB, 1 }, { 14 * MiB, 423 }, { 22 * MiB, 1100 },
        { 34 * MiB, 2 }, { 38 * MiB, 700 }, { SIZE - 4 * KiB, 1 },
    };
    g_autoptr(RwpVm) vm = start(data);

    if (!vm) {
        return;
    }
    rwp_vm_scan(vm);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
            for (int page = 0; page < groups[i].pages; page++) {
                rwp_vm_write(vm, groups[i].start + page * 2 * vm->granule, 1);
            }
        }
        rwp_vm_scan(vm);
        g_assert_cmpuint(rwp_query_int(vm->qts, vm->id, "arm-calls"), ==,
                         ARRAY_SIZE(groups));
        /* What was not armed would be accessed again. */
        rwp_vm_scan(vm);
        g_assert_cmpuint(vm->accessed, ==, 0);
    }
}

static void random_access(RwpVm *vm)
{
    uint64_t n = vm->size / vm->granule;
    uint64_t offset = g_test_rand_int_range(0, n) * vm->granule;
    uint64_t length = 1;

    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        /* A byte anywhere in the page. */
        offset += g_test_rand_int_range(0, vm->granule);
        break;
    case 1:
        length = g_test_rand_int_range(1, vm->granule + 1);
        break;
    case 2:
        length = vm->granule * g_test_rand_int_range(1, 1 + n / 8);
        break;
    default:
        break;
    }
    length = MIN(length, vm->size - offset);
    if (length <= 4 * KiB && g_test_rand_bit()) {
        rwp_vm_read(vm, offset, length);
    } else {
        rwp_vm_write(vm, offset, length);
    }
}

static void test_random(const void *data)
{
    g_autoptr(RwpVm) vm = start(data);

    if (!vm) {
        return;
    }
    for (int epoch = 0; epoch < 12; epoch++) {
        int n = g_test_rand_int_range(0, MIN(60, vm->size / vm->granule / 2));

        while (n--) {
            random_access(vm);
        }
        rwp_vm_scan(vm);
    }
}

/* Ages are exact up to the limit and stay there. */
static void test_oldest_age(const void *data)
{
    g_autoptr(RwpVm) vm = start(data);

    if (!vm) {
        return;
    }
    for (int epoch = 0; epoch < 300; epoch++) {
        if (epoch % 7 == 0 && epoch < 200) {
            rwp_vm_write(vm, epoch / 7 % (vm->size / vm->granule) *
                             vm->granule, 1);
        }
        rwp_vm_epoch(vm);
        if (epoch > 190 && epoch < 240) {
            rwp_vm_check(vm);
        }
    }
    rwp_vm_check(vm);
}

/* Preallocated memory is present from the start, and not called accessed. */
static void test_prealloc(const void *data)
{
    const RwpMemory *memory = data;
    g_autofree char *args = rwp_vm_args(memory, SIZE,
                                        "tracking=on,prealloc=on");
    uint64_t idle = 0;
    RwpVm *vm;

    if (!rwp_memory_usable(memory, SIZE)) {
        return;
    }
    vm = rwp_vm_attach(qtest_init(args), memory, "ram0", rwp_vm_base(), SIZE);
    for (uint64_t i = 0; i < vm->npages; i++) {
        g_assert_cmpint(vm->age[i], >=, 0);
        idle += vm->age[i] == 1;
    }
    /* The board may have put something at the beginning since. */
    g_assert_cmpuint(idle, >=, vm->npages - 2 * MiB / memory->page_size);
    rwp_vm_write(vm, 0, 1);
    rwp_vm_read(vm, vm->size - 1, 1);
    rwp_vm_scan(vm);
    rwp_vm_free(vm);
}

static void set_split(RwpVm *vm, bool split)
{
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'qom-set',"
                             " 'arguments': { 'path': '/objects/ram0',"
                             " 'property': 'split-thp', 'value': %i } }",
                             split);
}

/* The number of pages that QEMU sees as huge ones. */
static uint64_t count_huge(RwpVm *vm)
{
    g_autoptr(RwpAges) ages = rwp_export(vm->qts, vm->id);
    uint64_t step = vm->memory->granule / vm->memory->page_size, n = 0;

    for (uint64_t i = 0; i < ages->npages; i += step) {
        n += ages->huge[i];
    }
    return n;
}

/*
 * Huge pages that are accessed are seen by small pages one scan later, and
 * their contents are as they were; others stay huge.
 */
static void test_split(const void *data)
{
    g_autoptr(RwpVm) vm = start(data);
    uint64_t huge, nr_huge;

    if (!vm) {
        return;
    }
    huge = vm->granule;
    rwp_vm_write(vm, 8 * MiB, vm->size - 8 * MiB);
    qtest_writeq(vm->qts, vm->base + 10 * MiB + 12 * KiB, 0x1122334455667788);
    rwp_vm_scan(vm);
    nr_huge = count_huge(vm);
    /* Before that there is what the board has put there. */
    g_assert_cmpuint(nr_huge, >=, (vm->size - 8 * MiB) / huge);

    /* Without the property, one byte counts for all of a huge page. */
    rwp_vm_write(vm, 10 * MiB, 1);
    rwp_vm_scan(vm);

    set_split(vm, true);
    rwp_vm_write(vm, 10 * MiB, 1);
    rwp_vm_read(vm, 20 * MiB - 1, 1);
    /* Neighbours, which are scanned and armed as one. */
    rwp_vm_write(vm, 24 * MiB, 4 * MiB + 1);
    rwp_vm_scan(vm);
    nr_huge -= 5;
    g_assert_cmpuint(count_huge(vm), ==, nr_huge);

    rwp_vm_split(vm);
    rwp_vm_write(vm, 10 * MiB, 1);
    rwp_vm_read(vm, 10 * MiB + 12 * KiB, 1);
    rwp_vm_read(vm, 20 * MiB - 1, 1);
    rwp_vm_scan(vm);
    rwp_vm_read(vm, 10 * MiB + huge - 1, 1);
    rwp_vm_read(vm, 26 * MiB + 8 * KiB, 1);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);
    g_assert_cmphex(qtest_readq(vm->qts, vm->base + 10 * MiB + 12 * KiB), ==,
                    0x1122334455667788);
    rwp_vm_touch(vm, 10 * MiB + 12 * KiB, 8);

    /* What is split stays so, but nothing is any more. */
    set_split(vm, false);
    for (int i = 0; i < 2; i++) {
        rwp_vm_write(vm, 30 * MiB, 1);
        rwp_vm_scan(vm);
    }
    g_assert_cmpuint(count_huge(vm), ==, nr_huge);
}

static const struct {
    const char *name;
    GTestDataFunc fn;
    const char *only;       /* on this kind of memory */
} cases[] = {
    { "exact-pages", test_exact_pages },
    { "whole-backend", test_whole_backend },
    { "alternate-pages", test_alternate_pages },
    { "many-regions", test_many_regions, "anon" },
    { "many-regions", test_many_regions, "memfd" },
    { "random", test_random },
    { "prealloc", test_prealloc },
    { "oldest-age", test_oldest_age, "anon" },
    { "split", test_split, "thp" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (const RwpMemory *m = rwp_memories; m->name; m++) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            g_autofree char *path = g_strdup_printf("/rwp/%s/%s", m->name,
                                                    cases[i].name);

            if (!cases[i].only || g_str_equal(cases[i].only, m->name)) {
                rwp_qtest_add_data(path, m, cases[i].fn);
            }
        }
    }
    return g_test_run();
}
