/*
 * What is evicted by itself, and when: as a model says, to the page
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "rwp-evict-guest.h"
#include "rwp-migration.h"

/* Time between two scans. */
#define EPOCH_S     300
#define EPOCH       "interval=300000"

/* Nothing that was asked of the evictor before is under way. */
static void settle(EvictGuest *g)
{
    /* What follows from an epoch may have to wait for one of these. */
    for (int i = 0; i < 3; i++) {
        qobject_unref(evict_by_hand(g, PAGE, NEVER_COLD));
    }
}

static void wait_state(EvictGuest *g, const char *state, const char *limit)
{
    g_autofree char *what = g_strdup_printf("%s, limit %s", state, limit);
    int64_t start = 0;

    while (true) {
        g_autoptr(QDict) info = evict_info(g);

        if (g_str_equal(qdict_get_str(info, "state"), state) &&
            g_str_equal(qdict_get_str(info, "limit"), limit)) {
            return;
        }
        rwp_deadline(&start, what);
    }
}

/* The next event that tells something else than @state and @limit. */
static void wait_event(EvictGuest *g, const char **state, const char **limit)
{
    while (true) {
        g_autoptr(QDict) event =
            qtest_qmp_eventwait_ref(g->qts, "EVICTION_STATE_CHANGE");
        QDict *data = qdict_get_qdict(event, "data");

        g_assert_cmpstr(qdict_get_str(data, "id"), ==, "ram0");
        g_assert_cmpstr(qdict_get_str(data, "qom-path"), ==, "/objects/ram0");
        if (g_strcmp0(qdict_get_str(data, "state"), *state) ||
            g_strcmp0(qdict_get_str(data, "limit"), *limit)) {
            *state = g_intern_string(qdict_get_str(data, "state"));
            *limit = g_intern_string(qdict_get_str(data, "limit"));
            g_test_message("eviction is %s, limit %s", *state, *limit);
            return;
        }
    }
}

/* Pages that are always in use, in the tests that follow. */
#define HOT 32

static void policy_epoch(EvictGuest *g, unsigned seconds)
{
    evict_touch(g, 0, HOT);
    evict_step_seconds(g, seconds);
    evict_epoch(g);
}

/* A guest of which enough is known that all but the hot pages could go. */
static bool start_learned_on(EvictGuest *g, const RwpMemory *memory,
                             const char *options)
{
    g_autofree char *all = g_strdup_printf("tracking=on," EPOCH ",min-age=600"
                                           "%s", options);

    if (!evict_guest_start(g, memory, all)) {
        return false;
    }
    evict_fill(g, 0, NPAGES);
    while (g->vm->epochs < 24) {
        policy_epoch(g, EPOCH_S);
    }
    return true;
}

static bool start_learned(EvictGuest *g, const char *options)
{
    return start_learned_on(g, rwp_memory("anon"), options);
}

/* @bytes of cold memory, the coldest, go by themselves. */
static void expect_evicted(EvictGuest *g, uint64_t bytes)
{
    evict_wait(g, g->evicted + bytes);
    settle(g);
    g_assert_cmpuint(evict_model(g, 1, bytes), ==, bytes);
    evict_check(g);
}

static void test_by_itself(void)
{
    const char *state = NULL, *limit = NULL;
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"),
                           "tracking=on," EPOCH ",min-age=600")) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    policy_epoch(&g, EPOCH_S);
    policy_epoch(&g, EPOCH_S);
    /* Nothing goes that was not asked to. */
    wait_state(&g, "off", "none");
    evict_qom_set(&g, "evict", "'pageout'");
    wait_state(&g, "learning", "learning");
    wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "learning");
    g_assert_cmpstr(limit, ==, "learning");
    while (g.vm->epochs < 23) {
        policy_epoch(&g, EPOCH_S);
        settle(&g);
        evict_check(&g);
    }
    g_assert_false(g.evicted);

    policy_epoch(&g, EPOCH_S);
    wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "active");
    g_assert_cmpstr(limit, ==, "min-age");
    expect_evicted(&g, (NPAGES - HOT) * PAGE);

    /* And that was that. */
    policy_epoch(&g, EPOCH_S);
    settle(&g);
    evict_check(&g);

    evict_qom_set(&g, "evict", "'off'");
    wait_state(&g, "off", "none");
    evict_step_seconds(&g, 2);
    wait_event(&g, &state, &limit);
    g_assert_cmpstr(state, ==, "off");
    evict_fill(&g, HOT, 100);
    for (int i = 0; i < 5; i++) {
        policy_epoch(&g, EPOCH_S);
        settle(&g);
        evict_check(&g);
    }
    evict_guest_stop(&g);
}

static void test_min_resident(void)
{
    EvictGuest g;

    if (!start_learned(&g, ",evict=pageout,min-resident=10M")) {
        return;
    }
    expect_evicted(&g, SIZE - 10 * MiB);
    policy_epoch(&g, EPOCH_S);
    wait_state(&g, "limited", "min-resident");
    settle(&g);
    evict_check(&g);
    evict_guest_stop(&g);
}

/* Have the pages [@first, NPAGES) mapped by this process, too, or not. */
static void pin(EvictGuest *g, uint64_t first, bool on)
{
    g_assert_cmpint(madvise(g->file + first * PAGE, SIZE - first * PAGE,
                            on ? MADV_POPULATE_READ : MADV_DONTNEED), ==, 0);
}

/*
 * The kernel keeps what is mapped twice: a part, all of it, and no more.  No
 * settle() in between, by which it would be asked again.
 */
static void test_kept(void)
{
    const uint64_t half = NPAGES / 2;
    uint64_t evicted, batches;
    EvictGuest g;

    if (!start_learned_on(&g, rwp_memory("memfd"), "")) {
        return;
    }
    pin(&g, half, true);
    evict_qom_set(&g, "evict", "'pageout'");
    policy_epoch(&g, EPOCH_S);
    wait_state(&g, "limited", "kept");
    /* But for what has not come to the kernel's LRU lists yet. */
    evicted = evict_info_int(&g, "evicted");
    g_assert_cmpuint(evicted, <=, (half - HOT) * PAGE);
    g_assert_cmpuint(evicted, >, (half - HOT - 64) * PAGE);
    g_assert_cmpuint(rwp_query_int(g.qts, "ram0", "resident"), ==,
                     SIZE - evicted);

    /* Nothing new is cold: it is what it was. */
    batches = evict_info_int(&g, "batches");
    for (int i = 0; i < 3; i++) {
        policy_epoch(&g, EPOCH_S);
    }
    wait_state(&g, "limited", "kept");
    g_assert_cmpuint(evict_info_int(&g, "batches"), ==, batches);

    /* It is not forgotten that there is more. */
    pin(&g, 0, false);
    for (int i = 0; i < 16; i++) {
        policy_epoch(&g, EPOCH_S);
    }
    evict_wait(&g, (NPAGES - HOT) * PAGE);
    wait_state(&g, "active", "min-age");
    evict_guest_stop(&g);

    /* All that could go. */
    g_assert_true(start_learned_on(&g, rwp_memory("memfd"), ""));
    pin(&g, HOT, true);
    evict_qom_set(&g, "evict", "'pageout'");
    policy_epoch(&g, EPOCH_S);
    wait_state(&g, "stuck", "kept");
    g_assert_cmpuint(evict_info_int(&g, "evicted"), ==, 0);
    policy_epoch(&g, EPOCH_S);
    wait_state(&g, "stuck", "kept");
    evict_guest_stop(&g);
}

/* Intervals that were ended early are no time. */
static void test_what_if_early(void)
{
    g_autoptr(QDict) info = NULL;
    const QListEntry *entry;
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"), "tracking=on," EPOCH)) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    for (int i = 0; i < 8; i++) {
        policy_epoch(&g, 1);
    }
    info = rwp_query(g.qts, "ram0");
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "what-if"), entry) {
        QDict *what_if = qobject_to(QDict, qlist_entry_obj(entry));

        g_assert_false(qdict_get_bool(what_if, "complete"));
    }
    evict_guest_stop(&g);
}

static void test_target_resident(void)
{
    EvictGuest g;

    if (!start_learned(&g, ",evict=pageout,target-resident=8M")) {
        return;
    }
    expect_evicted(&g, SIZE - 8 * MiB);
    policy_epoch(&g, EPOCH_S);
    wait_state(&g, "limited", "target-resident");
    settle(&g);
    evict_check(&g);

    /* By hand it may be less. */
    evict_and_check(&g, 2 * MiB, 600, 2, "none", 0);
    evict_qom_set(&g, "target-resident", "4194304");
    policy_epoch(&g, EPOCH_S);
    expect_evicted(&g, 2 * MiB);
    evict_guest_stop(&g);
}

/* In any time, it is the rate times that time. */
static void test_max_rate(void)
{
    EvictGuest g;

    if (!start_learned(&g, "")) {
        return;
    }
    evict_qom_set_size(&g, "max-rate", 2 * MiB);
    evict_qom_set(&g, "evict", "'pageout'");
    for (int i = 0; i < 4; i++) {
        policy_epoch(&g, 1);
        expect_evicted(&g, 2 * MiB);
        wait_state(&g, "limited", "max-rate");
    }
    /* Without a limit, the rest. */
    evict_qom_set_size(&g, "max-rate", 0);
    policy_epoch(&g, 1);
    expect_evicted(&g, SIZE - HOT * PAGE - 8 * MiB);
    evict_guest_stop(&g);
}

/* A sixth of the day's budget in an hour. */
static void test_write_budget(void)
{
    unsigned hour = 3600 / EPOCH_S;
    EvictGuest g;

    if (!start_learned(&g, ",evict=pageout,write-budget=36M")) {
        return;
    }
    expect_evicted(&g, 6 * MiB);
    for (unsigned i = 1; i < hour; i++) {
        policy_epoch(&g, EPOCH_S);
        settle(&g);
        evict_check(&g);
        wait_state(&g, "limited", "write-budget");
    }
    for (unsigned i = 0; i < 2; i++) {
        policy_epoch(&g, EPOCH_S);
    }
    expect_evicted(&g, 6 * MiB);

    /* What goes by hand counts as well. */
    evict_and_check(&g, 1 * MiB, 0, 0, "none", 0);
    evict_qom_set_size(&g, "write-budget", 42 * MiB);
    for (unsigned i = 1; i < 3; i++) {
        policy_epoch(&g, EPOCH_S);
        wait_state(&g, "limited", "write-budget");
        settle(&g);
        evict_check(&g);
    }
    evict_guest_stop(&g);
}

/* A host that is never that short of memory. */
static void test_host_pressure(void)
{
    EvictGuest g;

    if (access("/proc/pressure/memory", R_OK)) {
        g_test_skip("the host does not tell its memory pressure");
        return;
    }
    if (!start_learned(&g, ",evict=pageout,host-pressure=100")) {
        return;
    }
    wait_state(&g, "limited", "host-pressure");
    evict_check(&g);
    /* By hand it does not matter. */
    evict_and_check(&g, 1 * MiB, 0, 0, "none", 0);
    evict_qom_set(&g, "host-pressure", "0");
    policy_epoch(&g, EPOCH_S);
    expect_evicted(&g, SIZE - HOT * PAGE - 1 * MiB);
    evict_guest_stop(&g);
}

/* While tracking stands aside, nothing goes. */
static void test_inhibited(void)
{
    g_autofree char *file = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    const char *state = NULL, *limit = NULL;
    EvictGuest g;

    if (!start_learned(&g, ",evict=pageout")) {
        return;
    }
    expect_evicted(&g, SIZE - HOT * PAGE);
    evict_fill(&g, HOT, 512);
    evict_epoch(&g);
    evict_step_seconds(&g, 2);
    do {
        wait_event(&g, &state, &limit);
    } while (g_str_equal(state, "learning"));

    /* So slow that it does not end by itself. */
    rwp_migration_speed(g.qts, RWP_MIGRATION_SLOW);
    rwp_migrate(g.qts, uri);
    rwp_wait_state(g.qts, "ram0", "suspended");
    wait_state(&g, "inhibited", "inhibited");
    evict_step_seconds(&g, 2);
    do {
        wait_event(&g, &state, &limit);
    } while (!g_str_equal(state, "inhibited"));
    g_assert_cmpstr(limit, ==, "inhibited");
    rwp_assert_error(g.qts, "", "{ 'execute': 'evict-cold-memory',"
                     " 'arguments': { 'id': 'ram0', 'bytes': 4096,"
                     " 'min-age': 0 } }");
    g_assert_cmpuint(evict_info_int(&g, "evicted"), ==, g.evicted);

    qtest_qmp_assert_success(g.qts, "{ 'execute': 'migrate_cancel' }");
    rwp_wait_state(g.qts, "ram0", "active");
    unlink(file);
    evict_step_seconds(&g, 2);
    do {
        wait_event(&g, &state, &limit);
    } while (g_str_equal(state, "inhibited"));
    evict_guest_stop(&g);
}

static bool migration_ended(EvictGuest *g)
{
    g_autofree char *status = rwp_migration_status(g->qts);

    g_assert_cmpstr(status, !=, "failed");
    return !g_strcmp0(status, "completed");
}

/* Pages that were out and are in now. */
static uint64_t pages_back(EvictGuest *g)
{
    uint64_t back = 0;

    evict_look(g);
    for (uint64_t i = 0; i < NPAGES; i++) {
        back += g->out[i] && g->in[i];
    }
    return back;
}

/*
 * Those of them that are mapped are in for QEMU, too.  But whoever looks at the
 * page of a file just when it goes makes the kernel keep it, unmapped: then it
 * is in for nobody before somebody accesses it.
 */
static void take_back(EvictGuest *g)
{
    g_autofree uint64_t *entries = rwp_pagemap(g->qts, g->host, SIZE);

    for (uint64_t i = 0; i < NPAGES; i++) {
        if (!g->out[i] || !g->in[i]) {
            continue;
        }
        if (entries[i] & RWP_PAGEMAP_PRESENT) {
            g->out[i] = false;
        } else {
            evict_touch(g, i, 1);
        }
    }
}

/*
 * A migration reads all that is out, and lets it go again: never is much of it
 * in.  That is no refault.
 */
static void test_given_back(const void *data)
{
    const uint64_t most = NPAGES / 2;
    g_autofree char *file = rwp_temp_name("migration");
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    uint64_t back, evicted;
    int64_t start = 0;
    EvictGuest g;

    if (!evict_guest_start(&g, data, "tracking=on")) {
        return;
    }
    evict_fill(&g, 0, NPAGES);
    evict_epoch(&g);
    evict_epoch(&g);
    evict_touch(&g, 256, 64);
    evict_and_check(&g, SIZE, 0, 0, "min-age", evict_touched_bytes(&g, 0));
    rwp_vm_split(g.vm);
    g_assert_cmpuint(g.evicted, >, SIZE / 4 * 3);
    evicted = g.evicted;

    rwp_migration_capability(g.qts, "page-heat", true);
    rwp_migration_speed(g.qts, 4 * MiB);
    rwp_migrate(g.qts, uri);
    while (!migration_ended(&g)) {
        back = pages_back(&g);
        if (back > most) {
            g_error("%" PRIu64 " of %" PRIu64 " pages are in at once", back,
                    evicted / PAGE);
        }
        rwp_deadline(&start, "migration");
    }
    rwp_wait_state(g.qts, "ram0", "active");
    rwp_vm_suspended(g.vm);
    back = pages_back(&g);
    g_assert_cmpuint(back, <=, most);
    take_back(&g);
    g.evicted = evict_info_int(&g, "evicted");
    g_test_message("went again: %" PRIu64 " of %" PRIu64 " pages",
                   (g.evicted - evicted) / PAGE, evicted / PAGE);
    g_assert_cmpuint(g.evicted - evicted, >=, evicted - most * PAGE);

    evict_epoch(&g);
    evict_check(&g);
    evict_touch(&g, 1000, 10);
    evict_epoch(&g);
    evict_check(&g);
    evict_check_contents(&g);
    evict_guest_stop(&g);
    unlink(file);
}

/* What is told of eviction by the other side of a migration. */
static uint64_t evicted_there(QTestState *qts, const char **limit)
{
    g_autoptr(QDict) info = rwp_query(qts, "ram0");
    QDict *evict = qdict_get_qdict(info, "eviction");

    *limit = g_intern_string(qdict_get_str(evict, "limit"));
    return qdict_get_int(evict, "evicted");
}

/*
 * What was learned goes along, if the capability is on: what is cold goes as
 * soon as a minute was seen there, too.
 */
static void test_goes_along(void)
{
    for (int heat = 0; heat < 2; heat++) {
        g_autofree char *file = rwp_temp_name("migration");
        g_autofree char *uri = g_strdup_printf("file:%s", file);
        g_autofree char *args =
            rwp_vm_args(rwp_memory("anon"), SIZE, "tracking=on," EPOCH
                        ",min-age=600,evict=pageout");
        int64_t start = 0;
        const char *limit;
        QTestState *to;
        EvictGuest g;

        if (!start_learned(&g, "")) {
            return;
        }
        rwp_migration_capability(g.qts, "page-heat", heat);
        rwp_migration_speed(g.qts, RWP_MIGRATION_FAST);
        rwp_migrate(g.qts, uri);
        rwp_wait_migration(g.qts, "completed");
        evict_guest_stop(&g);

        to = qtest_initf("%s -machine pit=off -incoming defer", args);
        rwp_migration_capability(to, "page-heat", heat);
        rwp_receive(to, uri);
        rwp_wait_state(to, "ram0", "active");
        for (int epoch = 0; epoch < 3; epoch++) {
            for (unsigned page = 0; page < HOT; page++) {
                qtest_readb(to, rwp_vm_base() + page * PAGE);
            }
            g_assert_cmpuint(evicted_there(to, &limit), ==, 0);
            g_assert_cmpstr(limit, ==, "learning");
            qtest_clock_step(to, EPOCH_S * 1000000000LL);
            rwp_scan(to, "ram0");
            if (heat && epoch) {
                break;
            }
        }
        while (heat && evicted_there(to, &limit) < SIZE - HOT * PAGE) {
            rwp_deadline(&start, "eviction there");
        }
        g_assert_cmpuint(evicted_there(to, &limit), ==,
                         heat ? SIZE - HOT * PAGE : 0);
        g_assert_cmpstr(limit, ==, heat ? "min-age" : "learning");
        qtest_quit(to);
        unlink(file);
    }
}

/*
 * The policy against a model that knows the whole trace
 */

#define AGES        (RWP_AGE_LIMIT + 1)
#define TARGET      3       /* percent */
#define MIN_AGE     2       /* epochs */
#define WINDOW_S    (2 * EPOCH_S)
#define SET         64      /* pages */
#define PHASE       512     /* the first page that is hot later */
#define TRACE       72      /* epochs */
#define HISTORY     60      /* ... of which these count */

typedef struct Trace {
    /* Of each epoch so far: how many pages came back, of which age or more. */
    uint64_t back[TRACE][AGES];
    uint64_t allowed[TRACE];
    unsigned epochs;
} Trace;

/* As a rate a minute, parts rounded up. */
static uint64_t a_minute(uint64_t pages)
{
    return DIV_ROUND_UP(pages * 60, EPOCH_S);
}

static unsigned best_age(const Trace *t, unsigned i)
{
    uint64_t spare = 0, aimed;
    unsigned age = 0;

    /* Two standard deviations are left to chance. */
    while (spare * spare < 4 * t->allowed[i]) {
        spare++;
    }
    aimed = MAX(t->allowed[i], spare + 1) - spare;
    while (age < AGES && a_minute(t->back[i][age]) > aimed) {
        age++;
    }
    return age;
}

/* The first one that still counts. */
static unsigned oldest(const Trace *t)
{
    return t->epochs - MIN(t->epochs, HISTORY);
}

static int compare(const void *a, const void *b)
{
    return *(const unsigned *)a - *(const unsigned *)b;
}

/* The age from which pages are cold, or AGES if none is. */
static unsigned model_cold_age(const Trace *t, uint64_t refaulted,
                               uint64_t epochs, const char **state,
                               const char **limit)
{
    unsigned best[HISTORY];
    unsigned n = 0, age, last = t->epochs - 1;

    for (unsigned i = oldest(t); i < t->epochs; i++) {
        best[n++] = best_age(t, i);
    }
    age = best[n - 1];
    qsort(best, n, sizeof(best[0]), compare);
    age = MAX(age, best[DIV_ROUND_UP(n * 98, 100) - 1]);

    *state = *limit = "learning";
    if (epochs < 24) {
        return AGES;
    }
    if (age == AGES || a_minute(refaulted) > t->allowed[last]) {
        *state = "limited";
        *limit = "refault-target";
        return AGES;
    }
    if (age > MIN_AGE && age + MIN(age, 8) > epochs) {
        /* It has not been watched for long enough. */
        *state = "limited";
        *limit = "refault-target";
        return AGES;
    }
    *state = "active";
    *limit = age > MIN_AGE ? "refault-target" : "min-age";
    return MAX(age, MIN_AGE);
}

static uint64_t working_set(EvictGuest *g)
{
    g_autoptr(QDict) rsp = NULL;
    QDict *info, *window;

    rsp = qtest_qmp(g->qts, "{ 'execute': 'query-working-set', 'arguments': {"
                    " 'id': 'ram0', 'windows': [ %d ] } }", WINDOW_S);
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    window = qobject_to(QDict,
                        qlist_peek(qdict_get_qlist(info, "working-set")));
    return qdict_get_int(window, "bytes") / PAGE;
}

static void check_what_if(EvictGuest *g, const Trace *t)
{
    static const unsigned ages[] = { 1, 2, 3, 5, 8, 13, 21, 34, 200 };
    g_autoptr(QDict) rsp = NULL;
    const QListEntry *entry;
    QDict *info;
    size_t i = 0;

    /* The first one ends in the middle of an interval. */
    rsp = qtest_qmp(g->qts, "{ 'execute': 'query-working-set', 'arguments': {"
                    " 'id': 'ram0', 'thresholds': [ %d, %d, %d, %d, %d, %d,"
                    " %d, %d, %d ] } }", 1, 2 * EPOCH_S, 2 * EPOCH_S + 1,
                    5 * EPOCH_S, 8 * EPOCH_S, 13 * EPOCH_S, 21 * EPOCH_S,
                    34 * EPOCH_S, 200 * EPOCH_S);
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "what-if"), entry) {
        QDict *w = qobject_to(QDict, qlist_entry_obj(entry));
        unsigned age = ages[i++];
        uint64_t bytes = 0, sum = 0, worst = 0;

        g_assert_cmpuint(qdict_get_int(w, "min-age"), ==, age);
        if (age > g->vm->epochs) {
            g_assert_false(qdict_get_bool(w, "complete"));
        }
        if (!qdict_get_bool(w, "complete")) {
            g_assert_cmpuint(age + 2, >=, g->vm->epochs);
            g_assert_cmpuint(qdict_get_int(w, "bytes"), ==, 0);
            g_assert_cmpuint(qdict_get_int(w, "promotions"), ==, 0);
            g_assert_cmpuint(qdict_get_int(w, "promotions-max"), ==, 0);
            continue;
        }
        for (uint64_t page = 0; page < NPAGES; page++) {
            bytes += g->vm->age[page] >= (int)age ? PAGE : 0;
        }
        for (unsigned k = oldest(t); k < t->epochs; k++) {
            uint64_t rate = a_minute(t->back[k][age]);

            sum += rate;
            worst = MAX(worst, rate);
        }
        g_assert_cmpuint(qdict_get_int(w, "bytes"), ==, bytes);
        g_assert_cmpuint(qdict_get_int(w, "minutes"), ==,
                         t->epochs - oldest(t));
        g_assert_cmpuint(qdict_get_int(w, "promotions"), ==,
                         DIV_ROUND_UP(sum, t->epochs - oldest(t)) * PAGE);
        g_assert_cmpuint(qdict_get_int(w, "promotions-max"), ==,
                         worst * PAGE);
    }
    g_assert_cmpuint(i, ==, ARRAY_SIZE(ages));
}

/* What the guest does in an epoch. */
static void trace_accesses(EvictGuest *g, unsigned n)
{
    /* Hot; from a phase change on it is memory that had long gone. */
    if (n < 50) {
        evict_touch(g, 0, SET);
    } else {
        evict_touch(g, PHASE, SET);
    }
    /* Warm: all at once, every fifth epoch; and the same, bit by bit. */
    if (n % 5 == 0) {
        evict_touch(g, SET, SET / 4);
    }
    evict_touch(g, 2 * SET + n % 7 * 4, 4);
    /* A few here and there. */
    for (int i = 0; i < 3; i++) {
        evict_touch(g, g_test_rand_int_range(3 * SET, 4 * SET), 1);
    }
}

static void test_trace(void)
{
    g_autofree Trace *t = g_new0(Trace, 1);
    const char *state = "learning", *limit = "learning";
    unsigned phase = 0;
    EvictGuest g;

    if (!evict_guest_start(&g, rwp_memory("anon"), "tracking=on,evict=pageout,"
                           EPOCH ",refault-target=3,min-age=600"
                           ",working-set-window=600")) {
        return;
    }
    g_assert_cmpint(WINDOW_S, ==, 600);
    g_assert_cmpint(MIN_AGE * EPOCH_S, ==, 600);
    evict_fill(&g, 0, NPAGES);

    for (unsigned n = 0; n < TRACE; n++) {
        uint64_t refaulted = g.refaulted, before = g.evicted, went;
        const char *new_state, *new_limit;
        g_autoptr(QDict) info = NULL;
        unsigned cold_age;

        if (n) {
            trace_accesses(&g, n);
        }
        for (uint64_t i = 0; i < NPAGES; i++) {
            for (int age = 0; g.vm->touched[i] && age <= g.vm->age[i]; age++) {
                t->back[n][age]++;
            }
        }
        evict_step_seconds(&g, EPOCH_S);
        evict_epoch(&g);
        t->allowed[n] = MAX(1, working_set(&g) * TARGET / 100);
        t->epochs = n + 1;
        refaulted = (g.refaulted - refaulted) / PAGE;
        cold_age = model_cold_age(t, refaulted, g.vm->epochs, &new_state,
                                  &new_limit);

        /* It does as the model says ... */
        wait_state(&g, new_state, new_limit);
        if (!g_str_equal(state, new_state) || !g_str_equal(limit, new_limit)) {
            const char *s = state, *l = limit;

            wait_event(&g, &s, &l);
            g_assert_cmpstr(s, ==, new_state);
            g_assert_cmpstr(l, ==, new_limit);
        }
        state = new_state;
        limit = new_limit;
        went = cold_age == AGES ? 0 : evict_cold_bytes(&g, cold_age,
                                                       RWP_AGE_LIMIT);
        expect_evicted(&g, went);
        g_assert_cmpuint(g.evicted, ==, before + went);

        /* ... and says so. */
        info = evict_info(&g);
        g_assert_cmpint(qdict_get_try_int(info, "cold-age", AGES), ==,
                        cold_age);
        g_assert_cmpuint(qdict_get_int(info, "allowed"), ==,
                         t->allowed[n] * PAGE);
        g_assert_cmpuint(qdict_get_int(info, "refaults"), ==,
                         a_minute(refaulted) * PAGE);
        if (cold_age < AGES) {
            g_assert_cmpuint(qdict_get_int(info, "promotions"), ==,
                             a_minute(t->back[n][cold_age]) * PAGE);
        }
        check_what_if(&g, t);

        if (n == 49) {
            /* There is something to come back in the next phase. */
            g_assert_cmpstr(state, ==, "active");
            g_assert_true(g.out[PHASE]);
            phase = g.refaulted / PAGE;
        }
        if (n == 50) {
            /* Within one epoch. */
            g_assert_cmpuint(g.refaulted / PAGE - phase, >=, SET);
            g_assert_cmpstr(state, ==, "limited");
            g_assert_cmpuint(went, ==, 0);
        }
    }
    evict_check_contents(&g);
    evict_guest_stop(&g);
}

int main(int argc, char **argv)
{
    evict_test_init(&argc, &argv);

    rwp_qtest_add_each("/rwp/evict-policy/given-back", "anon thp memfd",
                       test_given_back);
    rwp_qtest_add("/rwp/evict-policy/by-itself", test_by_itself);
    rwp_qtest_add("/rwp/evict-policy/min-resident", test_min_resident);
    rwp_qtest_add("/rwp/evict-policy/kept", test_kept);
    rwp_qtest_add("/rwp/evict-policy/what-if-early", test_what_if_early);
    rwp_qtest_add("/rwp/evict-policy/target-resident", test_target_resident);
    rwp_qtest_add("/rwp/evict-policy/max-rate", test_max_rate);
    rwp_qtest_add("/rwp/evict-policy/write-budget", test_write_budget);
    rwp_qtest_add("/rwp/evict-policy/host-pressure", test_host_pressure);
    rwp_qtest_add("/rwp/evict-policy/inhibited", test_inhibited);
    rwp_qtest_add("/rwp/evict-policy/goes-along", test_goes_along);
    rwp_qtest_add("/rwp/evict-policy/trace", test_trace);
    return g_test_run();
}
