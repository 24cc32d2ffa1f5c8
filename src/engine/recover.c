/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/recover.h"

#include "base/assert.h"
#include "base/mem.h"
#include "engine/db.h"
#include "engine/flush.h"
#include "engine/group.h"
#include "engine/read.h"
#include "engine/segment_edit.h"
#include "ledger/commitment.h"
#include "ledger/leaf.h"
#include "ledger/merkle.h"

#include <inttypes.h>

/* What a record has besides an inline value: longer ones are worth keeping when they are written.
 */
#define WARM_RECORD_OVERHEAD 128

/* The state of a recovery in progress. */
struct recovery {
    struct blockdb *db;
    struct tip tip;          /* behind the last block that was sealed again */
    struct memtable *active; /* borrowed from the read state */
    struct hash *leaves;     /* of the block being sealed again */
    size_t leaf_count;
    size_t leaf_cap;
    uint64_t next_seq;      /* the next entry that the WAL must bring */
    uint64_t told_ns;       /* when the progress was told last; begins with the recovery */
    uint64_t wal_bytes;     /* of the log that were read, */
    uint64_t wal_bytes_max; /* of at most so many */
};

/* ---- Progress -------------------------------------------------------------------------------- */

#define TELL_NS 1000000000ULL
#define TELL_ENTRIES 4096 /* between two looks at the clock */

/* Tells of a recovery that takes long, now and then: who waits for it may ask for more time. */
static void tell_progress(struct recovery *r, const char *what, uint64_t count, uint64_t at,
                          uint64_t end)
{
    uint64_t now_ns;

    if (count % TELL_ENTRIES != 0) {
        return;
    }
    now_ns = os_monotonic_ns(r->db->os);
    if (now_ns - r->told_ns < TELL_NS) {
        return;
    }
    r->told_ns = now_ns;
    event_tell(r->db, BLOCKDB_EVENT_INFO, "recovery",
               "reading the %s: %" PRIu64 " entries, %" PRIu64 " %%", what, count,
               at < end ? at / (end / 100 + 1) : 100);
}

/* Adds up the sizes of the log's files, as os_list() visits them. */
static int add_wal_file(void *context, const char *name, bool is_dir)
{
    struct recovery *r = context;
    AUTO(mem_free_ptr) char *path = path_join(r->db->wal_dir, name);
    size_t len = strlen(name);
    struct os_stat stat;

    if (is_dir || path == NULL || (len > 4 && strcmp(name + len - 4, ".old") == 0)) {
        return BLOCKDB_OK;
    }
    if (os_stat_path(r->db->os, path, &stat, NULL) == BLOCKDB_OK) {
        r->wal_bytes_max += stat.len_bytes;
    }
    return BLOCKDB_OK;
}

/* ---- Opening the files ----------------------------------------------------------------------- */

static void throttle(void *budget, uint64_t bytes)
{
    io_budget_take(budget, (size_t)bytes);
}

static int open_segments(struct recovery *r, const struct manifest_state *state, struct error *err)
{
    struct blockdb *db = r->db;
    AUTO(mem_free_ptr)
    struct segment_info *known = mem_calloc(state->segment_count, sizeof(*known));
    struct segments_options options = {
        .os = db->os,
        .dir = db->ledger_dir,
        .epoch = db->epoch,
        .cache = db->block_cache,
        .index_cache = db->index_cache,
        .codec = (uint8_t)db_codec(db->settings),
        .codec_level = (int)db->settings->compression_level,
        .direct_io = db->settings->enable_direct_io,
        .read_only = db->read_only,
        .segment_bytes = db->settings->ledger_segment_size,
        .on_load = db->settings->enable_blockchain_verification ? read_check_page : NULL,
        .on_load_context = db,
        .warm_record_bytes = db->settings->inline_value_limit + WARM_RECORD_OVERHEAD,
        .throttle = db->settings->io_budget > 0 ? throttle : NULL,
        .throttle_context = db->io_budget,
        .known = known,
        .known_count = (uint32_t)state->segment_count,
        .trusted_seq = tip_seq(&r->tip),
    };
    struct segments_recovery found;
    size_t i;
    int rc;

    if (known == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < state->segment_count; i++) {
        known[i] = segment_of_manifest(&state->segments[i]);
    }
    memcpy(options.ledger_id, db->ledger_id, LEDGER_ID_LEN);
    rc = segments_open(&options, &db->segments, &found, err);
    if (rc == BLOCKDB_OK && found.cut) {
        event_tell(db, BLOCKDB_EVENT_INFO, "recovery",
                   "ledger segment %" PRIu32 ": %s %" PRIu64
                   " bytes behind the last whole block, at offset %" PRIu64
                   "; entries from %" PRIu64 " on come from the WAL",
                   found.cut_number, db->read_only ? "ignored" : "cut", found.cut_bytes,
                   found.cut_offset, found.cut_seq);
    }
    return rc;
}

static int open_tiles(struct recovery *r, struct error *err)
{
    struct blockdb *db = r->db;
    struct tile_files_options options = {
        .os = db->os,
        .dir = db->tile_dir,
        .epoch = db->epoch,
        .cache = db->index_cache,
        .read_only = db->read_only,
    };
    uint64_t count = tip_seq(&r->tip);
    unsigned level;

    memcpy(options.ledger_id, db->ledger_id, LEDGER_ID_LEN);
    for (level = 0; level < TILE_LEVELS; level++, count /= TILE_HASHES) {
        options.counts[level] = count;
    }
    return tile_files_open(&options, &db->tiles, err);
}

/* ---- Entries that tables do not index yet ---------------------------------------------------- */

/* Enters a record whose bytes live in the active memtable's arena. */
static int enter(struct recovery *r, uint64_t seq, const struct record *record, struct slice bytes,
                 struct error *err)
{
    struct memtable_version version = {
        .seq = seq,
        .time_ms = record->time_ms,
        .kind = record->kind,
        .value = record->value,
        .record = bytes,
    };

    if (kind_is_system(record->kind)) {
        return BLOCKDB_OK;
    }
    if (memtable_add(r->active, record->key, &version) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

static void note_request(struct recovery *r, uint64_t seq, const struct record *record)
{
    struct request_answer answer = {
        .request = record->request,
        .first_seq = seq,
        .count = record->batch_count,
        .time_ms = record->time_ms,
    };

    if (record->client_id != NULL && record->batch_position == 0) {
        request_table_record(r->db->commit.requests, record->client_id, &answer);
    }
}

static void note_time(struct recovery *r, uint64_t time_ms)
{
    _Atomic uint64_t *last_ms = &r->db->commit.last_time_ms;

    if (time_ms > atomic_load_explicit(last_ms, memory_order_relaxed)) {
        atomic_store_explicit(last_ms, time_ms, memory_order_relaxed);
    }
}

/* Keeps memory bounded while a long stretch of the ledger is read back. */
static int make_room(struct recovery *r, size_t bytes, struct error *err)
{
    struct blockdb *db = r->db;
    int rc;

    if (db->read_only || memtable_bytes(r->active) + bytes <= db->settings->memtable_size_limit) {
        return BLOCKDB_OK;
    }
    rc = workers_freeze(db, err);
    if (rc == BLOCKDB_OK) {
        rc = flush_oldest(db, FLUSH_RECOVERING, err);
    }
    r->active = db_active_memtable(db);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* A record of the ledger that no table indexes: copies it into the memtable. */
static int restore_record(struct recovery *r, uint64_t seq, struct slice bytes, struct error *err)
{
    struct record record;
    uint8_t *copy;
    int rc = make_room(r, bytes.len, err);

    if (rc < 0) {
        return rc;
    }
    copy = memtable_alloc(r->active, bytes.len);
    if (copy == NULL) {
        return error_set_no_memory(err);
    }
    memcpy(copy, bytes.data, bytes.len);
    rc = record_parse(slice_of(copy, bytes.len), &record);
    if (rc < 0) {
        return error_set(err, rc, "entry %" PRIu64 " is not a valid record", seq);
    }
    return enter(r, seq, &record, slice_of(copy, bytes.len), err);
}

/* ---- Blocks behind the durable tip ----------------------------------------------------------- */

static int add_leaf(struct recovery *r, const struct record *record, struct error *err)
{
    struct hash commitment = {0};

    if (r->leaf_count == r->leaf_cap) {
        size_t cap = r->leaf_cap < 1024 ? 1024 : r->leaf_cap * 2;
        struct hash *leaves = mem_realloc(r->leaves, cap * sizeof(*leaves));

        if (leaves == NULL) {
            return error_set_no_memory(err);
        }
        r->leaves = leaves;
        r->leaf_cap = cap;
    }
    if (record->salt != NULL) {
        commitment_compute(record->salt, record->value, &commitment);
    } else if (record->commitment != NULL) {
        commitment = *record->commitment;
    }
    leaf_hash(record, &commitment, &r->leaves[r->leaf_count++]);
    return BLOCKDB_OK;
}

static int append_tiles(struct recovery *r, const struct tile_hash *tiles, size_t count,
                        struct error *err)
{
    size_t i;

    if (r->db->read_only) {
        return BLOCKDB_OK;
    }
    for (i = 0; i < count; i++) {
        int rc = tile_files_append(r->db->tiles, tiles[i].level, tiles[i].hash.bytes, 1, err);

        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

/* Seals the gathered leaves again and compares the header with the one on disk. */
static int seal_again(struct recovery *r, const struct segment_scan_entry *entry,
                      const struct block_header *stored, struct error *err)
{
    size_t tile_count = tip_tile_count(&r->tip, r->leaf_count);
    AUTO(mem_free_ptr) struct tile_hash *tiles = mem_calloc(tile_count, sizeof(*tiles));
    uint8_t made_bytes[BLOCK_HEADER_LEN];
    uint8_t stored_bytes[BLOCK_HEADER_LEN];
    /* The map is not there yet; what the header says of it is bound by the header's hash. */
    struct tip_block block = {
        .leaves = r->leaves,
        .count = r->leaf_count,
        .time_ms = stored->time_ms,
        .map_size = stored->map_size,
        .map_root = stored->map_root,
    };
    int rc = BLOCKDB_OK;

    if (tiles == NULL) {
        return error_set_no_memory(err);
    }
    if (stored->map_size < r->tip.last.map_size ||
        (stored->map_size == r->tip.last.map_size &&
         !hash_equal(&stored->map_root, &r->tip.last.map_root))) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger segment '%s', block at offset %" PRIu64 ": the map of block "
                         "%" PRIu64 " does not continue that of the block before",
                         entry->path, entry->block->offset, entry->block->height);
    }
    tip_seal(&r->tip, &block, tiles);
    block_header_encode(&r->tip.last, made_bytes);
    block_header_encode(stored, stored_bytes);
    if (memcmp(made_bytes, stored_bytes, BLOCK_HEADER_LEN) != 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger segment '%s', block at offset %" PRIu64 ": the header of block "
                         "%" PRIu64 " does not match its entries",
                         entry->path, entry->block->offset, entry->block->height);
    }
    if (!r->db->read_only) {
        rc = tile_files_append(r->db->tiles, 0, r->leaves[0].bytes, r->leaf_count, err);
        if (rc == BLOCKDB_OK) {
            rc = tile_files_append(r->db->tiles, 0, r->tip.last_hash.bytes, 1, err);
        }
    }
    r->leaf_count = 0;
    return rc < 0 ? rc : append_tiles(r, tiles, tile_count, err);
}

static int check_entry(struct recovery *r, const struct segment_scan_entry *entry,
                       const struct record *record, struct error *err)
{
    struct block_header header;
    int rc;

    if (record->kind != BLOCKDB_KIND_BLOCK_HEADER) {
        return add_leaf(r, record, err);
    }
    rc = block_header_of_record(record, &header);
    if (rc < 0) {
        return error_set(err, rc,
                         "ledger segment '%s', page at offset %" PRIu64 ": entry %" PRIu64
                         " is not a valid block header",
                         entry->path, entry->page_offset, entry->seq);
    }
    return seal_again(r, entry, &header, err);
}

/* Tables have an entry before it is redacted. */
static int unindexed_redaction(const struct segment_scan_entry *entry, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "ledger segment '%s', page at offset %" PRIu64 ": entry %" PRIu64
                     " is redacted, but no table knows it; was an old manifest put back?",
                     entry->path, entry->page_offset, entry->seq);
}

static int recover_entry(struct recovery *r, const struct segment_scan_entry *entry,
                         uint64_t flushed_seq, struct error *err)
{
    struct record record;
    int rc = record_parse(entry->record, &record);

    if (rc < 0) {
        return error_set(err, rc,
                         "ledger segment '%s', page at offset %" PRIu64 ": entry %" PRIu64
                         " is not a valid record",
                         entry->path, entry->page_offset, entry->seq);
    }
    note_time(r, record.time_ms);
    note_request(r, entry->seq, &record);
    if (entry->seq >= tip_seq(&r->tip)) {
        rc = check_entry(r, entry, &record, err);
    }
    if (rc == BLOCKDB_OK && entry->seq >= flushed_seq && !kind_is_system(record.kind)) {
        if ((record.flags & RECORD_REDACTED) != 0) {
            return unindexed_redaction(entry, err);
        }
        rc = restore_record(r, entry->seq, entry->record, err);
    }
    return rc;
}

/* Reads the ledger from where tables or the durable tip end, whichever is earlier. */
static int recover_ledger(struct recovery *r, uint64_t flushed_seq, struct error *err)
{
    uint64_t from = flushed_seq < tip_seq(&r->tip) ? flushed_seq : tip_seq(&r->tip);
    struct segment_scan *scan = NULL;
    struct segment_scan_entry entry;
    uint64_t done = 0;
    int rc = segments_scan(r->db->segments, from, BLOCKDB_SEQ_NONE, &scan, err);

    while (rc == BLOCKDB_OK) {
        rc = segment_scan_next(scan, &entry, err);
        if (rc == BLOCKDB_OK) {
            done++;
            tell_progress(r, "ledger", done, done, segments_end_seq(r->db->segments) - from);
            rc = recover_entry(r, &entry, flushed_seq, err);
        }
    }
    segment_scan_free(scan);
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    if (tip_seq(&r->tip) != segments_end_seq(r->db->segments)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "ledger '%s': its last block has no header; the ledger ends at entry "
                         "%" PRIu64 ", its last header at %" PRIu64,
                         r->db->ledger_dir, segments_end_seq(r->db->segments), tip_seq(&r->tip));
    }
    return BLOCKDB_OK;
}

/* ---- The WAL --------------------------------------------------------------------------------- */

static int replay_record(struct recovery *r, uint64_t seq, struct slice bytes,
                         struct seal_entry *out, struct error *err)
{
    struct record record;
    int rc = record_parse(bytes, &record);

    if (rc < 0) {
        return error_set(err, rc, "WAL '%s': entry %" PRIu64 " is not a valid record",
                         r->db->wal_dir, seq);
    }
    note_time(r, record.time_ms);
    note_request(r, seq, &record);
    *out = (struct seal_entry){.record = bytes.data, .record_len = (uint32_t)bytes.len};
    return enter(r, seq, &record, bytes, err);
}

static int replay_item(struct recovery *r, const struct group_item *item, struct error *err)
{
    struct commit *c = &r->db->commit;
    struct seal_entry entry;
    int rc = BLOCKDB_OK;

    if (item->is_marker) {
        note_time(r, item->marker_time_ms);
        entry = (struct seal_entry){.record = item->record.data,
                                    .record_len = (uint32_t)item->record.len,
                                    .is_header = true};
        c->block_entries = 0;
        c->block_bytes = 0;
    } else {
        rc = replay_record(r, r->next_seq, item->record, &entry, err);
        c->block_entries++;
        c->block_bytes += GROUP_ITEM_HEADER_LEN + item->record.len;
    }
    if (rc < 0) {
        return rc;
    }
    if (seal_queue_reserve(&r->db->seal_queue, 1) < 0) {
        return error_set_no_memory(err);
    }
    seal_queue_push(&r->db->seal_queue, &entry, 1);
    r->next_seq++;
    tell_progress(r, "write-ahead log", r->next_seq - tip_seq(&r->tip), r->wal_bytes,
                  r->wal_bytes_max);
    return BLOCKDB_OK;
}

/* One frame of the WAL; entries that are in the ledger already are passed over. */
static int replay_frame(void *context, uint64_t first_seq, uint64_t end_seq, struct slice payload,
                        struct error *err)
{
    struct recovery *r = context;
    uint8_t *copy = memtable_alloc(r->active, payload.len);
    struct reader reader;
    struct group_item item;
    uint64_t seq;
    int rc = BLOCKDB_OK;

    if (copy == NULL) {
        return error_set_no_memory(err);
    }
    memcpy(copy, payload.data, payload.len);
    r->wal_bytes += payload.len;
    reader = reader_of(slice_of(copy, payload.len));
    for (seq = first_seq; rc == BLOCKDB_OK && seq < end_seq; seq++) {
        rc = group_next(&reader, &item);
        if (rc < 0) {
            break;
        }
        if (seq >= r->next_seq) {
            rc = replay_item(r, &item, err);
            if (rc < 0) {
                return rc;
            }
        }
    }
    if (rc < 0 || !reader_done(&reader)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "WAL '%s': the frame of entries %" PRIu64 " to %" PRIu64
                         " does not hold them",
                         r->db->wal_dir, first_seq, end_seq);
    }
    return BLOCKDB_OK;
}

/* Where the operator asked for it, a WAL directory without a marker is begun anew. What only the
 * old one held is lost; without a mark of its end the new one is taken as it is. */
static int make_wal_dir_again(struct blockdb *db, struct wal_options *options, struct error *err)
{
    AUTO(mem_free_ptr) char *marker = path_join(db->wal_dir, WAL_MARKER_NAME);
    struct manifest_edit no_mark = {.set_wal = true};
    struct os_stat stat;
    struct error ignored;
    int rc;

    if (marker == NULL) {
        return error_set_no_memory(err);
    }
    if (!db->settings->create_missing_wal_dir || db->read_only ||
        os_stat_path(db->os, marker, &stat, &ignored) != BLOCKDB_ENOTFOUND) {
        return BLOCKDB_OK;
    }
    event_tell(db, BLOCKDB_EVENT_WARNING, "recovery",
               "WAL directory '%s' is missing and is made anew; entries that only it held are "
               "lost",
               db->wal_dir);
    options->end_mark.kind = WAL_END_UNKNOWN;
    rc = manifest_append(db->manifest, &no_mark,
                         err); /* before there is a log that contradicts it */
    return rc < 0 ? rc : wal_create_dir(db->os, db->wal_dir, db->ledger_id, err);
}

/* An exact end mark holds until the WAL is written to. */
static int forget_clean_close(void *context, struct error *err)
{
    struct blockdb *db = context;
    struct manifest_edit edit = {.set_wal = true, .wal = {.position = wal_end_position(db->wal)}};

    return manifest_append(db->manifest, &edit, err);
}

static int open_wal(struct recovery *r, const struct manifest_state *state, struct error *err)
{
    struct blockdb *db = r->db;
    struct wal_recovery found = {0};
    struct wal_options options = {
        .os = db->os,
        .dir = db->wal_dir,
        .segment_bytes = db->settings->wal_file_size,
        .keep_bytes = db->settings->wal_keep_size,
        .from_seq = tip_seq(&r->tip),
        .prewrite = db->settings->wal_sync_mode == WAL_SYNC_GROUP ||
                    db->settings->wal_sync_mode == WAL_SYNC_ALWAYS,
        .helper_thread = true,
        .read_only = db->read_only,
        .end_mark = {.kind = state->wal.clean ? WAL_END_EXACT : WAL_END_AT_LEAST,
                     .position = state->wal.position,
                     .end_seq = state->wal.end_seq},
        .visit = replay_frame,
        .visit_context = r,
        .on_first_append = forget_clean_close,
        .first_append_context = db,
    };
    int rc;

    if (state->wal.position == 0 && !state->wal.clean) {
        options.end_mark.kind = WAL_END_UNKNOWN;
    }
    memcpy(options.ledger_id, db->ledger_id, LEDGER_ID_LEN);
    rc = make_wal_dir_again(db, &options, err);
    if (rc == BLOCKDB_OK) {
        IGNORE_RESULT(os_list(db->os, db->wal_dir, add_wal_file, r, NULL)); /* only for progress */
        rc = wal_open(&options, &found, &db->wal, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (found.tail_cut_bytes > 0) {
        event_tell(db, BLOCKDB_EVENT_WARNING, "recovery",
                   "WAL segment %" PRIu64 ": cut %" PRIu64
                   " bytes of a torn write at offset %" PRIu64
                   "; they were never acknowledged as durable",
                   found.tail_segment, found.tail_cut_bytes, found.tail_offset);
    }
    return BLOCKDB_OK;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int load_tip(struct recovery *r, const struct manifest_state *state, struct error *err)
{
    int rc;

    tip_init(&r->tip);
    if (state->frontier_bytes.len == 0) {
        return BLOCKDB_OK;
    }
    rc = tip_decode(buf_slice(&state->frontier_bytes), &r->tip, err);
    if (rc < 0) {
        return error_wrap(err, rc, "the manifest of '%s'", r->db->dir);
    }
    return BLOCKDB_OK;
}

static int recover_steps(struct recovery *r, const struct manifest_state *state, struct error *err)
{
    struct blockdb *db = r->db;
    int rc = load_tip(r, state, err);

    if (rc == BLOCKDB_OK && state->dedupe.len > 0) {
        rc = request_table_decode(db->commit.requests, buf_slice(&state->dedupe), err);
    }
    if (rc == BLOCKDB_OK) {
        rc = open_segments(r, state, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = open_tiles(r, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = sealer_init(&db->sealer, &r->tip) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        rc = recover_ledger(r, state->flushed_seq, err);
    }
    if (rc == BLOCKDB_OK && !db->read_only) {
        rc = tile_files_sync(db->tiles, err); /* from now on the tip counts as durable */
    }
    if (rc < 0) {
        return rc;
    }
    sealer_start_at(&db->sealer, &r->tip);
    seal_queue_init(&db->seal_queue, tip_seq(&r->tip));
    db->seal_queue.account = &db->account.held[ACCOUNT_SEAL_QUEUE];
    db->has_seal_queue = true;
    r->next_seq = tip_seq(&r->tip);
    return open_wal(r, state, err);
}

int recover_run(struct blockdb *db, const struct manifest_state *state, struct blockdb_error *err)
{
    struct recovery r = {
        .db = db, .active = db_active_memtable(db), .told_ns = os_monotonic_ns(db->os)};
    int rc;

    atomic_store_explicit(&db->flushed_seq, state->flushed_seq, memory_order_release);
    rc = recover_steps(&r, state, err);
    mem_free(r.leaves);
    if (rc < 0) {
        return rc;
    }
    db->commit.next_seq = r.next_seq;
    atomic_store_explicit(&db->acked_seq, r.next_seq, memory_order_release);
    atomic_store_explicit(&db->durable_seq, r.next_seq, memory_order_release);
    if (db->commit.block_entries > 0) {
        atomic_store_explicit(&db->commit.block_opened_ns, os_monotonic_ns(db->os),
                              memory_order_relaxed);
    }
    return BLOCKDB_OK;
}
