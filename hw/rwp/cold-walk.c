/*
 * Finding cold memory that is in
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/rwp/cold-walk.h"

bool rwp_cold_walk_next(const RwpAgeMap *ages, const RwpOutMap *outs,
                        uint64_t from, uint64_t end,
                        unsigned min_age, unsigned max_age,
                        RwpPageRange *range)
{
    RwpAgeRun run;
    RwpPageRange in;

    range->count = 0;
    while (rwp_age_map_next_run(ages, from, end, &run)) {
        uint64_t run_end = run.first + run.count;

        from = run_end;
        if (run.age < min_age || run.age > max_age ||
            !rwp_out_map_next_in(outs, run.first, run_end, &in)) {
            if (range->count) {
                return true;
            }
            continue;
        }
        if (!range->count) {
            range->first = in.first;
        } else if (in.first != range->first + range->count) {
            return true;
        }
        range->count += in.count;
        if (in.first + in.count < run_end) {
            return true;
        }
    }
    return range->count;
}

void rwp_cold_walk_count(const RwpAgeMap *ages, const RwpOutMap *outs,
                         uint64_t from, uint64_t end, unsigned min_age,
                         uint64_t *pages)
{
    RwpAgeRun run;
    RwpPageRange in;

    while (rwp_age_map_next_run(ages, from, end, &run)) {
        uint64_t at = run.first;

        from = run.first + run.count;
        while (run.age >= min_age &&
               rwp_out_map_next_in(outs, at, from, &in)) {
            pages[run.age] += in.count;
            at = in.first + in.count;
        }
    }
}

unsigned rwp_cold_walk_split(const uint64_t *pages, unsigned min_age,
                             uint64_t budget)
{
    unsigned age = RWP_AGE_LIMIT;

    while (age > min_age && pages[age] < budget) {
        budget -= pages[age];
        age--;
    }
    return age;
}
