/* SPDX-License-Identifier: Apache-2.0 */
/* Redaction and administration. What takes long in the server and is no job is_long. */
#include "base/mem.h"
#include "client/ask.h"
#include "client/redact_body.h"
#include "client/shape.h"

#define JSON_TYPE "application/json"

/* ---- Redaction ----------------------------------------------------------------------------- */

int blockdb_client_redact_many(struct blockdb_client *client,
                               const struct blockdb_redact_target *targets, size_t count,
                               const struct blockdb_redact_options *options,
                               struct blockdb_write_result *out_result, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    struct blockdb_write_result result;
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/redact");
    ask.content_type = JSON_TYPE;
    ask.repeatable = true; /* redacting again appends nothing */
    ask.is_long = true;
    if (redact_body(targets, count, options, &ask.slot->body) < 0) {
        return error_set_no_memory(err);
    }
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK) {
        rc = shape_written_parse(answer_body(&ask.slot->answer), &result, err);
    }
    if (rc == BLOCKDB_OK && out_result != NULL) {
        *out_result = result;
    }
    return rc;
}

int blockdb_client_redact(struct blockdb_client *client, const void *key, size_t key_len,
                          uint64_t seq, const struct blockdb_redact_options *options,
                          struct blockdb_write_result *out_result, struct error *err)
{
    const struct blockdb_redact_target target = {.key = key, .key_len = key_len, .seq = seq};

    return blockdb_client_redact_many(client, &target, 1, options, out_result, err);
}

/* ---- The rest ------------------------------------------------------------------------------ */

static int command(struct blockdb_client *client, const char *path, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask.repeatable = true; /* cheap when there is nothing to do */
    ask.is_long = true;
    ask_path(&ask, path);
    return ask_run(&ask, err);
}

int blockdb_client_flush(struct blockdb_client *client, struct error *err)
{
    return command(client, "/api/v1/flush", err);
}

int blockdb_client_compact(struct blockdb_client *client, bool wait, struct error *err)
{
    return command(client, wait ? "/api/v1/compact?wait=1" : "/api/v1/compact", err);
}

int blockdb_client_stats_get(struct blockdb_client *client, struct blockdb_value *out_json,
                             struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/stats");
    rc = ask_run(&ask, err);
    if (rc == BLOCKDB_OK) {
        shape_give(&ask.slot->answer.body, out_json);
    }
    return rc;
}
