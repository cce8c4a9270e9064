/*
 * What export-working-set writes, decoded
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/units.h"
#include "rwp-ages.h"
#include "rwp-qtest.h"

static uint64_t get_le(const char **p, int bytes)
{
    uint64_t value = ldn_le_p(*p, bytes);

    *p += bytes;
    return value;
}

/* One run of pages; returns false for the record that ends the file. */
static bool decode_record(RwpAges *ages, const char **p, uint64_t *gpa_before)
{
    uint64_t gpa = get_le(p, 8);
    uint64_t offset = get_le(p, 8);
    uint64_t length = get_le(p, 4) * 4 * KiB;
    unsigned age = get_le(p, 2);
    unsigned flags = get_le(p, 2);

    if (!length) {
        g_assert_cmphex(gpa, ==, RWP_UNMAPPED);
        g_assert_cmphex(offset, ==, 0);
        g_assert_cmpuint(age, ==, 0);
        g_assert_cmpuint(flags, ==, 0);
        return false;
    }
    g_assert_cmpuint(age, <=, RWP_AGE_LIMIT);
    g_assert_cmpuint(flags & ~1, ==, 0);
    g_assert_cmphex(offset % ages->page_size, ==, 0);
    g_assert_cmphex(length % ages->page_size, ==, 0);
    g_assert_cmphex(offset + length, <=, ages->size);
    /* Ascending in the guest's memory; what is not in it comes last. */
    g_assert(gpa > *gpa_before || (gpa == RWP_UNMAPPED &&
                                   *gpa_before == RWP_UNMAPPED) ||
             (gpa == 0 && *gpa_before == 0));
    *gpa_before = gpa;

    for (uint64_t i = offset / ages->page_size;
         i < (offset + length) / ages->page_size; i++) {
        g_assert_cmpint(ages->age[i], ==, RWP_ABSENT);
        ages->age[i] = age;
        ages->huge[i] = flags & 1;
        ages->gpa[i] = gpa;
        gpa += gpa == RWP_UNMAPPED ? 0 : ages->page_size;
    }
    return true;
}

static RwpAges *decode(const char *data, size_t length)
{
    RwpAges *ages = g_new0(RwpAges, 1);
    uint64_t gpa_before = 0;
    const char *p = data;

    g_assert_cmpuint(length, >=, 64 + 24);
    g_assert_cmpmem(p, 8, "QEMUAGES", 8);
    p += 8;
    g_assert_cmpuint(get_le(&p, 4), ==, 1);
    g_assert_cmpuint(get_le(&p, 4), ==, 64);
    ages->page_size = get_le(&p, 8);
    ages->epochs = get_le(&p, 8);
    ages->interval_ms = get_le(&p, 8);
    ages->size = get_le(&p, 8);
    g_assert_cmpuint(get_le(&p, 8), ==, 0);
    g_assert_cmpuint(get_le(&p, 8), ==, 0);

    g_assert(is_power_of_2(ages->page_size));
    g_assert_cmpuint(ages->size % ages->page_size, ==, 0);
    ages->npages = ages->size / ages->page_size;
    ages->age = g_new(int, ages->npages);
    ages->huge = g_new0(bool, ages->npages);
    ages->gpa = g_new0(uint64_t, ages->npages);
    for (uint64_t i = 0; i < ages->npages; i++) {
        ages->age[i] = RWP_ABSENT;
    }

    do {
        g_assert_cmpint(data + length - p, >=, 24);
    } while (decode_record(ages, &p, &gpa_before));
    g_assert_cmpint(data + length - p, ==, 0);
    return ages;
}

void rwp_ages_free(RwpAges *ages)
{
    if (ages) {
        g_free(ages->age);
        g_free(ages->huge);
        g_free(ages->gpa);
        g_free(ages);
    }
}

uint64_t rwp_ages_sum(const RwpAges *ages, int min, int max)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ages->npages; i++) {
        if (ages->age[i] >= min && ages->age[i] <= max) {
            sum += ages->page_size;
        }
    }
    return sum;
}

RwpAges *rwp_export(QTestState *qts, const char *id)
{
    g_autofree char *name = rwp_temp_name("ages");
    g_autofree char *data = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    qtest_qmp_assert_success(qts, "{ 'execute': 'export-working-set',"
                             " 'arguments': { 'id': %s, 'filename': %s } }",
                             id, name);
    g_file_get_contents(name, &data, &length, &error);
    g_assert_no_error(error);
    unlink(name);
    return decode(data, length);
}
