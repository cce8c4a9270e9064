/*
 * A guest whose memory is evicted, and the model of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where pages really are is asked of the kernel, from outside of QEMU.  Time is
 * the virtual clock, which stands still unless it is stepped, and epochs end
 * when the test says so.
 *
 * The kernel pages out what is on its LRU lists, and a page that was just
 * populated waits for that in a list of its CPU; MADV_PAGEOUT looks at the
 * list of its own CPU only.  So all of QEMU runs on one.
 */

#ifndef RWP_EVICT_GUEST_H
#define RWP_EVICT_GUEST_H

#include "rwp-qtest.h"
#include "rwp-vm.h"

#define SIZE        (16 * MiB)
#define PAGE        (4 * KiB)
#define NPAGES      (SIZE / PAGE)

/* What is old enough for nothing. */
#define NEVER_COLD  UINT32_MAX

typedef struct EvictGuest {
    RwpVm *vm;
    QTestState *qts;
    uint64_t host;          /* where QEMU has the memory */
    uint8_t *file;          /* shared memory, as the test maps it */
    bool in[NPAGES];        /* what the kernel said last */
    uint8_t round[NPAGES];  /* which contents a page has */

    /* The model. */
    bool out[NPAGES];
    uint64_t evicted;       /* bytes */
    uint64_t refaulted;
} EvictGuest;

/* evict_test_init: in place of g_test_init(). */
void evict_test_init(int *argc, char ***argv);

/*
 * evict_host_usable: whether this host can do it, and has @swap bytes of swap
 * space free.  If not, skips the current test.
 */
bool evict_host_usable(const RwpMemory *memory, uint64_t swap);

/*
 * evict_guest_start: a guest of @memory, with @options for the backend "ram0".
 * Returns false if the test is skipped.
 */
bool evict_guest_start(EvictGuest *g, const RwpMemory *memory,
                       const char *options);

/* evict_guest_stop: the guest ends; @g itself is not freed. */
void evict_guest_stop(EvictGuest *g);

/* evict_step_seconds: move the virtual clock on. */
void evict_step_seconds(EvictGuest *g, unsigned seconds);

/* evict_qom_set_size: change a property; that must work. */
void evict_qom_set_size(EvictGuest *g, const char *property, uint64_t bytes);

/* evict_fill: give @count pages from @first on new contents. */
void evict_fill(EvictGuest *g, uint64_t first, uint64_t count);

/* evict_touch: access pages without changing them. */
void evict_touch(EvictGuest *g, uint64_t first, uint64_t count);

/*
 * evict_check_contents: every byte of all pages that were filled; brings
 * everything back in.
 */
void evict_check_contents(EvictGuest *g);

/* evict_look: ask the kernel which pages are in. */
void evict_look(EvictGuest *g);

/* evict_epoch: end the interval, in QEMU and in the model. */
void evict_epoch(EvictGuest *g);

/*
 * evict_cold_bytes: what may go of the ages @min_age to @max_age, in epochs,
 * as the model has it.
 */
uint64_t evict_cold_bytes(const EvictGuest *g, int min_age, int max_age);

/*
 * evict_model: pages of @min_age or more have been evicted, @bytes of them at
 * most.  The coldest go first; of those of one age the kernel is asked which
 * ones went.  Returns how much.
 */
uint64_t evict_model(EvictGuest *g, int min_age, uint64_t bytes);

/* evict_info, evict_info_int: what query-working-set says of eviction. */
QDict *evict_info(EvictGuest *g);
uint64_t evict_info_int(EvictGuest *g, const char *member);

/* evict_check: pages are where the model has them, and QEMU says so, too. */
void evict_check(EvictGuest *g);

/* evict_wait: until @bytes, no more, have been evicted in all. */
void evict_wait(EvictGuest *g, uint64_t bytes);

/* evict_by_hand: evict-cold-memory; @min_age is in seconds. */
QDict *evict_by_hand(EvictGuest *g, uint64_t bytes, uint32_t min_age);

/*
 * evict_and_check: the same, where pages of @min_age_epochs and more are
 * @min_age seconds old, and check the answer: @accessed bytes did not go since
 * they were accessed.
 */
void evict_and_check(EvictGuest *g, uint64_t bytes, uint32_t min_age,
                     int min_age_epochs, const char *limit, uint64_t accessed);

/*
 * evict_touched_bytes: what is in, was of @min_age epochs or more, and has been
 * accessed since.
 */
uint64_t evict_touched_bytes(const EvictGuest *g, int min_age);

#endif /* RWP_EVICT_GUEST_H */
