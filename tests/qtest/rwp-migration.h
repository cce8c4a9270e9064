/*
 * Migrating the machines of the tests of memory-backend-rwp
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef RWP_MIGRATION_H
#define RWP_MIGRATION_H

#include "libqtest.h"
#include "qemu/units.h"
#include "qobject/qdict.h"

/* Bytes a second: not to end within a test, and to end at once. */
#define RWP_MIGRATION_SLOW 4096
#define RWP_MIGRATION_FAST (100 * GiB)

void rwp_migration_parameter(QTestState *qts, const char *name, uint64_t value);

/*
 * rwp_migration_speed: sets the bandwidth to @bytes a second, and the downtime
 * limit such that RWP_MIGRATION_FAST suffices and others do not.
 */
void rwp_migration_speed(QTestState *qts, uint64_t bytes);

void rwp_migration_capability(QTestState *qts, const char *name, bool on);

/* rwp_migrate, rwp_receive: begin, at either side. */
void rwp_migrate(QTestState *qts, const char *uri);
void rwp_receive(QTestState *qts, const char *uri);

/* rwp_migration_info: the answer of query-migrate, to be unreferenced. */
QDict *rwp_migration_info(QTestState *qts);

/* rwp_migration_status: its member, to be freed; NULL if there is none. */
char *rwp_migration_status(QTestState *qts);

/*
 * rwp_wait_migration: wait until the status is @status, for a minute; it must
 * not become "failed" unless that is @status.
 */
void rwp_wait_migration(QTestState *qts, const char *status);

#endif /* RWP_MIGRATION_H */
