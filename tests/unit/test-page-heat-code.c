/*
 * What is known of pages as bytes: there and back, and what is not well-formed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random runs are reproducible with --seed.
 */

#include "qemu/osdep.h"
#include "migration/page-heat-code.h"
#include "test-rwp-random.h"

#define PAGE UINT64_C(4096)

/* Random runs until the memory is full, or @most; returns how many. */
static size_t make_runs(PageHeatRun *runs, size_t most, uint64_t page,
                        uint64_t npages)
{
    uint64_t at = 0;
    size_t nr = 0;

    while (nr < most && at < npages) {
        uint64_t left = npages - at;
        uint64_t gap = one_in(2) ? 0 : between(0, MIN(left - 1, 1000000));
        uint64_t count = one_in(3) ? 1 : between(1, MIN(left - gap, 300));

        if (one_in(50)) {
            count = left - gap;
        }
        runs[nr++] = (PageHeatRun) {
            .offset = (at + gap) * page,
            .length = count * page,
            .age = between(0, PAGE_HEAT_AGE_MAX),
            .out = one_in(2),
        };
        at += gap + count;
    }
    return nr;
}

static void assert_same(const PageHeatRun *a, const PageHeatRun *b)
{
    g_assert_cmpuint(a->offset, ==, b->offset);
    g_assert_cmpuint(a->length, ==, b->length);
    g_assert_cmpuint(a->age, ==, b->age);
    g_assert_cmpint(a->out, ==, b->out);
}

/* Decode all of it; every run must lie where one may.  Returns how many. */
static size_t decode(PageHeatCoder *coder, const uint8_t *data, size_t size,
                     PageHeatRun *runs, size_t most)
{
    const uint8_t *p = data;
    uint64_t last = coder->at;
    size_t nr = 0;

    while (p < data + size) {
        const uint8_t *before = p;
        PageHeatRun run;

        if (!page_heat_get_run(coder, &p, data + size, &run)) {
            break;
        }
        g_assert_true(p > before && p <= data + size);
        g_assert_cmpuint(run.offset, >=, last);
        g_assert_cmpuint(run.length, >, 0);
        g_assert_cmpuint(run.offset, <, coder->length);
        g_assert_cmpuint(run.length, <=, coder->length - run.offset);
        g_assert_cmpuint(run.offset % coder->page_size, ==, 0);
        g_assert_cmpuint(run.length % coder->page_size, ==, 0);
        g_assert_cmpuint(run.age, <=, PAGE_HEAT_AGE_MAX);
        last = run.offset + run.length;
        if (runs && nr < most) {
            runs[nr] = run;
        }
        nr++;
    }
    return nr;
}

#define RUNS 2000

static GByteArray *encode(const PageHeatRun *runs, size_t nr, uint64_t page,
                          uint64_t npages)
{
    PageHeatCoder coder = { .page_size = page, .length = npages * page };
    GByteArray *data = g_byte_array_new();

    for (size_t i = 0; i < nr; i++) {
        guint before = data->len;

        page_heat_put_run(&coder, data, &runs[i]);
        g_assert_cmpuint(data->len - before, <=, PAGE_HEAT_RUN_MAX);
    }
    return data;
}

static void round_trip(uint64_t page, uint64_t npages)
{
    g_autofree PageHeatRun *runs = g_new0(PageHeatRun, RUNS);
    g_autofree PageHeatRun *back = g_new0(PageHeatRun, RUNS);
    size_t nr = make_runs(runs, RUNS, page, npages);
    g_autoptr(GByteArray) data = encode(runs, nr, page, npages);
    g_autofree uint8_t *packed = g_malloc(PAGE_HEAT_PACKED);
    g_autofree uint8_t *piece = g_malloc(PAGE_HEAT_PIECE);
    PageHeatCoder coder = { .page_size = page, .length = npages * page };
    size_t size;

    g_assert_cmpuint(data->len, <=, PAGE_HEAT_PIECE);
    size = page_heat_deflate(data, packed);
    g_assert_cmpuint(size, >, 0);
    g_assert_cmpuint(size, <=, PAGE_HEAT_PACKED);
    g_assert_true(page_heat_inflate(packed, size, piece, data->len));
    g_assert_cmpmem(piece, data->len, data->data, data->len);

    g_assert_cmpuint(decode(&coder, piece, data->len, back, RUNS), ==, nr);
    for (size_t i = 0; i < nr; i++) {
        assert_same(&runs[i], &back[i]);
    }
}

static void test_round_trip(void)
{
    for (int i = 0; i < 50; i++) {
        round_trip(PAGE, 1);
        round_trip(PAGE, 2);
        round_trip(PAGE, between(3, 100000));
        round_trip(2 * 1024 * 1024, between(1, 100000));
        round_trip(PAGE, UINT64_C(1) << 28);
        round_trip(1, INT64_MAX);
    }
}

/* The format is a promise to other versions. */
static void test_format(void)
{
    static const PageHeatRun runs[] = {
        { .offset = 0, .length = PAGE, .age = 0 },
        { .offset = PAGE, .length = 63 * PAGE, .age = 200, .out = true },
        { .offset = 364 * PAGE, .length = 1024 * PAGE, .age = 7 },
    };
    static const uint8_t bytes[] = {
        0, 2, 0,   0, 127, 200,   0xac, 2, 0x80, 0x10, 7,
    };
    g_autoptr(GByteArray) data = encode(runs, ARRAY_SIZE(runs), PAGE, 2000);

    g_assert_cmpmem(data->data, data->len, bytes, sizeof(bytes));
}

/* Cut off anywhere, only whole runs are told. */
static void test_truncated(void)
{
    g_autofree PageHeatRun *runs = g_new0(PageHeatRun, RUNS);
    g_autofree PageHeatRun *back = g_new0(PageHeatRun, RUNS);
    size_t nr = make_runs(runs, 50, PAGE, 1 << 28);
    g_autoptr(GByteArray) data = encode(runs, nr, PAGE, 1 << 28);

    for (guint size = 0; size < data->len; size++) {
        /* By itself, so that going beyond it is found. */
        g_autofree uint8_t *part = g_memdup2(data->data, size);
        PageHeatCoder coder = {
            .page_size = PAGE, .length = (UINT64_C(1) << 28) * PAGE
        };
        size_t got = decode(&coder, part, size, back, RUNS);

        g_assert_cmpuint(got, <, nr);
        for (size_t i = 0; i < got; i++) {
            assert_same(&runs[i], &back[i]);
        }
    }
}

static bool accepts(const uint8_t *bytes, size_t size, uint64_t page,
                    uint64_t npages)
{
    g_autofree uint8_t *copy = g_memdup2(bytes, size);
    PageHeatCoder coder = { .page_size = page, .length = npages * page };
    const uint8_t *p = copy;
    PageHeatRun run;

    return page_heat_get_run(&coder, &p, copy + size, &run);
}

#define ACCEPTS(page, npages, bytes) \
    accepts((const uint8_t *)(bytes), sizeof(bytes) - 1, page, npages)

/* The least 8 bytes of a number of 10 that has all bits set. */
#define FF8 "\xff\xff\xff\xff\xff\xff\xff\xff"

static void test_hostile(void)
{
    g_assert_true(ACCEPTS(PAGE, 10, "\0\x14\0"));
    g_assert_true(ACCEPTS(PAGE, 10, "\x09\x03\xc8"));
    /* Beyond the end, by one page or by so many that it wraps around. */
    g_assert_false(ACCEPTS(PAGE, 10, "\0\x16\0"));
    g_assert_false(ACCEPTS(PAGE, 10, "\x0a\x02\0"));
    g_assert_false(ACCEPTS(PAGE, 10, "\x0b\x02\0"));
    g_assert_false(ACCEPTS(PAGE, 10, FF8 "\xff\x01\x02\0"));
    g_assert_false(ACCEPTS(PAGE, 10, "\0" FF8 "\xff\x01\0"));
    g_assert_false(ACCEPTS(PAGE, 10, "\x01" FF8 "\xff\x01\0"));
    g_assert_false(ACCEPTS(1, INT64_MAX, FF8 "\xff\x01" FF8 "\xff\x01\0"));
    /* No pages, no such age, nothing at all. */
    g_assert_false(ACCEPTS(PAGE, 10, "\0\0\0"));
    g_assert_false(ACCEPTS(PAGE, 10, "\0\x01\0"));
    g_assert_false(ACCEPTS(PAGE, 10, "\0\x02\xc9"));
    g_assert_false(ACCEPTS(PAGE, 10, "\0\x02"));
    g_assert_false(accepts(NULL, 0, PAGE, 10));
    /* Numbers of more than 64 bits, or without an end. */
    g_assert_false(ACCEPTS(PAGE, 10, FF8 "\xff\x02\x02\0"));
    g_assert_false(ACCEPTS(PAGE, 10, FF8 "\xff\x81\0\x02\0"));
    g_assert_false(ACCEPTS(PAGE, 10, FF8 FF8 FF8));
}

/* Whatever comes, decode() finds nothing where none may be. */
static void test_random_bytes(void)
{
    g_autofree PageHeatRun *runs = g_new0(PageHeatRun, RUNS);
    g_autofree uint8_t *piece = g_malloc(PAGE_HEAT_PIECE);

    for (int i = 0; i < 20000; i++) {
        uint64_t npages = one_in(2) ? between(1, 100) : UINT64_C(1) << 40;
        size_t nr = make_runs(runs, between(1, 20), PAGE, MIN(npages, 1 << 28));
        g_autoptr(GByteArray) data = encode(runs, nr, PAGE, npages);
        PageHeatCoder coder = { .page_size = PAGE, .length = npages * PAGE };

        for (int n = between(1, 8); n; n--) {
            data->data[between(0, data->len - 1)] = between(0, 255);
        }
        decode(&coder, data->data, data->len, NULL, 0);
        page_heat_inflate(data->data, data->len, piece,
                          between(0, PAGE_HEAT_PIECE));
    }
}

static PageHeatPast *random_past(void)
{
    PageHeatPast *past = g_new0(PageHeatPast, 1);

    past->intervals = between(1, 1000000);
    past->ms = between(0, 1000000) * between(1, 1000000);
    past->minutes = one_in(5) ? 0 : between(1, PAGE_HEAT_PAST_MAX);
    for (unsigned i = 0; i < past->minutes; i++) {
        uint64_t rate = 0;

        past->minute[i].working_set = between(0, 1000000) << between(0, 30);
        for (int age = PAGE_HEAT_AGE_MAX; age >= 0; age--) {
            rate += one_in(10) ? between(0, 1000000) : 0;
            past->minute[i].rate[age] = rate;
        }
    }
    return past;
}

static void assert_same_past(const PageHeatPast *a, const PageHeatPast *b)
{
    g_assert_cmpuint(a->intervals, ==, b->intervals);
    g_assert_cmpuint(a->ms, ==, b->ms);
    g_assert_cmpuint(a->minutes, ==, b->minutes);
    for (unsigned i = 0; i < a->minutes; i++) {
        g_assert_cmpuint(a->minute[i].working_set, ==,
                         b->minute[i].working_set);
        g_assert_cmpmem(a->minute[i].rate, sizeof(a->minute[i].rate),
                        b->minute[i].rate, sizeof(b->minute[i].rate));
    }
}

/* There and back; what is cut off, or has more behind it, is nothing. */
static void test_past(void)
{
    g_autofree PageHeatPast *back = g_new0(PageHeatPast, 1);
    g_autofree PageHeatPast *largest = g_new0(PageHeatPast, 1);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (int n = 0; n < 200; n++) {
        g_autofree PageHeatPast *past = random_past();
        g_autoptr(GByteArray) data = g_byte_array_new();
        unsigned cut = between(0, 100);

        page_heat_put_past(data, past);
        g_assert_cmpuint(data->len, <=, PAGE_HEAT_PIECE);
        g_assert_true(page_heat_get_past(data->data, data->data + data->len,
                                         back));
        assert_same_past(past, back);
        for (guint size = 0; size < data->len; size += cut + 1) {
            g_autofree uint8_t *part = g_memdup2(data->data, size);

            g_assert_false(page_heat_get_past(part, part + size, back));
        }
        g_byte_array_append(data, (const uint8_t *)"", 1);
        g_assert_false(page_heat_get_past(data->data, data->data + data->len,
                                          back));
    }

    largest->intervals = UINT64_MAX;
    largest->ms = UINT64_MAX;
    largest->minutes = PAGE_HEAT_PAST_MAX;
    for (unsigned i = 0; i < PAGE_HEAT_PAST_MAX; i++) {
        largest->minute[i].working_set = UINT64_MAX;
        memset(largest->minute[i].rate, 0xff, sizeof(largest->minute[i].rate));
    }
    page_heat_put_past(bytes, largest);
    g_assert_cmpuint(bytes->len, <=, PAGE_HEAT_PIECE);
    g_assert_true(page_heat_get_past(bytes->data, bytes->data + bytes->len,
                                     back));
    assert_same_past(largest, back);
}

static void test_past_format(void)
{
    static const uint8_t bytes[] = { 24, 0xac, 2, 1, 5, 3 };
    g_autofree PageHeatPast *past = g_new0(PageHeatPast, 1);
    g_autoptr(GByteArray) data = g_byte_array_new();

    *past = (PageHeatPast) {
        .intervals = 24, .ms = 300, .minutes = 1,
        .minute[0] = { .working_set = 5 },
    };
    for (int age = 0; age <= PAGE_HEAT_AGE_MAX; age++) {
        past->minute[0].rate[age] = 3;
    }
    page_heat_put_past(data, past);
    g_assert_cmpmem(data->data, sizeof(bytes), bytes, sizeof(bytes));
    g_assert_cmpuint(data->len, ==, sizeof(bytes) + PAGE_HEAT_AGE_MAX);
    for (guint i = sizeof(bytes); i < data->len; i++) {
        g_assert_cmpuint(data->data[i], ==, 0);
    }
}

/* Too many minutes, or accesses. */
static void test_past_hostile(void)
{
    g_autofree PageHeatPast *past = g_new0(PageHeatPast, 1);
    static const char over[] = "\x01\x01\x01\0\xff\xff\xff\xff\x0f\x01";
    static const char many[] = "\x01\x01\x3d";
    uint8_t zeros[PAGE_HEAT_PIECE] = { };

    memcpy(zeros, many, sizeof(many) - 1);
    for (size_t size = 0; size < sizeof(zeros); size++) {
        g_assert_false(page_heat_get_past(zeros, zeros + size, past));
    }
    memset(zeros, 0, sizeof(zeros));
    memcpy(zeros, over, sizeof(over) - 1);
    for (size_t size = 0; size < sizeof(zeros); size++) {
        g_assert_false(page_heat_get_past(zeros, zeros + size, past));
    }
}

/* Deflated to a piece of another length than was said: smaller or larger. */
static void test_inflate(void)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    g_autofree uint8_t *packed = g_malloc(PAGE_HEAT_PACKED);
    g_autofree uint8_t *piece = g_malloc(PAGE_HEAT_PIECE);
    size_t size;

    /* What cannot be deflated fits all the same. */
    g_byte_array_set_size(data, PAGE_HEAT_PIECE);
    for (guint i = 0; i < data->len; i++) {
        data->data[i] = between(0, 255);
    }
    size = page_heat_deflate(data, packed);
    g_assert_cmpuint(size, >, 0);
    g_assert_true(page_heat_inflate(packed, size, piece, data->len));
    g_assert_cmpmem(piece, data->len, data->data, data->len);

    memset(data->data, 0, data->len);
    size = page_heat_deflate(data, packed);
    g_assert_cmpuint(size, <, 1024);
    g_assert_true(page_heat_inflate(packed, size, piece, data->len));
    g_assert_false(page_heat_inflate(packed, size, piece, data->len - 1));
    g_assert_false(page_heat_inflate(packed, size, piece, 1));
    g_assert_false(page_heat_inflate(packed, size, piece, 0));
    g_assert_false(page_heat_inflate(packed, size - 1, piece, data->len));
    g_assert_false(page_heat_inflate(packed, 0, piece, data->len));
    g_byte_array_set_size(data, 100);
    size = page_heat_deflate(data, packed);
    g_assert_false(page_heat_inflate(packed, size, piece, 101));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/page-heat/code/round-trip", test_round_trip);
    g_test_add_func("/page-heat/code/format", test_format);
    g_test_add_func("/page-heat/code/truncated", test_truncated);
    g_test_add_func("/page-heat/code/hostile", test_hostile);
    g_test_add_func("/page-heat/code/random-bytes", test_random_bytes);
    g_test_add_func("/page-heat/code/past", test_past);
    g_test_add_func("/page-heat/code/past-format", test_past_format);
    g_test_add_func("/page-heat/code/past-hostile", test_past_hostile);
    g_test_add_func("/page-heat/code/inflate", test_inflate);
    return g_test_run();
}
