/*
 * memory-backend-rwp: pages in which the hardware failed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host's kernel is told that a page is broken, as a machine check would.
 * This takes root, KVM (QEMU knows of such pages for KVM only), and memory of
 * the host that nobody gets back: so only where QTEST_HWPOISON says that the
 * host may be used like that.
 */

#include "qemu/osdep.h"
#include "rwp-ages.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE        (8 * MiB)
#define OFFLINE     "/sys/devices/system/memory/hard_offline_page"

static uint64_t physical_address(RwpVm *vm, uint64_t offset)
{
    uint64_t host = rwp_host_address(vm->qts, vm->base + offset);
    g_autofree uint64_t *entry = rwp_pagemap(vm->qts, host, 4 * KiB);

    g_assert_cmpuint(*entry & RWP_PAGEMAP_PRESENT, !=, 0);
    g_assert_cmpuint(*entry & RWP_PAGEMAP_FRAME, !=, 0);
    return (*entry & RWP_PAGEMAP_FRAME) * (4 * KiB);
}

static void poison(RwpVm *vm, uint64_t offset)
{
    g_autofree char *address = g_strdup_printf("0x%" PRIx64,
                                               physical_address(vm, offset));
    int fd = open(OFFLINE, O_WRONLY);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, address, strlen(address)), ==, strlen(address));
    close(fd);
}

static void set_tracking(RwpVm *vm, const char *value)
{
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'qom-set', 'arguments': {"
                             " 'path': '/objects/ram0', 'property':"
                             " 'tracking', 'value': %s } }", value);
}

/* @bad bytes are poisoned, all others present and idle for @age epochs. */
static void check(RwpVm *vm, uint64_t bad, int age)
{
    g_autoptr(QDict) info = rwp_query(vm->qts, vm->id);
    g_autoptr(RwpAges) ages = rwp_export(vm->qts, vm->id);

    g_assert_cmpuint(qdict_get_int(info, "untracked"), ==, bad);
    g_assert_cmpuint(qdict_get_int(info, "present"), ==, SIZE - bad);
    g_assert_cmpuint(qdict_get_int(info, "absent"), ==, 0);
    g_assert_cmpuint(qdict_get_int(info, "accessed"), ==,
                     age ? 0 : SIZE - bad);
    if (bad) {
        g_assert_cmpstr(qdict_get_str(info, "untracked-reason"), ==,
                        "the hardware failed there");
    }
    g_assert_cmpuint(rwp_ages_sum(ages, age, age), ==, SIZE - bad);
}

static void test_poison(const void *data)
{
    const RwpMemory *memory = data;
    uint64_t page = memory->page_size, bad = 2 * MiB;
    g_autoptr(RwpVm) vm = NULL;
    int64_t start = 0;

    if (!rwp_memory_usable(memory, SIZE)) {
        return;
    }
    /* Of a CPU by AMD, so that the guest is not reset by what it is told. */
    vm = rwp_vm_new(memory, SIZE, "-accel kvm -cpu qemu64,vendor=AuthenticAMD"
                    " -S");
    rwp_vm_write(vm, 0, SIZE);
    rwp_scan(vm->qts, vm->id);
    check(vm, 0, 0);

    poison(vm, bad);
    while (!rwp_query_int(vm->qts, vm->id, "untracked")) {
        rwp_deadline(&start, "QEMU to know of the failed page");
    }
    for (int age = 1; age <= 3; age++) {
        rwp_scan(vm->qts, vm->id);
        check(vm, page, age);
    }

    /* Learning anew what is populated finds it not, either. */
    set_tracking(vm, "off");
    set_tracking(vm, "on");
    rwp_wait_epochs(vm->qts, vm->id, 1);
    rwp_scan(vm->qts, vm->id);
    check(vm, page, 1);

    /* A reset replaces it. */
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'system_reset' }");
    qtest_qmp_eventwait(vm->qts, "RESET");
    g_assert_cmpuint(rwp_query_int(vm->qts, vm->id, "untracked"), ==, 0);
    g_assert_cmpuint(rwp_query_int(vm->qts, vm->id, "absent"), ==, page);
    rwp_vm_write(vm, 0, SIZE);
    rwp_scan(vm->qts, vm->id);
    check(vm, 0, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!getenv("QTEST_HWPOISON")) {
        printf("1..0 # SKIP QTEST_HWPOISON is not set: memory would be lost\n");
        return 0;
    }
    if (!qtest_has_accel("kvm") || access(OFFLINE, W_OK)) {
        printf("1..0 # SKIP needs KVM, root, and a kernel with " OFFLINE "\n");
        return 0;
    }
    for (const RwpMemory *m = rwp_memories; m->name; m++) {
        g_autofree char *path = g_strdup_printf("/rwp/poison/%s", m->name);

        rwp_qtest_add_data(path, m, test_poison);
    }
    return g_test_run();
}
