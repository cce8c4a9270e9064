/*
 * The device tree of the virt board describes the memory that backends give
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <libfdt.h>
#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qemu/units.h"

#define PAGE        (4 * KiB)
#define MAX_NODES   2

/* A machine whose RAM comes from one or more memory-backend-rwp. */
typedef struct Machine {
    const char *name;
    const char *args;
    int nr;                     /* backends: ids ram0, ram1 */
    uint64_t size[MAX_NODES];
} Machine;

#define BACKEND(id, size) \
    " -object memory-backend-rwp,id=" id ",size=" size \
    ",thp=off,tracking=on,interval=86400000"

static const Machine machines[] = {
    { "one", BACKEND("ram0", "64M") " -m 64M -machine memory-backend=ram0",
      1, { 64 * MiB } },
    { "odd-size", BACKEND("ram0", "53256K") " -m 53256K"
      " -machine memory-backend=ram0", 1, { 53256 * KiB } },
    { "two-nodes", BACKEND("ram0", "48M") BACKEND("ram1", "80M")
      " -m 128M -smp 2 -numa node,nodeid=0,cpus=0,memdev=ram0"
      " -numa node,nodeid=1,cpus=1,memdev=ram1",
      2, { 48 * MiB, 80 * MiB } },
};

static const char *board = "-nodefaults -display none -cpu max -machine virt";

/* What a /memory node says. */
typedef struct Memory {
    uint64_t base;
    uint64_t size;
    int numa_node;              /* -1: none given */
} Memory;

static char *device_tree(const Machine *machine)
{
    g_autofree char *file = NULL, *command = NULL, *err = NULL;
    char *blob;
    gsize length;
    int status, fd;

    fd = g_file_open_tmp("rwp-fdt-XXXXXX", &file, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    command = g_strdup_printf("%s %s%s -accel qtest -machine dumpdtb=%s",
                              getenv("QTEST_QEMU_BINARY"), board, machine->args,
                              file);
    g_assert_true(g_spawn_command_line_sync(command, NULL, &err, &status,
                                            NULL));
    g_test_message("%s", err);
    g_assert_cmpint(status, ==, 0);
    g_assert_true(g_file_get_contents(file, &blob, &length, NULL));
    unlink(file);
    g_assert_cmpint(fdt_check_full(blob, length), ==, 0);
    return blob;
}

/* All /memory nodes, in the order of their addresses. */
static int memory_nodes(const void *fdt, Memory *memory)
{
    static const char type[] = "memory";
    int node = -1, nr = 0;

    while ((node = fdt_node_offset_by_prop_value(fdt, node, "device_type",
                                                 type, sizeof(type))) >= 0) {
        const fdt64_t *reg;
        const fdt32_t *numa;
        int length;

        g_assert_cmpint(nr, <, MAX_NODES);
        reg = fdt_getprop(fdt, node, "reg", &length);
        g_assert_cmpint(length, ==, 16);
        numa = fdt_getprop(fdt, node, "numa-node-id", NULL);
        memory[nr++] = (Memory) {
            .base = fdt64_to_cpu(reg[0]),
            .size = fdt64_to_cpu(reg[1]),
            .numa_node = numa ? (int)fdt32_to_cpu(*numa) : -1,
        };
    }
    if (nr == 2 && memory[0].base > memory[1].base) {
        Memory first = memory[1];

        memory[1] = memory[0];
        memory[0] = first;
    }
    return nr;
}

static uint64_t accessed(QTestState *qts, const char *id)
{
    QDict *response = qtest_qmp(qts, "{ 'execute': 'query-working-set',"
                                " 'arguments': { 'id': %s } }", id);
    QList *list = qdict_get_qlist(response, "return");
    uint64_t bytes;

    g_assert_nonnull(list);
    bytes = qdict_get_int(qobject_to(QDict, qlist_peek(list)), "accessed");
    qobject_unref(response);
    return bytes;
}

static void scan(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'scan-working-set' }");
}

static void test_machine(const void *data)
{
    const Machine *machine = data;
    g_autofree char *fdt = NULL, *args = NULL;
    Memory memory[MAX_NODES];
    QTestState *qts;
    int nr;

    if (access("/proc/self/pagemap", R_OK)) {
        g_test_skip("/proc/self/pagemap cannot be read");
        return;
    }
    fdt = device_tree(machine);
    nr = memory_nodes(fdt, memory);
    g_assert_cmpint(nr, ==, machine->nr);

    args = g_strdup_printf("%s%s", board, machine->args);
    qts = qtest_init(args);
    for (int i = 0; i < nr; i++) {
        g_assert_cmphex(memory[i].size, ==, machine->size[i]);
        g_assert_cmpint(memory[i].numa_node, ==, nr > 1 ? i : -1);
        if (i) {
            g_assert_cmphex(memory[i].base, ==,
                            memory[i - 1].base + memory[i - 1].size);
        }
    }

    /* Its first and its last byte are in the backend, and nowhere else. */
    for (int i = 0; i < nr; i++) {
        scan(qts);
        qtest_writeb(qts, memory[i].base, 1);
        qtest_writeb(qts, memory[i].base + memory[i].size - 1, 1);
        scan(qts);
        for (int j = 0; j < nr; j++) {
            g_autofree char *id = g_strdup_printf("ram%d", j);

            g_assert_cmpuint(accessed(qts, id), ==, i == j ? 2 * PAGE : 0);
        }
    }
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        g_autofree char *path = g_strdup_printf("rwp/fdt/%s",
                                                machines[i].name);

        qtest_add_data_func(path, &machines[i], test_machine);
    }
    return g_test_run();
}
