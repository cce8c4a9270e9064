/*
 * What export-working-set writes, decoded
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef RWP_AGES_H
#define RWP_AGES_H

#include "libqtest.h"

/* Age of an absent page. */
#define RWP_ABSENT (-1)

/* Address of a page that the guest cannot see. */
#define RWP_UNMAPPED UINT64_MAX

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

/*
 * rwp_export: have QEMU export the backend @id, and decode that, checking that
 * it is well formed.
 */
RwpAges *rwp_export(QTestState *qts, const char *id);

void rwp_ages_free(RwpAges *ages);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RwpAges, rwp_ages_free)

/* rwp_ages_sum: bytes of all pages with ages from @min to @max. */
uint64_t rwp_ages_sum(const RwpAges *ages, int min, int max);

#endif /* RWP_AGES_H */
