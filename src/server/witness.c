/* SPDX-License-Identifier: Apache-2.0 */
#include "server/witness.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/lines.h"
#include "base/mem.h"
#include "base/text.h"
#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "server/witness_head.h"
#include "wire/add_checkpoint.h"

#include <inttypes.h>
#include <stdio.h>

#define TYPE_TEXT "text/plain; charset=utf-8"
#define CHECKPOINT_WORD "/checkpoint"
#define ROOT_TEXT_BYTES 45 /* base64 of a hash, and a zero */

enum http_status {
    HTTP_PASSED = 0, /* no answer yet */
    HTTP_OK = 200,
    HTTP_BAD_REQUEST = 400,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_CONFLICT = 409,
    HTTP_UNPROCESSABLE = 422,
    HTTP_FAILED = 500,
};

/* A log's key and which log that is. */
struct log_key {
    struct verifier_key key;
    struct hash log;
};

struct witness {
    const struct signing_key *key;
    struct witness_heads heads;
    struct log_key *keys;
    size_t key_count;
    char *names; /* of all keys, joined */
    char prefix[WITNESS_PREFIX_LEN_MAX + 1];
};

void witness_log_of(struct slice origin, struct hash *out)
{
    sha256_once(origin.data, origin.len, out);
}

/* ---- Making -------------------------------------------------------------------------------- */

static bool prefix_valid(const char *prefix)
{
    size_t len = strlen(prefix);

    return len == 0 ||
           (len <= WITNESS_PREFIX_LEN_MAX && prefix[0] == '/' && prefix[len - 1] != '/');
}

static int check_options(const struct witness_options *o, struct error *err)
{
    size_t i;

    if (o->key->type != KEY_TYPE_COSIGNATURE) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the key of a witness must be one for cosignatures (type 0x04)");
    }
    if (o->key_count == 0 || o->key_count > WITNESS_KEYS_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "a witness needs the keys of 1 to %d logs",
                         WITNESS_KEYS_MAX);
    }
    for (i = 0; i < o->key_count; i++) {
        if (o->keys[i].type != KEY_TYPE_ED25519) {
            return error_set(err, BLOCKDB_EINVAL, "the key '%.*s' is not that of a log (type 0x01)",
                             (int)o->keys[i].name.len, (const char *)o->keys[i].name.data);
        }
    }
    if (o->prefix != NULL && !prefix_valid(o->prefix)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the prefix '%.64s' must begin with a slash, not end in one, and have at "
                         "most %d bytes",
                         o->prefix, WITNESS_PREFIX_LEN_MAX);
    }
    return BLOCKDB_OK;
}

static int copy_keys(struct witness *w, const struct witness_options *o)
{
    size_t names_len = 0;
    size_t at = 0;
    size_t i;

    for (i = 0; i < o->key_count; i++) {
        names_len += o->keys[i].name.len;
    }
    w->names = mem_alloc(names_len + 1);
    w->keys = mem_calloc(o->key_count, sizeof(*w->keys));
    if (w->names == NULL || w->keys == NULL) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < o->key_count; i++) {
        struct slice name = o->keys[i].name;

        memcpy(w->names + at, name.data, name.len);
        w->keys[i].key = o->keys[i];
        w->keys[i].key.name = slice_of(w->names + at, name.len);
        witness_log_of(name, &w->keys[i].log);
        at += name.len;
    }
    w->key_count = o->key_count;
    return BLOCKDB_OK;
}

int witness_new(const struct witness_options *options, struct witness **out, struct error *err)
{
    AUTO(witness_free_ptr) struct witness *w = NULL;
    int rc = check_options(options, err);

    if (rc < 0) {
        return rc;
    }
    w = mem_calloc(1, sizeof(*w));
    if (w == NULL || copy_keys(w, options) < 0) {
        return error_set_no_memory(err);
    }
    w->key = options->key;
    w->heads = options->heads;
    (void)snprintf(w->prefix, sizeof(w->prefix), "%s",
                   options->prefix != NULL ? options->prefix : "");
    *out = TAKE(w);
    return BLOCKDB_OK;
}

void witness_free(struct witness *w)
{
    if (w != NULL) {
        mem_free(w->names);
        mem_free(w->keys);
        mem_free(w);
    }
}

void witness_free_ptr(struct witness **w)
{
    witness_free(*w);
}

/* ---- Answers ------------------------------------------------------------------------------- */

void witness_answer_deinit(struct witness_answer *answer)
{
    buf_deinit(&answer->owned);
    *answer = (struct witness_answer){0};
}

static void answer_static(struct witness_answer *out, unsigned status, const char *text)
{
    out->status = status;
    out->content_type = TYPE_TEXT;
    out->body = slice_of_text(text);
}

/* The client reads why; what fails here is not its affair. */
static void answer_refusal(struct witness_answer *out, unsigned status, const struct error *err)
{
    if (status == HTTP_FAILED) {
        answer_static(out, status, "this witness has failed; its operator must look after it\n");
        return;
    }
    buf_reset(&out->owned);
    if (buf_appendf(&out->owned, "%s\n", err->message) < 0) {
        answer_static(out, status, "refused\n");
        return;
    }
    out->status = status;
    out->content_type = TYPE_TEXT;
    out->body = buf_slice(&out->owned);
}

static void answer_owned(struct witness_answer *out)
{
    out->status = HTTP_OK;
    out->content_type = TYPE_TEXT;
    out->body = buf_slice(&out->owned);
}

static enum http_status no_memory(struct error *err)
{
    (void)error_set_no_memory(err);
    return HTTP_FAILED;
}

/* ---- Submission ---------------------------------------------------------------------------- */

/* A request on its way through the checks; the slices borrow the body. */
struct candidate {
    struct add_checkpoint request;
    struct note note;
    struct checkpoint checkpoint;
    struct hash log;
    struct witness_head head; /* the newest before */
    struct buf lines;         /* of the log's signatures that were verified */
};

static enum http_status decode(struct slice body, struct candidate *c, struct error *err)
{
    if (add_checkpoint_decode(body, &c->request, err) < 0 ||
        checkpoint_parse_note(c->request.note, &c->note, &c->checkpoint, err) < 0) {
        return HTTP_BAD_REQUEST;
    }
    if (c->request.old_size > c->checkpoint.size) {
        (void)error_set(err, BLOCKDB_EINVAL,
                        "the old size %" PRIu64 " is above the head's %" PRIu64,
                        c->request.old_size, c->checkpoint.size);
        return HTTP_BAD_REQUEST;
    }
    witness_log_of(c->checkpoint.origin, &c->log);
    return HTTP_PASSED;
}

/* Verifies the signatures of one key and keeps their lines. */
static enum http_status check_key(struct candidate *c, const struct verifier_key *key,
                                  struct error *err)
{
    const struct note_signature *signature;
    size_t at = 0;
    int rc = note_verify(&c->note, key, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return HTTP_PASSED;
    }
    if (rc < 0) {
        return rc == BLOCKDB_ETAMPERED ? HTTP_FORBIDDEN : HTTP_FAILED;
    }
    while ((signature = note_find(&c->note, key, &at)) != NULL) {
        rc = buf_append_slice(&c->lines, signature->line);
        rc = rc == BLOCKDB_OK ? buf_append_u8(&c->lines, '\n') : rc;
        if (rc < 0) {
            return no_memory(err);
        }
    }
    return HTTP_PASSED;
}

static enum http_status authenticate(const struct witness *w, struct candidate *c,
                                     struct error *err)
{
    bool is_known = false;
    size_t i;

    for (i = 0; i < w->key_count; i++) {
        const struct log_key *k = &w->keys[i];
        enum http_status status;

        if (memcmp(&k->log, &c->log, sizeof(c->log)) != 0) {
            continue;
        }
        is_known = true;
        status = check_key(c, &k->key, err);
        if (status != HTTP_PASSED) {
            return status;
        }
    }
    if (!is_known) {
        (void)error_set(err, BLOCKDB_ENOTFOUND, "this witness does not know the log '%.*s'",
                        (int)c->checkpoint.origin.len, (const char *)c->checkpoint.origin.data);
        return HTTP_NOT_FOUND;
    }
    if (c->lines.len == 0) {
        (void)error_set(err, BLOCKDB_EDENIED,
                        "the head of '%.*s' is not signed by a key that this witness trusts",
                        (int)c->checkpoint.origin.len, (const char *)c->checkpoint.origin.data);
        return HTTP_FORBIDDEN;
    }
    return HTTP_PASSED;
}

static void root_text(char out[ROOT_TEXT_BYTES], const struct hash *root)
{
    base64_format(out, slice_of(root->bytes, SHA256_LEN));
    out[ROOT_TEXT_BYTES - 1] = '\0';
}

/* Two heads of one size: with this text in its journal the operator can show that the log signed
 * both, as the signature is over origin, size and root. */
static void tell_fork(const struct candidate *c, const char *before, const char *now,
                      struct error *err)
{
    const struct checkpoint *p = &c->checkpoint;
    struct lines lines = lines_of(buf_slice(&c->lines));
    struct slice signature = {0};

    (void)lines_next(&lines, &signature);
    (void)error_set(err, BLOCKDB_ETAMPERED,
                    "the log '%.*s' has signed two heads of %" PRIu64
                    " entries: %s was cosigned, now it shows %s, signed %.*s",
                    (int)p->origin.len, (const char *)p->origin.data, p->size, before, now,
                    (int)signature.len, (const char *)signature.data);
}

static enum http_status not_a_continuation(const struct candidate *c, struct error *err)
{
    const struct checkpoint *p = &c->checkpoint;
    char before[ROOT_TEXT_BYTES];
    char now[ROOT_TEXT_BYTES];

    root_text(before, &c->head.root);
    root_text(now, &p->root);
    if (c->head.size == p->size && memcmp(&c->head.root, &p->root, sizeof(p->root)) != 0) {
        tell_fork(c, before, now, err);
    } else {
        (void)error_set(err, BLOCKDB_ETAMPERED,
                        "log '%.*s': it is not proven that its head of %" PRIu64
                        " entries (%s) continues the cosigned one of %" PRIu64 " (%s)",
                        (int)p->origin.len, (const char *)p->origin.data, p->size, now,
                        c->head.size, before);
    }
    return HTTP_UNPROCESSABLE;
}

static enum http_status compare(const struct witness *w, struct candidate *c, struct error *err)
{
    const struct checkpoint *p = &c->checkpoint;
    const struct add_checkpoint *r = &c->request;
    struct consistency claim = {.old_size = r->old_size,
                                .new_size = p->size,
                                .old_root = &c->head.root,
                                .new_root = &p->root};
    struct hash empty;

    if (w->heads.get(w->heads.context, &c->log, &c->head, NULL, err) < 0) {
        return HTTP_FAILED;
    }
    if (r->old_size != c->head.size) {
        return HTTP_CONFLICT;
    }
    merkle_empty_root(&empty);
    if (p->size == 0 && memcmp(&p->root, &empty, sizeof(empty)) != 0) {
        return not_a_continuation(c, err);
    }
    /* Every tree continues the empty one, which takes no proof. */
    if (r->old_size == 0 ? r->proof_count > 0
                         : consistency_verify(&claim, r->proof, r->proof_count) < 0) {
        return not_a_continuation(c, err);
    }
    return HTTP_PASSED;
}

/* Cosigns, stores, and only then lets the cosignature out (WIT-1). */
static enum http_status cosign(const struct witness *w, struct candidate *c, uint64_t time_s,
                               struct witness_answer *out, struct error *err)
{
    AUTO(buf_deinit) struct buf note = {0};
    int rc;

    if (time_s == 0) {
        (void)error_set(err, BLOCKDB_EINVAL, "the clock of this machine is not set");
        return HTTP_FAILED;
    }
    rc = cosignature_sign(&out->owned, w->key, c->note.text, time_s, err);
    if (rc < 0) {
        return HTTP_FAILED;
    }
    rc = buf_append_slice(&note, c->note.text);
    rc = rc == BLOCKDB_OK ? buf_append_u8(&note, '\n') : rc;
    rc = rc == BLOCKDB_OK ? buf_append_slice(&note, buf_slice(&c->lines)) : rc;
    rc = rc == BLOCKDB_OK ? buf_append_slice(&note, buf_slice(&out->owned)) : rc;
    if (rc < 0) {
        return no_memory(err);
    }
    rc = w->heads.advance(w->heads.context, &c->log, c->request.old_size, buf_slice(&note),
                          &c->head.size, err);
    if (rc < 0) {
        return rc == BLOCKDB_ECONFLICT ? HTTP_CONFLICT : HTTP_FAILED;
    }
    answer_owned(out);
    return HTTP_OK;
}

static void answer_conflict(struct witness_answer *out, const struct candidate *c,
                            struct error *err)
{
    char text[ADD_CHECKPOINT_SIZE_LEN_MAX + 1];
    size_t len = add_checkpoint_size_format(text, c->head.size);

    (void)error_set(err, BLOCKDB_ECONFLICT,
                    "log '%.*s': the newest head has %" PRIu64 " entries, not %" PRIu64,
                    (int)c->checkpoint.origin.len, (const char *)c->checkpoint.origin.data,
                    c->head.size, c->request.old_size);
    buf_reset(&out->owned);
    if (buf_append(&out->owned, text, len) < 0) {
        (void)error_set_no_memory(err);
        answer_refusal(out, HTTP_FAILED, err);
        return;
    }
    answer_owned(out);
    out->status = HTTP_CONFLICT;
    out->content_type = ADD_CHECKPOINT_SIZE_TYPE;
}

static void add_checkpoint(const struct witness *w, const struct witness_request *request,
                           struct witness_answer *out, struct error *err)
{
    struct candidate c;
    enum http_status status;

    c.lines = (struct buf){0};
    status = decode(request->body, &c, err);
    if (status == HTTP_PASSED) {
        status = authenticate(w, &c, err);
    }
    if (status == HTTP_PASSED) {
        status = compare(w, &c, err);
    }
    if (status == HTTP_PASSED) {
        status = cosign(w, &c, request->time_s, out, err);
    }
    if (status == HTTP_CONFLICT) {
        answer_conflict(out, &c, err);
    } else if (status != HTTP_OK) {
        answer_refusal(out, status, err);
    }
    buf_deinit(&c.lines);
}

/* ---- Monitoring ---------------------------------------------------------------------------- */

static void newest_checkpoint(const struct witness *w, const struct hash *log,
                              struct witness_answer *out, struct error *err)
{
    struct witness_head head;

    if (w->heads.get(w->heads.context, log, &head, &out->owned, err) < 0) {
        answer_refusal(out, HTTP_FAILED, err);
    } else if (out->owned.len == 0) {
        answer_static(out, HTTP_NOT_FOUND, "this witness has never cosigned a head of that log\n");
    } else {
        answer_owned(out);
    }
}

/* ---- Requests ------------------------------------------------------------------------------ */

enum route {
    ROUTE_NONE,
    ROUTE_ADD,
    ROUTE_CHECKPOINT,
};

/* *out_log is set for ROUTE_CHECKPOINT. */
static enum route route_of(const struct witness *w, const char *path, struct hash *out_log)
{
    struct slice left = slice_of_text(path);
    struct slice prefix = slice_of_text(w->prefix);
    const size_t digits = (size_t)2 * SHA256_LEN;
    char again[2 * SHA256_LEN + 1];

    if (!slice_has_prefix(left, prefix)) {
        return ROUTE_NONE;
    }
    left = slice_of(left.data + prefix.len, left.len - prefix.len);
    if (slice_equal(left, slice_of_text("/" ADD_CHECKPOINT_PATH))) {
        return ROUTE_ADD;
    }
    if (left.len != 1 + digits + strlen(CHECKPOINT_WORD) || left.data[0] != '/' ||
        memcmp(left.data + 1 + digits, CHECKPOINT_WORD, strlen(CHECKPOINT_WORD)) != 0 ||
        text_parse_hex(slice_of(left.data + 1, digits), out_log->bytes, SHA256_LEN) < 0) {
        return ROUTE_NONE;
    }
    /* Digits are lower case. */
    text_format_hex(again, out_log->bytes, SHA256_LEN);
    return memcmp(again, left.data + 1, digits) == 0 ? ROUTE_CHECKPOINT : ROUTE_NONE;
}

bool witness_wants_body(const struct witness *w, const char *method, const char *path)
{
    struct hash log;

    return strcmp(method, "POST") == 0 && route_of(w, path, &log) == ROUTE_ADD;
}

static void dispatch(const struct witness *w, const struct witness_request *request,
                     struct witness_answer *out, struct error *err)
{
    bool is_read = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    struct hash log;

    switch (route_of(w, request->path, &log)) {
    case ROUTE_ADD:
        if (strcmp(request->method, "POST") == 0) {
            add_checkpoint(w, request, out, err);
            return;
        }
        break;
    case ROUTE_CHECKPOINT:
        if (is_read) {
            newest_checkpoint(w, &log, out, err);
            return;
        }
        break;
    case ROUTE_NONE:
        answer_static(out, HTTP_NOT_FOUND, "there is nothing at this path\n");
        return;
    }
    answer_static(out, HTTP_METHOD_NOT_ALLOWED, "this path does not take that method\n");
}

int witness_answer(const struct witness *w, const struct witness_request *request,
                   struct witness_answer *out, struct error *err)
{
    struct error own = {0};

    *out = (struct witness_answer){0};
    dispatch(w, request, out, &own);
    ASSERT(out->status != 0);
    if (err != NULL && own.code != 0) {
        *err = own;
    }
    return out->status == HTTP_FAILED ? own.code : BLOCKDB_OK;
}
