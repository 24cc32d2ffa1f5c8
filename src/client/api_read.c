/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one version of a key. */
#include "base/mem.h"
#include "client/ask.h"
#include "client/shape.h"

/* What get may tell of a key without a value: the deletion, or the redaction. */
static void tell_version(const struct answer *answer, struct blockdb_value *value)
{
    AUTO(shape_entry_deinit) struct shape_entry entry = {0};
    struct json_reader r = json_reader_of(answer_body(answer));

    value->len = 0;
    value->version = (struct blockdb_version_info){0};
    if (shape_entry_read(&r, &entry) && entry.has_seq) {
        value->version = entry.version;
    }
}

static int get_run(struct ask *ask, struct blockdb_value *value, struct error *err)
{
    AUTO(shape_entry_deinit) struct shape_entry entry = {0};
    int rc = ask_run(ask, err);

    if (rc == BLOCKDB_ENOTFOUND || rc == BLOCKDB_EREDACTED) {
        tell_version(&ask->slot->answer, value);
    }
    if (rc == BLOCKDB_OK) {
        rc = shape_entry_parse(answer_body(&ask->slot->answer), &entry, err);
    }
    if (rc == BLOCKDB_OK) {
        shape_give(&entry.value, value);
        value->version = entry.version;
    }
    return rc;
}

static int get_begin(struct ask *ask, struct blockdb_client *client, struct slice key,
                     struct error *err)
{
    int rc = ask_begin(ask, client, "GET", err);

    if (rc == BLOCKDB_OK) {
        ask_path(ask, "/api/v1/get/");
        ask_path_encoded(ask, key);
    }
    return rc;
}

int blockdb_client_get(struct blockdb_client *client, const void *key, size_t key_len,
                       const struct blockdb_read_options *options, struct blockdb_value *value,
                       struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = get_begin(&ask, client, slice_of(key, key_len), err);

    if (rc < 0) {
        return rc;
    }
    if (options != NULL && options->at_seq != BLOCKDB_SEQ_NONE) {
        ask_parameter_u64(&ask, "at", options->at_seq);
    }
    return get_run(&ask, value, err);
}

int blockdb_client_get_as_of(struct blockdb_client *client, const void *key, size_t key_len,
                             uint64_t time_ms, struct blockdb_value *value, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = get_begin(&ask, client, slice_of(key, key_len), err);

    if (rc < 0) {
        return rc;
    }
    ask_parameter_u64(&ask, "as_of", time_ms);
    return get_run(&ask, value, err);
}

int blockdb_client_get_entry(struct blockdb_client *client, uint64_t seq, struct blockdb_value *key,
                             struct blockdb_value *value, struct error *err)
{
    AUTO(shape_entry_deinit) struct shape_entry entry = {0};
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/entry/");
    ask_path_u64(&ask, seq);
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK) {
        rc = shape_entry_parse(answer_body(&ask.slot->answer), &entry, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (key != NULL) {
        shape_give(&entry.key, key);
    }
    shape_give(&entry.value, value);
    value->version = entry.version;
    return entry.version.redacted
               ? error_set(err, BLOCKDB_EREDACTED, "the value of this entry was redacted")
               : BLOCKDB_OK;
}

int blockdb_client_seq_at_time(struct blockdb_client *client, uint64_t time_ms, uint64_t *out_seq,
                               struct error *err)
{
    struct blockdb_write_result at;
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/seq");
    ask_parameter_u64(&ask, "time", time_ms);
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK) {
        rc = shape_written_parse(answer_body(&ask.slot->answer), &at, err);
    }
    if (rc == BLOCKDB_OK) {
        *out_seq = at.first_seq;
    }
    return rc;
}
