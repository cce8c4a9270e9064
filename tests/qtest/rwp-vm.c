/*
 * A backend in a virtual machine, and the model of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "rwp-ages.h"
#include "rwp-vm.h"

uint64_t rwp_vm_base(void)
{
    /* The first DIMM of a pc, and the RAM of virt, which has none as such. */
    return g_str_equal(qtest_get_arch(), "x86_64") ? 4 * GiB : 1 * GiB;
}

char *rwp_vm_args(const RwpMemory *memory, uint64_t size, const char *options)
{
    bool x86 = g_str_equal(qtest_get_arch(), "x86_64");
    const char *machine = x86 ?
        "-machine pc -m 32M,slots=4,maxmem=16G"
        " -device pc-dimm,id=dimm0,memdev=ram0" :
        "-machine virt,memory-backend=ram0 -cpu max";
    g_autofree char *ram = x86 ? g_strdup("") :
                           g_strdup_printf("-m %" PRIu64 "M", size / MiB);

    return g_strdup_printf("-nodefaults -object memory-backend-rwp,id=ram0,"
                           "size=%" PRIu64 ",%s,%s%s%s %s %s",
                           size, memory->options, RWP_NEVER,
                           options && *options ? "," : "", options ?: "",
                           machine, ram);
}

RwpVm *rwp_vm_attach(QTestState *qts, const RwpMemory *memory, const char *id,
                     uint64_t base, uint64_t size)
{
    RwpVm *vm = g_new0(RwpVm, 1);
    g_autoptr(RwpAges) ages = NULL;

    vm->qts = qts;
    vm->memory = memory;
    vm->id = g_strdup(id);
    vm->base = base;
    vm->size = size;
    vm->granule = memory->granule;
    vm->npages = size / memory->page_size;

    rwp_assert_state(qts, id, "active", NULL);
    rwp_scan(qts, id);
    ages = rwp_export(qts, id);
    g_assert_cmpuint(ages->size, ==, size);
    g_assert_cmpuint(ages->page_size, ==, memory->page_size);
    vm->age = g_memdup2(ages->age, vm->npages * sizeof(int));
    vm->touched = g_new0(bool, vm->npages);
    vm->accessed = rwp_query_int(qts, id, "accessed");
    vm->epochs = rwp_query_int(qts, id, "epochs");
    return vm;
}

RwpVm *rwp_vm_new(const RwpMemory *memory, uint64_t size, const char *fmt, ...)
{
    g_autofree char *more = NULL;
    g_autofree char *args = rwp_vm_args(memory, size, "tracking=on");
    QTestState *qts;
    va_list ap;

    va_start(ap, fmt);
    more = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qts = qtest_initf("%s %s", args, more);
    return rwp_vm_attach(qts, memory, "ram0", rwp_vm_base(), size);
}

void rwp_vm_detach(RwpVm *vm)
{
    if (vm) {
        g_free(vm->id);
        g_free(vm->age);
        g_free(vm->touched);
        g_free(vm);
    }
}

void rwp_vm_free(RwpVm *vm)
{
    if (vm) {
        qtest_quit(vm->qts);
        rwp_vm_detach(vm);
    }
}

/* The pages that an access to some bytes counts for. */
static void granules(RwpVm *vm, uint64_t offset, uint64_t length,
                     uint64_t *first, uint64_t *end)
{
    uint64_t stop = ROUND_UP(offset + length, vm->granule);

    g_assert_cmpuint(offset + length, <=, vm->size);
    *first = QEMU_ALIGN_DOWN(offset, vm->granule) / vm->memory->page_size;
    *end = MIN(stop, vm->size) / vm->memory->page_size;
}

void rwp_vm_touch(RwpVm *vm, uint64_t offset, uint64_t length)
{
    uint64_t page, end;

    for (granules(vm, offset, length, &page, &end); page < end; page++) {
        vm->touched[page] = true;
    }
}

void rwp_vm_write(RwpVm *vm, uint64_t offset, uint64_t length)
{
    qtest_memset(vm->qts, vm->base + offset, 0xa5, length);
    rwp_vm_touch(vm, offset, length);
}

void rwp_vm_read(RwpVm *vm, uint64_t offset, uint64_t length)
{
    g_autofree char *data = g_malloc(length);

    qtest_memread(vm->qts, vm->base + offset, data, length);
    rwp_vm_touch(vm, offset, length);
}

void rwp_vm_discarded(RwpVm *vm, uint64_t offset, uint64_t length)
{
    uint64_t page = offset / vm->memory->page_size;
    uint64_t end = page + length / vm->memory->page_size;

    for (; page < end; page++) {
        vm->age[page] = RWP_ABSENT;
        vm->touched[page] = false;
    }
}

void rwp_vm_suspended(RwpVm *vm)
{
    for (uint64_t i = 0; i < vm->npages; i++) {
        if (vm->touched[i] && vm->age[i] == RWP_ABSENT) {
            vm->age[i] = 0;
        }
        vm->touched[i] = false;
    }
}

static void check_sums(RwpVm *vm)
{
    g_autoptr(QDict) info = rwp_query(vm->qts, vm->id);
    const QListEntry *entry;
    uint64_t present = 0;

    for (uint64_t i = 0; i < vm->npages; i++) {
        present += vm->age[i] == RWP_ABSENT ? 0 : vm->memory->page_size;
    }
    g_assert_cmpuint(qdict_get_int(info, "epochs"), ==, vm->epochs);
    g_assert_cmpuint(qdict_get_int(info, "page-size"), ==,
                     vm->memory->page_size);
    g_assert_cmpuint(qdict_get_int(info, "size"), ==, vm->size);
    g_assert_cmpuint(qdict_get_int(info, "untracked"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "present"), ==, present);
    g_assert_cmpuint(qdict_get_int(info, "accessed"), ==, vm->accessed);

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "idle-ages"), entry) {
        QDict *idle = qobject_to(QDict, qlist_entry_obj(entry));
        int min = qdict_get_int(idle, "min-age");
        int max = qdict_get_try_int(idle, "max-age", RWP_AGE_LIMIT);
        uint64_t bytes = 0;

        for (uint64_t i = 0; i < vm->npages; i++) {
            if (vm->age[i] >= min && vm->age[i] <= max) {
                bytes += vm->memory->page_size;
            }
        }
        g_assert_cmpuint(qdict_get_int(idle, "bytes"), ==, bytes);
    }
}

void rwp_vm_check(RwpVm *vm)
{
    g_autoptr(RwpAges) ages = rwp_export(vm->qts, vm->id);

    g_assert_cmpuint(ages->epochs, ==, vm->epochs);
    g_assert_cmpuint(ages->npages, ==, vm->npages);
    for (uint64_t i = 0; i < vm->npages; i++) {
        uint64_t offset = i * ages->page_size;

        if (ages->age[i] != vm->age[i]) {
            g_test_message("page %" PRIu64 " of %" PRIu64 ": age %d, expected"
                           " %d", i, vm->npages, ages->age[i], vm->age[i]);
        }
        g_assert_cmpint(ages->age[i], ==, vm->age[i]);
        if (ages->age[i] != RWP_ABSENT) {
            g_assert_cmphex(ages->gpa[i], ==, vm->base + offset);
        }
    }
    check_sums(vm);
}

void rwp_vm_split(RwpVm *vm)
{
    vm->may_be_split = true;
    vm->granule = vm->memory->page_size;
}

/* What was touched of a page that turns out to be huge counts for all of it. */
static void widen_touched(RwpVm *vm)
{
    uint64_t extent = vm->memory->granule / vm->memory->page_size;
    g_autoptr(RwpAges) ages = rwp_export(vm->qts, vm->id);

    for (uint64_t i = 0; i < vm->npages; i++) {
        if (vm->touched[i] && ages->huge[i]) {
            uint64_t first = QEMU_ALIGN_DOWN(i, extent);

            for (i = first; i < first + extent; i++) {
                g_assert_true(ages->huge[i]);
                vm->touched[i] = true;
            }
            i--;
        }
    }
}

void rwp_vm_epoch(RwpVm *vm)
{
    rwp_scan(vm->qts, vm->id);
    if (vm->may_be_split) {
        widen_touched(vm);
    }
    vm->epochs++;
    vm->accessed = 0;
    for (uint64_t i = 0; i < vm->npages; i++) {
        if (vm->touched[i]) {
            vm->age[i] = 0;
            vm->accessed += vm->memory->page_size;
        } else if (vm->age[i] != RWP_ABSENT) {
            vm->age[i] = MIN(vm->age[i] + 1, RWP_AGE_LIMIT);
        }
        vm->touched[i] = false;
    }
}

void rwp_vm_scan(RwpVm *vm)
{
    rwp_vm_epoch(vm);
    rwp_vm_check(vm);
}

void rwp_vm_assert_untouched(RwpVm *vm)
{
    rwp_assert_state(vm->qts, "ram0", "active", NULL);
    rwp_vm_scan(vm);
}
