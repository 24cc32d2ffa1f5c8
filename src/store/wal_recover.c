/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening: which files make up the log, where it ends, and what it holds.
 *
 *     list the directory -> read every header and start frame -> follow the chain back from the
 *     newest used segment -> walk the frames forward -> judge the end
 *
 * Nothing is written here, and at most one sync done, so a crash at any point changes nothing, and
 * the next opening comes to the same result.
 */
#include "store/wal_priv.h"
#include "store/wal_reader.h"

#include "base/assert.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define RESUMED_REST_BYTES_MAX (1024u * 1024)

/* Everything with a name NUMBER.wal, in order of number. */
struct candidates {
    struct wal_segment **items;
    size_t count;
    size_t cap;
};

struct recovery {
    struct wal *wal;
    const struct wal_options *options;
    struct candidates found;
    size_t walk_begin; /* the first segment to walk */
    size_t used_end;   /* behind the newest used segment; 0 when the log is empty */
    uint64_t needed_seq;
    uint64_t seq;               /* behind the last frame walked */
    uint64_t position;          /* behind the last frame walked ... */
    uint64_t offset;            /* ... and the same in its file */
    uint64_t claimed;           /* S: the highest position known to be synced (WAL-3) */
    struct wal_segment *closed; /* where appending may go on (WAL-5), or NULL */
    struct wal_recovery *out;
};

static void candidates_deinit(struct candidates *c)
{
    size_t i;

    for (i = 0; i < c->count; i++) {
        wal_segment_free(c->items[i]);
    }
    mem_free(c->items);
    *c = (struct candidates){0};
}

static int candidates_add(struct candidates *c, struct wal_segment *segment)
{
    size_t at;

    if (c->count == c->cap) {
        size_t cap = c->cap > 0 ? c->cap * 2 : 16;
        struct wal_segment **items = mem_realloc(c->items, cap * sizeof(struct wal_segment *));

        if (items == NULL) {
            return BLOCKDB_ENOMEM;
        }
        c->items = items;
        c->cap = cap;
    }
    /* Names come in bytewise order, which is that of the numbers until they have seven digits. */
    for (at = c->count; at > 0 && c->items[at - 1]->number > segment->number; at--) {
        c->items[at] = c->items[at - 1];
    }
    c->items[at] = segment;
    c->count++;
    return BLOCKDB_OK;
}

struct listing {
    struct wal *wal;
    struct candidates *live;
    struct candidates *old;
};

static int list_name(void *context, const char *name, bool is_dir)
{
    struct listing *l = context;
    struct wal_segment *segment;
    uint64_t number;
    enum wal_name_kind kind = wal_name_parse(name, &number);
    int rc;

    if (is_dir || (kind != WAL_NAME_LIVE && kind != WAL_NAME_OLD)) {
        return BLOCKDB_OK;
    }
    if (number >= l->wal->next_number) {
        l->wal->next_number = number + 1;
    }
    segment = wal_segment_new(number);
    if (segment == NULL) {
        return BLOCKDB_ENOMEM;
    }
    rc = candidates_add(kind == WAL_NAME_LIVE ? l->live : l->old, segment);
    if (rc < 0) {
        wal_segment_free(segment);
    }
    return rc;
}

/* Moves the old segments that are still there to their queue; others may remove them meanwhile. */
static int measure_old(struct wal *wal, struct candidates *old, struct error *err)
{
    size_t i;

    for (i = 0; i < old->count; i++) {
        struct wal_segment *segment = old->items[i];
        struct wal_path path;
        struct os_stat stat;
        int rc;

        wal_path_number(wal, segment->number, WAL_SUFFIX_OLD, &path);
        rc = os_stat_path(wal->os, path.text, &stat, err);
        if (rc == BLOCKDB_ENOTFOUND) {
            continue;
        }
        if (rc < 0) {
            return rc;
        }
        segment->file_bytes = stat.len_bytes;
        wal_queue_push(&wal->old, segment);
        old->items[i] = NULL;
    }
    return BLOCKDB_OK;
}

static int list_segments(struct recovery *rec, struct error *err)
{
    AUTO(candidates_deinit) struct candidates old = {0};
    struct listing l = {.wal = rec->wal, .live = &rec->found, .old = &old};
    int rc;

    rc = os_list(rec->wal->os, rec->wal->dir, list_name, &l, err);
    if (rc == BLOCKDB_ENOMEM) {
        return error_set_no_memory(err);
    }
    return rc < 0 ? rc : measure_old(rec->wal, &old, err);
}

static int open_segment(const struct recovery *rec, const struct wal_segment *segment,
                        struct wal_reader *out, struct error *err)
{
    struct wal_path path;
    int rc;

    wal_path_number(rec->wal, segment->number, WAL_SUFFIX_LIVE, &path);
    rc = wal_reader_open(out, rec->wal->os, path.text, err);
    if (rc < 0) {
        return rc;
    }
    if (memcmp(out->header.ledger_id, rec->wal->ledger_id, WAL_LEDGER_ID_BYTES) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "WAL segment '%s' belongs to another ledger; move it away", path.text);
    }
    if (out->header.number != segment->number) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "WAL segment '%s' is number %" PRIu64
                         " by its header; give it back its name",
                         path.text, out->header.number);
    }
    return BLOCKDB_OK;
}

static int read_starts(struct recovery *rec, struct error *err)
{
    size_t i;

    for (i = 0; i < rec->found.count; i++) {
        AUTO(wal_reader_deinit) struct wal_reader reader = {0};
        struct wal_segment *segment = rec->found.items[i];
        int rc = open_segment(rec, segment, &reader, err);

        if (rc < 0) {
            return rc;
        }
        segment->file_bytes = reader.file_bytes;
        rc = wal_reader_start(&reader, &segment->is_used, &segment->start, &segment->first_seq,
                              err);
        if (rc < 0) {
            return rc;
        }
        if (segment->is_used) {
            rec->used_end = i + 1;
        }
    }
    return BLOCKDB_OK;
}

/* The segment before items[at] in the chain, or SIZE_MAX. */
static size_t find_previous(const struct candidates *c, size_t at)
{
    uint64_t number = c->items[at]->start.previous_number;
    size_t i = at;

    while (i > 0 && c->items[i - 1]->number >= number) {
        i--;
        if (c->items[i]->number == number && c->items[i]->is_used) {
            return i;
        }
    }
    return SIZE_MAX;
}

static int previous_missing(const struct recovery *rec, const struct wal_segment *segment,
                            struct error *err)
{
    struct wal_path path;

    wal_path_number(rec->wal, segment->start.previous_number, WAL_SUFFIX_LIVE, &path);
    return error_set(err, BLOCKDB_ECORRUPT,
                     "WAL segment '%s' is missing, or its first frame at offset %d is damaged: "
                     "entries from %" PRIu64
                     " on are needed and the next segment begins at %" PRIu64 "; restore the file",
                     path.text, WAL_HEADER_BYTES, rec->needed_seq, segment->first_seq);
}

/* Marks the chain, newest first, and finds where the walk begins. */
static int follow_chain(struct recovery *rec, struct error *err)
{
    size_t at = rec->used_end - 1;
    bool reaches = false;

    if (rec->used_end == 0) {
        return BLOCKDB_OK;
    }
    while (at != SIZE_MAX) {
        struct wal_segment *segment = rec->found.items[at];

        segment->in_chain = true;
        if (!reaches) {
            rec->walk_begin = at;
            reaches = segment->first_seq <= rec->needed_seq;
        }
        at = find_previous(&rec->found, at);
        if (at == SIZE_MAX && !reaches) {
            return previous_missing(rec, segment, err);
        }
    }
    return BLOCKDB_OK;
}

/* Every message about damage names the file, the offset, and what to do. */
static int damaged(const struct recovery *rec, const struct wal_segment *segment, uint64_t offset,
                   struct error *err, const char *what)
{
    struct wal_path path;

    wal_path_number(rec->wal, segment->number, WAL_SUFFIX_LIVE, &path);
    return error_set(err, BLOCKDB_ECORRUPT,
                     "WAL segment '%s', offset %" PRIu64
                     ": %s; restore the file from a copy or a replica",
                     path.text, offset, what);
}

static int visit_frame(struct recovery *rec, const struct wal_found *found, struct error *err)
{
    struct wal_recovery *out = rec->out;
    int rc;

    if (found->header.end_seq <= rec->needed_seq) {
        return BLOCKDB_OK;
    }
    out->frame_count++;
    out->payload_bytes += found->payload.len;
    rec->needed_seq = found->header.end_seq;
    if (rec->options->visit == NULL) {
        return BLOCKDB_OK;
    }
    rc = rec->options->visit(rec->options->visit_context, found->header.first_seq,
                             found->header.end_seq, found->payload, err);
    return rc < 0 ? rc : BLOCKDB_OK;
}

/* Checks one good frame against what came before it, and takes it. */
static int walk_frame(struct recovery *rec, const struct wal_segment *segment,
                      const struct wal_found *found, struct error *err)
{
    const struct wal_frame_header *header = &found->header;
    bool is_first = found->offset == WAL_HEADER_BYTES;

    if ((header->kind == WAL_FRAME_START) != is_first) {
        return damaged(rec, segment, found->offset, err, "a start frame in the wrong place");
    }
    if (header->first_seq != rec->seq) {
        return damaged(rec, segment, found->offset, err,
                       "the frame does not begin at the seq at which the one before it ends");
    }
    rec->position += found->len_bytes;
    rec->seq = header->end_seq;
    if (rec->claimed < header->synced_position) {
        rec->claimed = header->synced_position;
    }
    return header->kind == WAL_FRAME_DATA ? visit_frame(rec, found, err) : BLOCKDB_OK;
}

/* Enters a segment: compares its start frame with the walk so far. */
static int enter_segment(struct recovery *rec, size_t at, struct error *err)
{
    const struct wal_segment *segment = rec->found.items[at];
    const struct wal_start *start = &segment->start;

    if (at != rec->walk_begin && start->previous_end_seq != rec->seq) {
        return damaged(rec, segment, WAL_HEADER_BYTES, err,
                       "the segment before it does not end at the seq that it states");
    }
    if (start->previous_end_seq > segment->first_seq) {
        return damaged(rec, segment, WAL_HEADER_BYTES, err,
                       "it begins before its predecessor ends");
    }
    if (segment->first_seq > rec->needed_seq) {
        return damaged(rec, segment, WAL_HEADER_BYTES, err,
                       "entries before it are needed and not in the log");
    }
    rec->seq = segment->first_seq;
    rec->position = start->position;
    return BLOCKDB_OK;
}

/* Walks the frames of a segment up to `limit` (the position at which the next one begins) or, with
 * UINT64_MAX, up to the first place without a frame. */
static int walk_segment(struct recovery *rec, struct wal_segment *segment,
                        struct wal_reader *reader, uint64_t limit, struct error *err)
{
    struct wal_found found;
    int rc;

    rec->out->segment_count++;
    rec->out->closed_cleanly = false;
    rec->offset = WAL_HEADER_BYTES;
    while (rec->position < limit) {
        rc = wal_reader_look(reader, rec->offset, &found, err);
        if (rc < 0) {
            return rc;
        }
        if (found.place != WAL_PLACE_FRAME) {
            break;
        }
        rc = walk_frame(rec, segment, &found, err);
        if (rc < 0) {
            return rc;
        }
        rec->out->closed_cleanly = found.header.kind == WAL_FRAME_CLOSE;
        rec->offset += found.len_bytes;
    }
    segment->end_seq = rec->seq;
    if (limit != UINT64_MAX && rec->position != limit) {
        return damaged(rec, segment, rec->offset, err,
                       "no good frame, though the next segment shows that there was one");
    }
    return BLOCKDB_OK;
}

/* Searches a file from offset on for frames behind the end of the log, and what they claim. */
static int search_rest(struct recovery *rec, struct wal_reader *reader, uint64_t offset,
                       struct error *err)
{
    uint64_t used_end = offset;
    struct wal_found found;
    uint64_t at = offset;
    int rc;

    do {
        rc = wal_reader_search(reader, at, &found, &used_end, err);
        if (rc < 0) {
            return rc;
        }
        at = found.offset + found.len_bytes;
        if (found.place == WAL_PLACE_FRAME && rec->claimed < found.header.synced_position) {
            rec->claimed = found.header.synced_position;
        }
    } while (found.place == WAL_PLACE_FRAME);
    rec->out->tail_cut_bytes += used_end - offset;
    return BLOCKDB_OK;
}

/* Also the segments after the newest used one: their start frames may be what is damaged. */
static int search_later(struct recovery *rec, struct error *err)
{
    size_t i;

    for (i = rec->used_end; i < rec->found.count; i++) {
        AUTO(wal_reader_deinit) struct wal_reader reader = {0};
        uint64_t cut_before = rec->out->tail_cut_bytes;
        int rc = open_segment(rec, rec->found.items[i], &reader, err);

        if (rc == 0) {
            rc = search_rest(rec, &reader, WAL_HEADER_BYTES, err);
        }
        if (rc < 0) {
            return rc;
        }
        if (cut_before == 0 && rec->out->tail_cut_bytes > 0) {
            rec->out->tail_segment = rec->found.items[i]->number;
            rec->out->tail_offset = WAL_HEADER_BYTES;
        }
    }
    return BLOCKDB_OK;
}

/* An end known from elsewhere that the log does not have. */
static int end_contradicted(const struct recovery *rec, const struct wal_segment *last,
                            struct error *err)
{
    const struct wal_end_mark *mark = &rec->options->end_mark;
    struct wal_path path;

    if (last == NULL) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "WAL directory '%s' holds no entries, but the log is known to reach "
                         "position %" PRIu64 "; restore its segments",
                         rec->wal->dir, mark->position);
    }
    wal_path_number(rec->wal, last->number, WAL_SUFFIX_LIVE, &path);
    if (mark->kind != WAL_END_EXACT) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "WAL segment '%s', offset %" PRIu64 ": the log ends at position %" PRIu64
                         " (seq %" PRIu64 "), but it was synced up to position %" PRIu64
                         "; what follows is damaged or missing: restore the files",
                         path.text, rec->offset, rec->position, rec->seq, mark->position);
    }
    return error_set(err, BLOCKDB_ECORRUPT,
                     "WAL segment '%s', offset %" PRIu64 ": the log ends at position %" PRIu64
                     " (seq %" PRIu64 "), but it was closed at position %" PRIu64 " (seq %" PRIu64
                     "); files are damaged, missing or of another time: restore them",
                     path.text, rec->offset, rec->position, rec->seq, mark->position,
                     mark->end_seq);
}

/* WAL-3: whether what lies behind the end was ever durable. */
static int judge_end(struct recovery *rec, const struct wal_segment *last,
                     struct wal_reader *reader, struct error *err)
{
    const struct wal_end_mark *mark = &rec->options->end_mark;
    int rc;

    if (mark->kind != WAL_END_UNKNOWN && rec->position < mark->position) {
        return end_contradicted(rec, last, err);
    }
    if (mark->kind == WAL_END_EXACT) {
        bool agrees = rec->position == mark->position && rec->seq == mark->end_seq;

        return agrees ? BLOCKDB_OK : end_contradicted(rec, last, err);
    }
    if (last != NULL) {
        rc = search_rest(rec, reader, rec->offset, err);
        if (rc < 0) {
            return rc;
        }
        if (rec->out->tail_cut_bytes > 0) {
            rec->out->tail_segment = last->number;
            rec->out->tail_offset = rec->offset;
        }
    }
    rc = search_later(rec, err);
    if (rc < 0) {
        return rc;
    }
    if (rec->claimed <= rec->position) {
        return BLOCKDB_OK;
    }
    if (last == NULL) {
        last = rec->found.items[rec->used_end];
        rec->offset = WAL_HEADER_BYTES;
    }
    return damaged(rec, last, rec->offset, err,
                   "no good frame, though later frames show that synced ones follow here or in the "
                   "next segment");
}

/* What is believed from now on must be on the disk, also if the last process only left it to the
 * system; the segments before were synced by WAL-4. */
static int sync_last(struct recovery *rec, const struct wal_segment *last, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    struct wal_path path;
    int rc;

    if (rec->wal->read_only) {
        return BLOCKDB_OK;
    }
    wal_path_number(rec->wal, last->number, WAL_SUFFIX_LIVE, &path);
    rc = os_open(rec->wal->os, path.text, OS_READ | OS_WRITE, &file, err);
    return rc < 0 ? rc : file_sync(file, err);
}

/* An EXACT end: whether appending may go on in this segment (WAL-5). A long rest is not searched:
 * who fills long segments does not open and close the log for every few frames. */
static int look_behind_close(struct recovery *rec, struct wal_segment *segment,
                             struct wal_reader *reader, struct error *err)
{
    uint64_t used_end = rec->offset;
    struct wal_found found;
    int rc;

    if (rec->wal->read_only || !rec->out->closed_cleanly ||
        reader->file_bytes - rec->offset > RESUMED_REST_BYTES_MAX) {
        return BLOCKDB_OK;
    }
    rc = wal_reader_search(reader, rec->offset, &found, &used_end, err);
    if (rc == 0 && found.place == WAL_PLACE_NOTHING && used_end == rec->offset) {
        segment->seed = reader->seed;
        rec->closed = segment;
    }
    return rc;
}

static struct wal_segment *next_in_chain(const struct recovery *rec, size_t at)
{
    size_t i;

    for (i = at + 1; i < rec->used_end; i++) {
        if (rec->found.items[i]->in_chain) {
            return rec->found.items[i];
        }
    }
    return NULL;
}

static int walk_one(struct recovery *rec, size_t at, struct error *err)
{
    AUTO(wal_reader_deinit) struct wal_reader reader = {0};
    struct wal_segment *segment = rec->found.items[at];
    const struct wal_segment *next = next_in_chain(rec, at);
    int rc;

    rc = enter_segment(rec, at, err);
    if (rc == 0) {
        rc = open_segment(rec, segment, &reader, err);
    }
    if (rc == 0) {
        rc = walk_segment(rec, segment, &reader, next != NULL ? next->start.position : UINT64_MAX,
                          err);
    }
    if (rc < 0 || next != NULL) {
        return rc;
    }
    rc = judge_end(rec, segment, &reader, err);
    if (rc < 0) {
        return rc;
    }
    /* An EXACT mark was made after the log was synced up to it. */
    return rec->options->end_mark.kind == WAL_END_EXACT
               ? look_behind_close(rec, segment, &reader, err)
               : sync_last(rec, segment, err);
}

static int walk_chain(struct recovery *rec, struct error *err)
{
    size_t i;

    if (rec->used_end == 0) {
        rec->seq = rec->options->from_seq;
        return judge_end(rec, NULL, NULL, err);
    }
    for (i = rec->walk_begin; i < rec->used_end; i++) {
        if (rec->found.items[i]->in_chain) {
            int rc = walk_one(rec, i, err);

            if (rc < 0) {
                return rc;
            }
        }
    }
    return BLOCKDB_OK;
}

/* Hands all segments over to the wal. Those before the walk end where their successor says. */
static void assign(struct recovery *rec)
{
    struct wal *wal = rec->wal;
    struct wal_segment *previous = NULL;
    size_t i;

    for (i = 0; i < rec->found.count; i++) {
        struct wal_segment *segment = TAKE(rec->found.items[i]);

        if (!segment->in_chain) {
            wal_queue_push(&wal->leftover, segment);
            continue;
        }
        if (previous != NULL) {
            previous->end_seq = segment->start.previous_end_seq;
        }
        previous = segment;
        wal_queue_push(&wal->live, segment);
    }
}

static void recovery_deinit(struct recovery *rec)
{
    candidates_deinit(&rec->found);
}

int wal_recover(struct wal *wal, const struct wal_options *options, struct wal_recovery *out,
                struct error *err)
{
    AUTO(recovery_deinit)
    struct recovery rec = {
        .wal = wal, .options = options, .needed_seq = options->from_seq, .out = out};
    int rc;

    *out = (struct wal_recovery){0};
    wal->next_number = 1;
    rc = list_segments(&rec, err);
    if (rc == 0) {
        rc = read_starts(&rec, err);
    }
    if (rc == 0) {
        rc = follow_chain(&rec, err);
    }
    if (rc == 0) {
        rc = walk_chain(&rec, err);
    }
    if (rc < 0) {
        return rc;
    }
    assign(&rec);
    out->end_seq = rec.seq > options->from_seq ? rec.seq : options->from_seq;
    out->end_position = rec.position;
    wal->end_seq = rec.seq;
    wal->closed = rec.closed;
    wal->offset = rec.offset;
    atomic_store(&wal->end_position, rec.position);
    atomic_store(&wal->synced_position, rec.position);
    return BLOCKDB_OK;
}
