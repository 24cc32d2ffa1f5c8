/* SPDX-License-Identifier: Apache-2.0 */
/* The versions of a key, newest first, page by page. */
#include "base/mem.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"

#include <inttypes.h>
#include <stdio.h>

#define PAGE_VERSIONS 100
#define PAGE_VERSIONS_MAX 10000
#define PAGE_BYTES_MAX ((size_t)4 << 20)
#define SEQ_TEXT_BYTES 24

struct history_request {
    uint64_t limit;
    uint64_t before;
    enum shown_as encoding;
    bool versions_only;
    bool is_not_text; /* a version cannot be shown as it was asked for */
};

static void history_free(struct blockdb_history **history)
{
    blockdb_history_free(*history);
}

static int history_parse(const struct exchange *x, struct history_request *out, struct error *err)
{
    static const char *const names[] = {"limit", "before", "versions_only", "encoding", NULL};
    int rc = exchange_query_check(x, names, err);

    if (rc == BLOCKDB_OK) {
        rc = query_bounded(x, "limit", 1, PAGE_VERSIONS_MAX, &out->limit, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_u64(x, "before", &out->before, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "versions_only", &out->versions_only, err);
    }
    return rc < 0 ? rc : query_encoding(x, &out->encoding, err);
}

/* Writes versions until the page is full, with *out_last the last one; ENOTFOUND at their end. */
static int write_versions(struct exchange *x, struct blockdb_history *history,
                          struct json_writer *w, uint64_t *out_last, struct error *err)
{
    struct history_request *request = exchange_state(x);
    struct reply_entry entry = {.key = exchange_param(x, "key"),
                                .without_value = request->versions_only};
    uint64_t count = 0;
    int rc = blockdb_history_next(history, err);

    while (rc == BLOCKDB_OK && count < request->limit && w->out->len < PAGE_BYTES_MAX) {
        entry.version = blockdb_history_version(history);
        entry.value.data = blockdb_history_value(history, &entry.value.len);
        json_writer_begin_object(w);
        if (!reply_entry_members(w, &entry, request->encoding)) {
            request->is_not_text = true;
            return BLOCKDB_OK;
        }
        json_writer_end_object(w);
        *out_last = entry.version.seq;
        count++;
        rc = blockdb_history_next(history, err);
    }
    return rc;
}

static int history_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(history_free) struct blockdb_history *history = NULL;
    struct history_request *request = exchange_state(x);
    struct blockdb_history_options options = BLOCKDB_HISTORY_OPTIONS_INIT;
    struct slice key = exchange_param(x, "key");
    char next[SEQ_TEXT_BYTES];
    struct json_writer w;
    uint64_t last = 0;
    int rc;

    options.before_seq = request->before;
    options.versions_only = request->versions_only;
    rc = blockdb_history_new(db, key.data, key.len, &options, &history, err);
    if (rc < 0) {
        return rc;
    }
    reply_begin(x, &w);
    reply_key_members(&w, key);
    json_writer_key(&w, "versions");
    json_writer_begin_array(&w);
    rc = write_versions(x, history, &w, &last, err);
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    if (request->is_not_text) {
        return reply_not_text_prepared(x, err);
    }
    json_writer_end_array(&w);
    if (rc == BLOCKDB_OK) {
        (void)snprintf(next, sizeof(next), "%" PRIu64, last);
        json_writer_member_text(&w, "next_cursor", next);
    }
    return reply_finish(&w, err);
}

void route_history(struct exchange *x)
{
    struct history_request *request = exchange_state_new(x, sizeof(*request));
    struct slice key = exchange_param(x, "key");
    struct error err;
    int rc;

    if (request == NULL) {
        exchange_error(x, error_set_no_memory(&err), &err);
        return;
    }
    *request = (struct history_request){.limit = PAGE_VERSIONS, .before = BLOCKDB_SEQ_NONE};
    rc = history_parse(x, request, &err);
    if (rc == BLOCKDB_OK && !principal_may_key(exchange_principal(x), RIGHT_READ, key)) {
        rc = principal_deny(exchange_principal(x), RIGHT_READ, key, &err);
    }
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_LONG, history_run);
}
