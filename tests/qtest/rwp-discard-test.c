/*
 * memory-backend-rwp: what the guest gives back is absent at once, and present
 * with its next touch
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Discards come from where they come from in real life: virtio-balloon
 * (inflating, free page reporting) and virtio-mem (unplugging).
 */

#include "qemu/osdep.h"
#include <sched.h>
#include <sys/sysinfo.h>
#include "libqos/libqos-pc.h"
#include "libqos/virtio-pci.h"
#include "standard-headers/linux/virtio_balloon.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_mem.h"
#include "standard-headers/linux/virtio_pci.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "rwp-ages.h"
#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE        (32 * MiB)
#define TIMEOUT_US  (30 * 1000 * 1000)
#define SLOT        4

/* Queues of the balloon, when it has no free page hinting. */
#define INFLATE     0
#define DEFLATE     1
#define STATS       2
#define REPORT      3
#define QUEUES      4

#define QUEUE_SIZE  4

typedef struct Guest {
    QOSState *qs;
    QVirtioPCIDevice *pci;
    QVirtioDevice *dev;
    QVirtQueue *queues[QUEUES];
    unsigned nr_queues;
    uint64_t buffer;        /* of a page, in guest memory that is not tested */
    RwpVm *vm;
} Guest;

/* Setting up each element of a queue takes some messages to and fro. */
static void shrink_queue(Guest *g, unsigned queue)
{
    uint64_t offset = g->pci->common_cfg_offset +
                      offsetof(struct virtio_pci_common_cfg, queue_size);

    g->dev->bus->queue_select(g->dev, queue);
    qpci_io_writew(g->pci->pdev, g->pci->bar, offset, QUEUE_SIZE);
    g_assert_cmpuint(g->dev->bus->get_queue_size(g->dev), ==, QUEUE_SIZE);
}

static void start_device(Guest *g, const char *args, unsigned queues)
{
    QPCIAddress addr = { .devfn = QPCI_DEVFN(SLOT, 0) };
    uint64_t features;

    g->qs = qtest_pc_boot("%s", args);
    g->pci = virtio_pci_new(g->qs->pcibus, &addr);
    g_assert_nonnull(g->pci);
    g->dev = &g->pci->vdev;
    qvirtio_pci_device_enable(g->pci);
    qvirtio_start_device(g->dev);
    features = qvirtio_get_features(g->dev);
    features &= ~(QVIRTIO_F_BAD_FEATURE | BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |
                  BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |
                  BIT_ULL(VIRTIO_BALLOON_F_PAGE_POISON));
    qvirtio_set_features(g->dev, features);
    for (g->nr_queues = 0; g->nr_queues < queues; g->nr_queues++) {
        shrink_queue(g, g->nr_queues);
        g->queues[g->nr_queues] = qvirtqueue_setup(g->dev, &g->qs->alloc,
                                                   g->nr_queues);
    }
    qvirtio_set_driver_ok(g->dev);
    g->buffer = guest_alloc(&g->qs->alloc, 4 * KiB);
}

static void stop(Guest *g)
{
    for (unsigned i = 0; i < g->nr_queues; i++) {
        qvirtqueue_cleanup(g->dev->bus, g->queues[i], &g->qs->alloc);
    }
    guest_free(&g->qs->alloc, g->buffer);
    qvirtio_pci_device_disable(g->pci);
    qos_object_destroy((QOSGraphObject *)g->pci);
    rwp_vm_detach(g->vm);
    qtest_shutdown(g->qs);
}

/* Have the device see what was added from @head on, and be done with it. */
static void submit(Guest *g, unsigned queue, uint32_t head)
{
    QVirtQueue *vq = g->queues[queue];

    qvirtqueue_kick(g->qs->qts, g->dev, vq, head);
    qvirtio_wait_used_elem(g->qs->qts, g->dev, vq, head, NULL, TIMEOUT_US);
    qvirtqueue_reset_pool(vq);
}

static bool start_balloon(Guest *g, const RwpMemory *memory)
{
    g_autofree char *args = rwp_vm_args(memory, SIZE, "tracking=on");
    g_autofree char *more = NULL;

    if (!rwp_memory_usable(memory, SIZE)) {
        return false;
    }
    more = g_strdup_printf("%s -device virtio-balloon-pci,id=balloon,"
                           "addr=%d.0,free-page-reporting=on", args, SLOT);
    start_device(g, more, QUEUES);
    g->vm = rwp_vm_attach(g->qs->qts, memory, "ram0", rwp_vm_base(), SIZE);
    return true;
}

/* Put pages of 4 KiB in the balloon, or take them out. */
static void balloon(Guest *g, unsigned queue, uint64_t offset, uint64_t length)
{
    uint32_t pfns[512];     /* a huge page must come in one request */

    while (length) {
        size_t n = MIN(length / (4 * KiB), ARRAY_SIZE(pfns));

        for (size_t i = 0; i < n; i++) {
            pfns[i] = cpu_to_le32((g->vm->base + offset) / (4 * KiB));
            offset += 4 * KiB;
        }
        length -= n * 4 * KiB;
        qtest_memwrite(g->qs->qts, g->buffer, pfns, n * sizeof(pfns[0]));
        submit(g, queue, qvirtqueue_add(g->qs->qts, g->queues[queue],
                                        g->buffer, n * sizeof(pfns[0]),
                                        false, false));
    }
}

static void inflate(Guest *g, uint64_t offset, uint64_t length)
{
    balloon(g, INFLATE, offset, length);
    rwp_vm_discarded(g->vm, offset, length);
}

/* Report pages free, as one range. */
static void report(Guest *g, uint64_t offset, uint64_t length)
{
    submit(g, REPORT, qvirtqueue_add(g->qs->qts, g->queues[REPORT],
                                     g->vm->base + offset, length, true,
                                     false));
    rwp_vm_discarded(g->vm, offset, length);
}

static void test_balloon(const void *data)
{
    Guest g = { };
    RwpVm *vm;

    if (!start_balloon(&g, data)) {
        return;
    }
    vm = g.vm;
    if (vm->memory->page_size != vm->granule) {
        /* By the first of the small pages that come back one by one. */
        rwp_vm_split(vm);
    }
    rwp_vm_write(vm, 0, 8 * MiB);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);

    /* At once, not with the next scan. */
    inflate(&g, 2 * MiB, 2 * MiB);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);
    g_assert_cmphex(qtest_readb(vm->qts, vm->base), ==, 0xa5);

    /* Touched again, in the same interval and in a later one. */
    rwp_vm_touch(vm, 0, 1);
    inflate(&g, 4 * MiB, 2 * MiB);
    rwp_vm_write(vm, 4 * MiB, 1);
    rwp_vm_scan(vm);
    balloon(&g, DEFLATE, 2 * MiB, 2 * MiB);
    rwp_vm_check(vm);
    g_assert_cmphex(qtest_readb(vm->qts, vm->base + 3 * MiB), ==, 0);
    rwp_vm_touch(vm, 3 * MiB, 1);
    rwp_vm_scan(vm);

    /* Touched before: that access is gone with the page. */
    rwp_vm_write(vm, 6 * MiB, 2 * MiB);
    inflate(&g, 6 * MiB, 2 * MiB);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);

    /* Never populated, discarded twice. */
    inflate(&g, 16 * MiB, 2 * MiB);
    inflate(&g, 16 * MiB, 2 * MiB);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 16 * MiB, 2 * MiB);
    rwp_vm_scan(vm);
    stop(&g);
}

/* Page by page, on both ends of the backend. */
static void test_balloon_pages(const void *data)
{
    Guest g = { };
    RwpVm *vm;

    if (!start_balloon(&g, data)) {
        return;
    }
    vm = g.vm;
    rwp_vm_write(vm, 0, SIZE);
    rwp_vm_scan(vm);
    inflate(&g, 0, 4 * KiB);
    inflate(&g, 12 * KiB, 8 * KiB);
    inflate(&g, SIZE - 4 * KiB, 4 * KiB);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 12 * KiB, 1);
    rwp_vm_read(vm, SIZE - 1, 1);
    rwp_vm_scan(vm);
    stop(&g);
}

static void test_reporting(const void *data)
{
    Guest g = { };
    RwpVm *vm;
    uint32_t head;

    if (!start_balloon(&g, data)) {
        return;
    }
    vm = g.vm;
    rwp_vm_write(vm, 0, SIZE);
    rwp_vm_scan(vm);
    report(&g, 8 * MiB, 4 * MiB);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);

    /* Several ranges in one request. */
    head = qvirtqueue_add(vm->qts, g.queues[REPORT], vm->base, 2 * MiB, true,
                          true);
    qvirtqueue_add(vm->qts, g.queues[REPORT], vm->base + 20 * MiB, 6 * MiB,
                   true, true);
    qvirtqueue_add(vm->qts, g.queues[REPORT], vm->base + SIZE - 2 * MiB,
                   2 * MiB, true, false);
    submit(&g, REPORT, head);
    rwp_vm_discarded(vm, 0, 2 * MiB);
    rwp_vm_discarded(vm, 20 * MiB, 6 * MiB);
    rwp_vm_discarded(vm, SIZE - 2 * MiB, 2 * MiB);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);

    rwp_vm_write(vm, 0, 1);
    rwp_vm_write(vm, 10 * MiB, 2 * MiB);
    rwp_vm_write(vm, SIZE - 1, 1);
    rwp_vm_scan(vm);

    /* All of it. */
    report(&g, 0, SIZE);
    rwp_vm_check(vm);
    g_assert_cmpuint(rwp_query_int(vm->qts, "ram0", "present"), ==, 0);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 0, SIZE);
    rwp_vm_scan(vm);
    stop(&g);
}

/* Half of a huge page is given back: the rest stays, in small pages. */
static void test_split(void)
{
    Guest g = { };
    RwpVm *vm;

    if (!start_balloon(&g, rwp_memory("thp"))) {
        return;
    }
    vm = g.vm;
    rwp_vm_write(vm, 0, 8 * MiB);
    rwp_vm_scan(vm);
    rwp_vm_split(vm);
    report(&g, 3 * MiB, 1 * MiB);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);
    /* Now a byte counts for a small page there, elsewhere for a huge one. */
    rwp_vm_write(vm, 2 * MiB, 1);
    rwp_vm_write(vm, 3 * MiB + 64 * KiB, 1);
    rwp_vm_write(vm, 4 * MiB, 1);
    rwp_vm_scan(vm);
    g_assert_cmpuint(vm->accessed, ==, 2 * MiB + 2 * 4 * KiB);
    inflate(&g, 6 * MiB + 8 * KiB, 4 * KiB);
    rwp_vm_check(vm);
    rwp_vm_write(vm, 6 * MiB, 1);
    rwp_vm_scan(vm);
    g_assert_cmpuint(vm->accessed, ==, 4 * KiB);
    stop(&g);
}

/* Private copies of huge pages go when the file gets a hole. */
static void test_private_file(void)
{
    Guest g = { };
    RwpVm *vm;

    if (!start_balloon(&g, rwp_memory("hugetlb-private"))) {
        return;
    }
    vm = g.vm;
    rwp_vm_write(vm, 0, 8 * MiB);
    rwp_vm_scan(vm);
    report(&g, 2 * MiB, 2 * MiB);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);
    g_assert_cmphex(qtest_readb(vm->qts, vm->base + 2 * MiB), ==, 0);
    rwp_vm_touch(vm, 2 * MiB, 1);
    rwp_vm_scan(vm);
    stop(&g);
}

static void check_out(RwpVm *vm, uint64_t resident, uint64_t refaulted)
{
    g_autoptr(QDict) info = rwp_query(vm->qts, "ram0");
    QDict *evict = qdict_get_qdict(info, "eviction");

    rwp_vm_check(vm);
    g_assert_cmpuint(qdict_get_int(info, "resident"), ==, resident);
    g_assert_cmpuint(qdict_get_int(evict, "evicted"), ==, SIZE);
    g_assert_cmpuint(qdict_get_int(evict, "refaulted"), ==, refaulted);
}

/* What is discarded while it is paged out is not out any longer, nor back. */
static void test_evicted(const void *data)
{
    g_autoptr(QDict) answer = NULL;
    struct sysinfo info;
    cpu_set_t before, one;
    Guest g = { };
    RwpVm *vm;

    g_assert_cmpint(sysinfo(&info), ==, 0);
    if ((uint64_t)info.freeswap * info.mem_unit < 2 * SIZE) {
        g_test_skip("this RWP test needs 64 MiB of free swap space");
        return;
    }
    /* What a CPU has just populated can only be paged out from there. */
    g_assert_cmpint(sched_getaffinity(0, sizeof(before), &before), ==, 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    g_assert_cmpint(sched_setaffinity(0, sizeof(one), &one), ==, 0);
    if (!start_balloon(&g, data)) {
        return;
    }
    vm = g.vm;
    rwp_vm_write(vm, 0, SIZE);
    rwp_vm_scan(vm);
    answer = qtest_qmp_assert_success_ref(vm->qts, "{ 'execute':"
                                          " 'evict-cold-memory',"
                                          " 'arguments': { 'id': 'ram0',"
                                          " 'bytes': %" PRIu64 ","
                                          " 'min-age': 0 } }",
                                          (uint64_t)SIZE);
    g_assert_cmpuint(qdict_get_int(answer, "evicted"), ==, SIZE);
    rwp_vm_split(vm);
    check_out(vm, 0, 0);

    report(&g, 8 * MiB, 4 * MiB);
    check_out(vm, 0, 0);
    rwp_vm_scan(vm);
    check_out(vm, 0, 0);
    inflate(&g, 16 * MiB, 2 * MiB);
    check_out(vm, 0, 0);

    /* New pages, and old ones. */
    rwp_vm_write(vm, 8 * MiB, 2 * MiB);
    rwp_vm_write(vm, 16 * MiB, 2 * MiB);
    rwp_vm_scan(vm);
    check_out(vm, 4 * MiB, 0);
    rwp_vm_write(vm, 4 * MiB, 64 * KiB);
    rwp_vm_scan(vm);
    check_out(vm, 4 * MiB + 64 * KiB, 64 * KiB);
    g_assert_cmphex(qtest_readb(vm->qts, vm->base + MiB), ==, 0xa5);
    g_assert_cmphex(qtest_readb(vm->qts, vm->base + 11 * MiB), ==, 0);
    stop(&g);
    g_assert_cmpint(sched_setaffinity(0, sizeof(before), &before), ==, 0);
}

/* Accesses, discards and scans in any order. */
static void test_random(const void *data)
{
    Guest g = { };
    RwpVm *vm;

    if (!start_balloon(&g, data)) {
        return;
    }
    vm = g.vm;
    for (int i = 0; i < 150; i++) {
        uint64_t n = SIZE / vm->granule;
        uint64_t page = g_test_rand_int_range(0, n);
        uint64_t count = g_test_rand_int_range(1, 1 + n / 6);
        uint64_t offset = page * vm->granule;
        uint64_t length = MIN(count, n - page) * vm->granule;

        switch (g_test_rand_int_range(0, 6)) {
        case 0:
            report(&g, offset, length);
            rwp_vm_check(vm);
            break;
        case 1:
            rwp_vm_scan(vm);
            break;
        case 2:
            rwp_vm_read(vm, offset, 1);
            break;
        default:
            rwp_vm_write(vm, offset, length);
            break;
        }
    }
    rwp_vm_scan(vm);
    stop(&g);
}

static uint16_t virtio_mem_request(Guest *g, uint16_t type, uint64_t offset,
                                   uint16_t blocks)
{
    struct virtio_mem_req req = {
        .type = cpu_to_le16(type),
        /* Plugging, unplugging and asking for the state look the same. */
        .u.plug.addr = cpu_to_le64(rwp_vm_base() + offset),
        .u.plug.nb_blocks = cpu_to_le16(blocks),
    };
    struct virtio_mem_resp resp;
    uint64_t answer = g->buffer + sizeof(req);
    uint32_t head;

    qtest_memwrite(g->qs->qts, g->buffer, &req, sizeof(req));
    head = qvirtqueue_add(g->qs->qts, g->queues[0], g->buffer, sizeof(req),
                          false, true);
    qvirtqueue_add(g->qs->qts, g->queues[0], answer, sizeof(resp), true,
                   false);
    submit(g, 0, head);
    qtest_memread(g->qs->qts, answer, &resp, sizeof(resp));
    return le16_to_cpu(resp.type);
}

static void set_requested_size(Guest *g, uint64_t size)
{
    qtest_qmp_assert_success(g->qs->qts, "{ 'execute': 'qom-set',"
                             " 'arguments': { 'path': '/machine/peripheral/vm',"
                             " 'property': 'requested-size',"
                             " 'value': %" PRIu64 " } }", size);
}

static void test_virtio_mem(const void *data)
{
    const RwpMemory *memory = data;
    g_autofree char *args = NULL;
    Guest g = { };
    RwpVm *vm;

    if (!rwp_memory_usable(memory, SIZE)) {
        return;
    }
    args = g_strdup_printf("-nodefaults -machine pc -m 32M,maxmem=16G"
                           " -object memory-backend-rwp,id=ram0,size=%" PRIu64
                           ",tracking=on,%s,%s"
                           " -device virtio-mem-pci,id=vm,memdev=ram0,addr=%d.0,"
                           "block-size=2M,memaddr=%" PRIu64,
                           SIZE, RWP_NEVER, memory->options, SLOT,
                           rwp_vm_base());
    start_device(&g, args, 1);
    g.vm = rwp_vm_attach(g.qs->qts, memory, "ram0", rwp_vm_base(), SIZE);
    vm = g.vm;
    for (uint64_t i = 0; i < vm->npages; i++) {
        g_assert_cmpint(vm->age[i], ==, RWP_ABSENT);
    }

    set_requested_size(&g, 16 * MiB);
    g_assert_cmpuint(virtio_mem_request(&g, VIRTIO_MEM_REQ_PLUG, 8 * MiB, 8),
                     ==, VIRTIO_MEM_RESP_ACK);
    rwp_vm_scan(vm);
    rwp_vm_write(vm, 8 * MiB, 16 * MiB);
    rwp_vm_scan(vm);
    rwp_vm_scan(vm);

    set_requested_size(&g, 12 * MiB);
    g_assert_cmpuint(virtio_mem_request(&g, VIRTIO_MEM_REQ_UNPLUG, 10 * MiB,
                                        2), ==, VIRTIO_MEM_RESP_ACK);
    rwp_vm_discarded(vm, 10 * MiB, 4 * MiB);
    rwp_vm_check(vm);
    rwp_vm_write(vm, 14 * MiB, 1);
    rwp_vm_scan(vm);

    set_requested_size(&g, 16 * MiB);
    g_assert_cmpuint(virtio_mem_request(&g, VIRTIO_MEM_REQ_PLUG, 12 * MiB, 1),
                     ==, VIRTIO_MEM_RESP_ACK);
    rwp_vm_check(vm);
    rwp_vm_write(vm, 12 * MiB, 1);
    rwp_vm_scan(vm);

    g_assert_cmpuint(virtio_mem_request(&g, VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0),
                     ==, VIRTIO_MEM_RESP_ACK);
    rwp_vm_discarded(vm, 0, SIZE);
    rwp_vm_check(vm);
    rwp_vm_scan(vm);
    g_assert_cmpuint(rwp_query_int(vm->qts, "ram0", "present"), ==, 0);
    stop(&g);
}

static const struct {
    const char *name;
    GTestDataFunc fn;
    const char *memories;
} cases[] = {
    { "balloon", test_balloon, "anon thp memfd hugetlb-shared" },
    { "balloon-pages", test_balloon_pages, "anon memfd" },
    { "reporting", test_reporting, "anon thp memfd hugetlb-shared" },
    { "evicted", test_evicted, "anon thp memfd" },
    { "random", test_random, "anon thp memfd hugetlb-shared" },
    { "virtio-mem", test_virtio_mem, "anon thp memfd hugetlb-shared" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/rwp/discard/%s",
                                                cases[i].name);

        rwp_qtest_add_each(path, cases[i].memories, cases[i].fn);
    }
    rwp_qtest_add("/rwp/discard/split", test_split);
    rwp_qtest_add("/rwp/discard/private-file", test_private_file);
    return g_test_run();
}
