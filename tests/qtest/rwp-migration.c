/*
 * Migrating the machines of the tests of memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "rwp-migration.h"
#include "rwp-qtest.h"

void rwp_migration_parameter(QTestState *qts, const char *name, uint64_t value)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate-set-parameters',"
                             " 'arguments': { %s: %" PRIu64 " } }", name,
                             value);
}

void rwp_migration_speed(QTestState *qts, uint64_t bytes)
{
    rwp_migration_parameter(qts, "downtime-limit",
                            bytes == RWP_MIGRATION_FAST ? 60000 : 1);
    rwp_migration_parameter(qts, "max-bandwidth", bytes);
}

void rwp_migration_capability(QTestState *qts, const char *name, bool on)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate-set-capabilities',"
                             " 'arguments': { 'capabilities': ["
                             " { 'capability': %s, 'state': %i } ] } }",
                             name, on);
}

void rwp_migrate(QTestState *qts, const char *uri)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate',"
                             " 'arguments': { 'uri': %s } }", uri);
}

void rwp_receive(QTestState *qts, const char *uri)
{
    qtest_qmp_assert_success(qts, "{ 'execute': 'migrate-incoming',"
                             " 'arguments': { 'uri': %s } }", uri);
}

QDict *rwp_migration_info(QTestState *qts)
{
    return qtest_qmp_assert_success_ref(qts,
                                        "{ 'execute': 'query-migrate' }");
}

char *rwp_migration_status(QTestState *qts)
{
    g_autoptr(QDict) info = rwp_migration_info(qts);

    return g_strdup(qdict_get_try_str(info, "status"));
}

void rwp_wait_migration(QTestState *qts, const char *status)
{
    g_autofree char *before = NULL;
    int64_t start = 0;

    while (true) {
        char *now = rwp_migration_status(qts);

        if (g_strcmp0(now, before)) {
            g_test_message("migration: %s", now);
        }
        g_free(before);
        before = now;
        if (!g_strcmp0(now, status)) {
            return;
        }
        g_assert_cmpstr(now, !=, "failed");
        rwp_deadline(&start, status);
    }
}
