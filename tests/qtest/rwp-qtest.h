/*
 * Helpers for the tests of memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A test sees what QEMU tells about the pages of a backend in two forms: as
 * sums (query-working-set) and page by page (export-working-set).  A model
 * holds what must be told.  With the qtest accelerator nothing but the test
 * accesses guest memory, so both have to agree to the byte.
 */

#ifndef RWP_QTEST_H
#define RWP_QTEST_H

#include "libqtest.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

/* Ages are not told apart from here on. */
#define RWP_AGE_LIMIT 200

/* Age of an absent page. */
#define RWP_ABSENT (-1)

/* Address of a page that the guest cannot see. */
#define RWP_UNMAPPED UINT64_MAX

/* An interval that does not end within a test. */
#define RWP_NEVER "interval=86400000"

/*
 * rwp_qtest_no_rwp: why the host's kernel cannot track accesses, found out
 * without QEMU; NULL if it can.
 */
const char *rwp_qtest_no_rwp(void);

/*
 * rwp_qtest_add, rwp_qtest_add_data: add the test @fn.  It is skipped where
 * the kernel cannot track accesses.
 */
void rwp_qtest_add(const char *path, void (*fn)(void));
void rwp_qtest_add_data(const char *path, const void *data, GTestDataFunc fn);

/* One kind of memory that a backend can be made of. */
typedef struct RwpMemory {
    const char *name;       /* a word for test paths */
    const char *options;    /* of memory-backend-rwp */
    uint64_t page_size;     /* that QEMU counts in */
    uint64_t granule;       /* what an access to one byte counts for */
    bool shared;
} RwpMemory;

/* All kinds, ended by one without a name. */
extern const RwpMemory rwp_memories[];

/* rwp_memory: the kind called @name. */
const RwpMemory *rwp_memory(const char *name);

/*
 * rwp_qtest_add_each: add the test @fn for each of the kinds of memory whose
 * names are in @memories, separated by a space.  Its path is that name below
 * @path, its data the RwpMemory.
 */
void rwp_qtest_add_each(const char *path, const char *memories,
                        GTestDataFunc fn);

/*
 * rwp_memory_usable: whether this host has the huge pages that @size bytes
 * need.  If not, skips the current test.
 */
bool rwp_memory_usable(const RwpMemory *memory, uint64_t size);

/*
 * rwp_query: the answer of query-working-set for the backend @id.  Checks all
 * that must hold between the members of any answer.
 */
QDict *rwp_query(QTestState *qts, const char *id);

/* rwp_check_info: the checks that rwp_query() makes. */
void rwp_check_info(QDict *info);

/* rwp_query_int, rwp_query_state: one member of the answer. */
uint64_t rwp_query_int(QTestState *qts, const char *id, const char *member);
char *rwp_query_state(QTestState *qts, const char *id);

/* rwp_assert_state: @reason is NULL if there must be none. */
void rwp_assert_state(QTestState *qts, const char *id, const char *state,
                      const char *reason);

/* rwp_wait_state: ask until the state is @state. */
void rwp_wait_state(QTestState *qts, const char *id, const char *state);

/* rwp_wait_epochs: ask until there were at least @epochs. */
void rwp_wait_epochs(QTestState *qts, const char *id, uint64_t epochs);

/*
 * rwp_deadline: to be called in each turn of a loop that waits for @what, with
 * @start being 0 at first.  Waits a moment; fails after a minute.
 */
void rwp_deadline(int64_t *start, const char *what);

/* rwp_scan: one scan now, of all backends if @id is NULL. */
void rwp_scan(QTestState *qts, const char *id);

/*
 * rwp_assert_error: the command must fail with a message that begins with
 * @message.
 */
void rwp_assert_error(QTestState *qts, const char *message, const char *fmt,
                      ...) G_GNUC_PRINTF(3, 4);

/*
 * rwp_start_fails: run QEMU with @args; it must end by itself with status 1.
 * Returns what it wrote to stderr.
 */
char *rwp_start_fails(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* rwp_temp_name: a name for a new file, to be freed and unlinked. */
char *rwp_temp_name(const char *what);

/* rwp_host_address: where QEMU has the guest-physical address @gpa. */
uint64_t rwp_host_address(QTestState *qts, uint64_t gpa);

/*
 * rwp_pagemap: what the kernel tells of each of its pages in QEMU's memory
 * from @host on, @size bytes.  The caller frees it.
 */
uint64_t *rwp_pagemap(QTestState *qts, uint64_t host, uint64_t size);

/* Bits of its entries; a page that is populated has one of the first two. */
#define RWP_PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define RWP_PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define RWP_PAGEMAP_FRAME   ((UINT64_C(1) << 55) - 1)

/* What export-working-set wrote, by page. */
typedef struct RwpAges {
    uint64_t page_size;
    uint64_t epochs;
    uint64_t interval_ms;
    uint64_t size;
    uint64_t npages;
    int *age;               /* or RWP_ABSENT */
    bool *huge;
    uint64_t *gpa;          /* or RWP_UNMAPPED; only of present pages */
} RwpAges;

RwpAges *rwp_export(QTestState *qts, const char *id);

/* rwp_decode: decode @data, checking that it is well formed. */
RwpAges *rwp_decode(const char *data, size_t length);

void rwp_ages_free(RwpAges *ages);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RwpAges, rwp_ages_free)

/* rwp_ages_sum: bytes of all pages with ages from @min to @max. */
uint64_t rwp_ages_sum(const RwpAges *ages, int min, int max);

/*
 * A backend in a virtual machine, and the model of it.  Accesses go through
 * the functions below, which tell the model.
 */
typedef struct RwpVm {
    QTestState *qts;
    const RwpMemory *memory;
    char *id;
    uint64_t base;          /* guest-physical address of its first byte */
    uint64_t size;
    uint64_t granule;
    bool may_be_split;      /* granules are what QEMU says is huge, or pages */

    uint64_t npages;
    int *age;
    bool *touched;          /* since the last scan */
    uint64_t accessed;      /* bytes, in the last interval */
    uint64_t epochs;
} RwpVm;

/*
 * rwp_vm_args: arguments for a machine that sees @size bytes of the given
 * memory as "ram0", from rwp_vm_base() on; @options are more properties of the
 * backend, or "".
 */
char *rwp_vm_args(const RwpMemory *memory, uint64_t size, const char *options);
uint64_t rwp_vm_base(void);

/*
 * rwp_vm_new: start a machine with one tracked backend that is only scanned
 * when told to.  The model begins with what QEMU tells after a first scan.
 */
RwpVm *rwp_vm_new(const RwpMemory *memory, uint64_t size, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

/* rwp_vm_attach: a model of @size bytes of a machine that runs already. */
RwpVm *rwp_vm_attach(QTestState *qts, const RwpMemory *memory, const char *id,
                     uint64_t base, uint64_t size);

/* rwp_vm_detach: free the model only. */
void rwp_vm_detach(RwpVm *vm);

/* rwp_vm_free: quit the machine, too. */
void rwp_vm_free(RwpVm *vm);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RwpVm, rwp_vm_free)

/* rwp_vm_write, rwp_vm_read: access @length bytes at @offset of the backend. */
void rwp_vm_write(RwpVm *vm, uint64_t offset, uint64_t length);
void rwp_vm_read(RwpVm *vm, uint64_t offset, uint64_t length);

/* rwp_vm_touch: tell the model of an access that someone else makes. */
void rwp_vm_touch(RwpVm *vm, uint64_t offset, uint64_t length);

/* rwp_vm_discarded: tell the model that pages have become absent. */
void rwp_vm_discarded(RwpVm *vm, uint64_t offset, uint64_t length);

/*
 * rwp_vm_suspended: tell the model that tracking stepped aside and is back:
 * what was touched since the last scan is not known, but pages that were
 * absent are new.
 */
void rwp_vm_suspended(RwpVm *vm);

/*
 * rwp_vm_split: huge pages may have been split, so that from now on an access
 * counts for a page only, except where QEMU sees a huge one.
 */
void rwp_vm_split(RwpVm *vm);

/* rwp_vm_epoch: scan. */
void rwp_vm_epoch(RwpVm *vm);

/* rwp_vm_check: compare what QEMU tells with the model, to the page. */
void rwp_vm_check(RwpVm *vm);

/* rwp_vm_scan: both. */
void rwp_vm_scan(RwpVm *vm);

#endif /* RWP_QTEST_H */
