/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers in JSON, and what queries and headers of several routes say.
 *
 * An answer is written into exchange_out() between reply_begin() and reply_end(); the latter sends
 * it. Functions that run on the pool end with reply_finish() instead.
 *
 * Threads:   as exchange.h.
 * Ownership: borrows all.
 * Format:    docs/operate/http.md
 */
#pragma once

#include "base/json_writer.h"
#include "server/http/exchange.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

/* How keys and values are shown. */
enum shown_as {
    SHOWN_AUTO, /* utf8 where it is, else base64 */
    SHOWN_UTF8, /* EINVAL for what is none */
    SHOWN_BASE64,
};

/* Opens {"success":true of an answer. */
void reply_begin(struct exchange *x, struct json_writer *w);
/* Ends it, and sends it with that status. */
void reply_end(struct exchange *x, struct json_writer *w, int status);
/* Ends it on the pool. ENOMEM. */
RESULT_MUST_BE_USED int reply_finish(struct json_writer *w, struct error *err);
/* {"success":true} */
void reply_success(struct exchange *x);

/* The outcome of a write, always of the same length. */
#define REPLY_OUTCOME_BYTES 124
void reply_outcome(struct exchange *x, const struct blockdb_write_result *written);
void reply_outcome_format(char out[REPLY_OUTCOME_BYTES],
                          const struct blockdb_write_result *written);

/* One version of a key as it is shown. */
struct reply_entry {
    struct slice key;
    struct slice value;
    struct blockdb_version_info version;
    bool without_value;
};
/* The members of an entry, without the braces. False: SHOWN_UTF8 was asked for, and key or value
 * is none; nothing was written then. */
bool reply_entry_members(struct json_writer *w, const struct reply_entry *entry,
                         enum shown_as encoding);
/* "key" and "encoding" alone. */
void reply_key_members(struct json_writer *w, struct slice key);
/* "type", "seq" and "time". */
void reply_version_members(struct json_writer *w, const struct blockdb_version_info *version);
void reply_hash_member(struct json_writer *w, const char *name,
                       const uint8_t hash[BLOCKDB_HASH_LEN]);
/* "put", "delete", ... Static. */
const char *reply_kind_name(enum blockdb_kind kind);

/* The answer for a key without a value: as exchange_error(), and the version that says so. */
void reply_no_value(struct exchange *x, int code, const struct error *err,
                    const struct blockdb_version_info *version);
/* 422: SHOWN_UTF8 was asked for in vain. */
void reply_not_text(struct exchange *x);
/* The same on the pool, in place of what was written so far. ENOMEM. */
RESULT_MUST_BE_USED int reply_not_text_prepared(struct exchange *x, struct error *err);

/* ---- What was asked ------------------------------------------------------------------------- */

/* Each leaves *out as it was when the parameter is absent; EINVAL names it. */
RESULT_MUST_BE_USED int query_encoding(const struct exchange *x, enum shown_as *out,
                                       struct error *err);
/* RFC 3339, or milliseconds since 1970. */
RESULT_MUST_BE_USED int query_time(const struct exchange *x, const char *name, uint64_t *out_ms,
                                   bool *out_given, struct error *err);
/* A number within bounds. */
RESULT_MUST_BE_USED int query_bounded(const struct exchange *x, const char *name, uint64_t min,
                                      uint64_t max, uint64_t *out, struct error *err);
RESULT_MUST_BE_USED int query_durability(const struct exchange *x, enum blockdb_durability *out,
                                         struct error *err);
/* A durability by its word; EINVAL names the words. */
RESULT_MUST_BE_USED int durability_parse(struct slice word, enum blockdb_durability *out,
                                         struct error *err);
/* A parameter of the path that is a number; EINVAL. */
RESULT_MUST_BE_USED int param_u64(const struct exchange *x, const char *name, uint64_t *out,
                                  struct error *err);
/* Whether the client prefers plain text to JSON. */
bool wants_text(const struct exchange *x);

struct write_identity {
    uint8_t client_id[BLOCKDB_CLIENT_ID_LEN];
    uint64_t request;
    bool given;
};
/* Blockdb-Client and Blockdb-Request. EINVAL: malformed, or one without the other. */
RESULT_MUST_BE_USED int header_identity(const struct exchange *x, struct write_identity *out,
                                        struct error *err);
