/*
 * The host's pool of huge pages, as far as errors tell of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_RWP_HUGE_POOL_H
#define HW_RWP_HUGE_POOL_H

/*
 * rwp_huge_pool_check: can @size bytes consist of huge pages of @page_size
 * bytes?  0 is the host's default size.  Whether as many are free is not asked:
 * that may be different by the time they are taken.
 *
 * @id: the backend's, for the error
 *
 * Returns false with an error that names the property that has to change.
 */
bool rwp_huge_pool_check(const char *id, uint64_t page_size, uint64_t size,
                         Error **errp);

/*
 * rwp_huge_pool_explain: an error for @size bytes that could not be had from
 * the pool, which says how many pages are free and how to get more.
 *
 * @why: what the attempt said, taken over
 */
void rwp_huge_pool_explain(const char *id, uint64_t page_size, uint64_t size,
                           Error *why, Error **errp);

#endif /* HW_RWP_HUGE_POOL_H */
