/*
 * A backend in a virtual machine, and the model of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A test sees what QEMU tells about the pages of a backend in two forms: as
 * sums (query-working-set) and page by page (export-working-set).  The model
 * holds what must be told.  With the qtest accelerator nothing but the test
 * accesses guest memory, so both have to agree to the byte.  Accesses go
 * through the functions below, which tell the model.
 */

#ifndef RWP_VM_H
#define RWP_VM_H

#include "rwp-qtest.h"

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

/* rwp_vm_assert_untouched: what was refused has left tracking as it was. */
void rwp_vm_assert_untouched(RwpVm *vm);

#endif /* RWP_VM_H */
