/*
 * Stepping aside for migration, snapshots and live update
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Theory of operation
 *
 * Whoever moves the guest reads all of its memory, which would make every page
 * look accessed; some need a userfaultfd of their own on it, which the kernel
 * allows only once.  The handlers below are called before that begins and
 * after it is over, in migration, savevm and loadvm, background snapshot,
 * postcopy and CPR alike.  They put nothing into the migration stream.
 *
 * "After" is not always the end: the memory may be given back by a handler
 * that runs later, and a migration that another handler refuses is never
 * cleaned up.  So the return is tried from the main loop until it works.
 */

#include "qemu/osdep.h"
#include "block/aio.h"
#include "qapi/qapi-types-migration.h"
#include "migration/client-options.h"
#include "migration/misc.h"
#include "migration/register.h"
#include "migration/snapshot.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/runstate.h"
#include "hw/rwp/backend.h"
#include "hw/rwp/step-aside.h"

/* Time between two attempts to return, in milliseconds. */
#define RETRY_MS 1000

/* All protected by the BQL. */
static struct {
    const char *reason;     /* NULL: tracking need not stand aside */
    bool detach;
    bool forget;            /* the memory is being given new contents */
    bool incoming;          /* from load_setup to load_cleanup */
    QEMUTimer *retry;
} aside;

static void suspend_one(RwpBackend *backend, void *opaque)
{
    rwp_backend_suspend(backend, aside.reason, aside.detach, aside.forget);
}

static void retry_later(void)
{
    timer_mod(aside.retry, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + RETRY_MS);
}

static void stand_aside(const char *reason, bool detach)
{
    aside.reason = reason;
    aside.detach = detach;
    rwp_backend_foreach(suspend_one, NULL);
    retry_later();
}

static void return_one(RwpBackend *backend, void *opaque)
{
    bool *all = opaque;

    *all &= rwp_backend_return(backend);
}

static void try_return(void *opaque)
{
    bool all = true;

    if (!aside.reason || aside.incoming || migration_is_running()) {
        /* The end of either will call again; poll for what does not. */
        if (aside.reason) {
            retry_later();
        }
        return;
    }
    /* Each knows by itself whether it must forget, if it cannot return now. */
    aside.forget = false;
    rwp_backend_foreach(return_one, &all);
    if (!all) {
        retry_later();
        return;
    }
    timer_del(aside.retry);
    aside.reason = NULL;
}

static int save_prepare(void *opaque, Error **errp)
{
    if (migrate_mode() != MIG_MODE_NORMAL) {
        stand_aside("live update (CPR)", true);
    } else if (migrate_background_snapshot()) {
        stand_aside("background snapshot", true);
    } else if (snapshot_is_being_saved()) {
        stand_aside("snapshot", false);
    } else {
        stand_aside("outgoing migration", false);
    }
    return 0;
}

static void save_cleanup(void *opaque)
{
    aio_bh_schedule_oneshot(qemu_get_aio_context(), try_return, NULL);
}

static int load_setup(QEMUFile *f, void *opaque, Error **errp)
{
    aside.incoming = true;
    aside.forget = true;
    stand_aside("incoming migration or snapshot", true);
    return 0;
}

static int load_cleanup(void *opaque)
{
    aside.incoming = false;
    aio_bh_schedule_oneshot(qemu_get_aio_context(), try_return, NULL);
    return 0;
}

static const SaveVMHandlers handlers = {
    .save_prepare = save_prepare,
    .save_cleanup = save_cleanup,
    .load_setup = load_setup,
    .load_cleanup = load_cleanup,
};

void rwp_step_aside_init(void)
{
    if (!aside.retry) {
        aside.retry = timer_new_ms(QEMU_CLOCK_REALTIME, try_return, NULL);
        register_savevm_live("rwp", 0, 1, &handlers, NULL);
    }
}

const char *rwp_step_aside_reason(bool *detach, bool *forget)
{
    if (!aside.reason && runstate_check(RUN_STATE_INMIGRATE)) {
        /* The stream has not come yet; load_cleanup will end this. */
        aside.incoming = true;
        aside.forget = true;
        aside.reason = "waiting for an incoming migration";
        aside.detach = true;
    }
    *detach = aside.detach;
    *forget = aside.forget;
    return aside.reason;
}
