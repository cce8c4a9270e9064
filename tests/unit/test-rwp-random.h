/*
 * Random numbers for the tests of pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TEST_RWP_RANDOM_H
#define TEST_RWP_RANDOM_H

/* True once in @n times. */
static inline bool one_in(int n)
{
    return !g_test_rand_int_range(0, n);
}

/* Random number in [@low, @high], which are inclusive. */
static inline uint64_t between(uint64_t low, uint64_t high)
{
    g_assert_cmpuint(high - low, <, INT32_MAX);
    return low + g_test_rand_int_range(0, high - low + 1);
}

/*
 * Number of a page in [@low, @high], inclusive: these two, and the pages on
 * both sides of a multiple of @border, more often than others.
 */
static inline uint64_t some_page(uint64_t low, uint64_t high,
                                 uint64_t border)
{
    uint64_t page = between(low, high);

    switch (between(0, 5)) {
    case 0:
        return low;
    case 1:
        return high;
    case 2:
        return CLAMP(ROUND_UP(page, border), low, high);
    case 3:
        return CLAMP(ROUND_UP(page, border) - 1, low, high);
    default:
        return page;
    }
}

#endif /* TEST_RWP_RANDOM_H */
