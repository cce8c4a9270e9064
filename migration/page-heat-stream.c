/*
 * What is known of pages goes along with them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The section "page-heat", version 2, is sent during setup.  For each block of
 * memory that has heat:
 *
 *     1, 1 byte
 *     the block's name, a counted string
 *     its used length in bytes, 64 bits
 *     PageHeatHistory: page size (64 bits), intervals (64), their length (32)
 *     any number of pieces (page-heat-code.h): 32 bits, the bytes of the piece;
 *         32 bits, how many it is deflated to; and these
 *     0, 32 bits
 *     what was learned, one piece; or 0, 32 bits, if that is nothing
 *
 * and at the end a byte of 0.  Numbers are big-endian.  Version 1 has nothing
 * of what was learned.
 *
 * A receiver whose memory is another, or has no heat, or has no use for it now,
 * skips a block: it is only an advice.  What is not well-formed is an error.
 */

#include "qemu/osdep.h"
#include "block/aio.h"
#include "qapi/error.h"
#include "qapi/qapi-types-migration.h"
#include "qemu/coroutine.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "migration/misc.h"
#include "migration/page-heat.h"
#include "migration/register.h"
#include "migration/snapshot.h"
#include "options.h"
#include "page-heat-code.h"
#include "page-heat-room.h"
#include "page-heat-stream.h"
#include "qemu-file.h"
#include "ram.h"
#include "trace.h"

/* For the hot pages of the incoming migration, or NULL.  With the BQL. */
static PageHeatRoom *room;

/* A block's heat, while it is sent. */
typedef struct Source {
    PageHeat *heat;         /* referenced */
    char *name;
    uint64_t length;
    PageHeatHistory history;
} Source;

static void source_free(void *opaque)
{
    Source *s = opaque;

    object_unref(OBJECT(s->heat));
    g_free(s->name);
    g_free(s);
}

/* All blocks whose heat is known.  With the BQL. */
static GPtrArray *find_sources(void)
{
    GPtrArray *sources = g_ptr_array_new_with_free_func(source_free);
    RAMBlock *block;

    RCU_READ_LOCK_GUARD();
    RAMBLOCK_FOREACH_MIGRATABLE(block) {
        PageHeatHistory history;
        PageHeat *heat;
        Source *s;

        if (!page_heat_known(block, &heat, &history)) {
            continue;
        }
        s = g_new(Source, 1);
        *s = (Source) {
            .heat = PAGE_HEAT(object_ref(OBJECT(heat))),
            .name = g_strdup(block->idstr),
            .length = block->used_length,
            .history = history,
        };
        g_ptr_array_add(sources, s);
    }
    return sources;
}

/* Send @piece, unless it is empty, and empty it. */
static int put_piece(QEMUFile *f, GByteArray *piece)
{
    g_autofree uint8_t *packed = g_malloc(PAGE_HEAT_PACKED);
    size_t size;

    if (piece->len) {
        size = page_heat_deflate(piece, packed);
        if (!size) {
            return -ENOMEM;
        }
        qemu_put_be32(f, piece->len);
        qemu_put_be32(f, size);
        qemu_put_buffer(f, packed, size);
        g_byte_array_set_size(piece, 0);
    }
    return qemu_file_get_error(f);
}

/* Can @next be told together with @run? */
static bool continues(const PageHeatRun *run, const PageHeatRun *next)
{
    return run->length && next->offset == run->offset + run->length &&
           next->age == run->age && next->out == run->out;
}

static int put_ages(QEMUFile *f, const Source *s)
{
    g_autoptr(GByteArray) piece = g_byte_array_new();
    PageHeatCoder coder = {
        .page_size = s->history.page_size,
        .length = s->length,
    };
    PageHeatRun run = { }, next;
    uint64_t at = 0;
    int ret = 0;

    while (!ret && PAGE_HEAT_GET_CLASS(s->heat)->next_run(s->heat, at,
                                                          s->length, &next)) {
        at = next.offset + next.length;
        if (continues(&run, &next)) {
            run.length += next.length;
            continue;
        }
        if (run.length) {
            page_heat_put_run(&coder, piece, &run);
        }
        if (piece->len > PAGE_HEAT_PIECE - PAGE_HEAT_RUN_MAX) {
            ret = put_piece(f, piece);
        }
        run = next;
    }
    if (!ret && run.length) {
        page_heat_put_run(&coder, piece, &run);
        ret = put_piece(f, piece);
    }
    return ret;
}

static int put_block(QEMUFile *f, const Source *s)
{
    g_autofree PageHeatPast *past = g_new(PageHeatPast, 1);
    g_autoptr(GByteArray) learned = g_byte_array_new();
    int ret;

    qemu_put_byte(f, 1);
    qemu_put_counted_string(f, s->name);
    qemu_put_be64(f, s->length);
    qemu_put_be64(f, s->history.page_size);
    qemu_put_be64(f, s->history.intervals);
    qemu_put_be32(f, s->history.interval_ms);
    ret = put_ages(f, s);
    qemu_put_be32(f, 0);
    if (!PAGE_HEAT_GET_CLASS(s->heat)->past(s->heat, past)) {
        qemu_put_be32(f, 0);
    } else if (!ret) {
        page_heat_put_past(learned, past);
        ret = put_piece(f, learned);
    }
    trace_page_heat_sent(s->name, s->history.page_size, s->history.intervals);
    return ret;
}

static int save_setup(QEMUFile *f, void *opaque, Error **errp)
{
    g_autoptr(GPtrArray) sources = find_sources();
    int ret = 0;

    /*
     * There can be many pages.  Memory that is unplugged meanwhile stays until
     * its source here is freed.
     */
    bql_unlock();
    for (guint i = 0; !ret && i < sources->len; i++) {
        ret = put_block(f, g_ptr_array_index(sources, i));
    }
    qemu_put_byte(f, 0);
    ret = ret ?: qemu_fflush(f);
    bql_lock();
    if (ret) {
        error_setg_errno(errp, -ret, "cannot send the heat of pages");
    }
    return ret;
}

/*
 * The block that the source tells of, with a reference to its region, or NULL
 * with @errp saying why not.
 */
static RAMBlock *find_block(const char *name, uint64_t length, Error **errp)
{
    RAMBlock *block;

    RCU_READ_LOCK_GUARD();
    block = qemu_ram_block_by_name(name);
    if (!block) {
        error_setg(errp, "there is no such memory");
        return NULL;
    }
    if (block->used_length != length) {
        error_setg(errp, "the memory has another size");
        return NULL;
    }
    memory_region_ref(block->mr);
    return block;
}

/* Who takes what is known of a block, or NULL with @errp saying why not. */
static PageHeat *find_taker(RAMBlock *block, const PageHeatHistory *history,
                            Error **errp)
{
    PageHeat *heat = page_heat_of(block);

    if (!heat) {
        error_setg(errp, "the memory has no heat");
        return NULL;
    }
    if (!PAGE_HEAT_GET_CLASS(heat)->warm_begin(heat, history, errp)) {
        return NULL;
    }
    return PAGE_HEAT(object_ref(OBJECT(heat)));
}

/*
 * Precopy holds hot pages back, so that most of them come when the guest is
 * stopped already, and each first needs memory of the host then, which takes
 * several times as long as to fill it.  Have that done before.
 */
static bool needs_room(RAMBlock *block)
{
    /* Postcopy wants it absent; with mapped-ram no guest waits for it. */
    return !migrate_postcopy_ram() && !migrate_mapped_ram() &&
           !migrate_ram_is_ignored(block);
}

static void make_room(RAMBlock *block, const PageHeatRun *run)
{
    if (!room) {
        room = page_heat_room_new();
    }
    page_heat_room_want(room, block, run->offset, run->length);
}

/*
 * A piece to @piece, which has room for PAGE_HEAT_PIECE bytes.  Returns how
 * many it has, 0 if there is none, or a negative error.
 */
static int get_piece(QEMUFile *f, uint8_t *piece)
{
    g_autofree uint8_t *packed = NULL;
    uint32_t raw = qemu_get_be32(f);
    uint32_t size = raw ? qemu_get_be32(f) : 0;

    if (!raw || qemu_file_get_error(f)) {
        return qemu_file_get_error(f);
    }
    if (raw > PAGE_HEAT_PIECE || size > PAGE_HEAT_PACKED) {
        return -EINVAL;
    }
    packed = g_malloc(size);
    if (qemu_get_buffer(f, packed, size) != size) {
        return qemu_file_get_error(f) ?: -EINVAL;
    }
    return page_heat_inflate(packed, size, piece, raw) ? raw : -EINVAL;
}

/* A TiB can have some 100 million runs: let others have the BQL, too. */
static void let_main_loop_run(void)
{
    if (qemu_in_coroutine()) {
        aio_co_schedule(qemu_get_current_aio_context(), qemu_coroutine_self());
        qemu_coroutine_yield();
    }
}

/*
 * The ages of a block, for @heat unless that is NULL.  Pages younger than
 * @young will be held back; there is to be room for them in @late unless that
 * is NULL.
 */
static int get_ages(QEMUFile *f, PageHeat *heat, RAMBlock *late,
                    unsigned young, PageHeatCoder *coder)
{
    g_autofree uint8_t *piece = g_malloc(PAGE_HEAT_PIECE);
    int raw;

    while ((raw = get_piece(f, piece)) > 0) {
        const uint8_t *p = piece;

        while (p < piece + raw) {
            PageHeatRun run;

            if (!page_heat_get_run(coder, &p, piece + raw, &run)) {
                return -EINVAL;
            }
            if (heat) {
                PAGE_HEAT_GET_CLASS(heat)->warm_run(heat, &run);
            }
            if (late && run.age < young && !run.out) {
                make_room(late, &run);
            }
        }
        let_main_loop_run();
    }
    return raw;
}

/* What was learned, for @heat unless that is NULL. */
static int get_past(QEMUFile *f, PageHeat *heat, const PageHeatHistory *history)
{
    g_autofree uint8_t *piece = g_malloc(PAGE_HEAT_PIECE);
    g_autofree PageHeatPast *past = g_new(PageHeatPast, 1);
    int raw = get_piece(f, piece);

    if (raw <= 0) {
        return raw;
    }
    if (!page_heat_get_past(piece, piece + raw, past)) {
        return -EINVAL;
    }
    if (heat) {
        PAGE_HEAT_GET_CLASS(heat)->warm_past(heat, history, past);
    }
    return 0;
}

/* @name: of the memory block, if it is known by then */
static int get_block(QEMUFile *f, int version, char *name)
{
    PageHeatHistory history;
    PageHeatCoder coder = { };
    PageHeat *heat = NULL;
    Error *err = NULL;
    RAMBlock *block;
    int ret;

    if (!qemu_get_counted_string(f, name)) {
        return qemu_file_get_error(f) ?: -EINVAL;
    }
    coder.length = qemu_get_be64(f);
    coder.page_size = history.page_size = qemu_get_be64(f);
    history.intervals = qemu_get_be64(f);
    history.interval_ms = qemu_get_be32(f);
    ret = qemu_file_get_error(f);
    if (ret) {
        return ret;
    }
    if (!is_power_of_2(history.page_size) ||
        history.page_size < PAGE_HEAT_PAGE_SIZE_MIN || !history.intervals ||
        !history.interval_ms || !coder.length || coder.length > INT64_MAX ||
        !QEMU_IS_ALIGNED(coder.length, history.page_size)) {
        return -EINVAL;
    }

    block = find_block(name, coder.length, &err);
    if (block) {
        heat = find_taker(block, &history, &err);
    }
    if (err) {
        info_report("page-heat: nothing is known of the memory '%s' that"
                    " came: %s", name, error_get_pretty(err));
        error_free(err);
    }
    ret = get_ages(f, heat, block && needs_room(block) ? block : NULL,
                   page_heat_young(&history), &coder);
    if (!ret && version >= 2) {
        ret = get_past(f, heat, &history);
    }
    if (heat) {
        if (!ret) {
            PAGE_HEAT_GET_CLASS(heat)->warm_end(heat);
            trace_page_heat_taken(name, history.page_size, history.intervals);
        }
        object_unref(OBJECT(heat));
    }
    if (block) {
        memory_region_unref(block->mr);
    }
    return ret;
}

static int load_state(QEMUFile *f, void *opaque, int version_id)
{
    char name[256] = "";
    int more, ret = 0;

    while (!ret && (more = qemu_get_byte(f)) == 1) {
        ret = get_block(f, version_id, name);
    }
    if (!ret) {
        ret = more ? -EINVAL : qemu_file_get_error(f);
    }
    /* Of a connection that broke, others tell. */
    if (ret && !qemu_file_get_error(f)) {
        error_report("the heat of pages is not well-formed, at or after the"
                     " memory block '%s'", name);
    }
    return ret;
}

/* However the migration ended, and before tracking begins. */
static int load_cleanup(void *opaque)
{
    page_heat_room_free(room);
    room = NULL;
    return 0;
}

/* A snapshot may be loaded when much else has happened. */
static bool is_active(void *opaque)
{
    return migrate_page_heat() && !snapshot_is_being_saved();
}

static const SaveVMHandlers handlers = {
    .is_active = is_active,
    .save_setup = save_setup,
    .load_state = load_state,
    .load_cleanup = load_cleanup,
};

void page_heat_stream_init(void)
{
    register_savevm_live("page-heat", 0, 2, &handlers, NULL);
}
