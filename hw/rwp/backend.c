/*
 * memory-backend-rwp: guest memory whose working set is known
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Theory of operation
 *
 * The object is a memory backend like others: private anonymous memory, or
 * with share=on or hugetlb=on what memory-backend-memfd makes.  When it is
 * complete, the host's ability to track this memory is tried out, so that
 * tracking=on fails then and not later.  Tracking begins when the machine is
 * ready: preallocation, firmware and reset have touched the memory by then.
 *
 * The properties die, and with them the memory, before instance_finalize; so
 * everything that uses the memory ends in unparent.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-events-working-set.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/main-loop.h"
#include "qemu/memfd.h"
#include "qemu/module.h"
#include "qemu/pagemap-scan.h"
#include "qemu/userfaultfd.h"
#include "qemu/userfaultfd-rwp.h"
#include "qom/object_interfaces.h"
#include "exec/memory.h"
#include "system/system.h"
#include "migration/page-heat.h"
#include "hw/rwp/evict-properties.h"
#include "hw/rwp/heat.h"
#include "hw/rwp/huge-pool.h"
#include "hw/rwp/stats.h"
#include "hw/rwp/step-aside.h"
#include "backend-internal.h"
#include "trace.h"

static bool (*parent_alloc)(HostMemoryBackend *backend, Error **errp);
static void (*parent_complete)(UserCreatable *uc, Error **errp);

/* All complete backends, oldest first.  Protected by the BQL. */
static QTAILQ_HEAD(, RwpBackend) backends = QTAILQ_HEAD_INITIALIZER(backends);

/* tracking=on was asked for, and @err is why that cannot be: takes @err. */
static void refuse_tracking(RwpBackend *rwp, Error **errp, Error *err)
{
    error_setg(errp, "property 'tracking' of " TYPE_MEMORY_BACKEND_RWP
               " '%s' cannot be 'on': %s; with 'auto' the guest runs"
               " untracked", rwp_backend_id(rwp), error_get_pretty(err));
    error_free(err);
}

static void set_state(RwpBackend *rwp, WorkingSetState state,
                      const char *reason)
{
    g_autofree char *path = NULL;

    if (rwp->state == state && !g_strcmp0(rwp->reason, reason)) {
        return;
    }
    rwp->state = state;
    g_free(rwp->reason);
    rwp->reason = g_strdup(reason);
    if (rwp->evictor) {
        rwp_evictor_tracking_changed(rwp->evictor);
    }
    trace_rwp_state(rwp_backend_id(rwp), WorkingSetState_str(state),
                    reason ?: "");
    path = object_get_canonical_path(OBJECT(rwp));
    qapi_event_send_working_set_state_change(rwp_backend_id(rwp), path, state,
                                             reason);
}

/* Is it memory that could be tracked, before there is any of it? */
static bool check_kind(RwpBackend *rwp, Error **errp)
{
    if (MEMORY_BACKEND(rwp)->guest_memfd) {
        error_setg(errp, "the memory of a confidential guest (guest_memfd)"
                   " cannot be tracked");
        return false;
    }
    return true;
}

/* Can this host track this memory? */
static bool check_tracking(RwpBackend *rwp, Error **errp)
{
    RAMBlock *block = MEMORY_BACKEND(rwp)->mr.ram_block;
    uint64_t part;
    bool ok;
    int fd;

    if (!check_kind(rwp, errp) || !uffd_rwp_probe(errp)) {
        return false;
    }
    fd = uffd_rwp_create(errp);
    if (fd < 0) {
        return false;
    }
    /*
     * A part tells: all of it would take as long as disarming it.  With less
     * than this, the kernel would split a huge page.
     */
    part = MIN(qemu_ram_pagesize(block) * RWP_EXTENT_PAGES,
               qemu_ram_get_max_length(block));
    ok = uffd_rwp_register(fd, qemu_ram_get_host_addr(block), part, errp);
    uffd_close_fd(fd);
    return ok;
}

/*
 * Start to track as the property says, once the machine is ready.  Returns
 * false with an error if that fails; the state is unchanged then.
 */
static bool start_tracking(RwpBackend *rwp, Error **errp)
{
    const char *aside;
    bool detach, forget;

    assert(!rwp_tracker_started(rwp->tracker));
    if (!rwp->is_ready) {
        return true;
    }
    aside = rwp_step_aside_reason(&detach, &forget);
    if (!rwp_tracker_start(rwp->tracker, aside, errp)) {
        return false;
    }
    rwp->forget = false;
    if (aside) {
        rwp_backend_suspend(rwp, aside, detach, forget);
    } else {
        set_state(rwp, WORKING_SET_STATE_ACTIVE, NULL);
    }
    return true;
}

/* With tracking=auto, failure to track is only told. */
static void run_untracked(RwpBackend *rwp, Error *err)
{
    warn_report("memory-backend-rwp '%s': accesses are not tracked: %s",
                rwp_backend_id(rwp), error_get_pretty(err));
    set_state(rwp, WORKING_SET_STATE_UNAVAILABLE, error_get_pretty(err));
    error_free(err);
}

static void machine_ready(Notifier *notifier, void *data)
{
    RwpBackend *rwp = container_of(notifier, RwpBackend, machine_ready);
    Error *err = NULL;

    rwp->is_ready = true;
    if (rwp->tracking == ON_OFF_AUTO_OFF ||
        rwp->state == WORKING_SET_STATE_UNAVAILABLE) {
        return;
    }
    if (!start_tracking(rwp, &err)) {
        /* It worked when it was checked: nothing the user could have known. */
        run_untracked(rwp, err);
    }
}

static void report_failure(void *opaque)
{
    RwpBackend *rwp = opaque;
    g_autofree char *reason = qatomic_xchg(&rwp->failed_reason, NULL);

    if (reason && rwp_tracker_started(rwp->tracker)) {
        rwp_tracker_stop(rwp->tracker);
        warn_report("memory-backend-rwp '%s': accesses are no longer tracked:"
                    " %s", rwp_backend_id(rwp), reason);
        set_state(rwp, WORKING_SET_STATE_UNAVAILABLE, reason);
    }
}

static void tracker_failed(void *opaque, const char *reason)
{
    RwpBackend *rwp = opaque;

    g_free(qatomic_xchg(&rwp->failed_reason, g_strdup(reason)));
    qemu_bh_schedule(rwp->failed_bh);
}

static void vm_change_state(void *opaque, bool running, RunState state)
{
    RwpBackend *rwp = opaque;

    rwp_tracker_set_running(rwp->tracker, running);
}

static void discard_begin(RAMBlockObserver *observer)
{
    RwpBackend *rwp = container_of(observer, RwpBackend, observer);

    rwp_tracker_discard_begin(rwp->tracker);
}

static void discard_end(RAMBlockObserver *observer, uint64_t start,
                        uint64_t length, int ret)
{
    RwpBackend *rwp = container_of(observer, RwpBackend, observer);

    /*
     * With hugetlb=on,share=off, too: unlike those of other files, private
     * copies of huge pages go when the file gets a hole.
     */
    rwp_tracker_discard_end(rwp->tracker, start, ret ? 0 : length);
}

static void page_poisoned(RAMBlockObserver *observer, uint64_t offset)
{
    RwpBackend *rwp = container_of(observer, RwpBackend, observer);

    rwp_tracker_poison(rwp->tracker, offset);
}

/* The memory of a file; what is said of huge pages can be said better. */
static bool alloc_file(RwpBackend *rwp, Error **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(rwp);
    HostMemoryBackendMemfd *memfd = MEMORY_BACKEND_MEMFD(rwp);
    const char *id = rwp_backend_id(rwp);
    Error *err = NULL;

    if (!memfd->hugetlb) {
        return parent_alloc(backend, errp);
    }
    if (!rwp_huge_pool_check(id, memfd->hugetlbsize, backend->size, errp)) {
        return false;
    }
    if (!parent_alloc(backend, &err)) {
        rwp_huge_pool_explain(id, memfd->hugetlbsize, backend->size, err, errp);
        return false;
    }
    return true;
}

static bool rwp_backend_alloc(HostMemoryBackend *backend, Error **errp)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(backend);
    bool hugetlb = MEMORY_BACKEND_MEMFD(backend)->hugetlb;
    void *host;

    if (MEMORY_BACKEND_MEMFD(backend)->hugetlbsize && !hugetlb) {
        error_setg(errp, "property 'hugetlbsize' of " TYPE_MEMORY_BACKEND_RWP
                   " '%s' needs 'hugetlb' to be 'on'", rwp_backend_id(rwp));
        return false;
    }
    if (backend->share || hugetlb) {
        if (!alloc_file(rwp, errp)) {
            return false;
        }
    } else {
        g_autofree char *name = host_memory_backend_get_name(backend);
        uint32_t flags = RAM_PRIVATE;

        if (!backend->size) {
            error_setg(errp, "can't create backend with size 0");
            return false;
        }
        flags |= backend->reserve ? 0 : RAM_NORESERVE;
        flags |= backend->guest_memfd ? RAM_GUEST_MEMFD : 0;
        if (!memory_region_init_ram_flags_nomigrate(&backend->mr,
                                                    OBJECT(backend), name,
                                                    backend->size, flags,
                                                    errp)) {
            return false;
        }
    }

    /* Both before preallocation, which would make huge or merged pages. */
    host = memory_region_get_ram_ptr(&backend->mr);
    qemu_madvise(host, memory_region_size(&backend->mr),
                 QEMU_MADV_UNMERGEABLE);
    if (!hugetlb && !rwp_backend_thp(rwp)) {
        qemu_madvise(host, memory_region_size(&backend->mr),
                     QEMU_MADV_NOHUGEPAGE);
    }
    return true;
}

/* Can split-thp=@split be for this backend? */
static bool check_split_thp(RwpBackend *rwp, bool split, Error **errp)
{
    if (split && !rwp_backend_thp(rwp)) {
        error_setg(errp, "property 'split-thp' of " TYPE_MEMORY_BACKEND_RWP
                   " '%s' cannot be 'on': the memory has no transparent huge"
                   " pages; that takes 'thp' on, 'share' and 'hugetlb' off"
                   " when the object is created, and a host whose huge pages"
                   " have %d pages", rwp_backend_id(rwp), RWP_EXTENT_PAGES);
        return false;
    }
    return true;
}

static void rwp_backend_complete(UserCreatable *uc, Error **errp)
{
    ERRP_GUARD();
    RwpBackend *rwp = MEMORY_BACKEND_RWP(uc);
    HostMemoryBackend *backend = MEMORY_BACKEND(uc);
    RwpTrackedMemory memory;
    RAMBlock *block;
    Error *err = NULL;

    /* Before memory is asked for, which may fail for another reason. */
    if (!rwp_backend_allow_eviction(rwp, rwp->engine, errp)) {
        return;
    }
    if (!check_split_thp(rwp, rwp->split_thp, errp)) {
        return;
    }
    if (rwp->tracking == ON_OFF_AUTO_ON && !check_kind(rwp, &err)) {
        refuse_tracking(rwp, errp, err);
        return;
    }
    parent_complete(uc, errp);
    if (*errp) {
        return;
    }

    block = backend->mr.ram_block;
    if (rwp->tracking != ON_OFF_AUTO_OFF && !check_tracking(rwp, &err)) {
        if (rwp->tracking == ON_OFF_AUTO_ON) {
            refuse_tracking(rwp, errp, err);
            return;
        }
    }

    /* Tracking may be turned on when -run-with has changed the user. */
    pagemap_open(NULL);
    memory = (RwpTrackedMemory) {
        .host = qemu_ram_get_host_addr(block),
        .size = qemu_ram_get_max_length(block),
        .page_size = qemu_ram_pagesize(block),
        .shared = backend->share,
    };
    rwp->tracker = rwp_tracker_new(rwp_backend_id(rwp), &memory,
                                   tracker_failed, rwp);
    rwp_tracker_set_interval(rwp->tracker, rwp->interval_ms);
    rwp_tracker_set_split(rwp->tracker, rwp->split_thp);
    rwp_tracker_set_running(rwp->tracker, runstate_is_running());
    rwp_backend_evict_init(rwp, &memory);
    rwp->failed_bh = qemu_bh_new(report_failure, rwp);
    rwp->vm_change_state = qemu_add_vm_change_state_handler(vm_change_state,
                                                            rwp);
    rwp->observer.discard_begin = discard_begin;
    rwp->observer.discard_end = discard_end;
    rwp->observer.poisoned = page_poisoned;
    qemu_ram_set_observer(block, &rwp->observer);
    if (rwp->tracking != ON_OFF_AUTO_OFF && !err) {
        qemu_ram_set_uf_rwp(block);
    }
    QTAILQ_INSERT_TAIL(&backends, rwp, next);
    rwp->complete = true;
    rwp_step_aside_init();

    if (err) {
        run_untracked(rwp, err);
    }
    rwp->machine_ready.notify = machine_ready;
    qemu_add_machine_init_done_notifier(&rwp->machine_ready);
}

static void rwp_backend_unparent(Object *obj)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);

    if (!rwp->complete) {
        return;
    }
    rwp->complete = false;
    QTAILQ_REMOVE(&backends, rwp, next);
    qemu_remove_machine_init_done_notifier(&rwp->machine_ready);
    qemu_del_vm_change_state_handler(rwp->vm_change_state);
    qemu_ram_set_observer(MEMORY_BACKEND(rwp)->mr.ram_block, NULL);
    rwp_backend_evict_stop(rwp);
    rwp_tracker_stop(rwp->tracker);
    qemu_bh_delete(rwp->failed_bh);
}

static void rwp_backend_finalize(Object *obj)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);

    rwp_evictor_free(rwp->evictor);
    rwp_tracker_free(rwp->tracker);
    g_free(rwp->failed_reason);
    g_free(rwp->reason);
}

void rwp_backend_foreach(RwpBackendVisit *visit, void *opaque)
{
    RwpBackend *rwp;

    QTAILQ_FOREACH(rwp, &backends, next) {
        visit(rwp, opaque);
    }
}

RwpBackend *rwp_backend_find(const char *id, Error **errp)
{
    RwpBackend *rwp;

    QTAILQ_FOREACH(rwp, &backends, next) {
        if (!strcmp(rwp_backend_id(rwp), id)) {
            return rwp;
        }
    }
    error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
              "there is no memory-backend-rwp object with the id '%s'", id);
    return NULL;
}

const char *rwp_backend_id(RwpBackend *rwp)
{
    return object_get_canonical_path_component(OBJECT(rwp));
}

RwpTracker *rwp_backend_tracker(RwpBackend *rwp)
{
    return rwp->tracker;
}

WorkingSetState rwp_backend_state(RwpBackend *rwp)
{
    return rwp->state;
}

const char *rwp_backend_reason(RwpBackend *rwp)
{
    return rwp->reason;
}

uint32_t rwp_backend_interval(RwpBackend *rwp)
{
    return rwp->interval_ms;
}

/*
 * Tracking expects of a huge page that it has so many pages, and that memory
 * begins with a whole one.
 */
static bool host_has_thp_of_extents(void)
{
    return QEMU_VMALLOC_ALIGN == RWP_EXTENT_PAGES * qemu_real_host_page_size();
}

bool rwp_backend_thp(RwpBackend *rwp)
{
    /* Arming unmaps the huge pages of a shared file, unlike private ones. */
    return rwp->thp && host_has_thp_of_extents() &&
           !MEMORY_BACKEND(rwp)->share && !MEMORY_BACKEND_MEMFD(rwp)->hugetlb;
}

bool rwp_backend_split_thp(RwpBackend *rwp)
{
    return rwp->split_thp;
}

void rwp_backend_suspend(RwpBackend *rwp, const char *reason, bool detach,
                         bool forget)
{
    if (!rwp_tracker_started(rwp->tracker)) {
        return;
    }
    rwp->forget |= forget;
    rwp_tracker_hold(rwp->tracker, detach);
    set_state(rwp, WORKING_SET_STATE_SUSPENDED, reason);
}

bool rwp_backend_forgets(RwpBackend *rwp)
{
    return rwp->forget;
}

bool rwp_backend_return(RwpBackend *rwp)
{
    Error *err = NULL;

    if (rwp->state != WORKING_SET_STATE_SUSPENDED) {
        return true;
    }
    if (!rwp_tracker_release(rwp->tracker, rwp->forget, &err)) {
        g_autofree char *reason =
            g_strdup_printf("its return is tried each second: %s",
                            error_get_pretty(err));

        /* For as long as the error is the same, it is told once. */
        set_state(rwp, WORKING_SET_STATE_SUSPENDED, reason);
        error_free(err);
        return false;
    }
    rwp->forget = false;
    if (!rwp_backend_thp(rwp) && !MEMORY_BACKEND_MEMFD(rwp)->hugetlb) {
        HostMemoryBackend *backend = MEMORY_BACKEND(rwp);

        /* Incoming postcopy leaves its own advice behind. */
        qemu_madvise(memory_region_get_ram_ptr(&backend->mr),
                     memory_region_size(&backend->mr), QEMU_MADV_NOHUGEPAGE);
    }
    set_state(rwp, WORKING_SET_STATE_ACTIVE, NULL);
    return true;
}

static int rwp_backend_get_tracking(Object *obj, Error **errp)
{
    return MEMORY_BACKEND_RWP(obj)->tracking;
}

static void rwp_backend_set_tracking(Object *obj, int value, Error **errp)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);
    Error *err = NULL;
    bool detach, forget;

    if (rwp->complete && value == ON_OFF_AUTO_OFF) {
        if (rwp->engine != EVICTION_ENGINE_OFF) {
            error_setg(errp, "property 'tracking' of " TYPE_MEMORY_BACKEND_RWP
                       " '%s' cannot be 'off': eviction needs it; set 'evict'"
                       " to 'off' first", rwp_backend_id(rwp));
            return;
        }
        rwp_tracker_stop(rwp->tracker);
        set_state(rwp, WORKING_SET_STATE_OFF, NULL);
    } else if (rwp->complete && !rwp_tracker_started(rwp->tracker)) {
        const char *aside = rwp_step_aside_reason(&detach, &forget);

        if (aside && detach) {
            error_setg(errp, "property 'tracking' of " TYPE_MEMORY_BACKEND_RWP
                       " '%s' cannot be '%s' now: %s; try again afterwards",
                       rwp_backend_id(rwp), OnOffAuto_str(value), aside);
            return;
        }
        if (!check_tracking(rwp, &err) || !start_tracking(rwp, &err)) {
            if (value == ON_OFF_AUTO_ON) {
                refuse_tracking(rwp, errp, err);
                return;
            }
            run_untracked(rwp, err);
        } else {
            qemu_ram_set_uf_rwp(MEMORY_BACKEND(rwp)->mr.ram_block);
            if (!rwp->is_ready) {
                /* machine_ready() is not to think that it failed. */
                set_state(rwp, WORKING_SET_STATE_OFF, NULL);
            }
        }
    }
    rwp->tracking = value;
}

static void rwp_backend_get_interval(Object *obj, Visitor *v, const char *name,
                                     void *opaque, Error **errp)
{
    visit_type_uint32(v, name, &MEMORY_BACKEND_RWP(obj)->interval_ms, errp);
}

static void rwp_backend_set_interval(Object *obj, Visitor *v, const char *name,
                                     void *opaque, Error **errp)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);
    uint32_t value;

    if (!visit_type_uint32(v, name, &value, errp)) {
        return;
    }
    if (value < RWP_INTERVAL_MIN_MS || value > RWP_INTERVAL_MAX_MS) {
        error_setg(errp, "property 'interval' of " TYPE_MEMORY_BACKEND_RWP
                   " doesn't take value '%" PRIu32 "', it must be between %d"
                   " and %d milliseconds", value, RWP_INTERVAL_MIN_MS,
                   RWP_INTERVAL_MAX_MS);
        return;
    }
    rwp->interval_ms = value;
    if (rwp->tracker) {
        rwp_tracker_set_interval(rwp->tracker, value);
    }
}

static bool rwp_backend_get_thp(Object *obj, Error **errp)
{
    return MEMORY_BACKEND_RWP(obj)->thp;
}

static void rwp_backend_set_thp(Object *obj, bool value, Error **errp)
{
    if (host_memory_backend_mr_inited(MEMORY_BACKEND(obj))) {
        error_setg(errp, "property 'thp' of " TYPE_MEMORY_BACKEND_RWP
                   " cannot be changed, the memory is allocated: set it when"
                   " the object is created");
        return;
    }
    MEMORY_BACKEND_RWP(obj)->thp = value;
}

static bool rwp_backend_get_split_thp(Object *obj, Error **errp)
{
    return MEMORY_BACKEND_RWP(obj)->split_thp;
}

static void rwp_backend_set_split_thp(Object *obj, bool value, Error **errp)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);

    /* Before the object is complete, what it takes may still be to come. */
    if (rwp->complete && !check_split_thp(rwp, value, errp)) {
        return;
    }
    rwp->split_thp = value;
    if (rwp->tracker) {
        rwp_tracker_set_split(rwp->tracker, value);
    }
}

static void rwp_backend_instance_init(Object *obj)
{
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);
    HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    backend->share = false;
    backend->merge = false;
    rwp->tracking = ON_OFF_AUTO_AUTO;
    rwp->interval_ms = RWP_INTERVAL_DEFAULT_MS;
    rwp->thp = true;
    rwp_evict_config_init(&rwp->evict);
    rwp->state = WORKING_SET_STATE_OFF;
}

static void rwp_backend_class_init(ObjectClass *oc, void *data)
{
    HostMemoryBackendClass *bc = MEMORY_BACKEND_CLASS(oc);
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    parent_alloc = bc->alloc;
    bc->alloc = rwp_backend_alloc;
    bc->no_merge_reason = "merged pages lose their access marks";
    parent_complete = ucc->complete;
    ucc->complete = rwp_backend_complete;
    oc->unparent = rwp_backend_unparent;
    rwp_stats_init();

    object_class_property_add_enum(oc, "tracking", "OnOffAuto",
                                   &OnOffAuto_lookup,
                                   rwp_backend_get_tracking,
                                   rwp_backend_set_tracking);
    object_class_property_set_description(oc, "tracking",
        "Track accesses to the memory (auto: if the host can; can be changed"
        " at any time)");
    object_class_property_add(oc, "interval", "uint32",
                              rwp_backend_get_interval,
                              rwp_backend_set_interval, NULL, NULL);
    object_class_property_set_description(oc, "interval",
        "Time between two scans in milliseconds (can be changed at any time)");
    object_class_property_add_bool(oc, "thp", rwp_backend_get_thp,
                                   rwp_backend_set_thp);
    object_class_property_set_description(oc, "thp",
        "Let transparent huge pages back private memory (off: see every page"
        " by itself)");
    object_class_property_add_bool(oc, "split-thp", rwp_backend_get_split_thp,
                                   rwp_backend_set_split_thp);
    object_class_property_set_description(oc, "split-thp",
        "Split transparent huge pages that are accessed, to see every page of"
        " them by itself (can be changed at any time; what is split stays"
        " so)");
    rwp_evict_properties_add(oc);
    rwp_heat_class_init(oc);
}

static const TypeInfo rwp_backend_info = {
    .name = TYPE_MEMORY_BACKEND_RWP,
    .parent = TYPE_MEMORY_BACKEND_MEMFD,
    .instance_size = sizeof(RwpBackend),
    .instance_init = rwp_backend_instance_init,
    .instance_finalize = rwp_backend_finalize,
    .class_init = rwp_backend_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_PAGE_HEAT },
        { }
    },
};

static void register_types(void)
{
    /* As the parent type does. */
    if (qemu_memfd_check(MFD_ALLOW_SEALING)) {
        type_register_static(&rwp_backend_info);
    }
}

type_init(register_types);
