/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/heads.h"

#include "base/lines.h"
#include "base/mem.h"
#include "engine/batch.h"
#include "engine/db.h"
#include "engine/prove_file.h"
#include "engine/read.h"
#include "engine/verify.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "store/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
#define EPOCH_SUFFIX_MAX 32 /* "/epoch-" and a number */

/* ---- Turns --------------------------------------------------------------------------------- */

static void turn_begin(struct heads *h)
{
    mutex_lock(&h->mu);
    while (h->is_busy) {
        cond_wait(&h->wake, &h->mu);
    }
    h->is_busy = true;
    mutex_unlock(&h->mu);
}

static void turn_end(struct heads *h)
{
    mutex_lock(&h->mu);
    h->is_busy = false;
    cond_broadcast(&h->wake);
    mutex_unlock(&h->mu);
}

/* ---- Opening ------------------------------------------------------------------------------- */

static bool text_ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t suffix_len = strlen(suffix);

    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* HEADS-4. */
static int make_origin(struct blockdb *db, struct error *err)
{
    AUTO(buf_deinit) struct buf text = {0};
    const char *option = db->settings->origin;
    char suffix[EPOCH_SUFFIX_MAX] = "";
    int rc = option[0] != '\0' ? buf_appendf(&text, "%s", option)
                               : buf_appendf(&text, "blockdb/%s", db->ledger_id_text);

    if (db->epoch_number > 0) {
        (void)snprintf(suffix, sizeof(suffix), "/epoch-%" PRIu64, db->epoch_number);
    }
    if (rc == BLOCKDB_OK && !text_ends_with(option, suffix)) {
        rc = buf_appendf(&text, "%s", suffix);
    }
    if (rc == BLOCKDB_OK) {
        rc = buf_append_u8(&text, '\0');
    }
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    if (text.len - 1 > NOTE_NAME_MAX || !note_name_valid(slice_of(text.data, text.len - 1))) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option origin: '%.*s' cannot name a log: it must be UTF-8 of at most %d "
                         "bytes, without spaces, control characters and '+'",
                         (int)text.len - 1, (const char *)text.data, NOTE_NAME_MAX);
    }
    db->heads->origin = (char *)TAKE(text.data);
    return BLOCKDB_OK;
}

static int read_keys(struct blockdb *db, struct error *err)
{
    struct heads *h = db->heads;
    const char *path = db->settings->signing_key_file;
    bool has_command = db->settings->signer_command[0] != '\0';
    int rc = BLOCKDB_OK;

    h->can_sign = !db->read_only && (path[0] != '\0' || has_command);
    if (db->read_only) {
        return BLOCKDB_OK;
    }
    if (path[0] != '\0') {
        rc = heads_keys_read(&h->keys, db->os, path, h->origin, err);
    }
    if (rc == BLOCKDB_OK && has_command) {
        rc = heads_keys_add_signers(&h->keys, db->settings->signer_key, err);
    }
    return rc;
}

/* Nothing is signed any more, for the reason in err. Damage is broken evidence: what was signed is
 * not known any more. */
static void refuse(struct blockdb *db, const struct error *err)
{
    db->heads->refusal = *err;
    if (err->code == BLOCKDB_ECORRUPT || err->code == BLOCKDB_EFOREIGN) {
        db->heads->refusal.code = BLOCKDB_ETAMPERED;
    }
    heads_file_close(TAKE(db->heads->file));
    event_tell(db, BLOCKDB_EVENT_WARNING, "heads", "%s", err->message);
}

static int check_missing(struct blockdb *db, struct error *err)
{
    struct identity identity;
    int rc = identity_load(db->os, db->dir, &identity, err);

    if (rc < 0 || (identity.features_ignorable & IDENTITY_HAS_HEADS) == 0) {
        return rc;
    }
    return error_set(err, BLOCKDB_ETAMPERED,
                     "'%s/" HEADS_FILE_NAME "' is missing although heads of this log were signed: "
                     "no head is signed without knowing which were; put the file back, or restore "
                     "a backup, which begins a log with a name of its own",
                     db->ledger_dir);
}

static int open_file(struct blockdb *db, struct error *err)
{
    struct heads_file_options options = {.os = db->os,
                                         .dir = db->ledger_dir,
                                         .id = {.epoch = db->epoch_number},
                                         .read_only = db->read_only};
    uint64_t cut_bytes = 0;
    int rc;

    memcpy(options.id.ledger_id, db->ledger_id, LEDGER_ID_LEN);
    rc = heads_file_open(&options, &db->heads->file, &cut_bytes, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        rc = check_missing(db, err);
    }
    if (cut_bytes > 0) {
        event_tell(db, BLOCKDB_EVENT_WARNING, "heads",
                   "'%s/" HEADS_FILE_NAME "': cut %" PRIu64
                   " bytes of a torn write; no head in them was shown",
                   db->ledger_dir, cut_bytes);
    }
    switch (rc) {
    case BLOCKDB_ECORRUPT:
    case BLOCKDB_ETAMPERED:
    case BLOCKDB_EFOREIGN:
    case BLOCKDB_EVERSION:
        refuse(db, err);
        return BLOCKDB_OK;
    default:
        return rc;
    }
}

/* Appends the leaves of entries [frontier->size, size), made of the stored entries. */
static int append_entries(struct blockdb *db, uint64_t size, struct frontier *frontier,
                          struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && frontier->size < size) {
        AUTO(proven_entry_deinit) struct proven_entry entry = {0};

        rc = proven_entry_load(db, frontier->size, &entry, err);
        if (rc == BLOCKDB_OK) {
            frontier_append(frontier, &entry.hash);
        }
    }
    return rc;
}

int heads_root_at(struct blockdb *db, uint64_t size, struct hash *out, struct error *err)
{
    /* After a crash the tiles of a database that may not write end before its ledger. */
    uint64_t in_tiles = tile_files_count(db->tiles, 0);
    struct frontier frontier;
    struct tip tip;
    int rc;

    sealer_tip(db, &tip);
    if (tip_seq(&tip) == size) {
        frontier_root(&tip.frontier, out);
        return BLOCKDB_OK;
    }
    rc = verify_frontier(db, size < in_tiles ? size : in_tiles, &frontier, err);
    if (rc == BLOCKDB_OK) {
        rc = append_entries(db, size, &frontier, err);
    }
    if (rc == BLOCKDB_OK) {
        frontier_root(&frontier, out);
    }
    return rc;
}

/* HEADS-3. */
static int compare(struct blockdb *db, struct error *err)
{
    const struct heads_state *state = heads_file_state(db->heads->file);
    const char *advice = "nothing is written or signed: put back the newer directory, or make a "
                         "backup of this one and restore that, which begins a log with a name of "
                         "its own";
    uint64_t size = tip_seq(&db->sealer.tip);
    struct hash root;
    int rc;

    if (!state->has_intent) {
        return BLOCKDB_OK;
    }
    if (size < state->size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the log in '%s' has %" PRIu64 " entries, but a head of %" PRIu64
                         " was signed; %s",
                         db->ledger_dir, size, state->size, advice);
    }
    rc = heads_root_at(db, state->size, &root, err);
    if (rc == BLOCKDB_OK && !hash_equal(&root, &state->root)) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the first %" PRIu64 " entries of the log in '%s' are not those of the "
                         "head that was signed for them; %s",
                         state->size, db->ledger_dir, advice);
    }
    return rc;
}

int heads_open(struct blockdb *db, struct error *err)
{
    struct heads *h = mem_calloc(1, sizeof(*h));
    int rc;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    mutex_init(&h->mu, LOCK_RANK_WORKERS);
    cond_init(&h->wake);
    db->heads = h;
    rc = make_origin(db, err);
    if (rc == BLOCKDB_OK) {
        rc = read_keys(db, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = open_file(db, err);
    }
    if (rc < 0 || h->file == NULL) {
        return rc;
    }
    rc = compare(db, err);
    if (rc == BLOCKDB_ETAMPERED || rc == BLOCKDB_ECORRUPT) {
        refuse(db, err);
        h->forbids_writing = true;
        db->read_only = true;
        return BLOCKDB_OK;
    }
    return rc < 0 ? rc : heads_show(h, err);
}

int heads_verify(const struct blockdb *db, struct error *err)
{
    const struct error *refusal = &db->heads->refusal;

    return refusal->code != 0 ? error_set(err, refusal->code, "%s", refusal->message) : BLOCKDB_OK;
}

bool heads_forbid_writing(const struct blockdb *db, struct error *err)
{
    if (db->heads == NULL || !db->heads->forbids_writing) {
        return false;
    }
    (void)error_set(err, BLOCKDB_EREADONLY, "%s", db->heads->refusal.message);
    return true;
}

/* ---- Keys on record ------------------------------------------------------------------------ */

/* HEADS-5. */
static int record_keys(struct blockdb *db, struct slice recorded, struct error *err)
{
    AUTO(batch_deinit) struct blockdb_batch batch;
    AUTO(buf_deinit) struct buf payload = {0};
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    int rc;

    batch_init(&batch, db);
    rc = heads_keys_change(&db->heads->keys, recorded, &payload);
    if (rc < 0) {
        return error_set(err, rc, "cannot make the entry of the signing keys");
    }
    rc = batch_add_system(&batch, BLOCKDB_KIND_CONFIG, buf_slice(&payload), err);
    options.durability = BLOCKDB_DURABILITY_GROUP;
    return rc < 0 ? rc : blockdb_write(db, &batch, &options, NULL, err);
}

static int note_keys(struct blockdb *db, struct error *err)
{
    struct heads *h = db->heads;
    AUTO(buf_deinit) struct buf lines = {0};
    struct slice recorded = {0};
    int rc;

    if (h->file != NULL) {
        recorded = buf_slice(&heads_file_state(h->file)->keys);
    }
    if (!h->can_sign || heads_keys_are(&h->keys, recorded)) {
        return BLOCKDB_OK;
    }
    rc = heads_keys_load(&h->keys, err);
    if (rc == BLOCKDB_OK) {
        rc = record_keys(db, recorded, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = heads_need_file(db, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (heads_keys_append(&h->keys, &lines) < 0) {
        return error_set_no_memory(err);
    }
    return heads_file_record_keys(h->file, buf_slice(&lines), err);
}

/* ---- The thread ---------------------------------------------------------------------------- */

/* Tells a failure once, not each second. */
static void tell(struct blockdb *db, const struct error *err)
{
    struct heads *h = db->heads;

    if (strcmp(h->last.message, err->message) != 0) {
        event_tell(db, BLOCKDB_EVENT_WARNING, "heads", "no head was signed: %s", err->message);
    }
    h->last = *err;
}

static void sign_if_new(struct blockdb *db)
{
    struct heads *h = db->heads;
    struct error err;

    if (failure_is_set(&db->failure) || sealer_sealed_seq(&db->sealer) <= heads_signed_size(db)) {
        return;
    }
    turn_begin(h);
    if (heads_sign_tip(db, &err) < 0) {
        counter_add(&db->counters, COUNTER_HEAD_FAILURES, 1);
        tell(db, &err);
    } else {
        h->last = (struct error){0};
    }
    turn_end(h);
}

static void heads_main(void *arg)
{
    struct blockdb *db = arg;
    struct heads *h = db->heads;
    uint64_t interval_ns = db->settings->head_interval * NS_PER_MS;
    uint64_t next_ns = os_monotonic_ns(db->os) + interval_ns;

    mutex_lock(&h->mu);
    while (!h->stopped) {
        uint64_t now_ns = os_monotonic_ns(db->os);

        if (now_ns < next_ns) { /* the end of a turn wakes it, too */
            (void)cond_wait_for(&h->wake, &h->mu, next_ns - now_ns);
            continue;
        }
        mutex_unlock(&h->mu);
        sign_if_new(db);
        next_ns = os_monotonic_ns(db->os) + interval_ns;
        mutex_lock(&h->mu);
    }
    mutex_unlock(&h->mu);
}

int heads_start(struct blockdb *db, struct error *err)
{
    struct heads *h = db->heads;
    int rc;

    if (!h->can_sign || db->read_only || h->refusal.code != 0) {
        return BLOCKDB_OK;
    }
    rc = note_keys(db, err);
    return rc < 0 ? rc : os_thread_start(db->os, "blockdb-head", heads_main, db, &h->thread, err);
}

void heads_stop(struct blockdb *db)
{
    struct heads *h = db->heads;

    if (h == NULL || h->thread == NULL) {
        return;
    }
    mutex_lock(&h->mu);
    h->stopped = true;
    cond_broadcast(&h->wake);
    mutex_unlock(&h->mu);
    os_thread_join(db->os, h->thread);
    h->thread = NULL;
}

void heads_close(struct blockdb *db)
{
    struct heads *h = db->heads;

    if (h == NULL) {
        return;
    }
    heads_file_close(h->file);
    buf_deinit(&h->shown);
    heads_keys_deinit(&h->keys);
    mem_free(h->origin);
    cond_deinit(&h->wake);
    mutex_deinit(&h->mu);
    mem_free(h);
    db->heads = NULL;
}

uint64_t heads_signed_size(struct blockdb *db)
{
    uint64_t size;

    mutex_lock(&db->heads->mu);
    size = db->heads->shown_size;
    mutex_unlock(&db->heads->mu);
    return size;
}

int heads_copy(struct blockdb *db, const char *ledger_dir, struct error *err)
{
    AUTO(mem_free_ptr) char *from = path_join(db->ledger_dir, HEADS_FILE_NAME);
    AUTO(mem_free_ptr) char *to = path_join(ledger_dir, HEADS_FILE_NAME);
    int rc;

    if (from == NULL || to == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_copy_file(db->os, from, to, err);
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

/* ---- Public functions ---------------------------------------------------------------------- */

const char *blockdb_origin(const struct blockdb *db)
{
    return db->heads->origin;
}

/* Copies the newest note; ENOTFOUND when there is none. */
static int copy_note(struct blockdb *db, struct blockdb_value *out_note, struct error *err)
{
    struct heads *h = db->heads;
    int rc;

    mutex_lock(&h->mu);
    rc = h->shown.len > 0 ? value_assign(out_note, buf_slice(&h->shown), err)
                          : error_set(err, BLOCKDB_ENOTFOUND, "no head of '%s' was signed in '%s'",
                                      h->origin, db->dir);
    mutex_unlock(&h->mu);
    return rc;
}

int blockdb_checkpoint_get(struct blockdb *db, struct blockdb_value *out_note,
                           struct blockdb_error *err)
{
    const struct error *refusal = &db->heads->refusal;

    return refusal->code != 0 ? error_set(err, refusal->code, "%s", refusal->message)
                              : copy_note(db, out_note, err);
}

static int refuse_unable(struct blockdb *db, struct error *err)
{
    struct heads *h = db->heads;

    if (h->refusal.code != 0) {
        return error_set(err, h->refusal.code, "%s", h->refusal.message);
    }
    if (db->read_only) {
        return db_refuse_read_only(db, err);
    }
    if (!h->can_sign) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "no key signs heads of '%s': make one with blockdb-cli keygen --origin "
                         "'%s' --out FILE, and set the option signing_key_file of [ledger] to FILE",
                         h->origin, h->origin);
    }
    return failure_check(&db->failure, err);
}

int blockdb_checkpoint_sign(struct blockdb *db, struct blockdb_value *out_note,
                            struct blockdb_error *err)
{
    struct heads *h = db->heads;
    int rc = refuse_unable(db, err);

    if (rc == BLOCKDB_OK) {
        rc = sealer_seal_all(db, err);
    }
    if (rc < 0) {
        return rc;
    }
    turn_begin(h);
    rc = heads_sign_tip(db, err);
    turn_end(h);
    return rc < 0 ? rc : copy_note(db, out_note, err);
}

/* Whether text has this whole line. */
static bool has_line(struct slice text, struct slice line)
{
    struct lines lines = lines_of(text);
    struct slice other;

    while (lines_next(&lines, &other)) {
        if (slice_equal(other, line)) {
            return true;
        }
    }
    return false;
}

/* Appends those of text's signature lines that out does not have. */
static int add_lines(struct buf *out, struct slice text, struct error *err)
{
    struct lines lines = lines_of(text);
    struct slice line;

    while (lines_next(&lines, &line)) {
        struct note_signature signature;

        if (note_signature_parse(line, &signature) < 0) {
            return error_set(err, BLOCKDB_EINVAL, "line %zu is no signature line of a note",
                             lines.number);
        }
        if (has_line(buf_slice(out), line)) {
            continue;
        }
        if (buf_append_slice(out, line) < 0 || buf_append_u8(out, '\n') < 0) {
            return error_set_no_memory(err);
        }
    }
    if (lines_left(&lines)) {
        return error_set(err, BLOCKDB_EINVAL, "the last signature line does not end in a newline");
    }
    return BLOCKDB_OK;
}

static int cosign(struct blockdb *db, uint64_t size, struct slice text, struct error *err)
{
    AUTO(buf_deinit) struct buf fresh = {0};
    struct heads *h = db->heads;
    struct note parsed;
    struct slice note;
    int rc;

    /* Nobody changes what is shown but who has the turn. */
    note = buf_slice(&h->shown);
    if (note.len == 0 || h->shown_size != size) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "the newest signed head is not that of %" PRIu64 " entries", size);
    }
    if (buf_append_slice(&fresh, note) < 0) {
        return error_set_no_memory(err);
    }
    rc = add_lines(&fresh, text, err);
    if (rc < 0 || fresh.len == note.len) {
        return rc;
    }
    rc = note_parse(buf_slice(&fresh), &parsed, err);
    if (rc == BLOCKDB_OK) {
        rc = heads_file_publish(h->file, buf_slice(&fresh), err);
    }
    return rc < 0 ? rc : heads_show(h, err);
}

int blockdb_checkpoint_cosign(struct blockdb *db, uint64_t size, const void *lines, size_t len,
                              struct blockdb_error *err)
{
    int rc;

    if (db->read_only) {
        return db_refuse_read_only(db, err);
    }
    turn_begin(db->heads);
    rc = cosign(db, size, slice_of(lines, len), err);
    turn_end(db->heads);
    return rc;
}
