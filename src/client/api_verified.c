/* SPDX-License-Identifier: Apache-2.0 */
/* Reads that are not believed but checked: against signed heads, and those against a pin. */
#include "base/mem.h"
#include "client/ask.h"
#include "client/shape.h"

#include <inttypes.h>
#include <string.h>

/* A proof file and the memory to check it in. */
struct proof_text {
    struct blockdb_value file;
    void *scratch;
};

static void proof_text_deinit(struct proof_text *text)
{
    blockdb_client_value_deinit(&text->file);
    mem_free(text->scratch);
}

static void value_clear(struct blockdb_value *value)
{
    value->len = 0;
}

/* ---- Pins ---------------------------------------------------------------------------------- */

/* What the pin will be when head continues it. */
static int pin_check(struct blockdb_client *client, const struct blockdb_client_pin *pin,
                     const struct blockdb_checkpoint *head, struct error *err)
{
    struct blockdb_consistency claim = {.old_size = pin->tree_size,
                                        .new_size = head->tree_size,
                                        .old_root = pin->root,
                                        .new_root = head->root};
    struct blockdb_proof proof = {0};
    int rc;

    if (pin->tree_size == 0) {
        return BLOCKDB_OK;
    }
    if (head->tree_size < pin->tree_size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the server shows a head of %" PRIu64 " entries, and one of %" PRIu64
                         " was seen before: it went back to an older state",
                         head->tree_size, pin->tree_size);
    }
    if (head->tree_size > pin->tree_size) {
        rc = blockdb_client_prove_consistency(client, pin->tree_size, head->tree_size, &proof, err);
        if (rc < 0) {
            return rc;
        }
        rc = blockdb_verify_consistency(&claim, proof.hashes[0], proof.count);
    } else {
        rc = memcmp(pin->root, head->root, BLOCKDB_HASH_LEN) == 0 ? BLOCKDB_OK : BLOCKDB_ETAMPERED;
    }
    if (rc < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the head of %" PRIu64 " entries does not continue the one of %" PRIu64
                         " that was seen before: the server shows another history",
                         head->tree_size, pin->tree_size);
    }
    return rc;
}

static void pin_move(struct blockdb_client_pin *pin, const struct blockdb_checkpoint *head)
{
    pin->tree_size = head->tree_size;
    memcpy(pin->root, head->root, BLOCKDB_HASH_LEN);
}

/* The newest head that can fulfil trust. A server with witnesses shows the newest that has their
 * cosignatures, which is behind those that it signed since; who trusts keys alone sees the newest.
 */
static int newest_note(struct blockdb_client *client, const struct blockdb_trust *trust,
                       struct blockdb_value *out, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc;

    if (trust->policy != NULL) {
        return blockdb_client_checkpoint_get(client, out, err);
    }
    rc = ask_begin(&ask, client, "GET", err);
    if (rc < 0) {
        return rc;
    }
    ask.accept = "text/plain";
    ask_path(&ask, "/checkpoint?cosigned=0");
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK) {
        shape_give(&ask.slot->answer.body, out);
    }
    return rc;
}

int blockdb_client_pin_advance(struct blockdb_client *client, const struct blockdb_trust *trust,
                               struct blockdb_client_pin *pin, struct error *err)
{
    AUTO(blockdb_client_value_deinit) struct blockdb_value note = {0};
    struct blockdb_checkpoint head;
    int rc = newest_note(client, trust, &note, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_verify_checkpoint(note.data, note.len, trust, &head, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = pin_check(client, pin, &head, err);
    }
    if (rc == BLOCKDB_OK) {
        pin_move(pin, &head);
    }
    return rc;
}

/* ---- Reads --------------------------------------------------------------------------------- */

static int proof_verify(struct proof_text *text, const struct blockdb_trust *trust,
                        const struct blockdb_expectations *expect, struct blockdb_proof_report *out,
                        struct error *err)
{
    struct blockdb_proof_file file = {.text = text->file.data, .len = text->file.len};

    file.scratch_len = BLOCKDB_PROOF_SCRATCH_LEN(text->file.len);
    text->scratch = mem_alloc(file.scratch_len + 1);
    if (text->scratch == NULL) {
        return error_set_no_memory(err);
    }
    file.scratch = text->scratch;
    return blockdb_verify_proof_file(&file, trust, expect, out, err);
}

/* The proof of an entry that get returned. */
static int prove_read(struct blockdb_client *client, struct slice key,
                      const struct blockdb_value *value, const struct blockdb_trust *trust,
                      struct blockdb_proof_report *report, struct error *err)
{
    AUTO(proof_text_deinit) struct proof_text text = {0};
    struct blockdb_expectations expect = BLOCKDB_EXPECTATIONS_INIT;
    int rc = blockdb_client_prove_entry(client, value->version.seq, NULL, &text.file, err);

    if (rc < 0) {
        return rc;
    }
    expect.seq = value->version.seq;
    expect.key = key.data;
    expect.key_len = key.len;
    expect.value = value->data != NULL ? (const void *)value->data : "";
    expect.value_len = value->len;
    return proof_verify(&text, trust, &expect, report, err);
}

static int read_entry(struct blockdb_client *client, struct slice key,
                      const struct blockdb_client_verified_options *o, struct blockdb_value *value,
                      struct blockdb_proof_report *report, struct error *err)
{
    struct blockdb_read_options read = BLOCKDB_READ_OPTIONS_INIT;
    int rc;

    read.at_seq = o->at_seq;
    rc = blockdb_client_get(client, key.data, key.len, &read, value, err);
    return rc < 0 ? rc : prove_read(client, key, value, o->trust, report, err);
}

/* What a proof of the newest version says, as get would. */
static int take_newest(const struct blockdb_proof_report *report, struct blockdb_value *value,
                       struct error *err)
{
    struct buf bytes = {0};

    value->version = (struct blockdb_version_info){0};
    if (report->key_state == BLOCKDB_KEY_ABSENT) {
        return error_set(err, BLOCKDB_ENOTFOUND, "it is proven that the key never had a value");
    }
    value->version.seq = report->seq;
    value->version.time_ms = report->entry.time_ms;
    value->version.kind = report->entry.kind;
    value->version.redacted = report->is_redacted;
    if (report->key_state == BLOCKDB_KEY_DELETED) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "it is proven that entry %" PRIu64 " deleted the key", report->seq);
    }
    if (report->is_redacted || report->has_redaction) {
        return error_set(err, BLOCKDB_EREDACTED,
                         "it is proven that the value of entry %" PRIu64 " was redacted",
                         report->seq);
    }
    if (report->value_state != BLOCKDB_VALUE_WHOLE) {
        return error_set(err, BLOCKDB_ETAMPERED, "the proof does not show the value");
    }
    if (buf_append(&bytes, report->value.data, report->value.len) < 0) {
        return error_set_no_memory(err);
    }
    mem_free(value->data);
    value->data = bytes.data;
    value->len = bytes.len;
    value->cap = bytes.cap;
    return BLOCKDB_OK;
}

/* What was proven, and what it says of the key: 0, ENOTFOUND or EREDACTED. */
struct proven {
    struct blockdb_proof_report report;
    int said;
};

static int read_newest(struct blockdb_client *client, struct slice key,
                       const struct blockdb_client_verified_options *o, struct blockdb_value *value,
                       struct proven *out, struct error *err)
{
    AUTO(proof_text_deinit) struct proof_text text = {0};
    struct blockdb_expectations expect = BLOCKDB_EXPECTATIONS_INIT;
    int rc = blockdb_client_prove_key(client, key.data, key.len, NULL, &text.file, err);

    if (rc < 0) {
        return rc;
    }
    expect.key = key.data;
    expect.key_len = key.len;
    expect.require = BLOCKDB_REQUIRE_NEWEST;
    rc = proof_verify(&text, o->trust, &expect, &out->report, err);
    if (rc < 0) {
        return rc;
    }
    rc = take_newest(&out->report, value, err);
    /* That there is none, or none any more, is proven as well; all else is a failure. */
    if (rc == BLOCKDB_ENOTFOUND || rc == BLOCKDB_EREDACTED) {
        out->said = rc;
        rc = BLOCKDB_OK;
    }
    return rc;
}

static int read_and_prove(struct blockdb_client *client, struct slice key,
                          const struct blockdb_client_verified_options *o,
                          struct blockdb_value *value, struct error *err)
{
    struct proven proven = {.report = BLOCKDB_PROOF_REPORT_INIT};
    struct error pin_err = {0};
    int rc = o->newest ? read_newest(client, key, o, value, &proven, err)
                       : read_entry(client, key, o, value, &proven.report, err);

    if (rc == BLOCKDB_OK && o->pin != NULL) {
        rc = pin_check(client, o->pin, &proven.report.head, &pin_err);
        if (rc < 0 && err != NULL) {
            *err = pin_err;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (o->pin != NULL) {
        pin_move(o->pin, &proven.report.head);
    }
    return proven.said;
}

int blockdb_client_get_verified(struct blockdb_client *client, const void *key, size_t key_len,
                                const struct blockdb_client_verified_options *options,
                                struct blockdb_value *value, struct error *err)
{
    int rc;

    if (options == NULL || options->trust == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "whose signatures count must be said: options.trust is missing");
    }
    if (options->newest && options->at_seq != BLOCKDB_SEQ_NONE) {
        return error_set(err, BLOCKDB_EINVAL, "options newest and at_seq exclude each other");
    }
    rc = read_and_prove(client, slice_of(key, key_len), options, value, err);
    if (rc < 0) {
        value_clear(value);
    }
    return rc;
}
