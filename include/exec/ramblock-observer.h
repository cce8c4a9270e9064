/*
 * Somebody who keeps account of the pages of a RAMBlock
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef EXEC_RAMBLOCK_OBSERVER_H
#define EXEC_RAMBLOCK_OBSERVER_H

#include "exec/cpu-common.h"

typedef struct RAMBlockObserver RAMBlockObserver;

struct RAMBlockObserver {
    /*
     * Around the discarding of pages by ram_block_discard_range(): nobody else
     * should look at the pages in between.  @start and @length are bytes
     * within the block.  @ret is what ram_block_discard_range() is going to
     * return: if it is not 0, nothing is known about the range, not even
     * that it lies within the block.  Called by any thread, with or without
     * the BQL; must not take the BQL.
     */
    void (*discard_begin)(RAMBlockObserver *observer);
    void (*discard_end)(RAMBlockObserver *observer, uint64_t start,
                        uint64_t length, int ret);
    /*
     * The hardware failed in the page at @offset: its contents are lost, and
     * it is not accessed any more until it is discarded.  Called with the BQL,
     * maybe more than once.  May be NULL.
     */
    void (*poisoned)(RAMBlockObserver *observer, uint64_t offset);
};

/*
 * qemu_ram_set_observer: tell @observer about @rb from now on; NULL to tell
 * nobody.  There can be one at a time, and it must outlive the calls: it is
 * only taken away when no other thread can discard memory of @rb.
 */
void qemu_ram_set_observer(RAMBlock *rb, RAMBlockObserver *observer);

/* qemu_ram_poisoned: tell the observer, if any, of the failed page at @addr. */
void qemu_ram_poisoned(ram_addr_t addr);

/*
 * qemu_ram_set_uf_rwp: accesses to @rb are tracked by userfaultfd RWP, which
 * makes way for other users of userfaultfd before they register the memory.
 */
void qemu_ram_set_uf_rwp(RAMBlock *rb);
bool qemu_ram_is_uf_rwp(RAMBlock *rb);

#endif /* EXEC_RAMBLOCK_OBSERVER_H */
