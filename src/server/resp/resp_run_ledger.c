/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the ledger: BLOCKDB.PROOF, HEAD, HISTORY, GETAT, VERIFY. */
#include "base/mem.h"
#include "base/text.h"
#include "server/principal.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"

#include <blockdb/evidence.h>

#define HISTORY_LIMIT_DEFAULT 100

static int option_error(struct resp_run *r, size_t i, struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];

    text_show(shown, r->args[i]);
    return error_set(err, BLOCKDB_EINVAL, "syntax error at '%s' in %s", shown, r->command->name);
}

/* The number behind option i. */
static int option_number(struct resp_run *r, size_t i, uint64_t *out, struct error *err)
{
    return i + 1 < r->arg_count ? resp_number_of(r->args[i + 1], BLOCKDB_SEQ_NONE - 1, out, err)
                                : option_error(r, i, err);
}

static bool may_read(const struct resp_run *r, struct slice key)
{
    return principal_may_key(r->op->call.principal, RIGHT_READ, key);
}

static void write_seq(struct resp_writer *out, const char *name, uint64_t value)
{
    resp_write_text(out, name);
    resp_write_integer(out, (int64_t)value);
}

static void write_hex(struct resp_writer *out, const char *name, const uint8_t *hash)
{
    char hex[2 * BLOCKDB_HASH_LEN + 1];

    text_format_hex(hex, hash, BLOCKDB_HASH_LEN);
    resp_write_text(out, name);
    resp_write_text(out, hex);
}

/* ---- BLOCKDB.PROOF ------------------------------------------------------------------------- */

static int parse_proof(struct resp_run *r, struct blockdb_prove_options *options, struct error *err)
{
    for (size_t i = 3; i < r->arg_count; i++) {
        if (resp_word_is(r->args[i], "novalue")) {
            options->without_value = true;
        } else if (resp_word_is(r->args[i], "history")) {
            options->with_history = true;
        } else if (resp_word_is(r->args[i], "block")) {
            options->with_block = true;
        } else {
            return option_error(r, i, err);
        }
    }
    return BLOCKDB_OK;
}

/* Who may not read the key of an entry gets its proof without the value. */
static int prove_seq(struct resp_run *r, struct blockdb *db, struct blockdb_prove_options *options,
                     struct blockdb_value *out, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value key = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    uint64_t seq = 0;
    int rc = resp_number_of(r->args[2], BLOCKDB_SEQ_NONE - 1, &seq, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_get_entry(db, seq, &key, &value, err);
    }
    if (rc < 0 && rc != BLOCKDB_EREDACTED) {
        return rc;
    }
    options->without_value = options->without_value ||
                             (key.len > 0 && !may_read(r, slice_of(key.data, key.len)));
    return blockdb_prove_entry(db, seq, options, out, err);
}

/* BLOCKDB.PROOF KEY key [NOVALUE] [HISTORY]; BLOCKDB.PROOF SEQ n [NOVALUE] [BLOCK] */
int resp_job_proof(struct resp_run *r, struct blockdb *db, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value file = {0};
    struct blockdb_prove_options options = BLOCKDB_PROVE_OPTIONS_INIT;
    int rc;

    if (r->arg_count < 3) {
        return error_set(err, BLOCKDB_EINVAL,
                         "blockdb.proof takes KEY and a key, or SEQ and the number of an entry");
    }
    rc = parse_proof(r, &options, err);
    if (rc < 0) {
        return rc;
    }
    if (resp_word_is(r->args[1], "seq")) {
        rc = prove_seq(r, db, &options, &file, err);
    } else if (resp_word_is(r->args[1], "key")) {
        options.without_value = options.without_value || !may_read(r, r->args[2]);
        rc = blockdb_prove_key(db, r->args[2].data, r->args[2].len, &options, &file, err);
    } else {
        return option_error(r, 1, err);
    }
    if (rc == BLOCKDB_OK) {
        resp_write_bulk(&r->out, slice_of(file.data, file.len));
    }
    return rc;
}

/* ---- BLOCKDB.HEAD -------------------------------------------------------------------------- */

/* BLOCKDB.HEAD [SIGN] */
int resp_job_head(struct resp_run *r, struct blockdb *db, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct blockdb_head head;
    bool is_signing = r->arg_count == 2 && resp_word_is(r->args[1], "sign");
    int rc;

    if (r->arg_count > 1 && !is_signing) {
        return option_error(r, 1, err);
    }
    rc = is_signing ? blockdb_checkpoint_sign(db, &note, err)
                    : blockdb_checkpoint_get(db, &note, err);
    if (rc < 0 && (is_signing || rc != BLOCKDB_ENOTFOUND)) {
        return rc;
    }
    rc = blockdb_head_get(db, &head, err);
    if (rc < 0) {
        return rc;
    }
    resp_write_map(&r->out, 5);
    resp_write_text(&r->out, "origin");
    resp_write_text(&r->out, blockdb_origin(db));
    write_seq(&r->out, "size", head.size);
    write_seq(&r->out, "blocks", head.block_count);
    write_hex(&r->out, "root", head.root);
    resp_write_text(&r->out, "checkpoint");
    if (note.len > 0) {
        resp_write_bulk(&r->out, slice_of(note.data, note.len));
    } else {
        resp_write_null(&r->out);
    }
    return BLOCKDB_OK;
}

/* ---- BLOCKDB.HISTORY ----------------------------------------------------------------------- */

struct history {
    uint64_t limit;
    struct blockdb_history_options options;
};

static int parse_history(struct resp_run *r, struct history *out, struct error *err)
{
    int rc = BLOCKDB_OK;

    for (size_t i = 2; i < r->arg_count && rc == BLOCKDB_OK; i++) {
        if (resp_word_is(r->args[i], "limit")) {
            rc = option_number(r, i++, &out->limit, err);
        } else if (resp_word_is(r->args[i], "before")) {
            rc = option_number(r, i++, &out->options.before_seq, err);
        } else if (resp_word_is(r->args[i], "novalues")) {
            out->options.versions_only = true;
        } else {
            return option_error(r, i, err);
        }
    }
    if (rc == BLOCKDB_OK && (out->limit == 0 || out->limit > RESP_HISTORY_MAX)) {
        return error_set(err, BLOCKDB_ELIMIT, "LIMIT is 1 to %d; go on with BEFORE",
                         RESP_HISTORY_MAX);
    }
    return rc;
}

static const char *kind_name(const struct blockdb_version_info *version)
{
    if (version->redacted) {
        return "redacted";
    }
    return version->kind == BLOCKDB_KIND_PUT ? "put" : "delete";
}

static void write_version(struct resp_writer *out, const struct blockdb_version_info *version,
                          struct slice value, bool has_value)
{
    resp_write_map(out, has_value ? 4 : 3);
    write_seq(out, "seq", version->seq);
    write_seq(out, "time_ms", version->time_ms);
    resp_write_text(out, "type");
    resp_write_text(out, kind_name(version));
    if (has_value) {
        resp_write_text(out, "value");
        resp_write_bulk(out, value);
    }
}

static void history_free_ptr(struct blockdb_history **history)
{
    blockdb_history_free(*history);
}

/* BLOCKDB.HISTORY key [LIMIT n] [BEFORE seq] [NOVALUES] */
int resp_job_history(struct resp_run *r, struct blockdb *db, struct error *err)
{
    AUTO(buf_deinit) struct buf versions = {0};
    AUTO(history_free_ptr) struct blockdb_history *walk = NULL;
    struct history history = {.limit = HISTORY_LIMIT_DEFAULT,
                              .options = BLOCKDB_HISTORY_OPTIONS_INIT};
    struct resp_writer w = resp_writer_of(&versions, r->out.version);
    size_t count = 0;
    int rc = parse_history(r, &history, err);

    if (rc == BLOCKDB_OK) {
        rc = blockdb_history_new(db, r->args[1].data, r->args[1].len, &history.options, &walk, err);
    }
    while (rc == BLOCKDB_OK && count < history.limit) {
        rc = blockdb_history_next(walk, err);
        if (rc == BLOCKDB_OK) {
            struct blockdb_version_info version = blockdb_history_version(walk);
            bool has_value = version.kind == BLOCKDB_KIND_PUT && !version.redacted &&
                             !history.options.versions_only;
            size_t len;
            const void *value = blockdb_history_value(walk, &len);

            write_version(&w, &version, slice_of(value, len), has_value);
            count++;
        }
        if (rc == BLOCKDB_OK && versions.len > RESP_READ_BYTES_MAX) {
            return error_set(err, BLOCKDB_ELIMIT,
                             "these versions take more than 64 MiB; ask for fewer with LIMIT");
        }
    }
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    if (w.failed) {
        return error_set_no_memory(err);
    }
    resp_write_array(&r->out, count);
    resp_write_raw(&r->out, buf_slice(&versions));
    return BLOCKDB_OK;
}

/* ---- BLOCKDB.GETAT ------------------------------------------------------------------------- */

/* A time as milliseconds since 1970, or as RFC 3339. */
static int parse_time(struct slice text, uint64_t *out_ms, struct error *err)
{
    if (text_parse_decimal(text, out_ms) == BLOCKDB_OK ||
        text_parse_time(text, out_ms) == BLOCKDB_OK) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "TIME takes milliseconds since 1970, or a time as 2026-01-31T12:00:00Z");
}

/* BLOCKDB.GETAT key SEQ n; BLOCKDB.GETAT key TIME t */
int resp_job_getat(struct resp_run *r, struct blockdb *db, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    uint64_t time_ms = 0;
    int rc;

    if (resp_word_is(r->args[2], "seq")) {
        rc = resp_number_of(r->args[3], BLOCKDB_SEQ_NONE - 1, &options.at_seq, err);
    } else if (resp_word_is(r->args[2], "time")) {
        rc = parse_time(r->args[3], &time_ms, err);
        if (rc == BLOCKDB_OK) {
            rc = blockdb_seq_at_time(db, time_ms, &options.at_seq, err);
        }
    } else {
        return option_error(r, 2, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = blockdb_get(db, r->args[1].data, r->args[1].len, &options, &value, err);
    }
    if (rc == BLOCKDB_ENOTFOUND) {
        resp_write_null(&r->out);
        return BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        resp_write_bulk(&r->out, slice_of(value.data, value.len));
    }
    return rc;
}

/* ---- BLOCKDB.VERIFY ------------------------------------------------------------------------ */

static int parse_verify(struct resp_run *r, struct blockdb_verify_options *out, struct error *err)
{
    uint64_t percent = 0;
    int rc = BLOCKDB_OK;

    for (size_t i = 1; i < r->arg_count && rc == BLOCKDB_OK; i += 2) {
        if (resp_word_is(r->args[i], "from")) {
            rc = option_number(r, i, &out->from_seq, err);
        } else if (resp_word_is(r->args[i], "to")) {
            rc = option_number(r, i, &out->to_seq, err);
        } else if (resp_word_is(r->args[i], "sample")) {
            rc = option_number(r, i, &percent, err);
            out->sample_percent = (double)percent;
        } else {
            return option_error(r, i, err);
        }
    }
    if (rc == BLOCKDB_OK && percent > 100) {
        return error_set(err, BLOCKDB_EINVAL, "SAMPLE is a whole percentage, 1 to 100");
    }
    return rc;
}

/* Goes on while there is somebody to answer. */
static bool goes_on(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    const struct resp_op *op = arg;

    (void)unit;
    (void)done;
    (void)total;
    return !atomic_load_explicit(&op->is_gone, memory_order_relaxed);
}

/* BLOCKDB.VERIFY [FROM seq] [TO seq] [SAMPLE percent] */
int resp_job_verify(struct resp_run *r, struct blockdb *db, struct error *err)
{
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct blockdb_verify_report report = {0};
    int rc = parse_verify(r, &options, err);

    if (rc < 0) {
        return rc;
    }
    options.progress = goes_on;
    options.progress_arg = r->op;
    rc = blockdb_verify(db, &options, &report, err);
    if (rc < 0) {
        return rc;
    }
    resp_write_map(&r->out, 7);
    resp_write_text(&r->out, "verified");
    resp_write_bool(&r->out, true);
    write_seq(&r->out, "entries", report.entries);
    write_seq(&r->out, "blocks", report.blocks);
    write_seq(&r->out, "bytes_hashed", report.bytes_hashed);
    write_seq(&r->out, "redactions", report.redactions);
    write_seq(&r->out, "size", report.size);
    write_hex(&r->out, "root", report.root);
    return BLOCKDB_OK;
}
