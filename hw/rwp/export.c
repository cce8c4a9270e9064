/*
 * Writing the idle age of each page to a file
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * docs/system/working-set.rst documents the format.
 */

#include "qemu/osdep.h"
#include "block/aio.h"
#include "block/thread-pool.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-working-set.h"
#include "qemu/bswap.h"
#include "qemu/coroutine.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "system/runstate.h"
#include "hw/rwp/backend.h"
#include "trace.h"

#define EXPORT_MAGIC        "QEMUAGES"
#define EXPORT_VERSION      1
#define EXPORT_FLAG_HUGE    1
#define EXPORT_UNMAPPED     UINT64_MAX

/* How long it takes to notice that QEMU ends, if nobody reads. */
#define EXPORT_POLL_MS      100

/* Lengths are counted in these, since huge pages can be mapped in part. */
#define EXPORT_UNIT         (4 * KiB)

typedef struct QEMU_PACKED ExportHeader {
    char magic[8];
    uint32_t version;
    uint32_t header_size;
    uint64_t page_size;
    uint64_t epochs;
    uint64_t interval_ms;
    uint64_t size;
    uint64_t reserved[2];
} ExportHeader;

typedef struct QEMU_PACKED ExportRecord {
    uint64_t gpa;
    uint64_t offset;
    uint32_t units;
    uint16_t age;
    uint16_t flags;
} ExportRecord;

QEMU_BUILD_BUG_ON(sizeof(ExportHeader) != 64);
QEMU_BUILD_BUG_ON(sizeof(ExportRecord) != 24);

/* A part of the backend that is at one place in the guest's memory. */
typedef struct Section {
    uint64_t gpa;           /* or EXPORT_UNMAPPED */
    uint64_t offset;
    uint64_t length;
} Section;

typedef struct Export {
    const MemoryRegion *mr;
    const RwpAgeMap *map;
    uint64_t page_size;
    ExportHeader header;
    GArray *sections;
    int fd;
    FILE *file;             /* buffers what goes to @fd */
    Notifier shutdown;
    bool interrupted;
    uint64_t records;
} Export;

static bool add_section(Int128 start, Int128 length, const MemoryRegion *mr,
                        hwaddr offset, void *opaque)
{
    Export *export = opaque;

    if (mr == export->mr) {
        Section section = {
            .gpa = int128_get64(start),
            .offset = offset,
            .length = int128_get64(length),
        };

        g_array_append_val(export->sections, section);
    }
    return false;
}

static gint compare_offset(gconstpointer a, gconstpointer b)
{
    const Section *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Where the backend is in the guest's memory, and the rest of it. */
static void find_sections(Export *export)
{
    uint64_t size = memory_region_size((MemoryRegion *)export->mr);
    g_autoptr(GArray) mapped = NULL;
    uint64_t offset = 0;

    WITH_RCU_READ_LOCK_GUARD() {
        flatview_for_each_range(address_space_to_flatview(
                                    &address_space_memory),
                                add_section, export);
    }

    mapped = g_array_copy(export->sections);
    g_array_sort(mapped, compare_offset);
    for (guint i = 0; i <= mapped->len; i++) {
        Section end = { .offset = size };
        Section *s = i < mapped->len ? &g_array_index(mapped, Section, i)
                                     : &end;

        if (s->offset > offset) {
            Section gap = {
                .gpa = EXPORT_UNMAPPED,
                .offset = offset,
                .length = s->offset - offset,
            };

            g_array_append_val(export->sections, gap);
        }
        offset = MAX(offset, s->offset + s->length);
    }
}

static bool write_record(Export *export, uint64_t gpa, uint64_t offset,
                         uint64_t length, const RwpAgeRun *run)
{
    ExportRecord record = {
        .gpa = cpu_to_le64(gpa),
        .offset = cpu_to_le64(offset),
        .units = cpu_to_le32(length / EXPORT_UNIT),
        .age = cpu_to_le16(run->age),
        .flags = cpu_to_le16(run->huge ? EXPORT_FLAG_HUGE : 0),
    };

    export->records++;
    return fwrite(&record, sizeof(record), 1, export->file) == 1;
}

static bool write_section(Export *export, const Section *section)
{
    uint64_t page_size = export->page_size;
    uint64_t section_end = section->offset + section->length;
    uint64_t from = section->offset / page_size;
    uint64_t end = DIV_ROUND_UP(section_end, page_size);
    RwpAgeRun run;

    while (rwp_age_map_next_run(export->map, from, end, &run)) {
        uint64_t offset, run_end, gpa = EXPORT_UNMAPPED;

        run.count = MIN(run.count, UINT32_MAX / (page_size / EXPORT_UNIT));
        from = run.first + run.count;
        offset = MAX(run.first * page_size, section->offset);
        run_end = MIN(from * page_size, section_end);
        if (section->gpa != EXPORT_UNMAPPED) {
            gpa = section->gpa + offset - section->offset;
        }
        if (!write_record(export, gpa, offset, run_end - offset, &run)) {
            return false;
        }
    }
    return true;
}

static void interrupt_export(Notifier *notifier, void *data)
{
    Export *export = container_of(notifier, Export, shutdown);

    qatomic_set(&export->interrupted, true);
}

/*
 * Behind a pipe there may be somebody who does not read: QEMU must be able to
 * end all the same.  A pipe that can be written to has room for PIPE_BUF.
 */
static ssize_t write_all(void *cookie, const char *data, size_t size)
{
    Export *export = cookie;
    size_t done = 0;

    while (done < size) {
        GPollFD poll = { .fd = export->fd, .events = G_IO_OUT };
        ssize_t written;

        if (qatomic_read(&export->interrupted)) {
            errno = ECANCELED;
            return 0;
        }
        if (g_poll(&poll, 1, EXPORT_POLL_MS) <= 0) {
            continue;
        }
        written = write(export->fd, data + done, MIN(size - done, PIPE_BUF));
        if (written > 0) {
            done += written;
        } else if (written < 0 && errno != EAGAIN && errno != EINTR) {
            return 0;
        }
    }
    return size;
}

/* In a worker thread: a large guest has a lot to write.  Returns -errno. */
static int write_export(void *opaque)
{
    static const RwpAgeRun last;
    Export *export = opaque;
    bool ok = fwrite(&export->header, sizeof(export->header), 1,
                     export->file) == 1;

    for (guint i = 0; ok && i < export->sections->len; i++) {
        ok = write_section(export,
                           &g_array_index(export->sections, Section, i));
    }
    /* So that a truncated file can be told. */
    ok = ok && write_record(export, EXPORT_UNMAPPED, 0, 0, &last);
    ok = ok && !fflush(export->file);
    return ok ? 0 : -errno;
}

static int open_destination(const char *filename, const char *fdname,
                            Error **errp)
{
    int fd;

    if (!filename == !fdname) {
        error_setg(errp, "exactly one of 'filename' and 'fdname' must be"
                   " given");
        return -1;
    }
    if (filename) {
        return qemu_create(filename, O_WRONLY | O_TRUNC | O_NONBLOCK, 0600,
                           errp);
    }
    fd = monitor_get_fd(monitor_cur(), fdname, errp);
    if (fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        error_setg(errp, "cannot write to '%s': it was opened for reading",
                   fdname);
        close(fd);
        return -1;
    }
    return fd;
}

void coroutine_fn qmp_export_working_set(const char *id, const char *filename,
                                         const char *fdname, Error **errp)
{
    RwpBackend *backend = rwp_backend_find(id, errp);
    RwpTracker *tracker;
    const RwpAgeMap *map;
    Export export = { 0 };
    int err;

    if (!backend) {
        return;
    }
    tracker = rwp_backend_tracker(backend);
    export.mr = &MEMORY_BACKEND(backend)->mr;
    export.page_size = qemu_ram_pagesize(export.mr->ram_block);
    export.map = rwp_tracker_map(tracker);
    memcpy(export.header.magic, EXPORT_MAGIC, sizeof(export.header.magic));
    export.header.version = cpu_to_le32(EXPORT_VERSION);
    export.header.header_size = cpu_to_le32(sizeof(export.header));
    export.header.page_size = cpu_to_le64(export.page_size);
    export.header.interval_ms = cpu_to_le64(rwp_backend_interval(backend));
    export.header.size =
        cpu_to_le64(qemu_ram_get_max_length(export.mr->ram_block));
    map = rwp_tracker_lock(tracker);
    export.header.epochs = cpu_to_le64(rwp_age_map_epochs(map));
    rwp_tracker_unlock(tracker);
    if (!export.header.epochs) {
        const char *reason = rwp_backend_reason(backend);

        error_setg(errp, "nothing is known about the pages of '%s': tracking"
                   " is %s%s%s", id,
                   WorkingSetState_str(rwp_backend_state(backend)),
                   reason ? ", " : "", reason ?: "");
        return;
    }

    export.fd = open_destination(filename, fdname, errp);
    if (export.fd < 0) {
        return;
    }
    export.file = fopencookie(&export, "w", (cookie_io_functions_t) {
        .write = write_all,
    });
    if (!export.file) {
        error_setg_errno(errp, errno, "cannot write to '%s'",
                         filename ?: fdname);
        qemu_close(export.fd);
        return;
    }

    export.shutdown.notify = interrupt_export;
    qemu_register_shutdown_notifier(&export.shutdown);
    export.sections = g_array_new(false, false, sizeof(Section));
    find_sections(&export);
    /* The pages' ages outlive the object's being deleted meanwhile. */
    object_ref(OBJECT(backend));
    err = thread_pool_submit_co(write_export, &export);
    notifier_remove(&export.shutdown);
    if (fclose(export.file) && !err) {
        err = -errno;
    }
    if (qemu_close(export.fd) && !err) {
        err = -errno;
    }
    trace_rwp_export(id, export.records, -err);
    if (err) {
        error_setg_errno(errp, -err, "cannot write to '%s'",
                         filename ?: fdname);
    }
    object_unref(OBJECT(backend));
    g_array_unref(export.sections);
}
