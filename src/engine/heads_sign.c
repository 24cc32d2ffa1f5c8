/* SPDX-License-Identifier: Apache-2.0 */
/* The part of heads.h that makes signatures. */
#include "base/mem.h"
#include "engine/db.h"
#include "engine/heads.h"
#include "ledger/checkpoint.h"
#include "os/os_process.h"
#include "store/identity.h"

#include <string.h>

#define COMMAND_OUTPUT_MAX 16384
#define COMMAND_TIMEOUT_MS 10000

int heads_show(struct heads *heads, struct error *err)
{
    AUTO(buf_deinit) struct buf fresh = {0};
    const struct heads_state *state = heads_file_state(heads->file);
    struct checkpoint checkpoint;
    struct note note;
    struct buf old;

    if (checkpoint_parse_note(buf_slice(&state->note), &note, &checkpoint, NULL) < 0 ||
        !slice_equal(checkpoint.origin, slice_of_text(heads->origin))) {
        return BLOCKDB_OK; /* none, or that of another name */
    }
    if (buf_append_slice(&fresh, buf_slice(&state->note)) < 0) {
        return error_set_no_memory(err);
    }
    mutex_lock(&heads->mu);
    old = heads->shown;
    heads->shown = fresh;
    heads->shown_size = state->note_size;
    mutex_unlock(&heads->mu);
    fresh = old;
    return BLOCKDB_OK;
}

/* ---- Remembering --------------------------------------------------------------------------- */

/* Says in IDENTITY that there are heads, so that a file that is missing is missed. */
static int mark_identity(struct blockdb *db, struct error *err)
{
    struct identity identity;
    int rc = identity_load(db->os, db->dir, &identity, err);

    if (rc < 0 || (identity.features_ignorable & IDENTITY_HAS_HEADS) != 0) {
        return rc;
    }
    identity.features_ignorable |= IDENTITY_HAS_HEADS;
    return identity_replace(db->os, db->dir, &identity, err);
}

int heads_need_file(struct blockdb *db, struct error *err)
{
    struct heads_file_options options = {
        .os = db->os, .dir = db->ledger_dir, .id = {.epoch = db->epoch_number}};
    struct heads_file *file;
    int rc;

    if (db->heads->file != NULL) {
        return BLOCKDB_OK;
    }
    memcpy(options.id.ledger_id, db->ledger_id, LEDGER_ID_LEN);
    rc = heads_file_create(&options, &file, err);
    if (rc < 0) {
        return rc;
    }
    rc = mark_identity(db, err);
    if (rc < 0) {
        heads_file_close(file);
        return rc;
    }
    db->heads->file = file;
    return BLOCKDB_OK;
}

/* ---- Signatures ---------------------------------------------------------------------------- */

static int run_command(struct blockdb *db, struct slice text, struct buf *out, struct error *err)
{
    AUTO(buf_deinit) struct buf printed = {0};
    struct process_options options = {
        .command = db->settings->signer_command,
        .input = text,
        .output_max = COMMAND_OUTPUT_MAX,
        .timeout_ms = COMMAND_TIMEOUT_MS,
    };
    int rc = process_run(&options, &printed, err);

    if (rc < 0) {
        return error_wrap(err, rc, "option signer_command");
    }
    rc = heads_keys_check_lines(&db->heads->keys, text, buf_slice(&printed), err);
    if (rc < 0) {
        return error_wrap(err, rc, "option signer_command: what '%.200s' printed is not stored",
                          db->settings->signer_command);
    }
    return buf_append_slice(out, buf_slice(&printed)) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

/* Tells why there is no signature of the command, once and not with each head. */
static void tell_without(struct blockdb *db, const struct error *err)
{
    struct heads *h = db->heads;

    counter_add(&db->counters, COUNTER_HEAD_FAILURES, 1);
    if (strcmp(h->last_of_command.message, err->message) != 0) {
        event_tell(db, BLOCKDB_EVENT_WARNING, "heads",
                   "heads are signed without signer_command: %s", err->message);
    }
    h->last_of_command = *err;
}

/* Appends the signatures of all signers over text. That of the command may be missing when there
 * are others. */
static int append_signatures(struct blockdb *db, struct slice text, struct buf *out,
                             struct error *err)
{
    struct heads *h = db->heads;
    struct error why;
    size_t i;
    int rc = heads_keys_load(&h->keys, err);

    for (i = 0; rc == BLOCKDB_OK && i < h->keys.count; i++) {
        rc = note_sign(out, &h->keys.keys[i], text, err);
    }
    if (rc < 0 || db->settings->signer_command[0] == '\0') {
        return rc;
    }
    rc = run_command(db, text, out, &why);
    if (rc == BLOCKDB_OK) {
        h->last_of_command = (struct error){0};
        return rc;
    }
    if (h->keys.count == 0) {
        return error_set(err, rc, "%s", why.message); /* told by whoever asked for the head */
    }
    tell_without(db, &why);
    return BLOCKDB_OK;
}

/* Builds the note of a head. What is kept must parse again. */
static int make_note(struct blockdb *db, uint64_t size, const struct hash *root, struct buf *out,
                     struct error *err)
{
    struct checkpoint checkpoint = {
        .origin = slice_of_text(db->heads->origin), .size = size, .root = *root};
    AUTO(buf_deinit) struct buf lines = {0};
    struct note parsed;
    int rc = checkpoint_append(out, &checkpoint);

    if (rc < 0) {
        return error_set(err, rc, "cannot write the text of a head");
    }
    rc = append_signatures(db, buf_slice(out), &lines, err);
    if (rc < 0) {
        return rc;
    }
    if (buf_append_u8(out, '\n') < 0 || buf_append_slice(out, buf_slice(&lines)) < 0) {
        return error_set_no_memory(err);
    }
    rc = note_parse(buf_slice(out), &parsed, err);
    return rc < 0 ? error_wrap(err, rc, "the signed head") : BLOCKDB_OK;
}

/* ---- A head -------------------------------------------------------------------------------- */

/* Whether the newest note of the file is one of this size and origin that all our keys signed. */
static bool is_signed(const struct heads *h, uint64_t size)
{
    const struct heads_state *state;
    struct checkpoint checkpoint;
    struct note note;
    size_t i;
    size_t k;

    if (h->file == NULL) {
        return false;
    }
    state = heads_file_state(h->file);
    if (checkpoint_parse_note(buf_slice(&state->note), &note, &checkpoint, NULL) < 0 ||
        checkpoint.size != size || !slice_equal(checkpoint.origin, slice_of_text(h->origin))) {
        return false;
    }
    for (i = 0; i < h->keys.count; i++) {
        for (k = 0; k < note.count; k++) {
            if (note.list[k].key_id == h->keys.ids[i] &&
                slice_equal(note.list[k].name, slice_of_text(h->origin))) {
                break;
            }
        }
        if (k == note.count) {
            return false;
        }
    }
    return true;
}

static int sign(struct blockdb *db, const struct tip *tip, struct error *err)
{
    AUTO(buf_deinit) struct buf note = {0};
    struct hash root;
    int rc = heads_need_file(db, err);

    frontier_root(&tip->frontier, &root);
    if (rc == BLOCKDB_OK) {
        rc = heads_file_intend(db->heads->file, tip_seq(tip), &root, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = make_note(db, tip_seq(tip), &root, &note, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = heads_file_publish(db->heads->file, buf_slice(&note), err);
    }
    if (rc == BLOCKDB_OK) {
        counter_add(&db->counters, COUNTER_HEADS_SIGNED, 1);
    }
    return rc;
}

int heads_sign_tip(struct blockdb *db, struct error *err)
{
    struct heads *h = db->heads;
    struct tip tip;
    int rc = BLOCKDB_OK;

    if (h->refusal.code != 0) {
        return error_set(err, h->refusal.code, "%s", h->refusal.message);
    }
    sealer_tip(db, &tip);
    if (!is_signed(h, tip_seq(&tip))) {
        rc = sign(db, &tip, err);
    }
    return rc < 0 ? rc : heads_show(h, err);
}
