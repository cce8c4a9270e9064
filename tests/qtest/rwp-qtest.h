/*
 * Helpers for the tests of memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kinds of memory, and what QEMU and the kernel tell of it.  What is told page
 * by page is in rwp-ages.h, a model of what must be told in rwp-vm.h.
 */

#ifndef RWP_QTEST_H
#define RWP_QTEST_H

#include "libqtest.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

/* Ages are not told apart from here on. */
#define RWP_AGE_LIMIT 200

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

/*
 * rwp_query_window: what query-working-set tells of the backend @id for a
 * window of so many seconds.
 */
QDict *rwp_query_window(QTestState *qts, const char *id, int seconds);

/* rwp_check_info: the checks that rwp_query() makes. */
void rwp_check_info(QDict *info);

/* rwp_query_int: one member of the answer. */
uint64_t rwp_query_int(QTestState *qts, const char *id, const char *member);

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
 * rwp_qom_set: set a property of "/objects/ram0" to @value, which is JSON; that
 * must work.
 */
void rwp_qom_set(QTestState *qts, const char *property, const char *value);

/* rwp_qom_set_fails: that must fail.  Returns the message. */
char *rwp_qom_set_fails(QTestState *qts, const char *property,
                        const char *value);

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

#endif /* RWP_QTEST_H */
