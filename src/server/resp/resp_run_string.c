/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of values: GET, SET and their kin. */
#include "base/text.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"

void resp_reply_read(struct resp_writer *out, const struct resp_read *read)
{
    struct error err = {.code = read->status};

    if (read->status == BLOCKDB_OK) {
        resp_write_bulk(out, read->value);
    } else if (read->status == BLOCKDB_ENOTFOUND) {
        resp_write_null(out);
    } else {
        IGNORE_RESULT(
            error_set(&err, read->status, "%s",
                      read->message != NULL ? read->message : "")); /* the status is read's */
        resp_write_status(out, read->status, &err);
    }
}

/* Whether there is an answer to make from read; answers with the error otherwise. */
static bool is_known(struct resp_run *r, const struct resp_read *read)
{
    if (read->status == BLOCKDB_OK || read->status == BLOCKDB_ENOTFOUND) {
        return true;
    }
    resp_reply_read(&r->out, read);
    return false;
}

/* Puts; answers with the error when that cannot be. */
static bool put(struct resp_run *r, struct slice key, struct slice value)
{
    struct error err;
    int rc = resp_op_put(r->op, key, value, &err);

    if (rc < 0) {
        resp_write_status(&r->out, rc, &err);
    }
    return rc == BLOCKDB_OK;
}

void resp_run_get(struct resp_run *r)
{
    struct resp_read read = resp_op_next_read(r->op);

    resp_reply_read(&r->out, &read);
}

/* ---- SET ----------------------------------------------------------------------------------- */

struct set_options {
    bool if_absent;
    bool if_present;
    bool wants_old;
};

/* Why an option of Redis cannot be; NULL: it is none. */
static const char *refusal_of(struct slice option)
{
    static const char *const expiring[] = {"ex", "px", "exat", "pxat"};

    for (size_t i = 0; i < sizeof(expiring) / sizeof(expiring[0]); i++) {
        if (resp_word_is(option, expiring[i])) {
            return "BlockDB is append-only: values do not expire, so SET takes no EX, PX, EXAT and "
                   "PXAT; delete the key when its time has come";
        }
    }
    if (resp_word_is(option, "keepttl")) {
        return "BlockDB is append-only: values do not expire, so SET takes no KEEPTTL";
    }
    return NULL;
}

/* Answers with the error when the options cannot be. */
static bool parse_set(struct resp_run *r, struct set_options *out)
{
    for (size_t i = 3; i < r->arg_count; i++) {
        const char *refusal = refusal_of(r->args[i]);

        if (refusal != NULL) {
            resp_write_error(&r->out, "ERR", "%s", refusal);
            return false;
        }
        if (resp_word_is(r->args[i], "nx")) {
            out->if_absent = true;
        } else if (resp_word_is(r->args[i], "xx")) {
            out->if_present = true;
        } else if (resp_word_is(r->args[i], "get")) {
            out->wants_old = true;
        } else {
            resp_reply_syntax_error(r);
            return false;
        }
    }
    if (out->if_absent && out->if_present) {
        resp_reply_syntax_error(r);
        return false;
    }
    return true;
}

/* SET key value [NX | XX] [GET] */
void resp_run_set(struct resp_run *r)
{
    struct resp_read old = {.status = BLOCKDB_ENOTFOUND};
    struct set_options options = {0};
    bool is_absent;

    if (resp_command_reads(r->command, r->arg_count)) {
        old = resp_op_next_read(r->op);
    }
    if (!parse_set(r, &options) || (options.wants_old && !is_known(r, &old))) {
        return;
    }
    is_absent = old.status == BLOCKDB_ENOTFOUND;
    if ((options.if_absent && !is_absent) || (options.if_present && is_absent)) {
        if (options.wants_old) {
            resp_reply_read(&r->out, &old);
        } else {
            resp_write_null(&r->out);
        }
        return;
    }
    if (!put(r, r->args[1], r->args[2])) {
        return;
    }
    if (options.wants_old) {
        resp_reply_read(&r->out, &old);
    } else {
        resp_write_ok(&r->out);
    }
}

/* SETNX key value */
void resp_run_setnx(struct resp_run *r)
{
    struct resp_read old = resp_op_next_read(r->op);

    if (old.status == BLOCKDB_OK || old.status == BLOCKDB_EREDACTED) {
        resp_write_integer(&r->out, 0);
    } else if (is_known(r, &old) && put(r, r->args[1], r->args[2])) {
        resp_write_integer(&r->out, 1);
    }
}

/* GETSET key value */
void resp_run_getset(struct resp_run *r)
{
    struct resp_read old = resp_op_next_read(r->op);

    if (is_known(r, &old) && put(r, r->args[1], r->args[2])) {
        resp_reply_read(&r->out, &old);
    }
}

/* GETDEL key */
void resp_run_getdel(struct resp_run *r)
{
    struct resp_read old = resp_op_next_read(r->op);
    struct error err;
    int rc = BLOCKDB_OK;

    if (old.status == BLOCKDB_OK) {
        rc = resp_op_delete(r->op, r->args[1], &err);
    }
    if (rc < 0) {
        resp_write_status(&r->out, rc, &err);
        return;
    }
    resp_reply_read(&r->out, &old);
}

/* ---- Several keys -------------------------------------------------------------------------- */

/* MGET key ... */
void resp_run_mget(struct resp_run *r)
{
    resp_write_array(&r->out, r->arg_count - 1);
    for (size_t i = 1; i < r->arg_count; i++) {
        resp_run_get(r);
    }
}

/* Whether all pairs can be put, so that none is when one cannot; answers with the error. */
static bool pairs_are_valid(struct resp_run *r)
{
    for (size_t i = 1; i < r->arg_count; i += 2) {
        if (r->args[i].len == 0 || r->args[i].len > BLOCKDB_KEY_MAX) {
            resp_write_error(&r->out, "ERR", "a key has 1 to %d bytes", BLOCKDB_KEY_MAX);
            return false;
        }
    }
    if (r->arg_count % 2 == 0) {
        resp_write_error(&r->out, "ERR", "wrong number of arguments for '%s' command",
                         r->command->name);
        return false;
    }
    return true;
}

static bool put_pairs(struct resp_run *r)
{
    for (size_t i = 1; i < r->arg_count; i += 2) {
        if (!put(r, r->args[i], r->args[i + 1])) {
            return false;
        }
    }
    return true;
}

/* MSET key value ... */
void resp_run_mset(struct resp_run *r)
{
    if (pairs_are_valid(r) && put_pairs(r)) {
        resp_write_ok(&r->out);
    }
}

/* MSETNX key value ... */
void resp_run_msetnx(struct resp_run *r)
{
    struct resp_read failed = {.status = BLOCKDB_ENOTFOUND};
    bool all_absent = true;

    for (size_t i = 1; i < r->arg_count; i += 2) {
        struct resp_read old = resp_op_next_read(r->op);

        all_absent = all_absent && old.status != BLOCKDB_OK && old.status != BLOCKDB_EREDACTED;
        if (old.message != NULL) {
            failed = old;
        }
    }
    if (!pairs_are_valid(r) || !is_known(r, &failed)) {
        return;
    }
    if (!all_absent) {
        resp_write_integer(&r->out, 0);
    } else if (put_pairs(r)) {
        resp_write_integer(&r->out, 1);
    }
}

/* ---- Parts --------------------------------------------------------------------------------- */

/* STRLEN key */
void resp_run_strlen(struct resp_run *r)
{
    struct resp_read read = resp_op_next_read(r->op);

    if (is_known(r, &read)) {
        resp_write_integer(&r->out, (int64_t)read.len);
    }
}

/* A place in a value: from its end when negative. Numbers beyond any value are as good as that. */
static bool parse_place(struct slice text, int64_t *out)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    uint64_t number;

    if (text_parse_decimal(slice_of(text.data + is_negative, text.len - is_negative), &number) <
        0) {
        return false;
    }
    number = number < INT64_MAX ? number : INT64_MAX;
    *out = is_negative ? -(int64_t)number : (int64_t)number;
    return true;
}

/* GETRANGE key start end, both inclusive */
void resp_run_getrange(struct resp_run *r)
{
    struct resp_read read = resp_op_next_read(r->op);
    int64_t len = (int64_t)read.len;
    int64_t start;
    int64_t end;

    if (!parse_place(r->args[2], &start) || !parse_place(r->args[3], &end)) {
        resp_write_error(&r->out, "ERR", "value is not an integer or out of range");
        return;
    }
    if (!is_known(r, &read)) {
        return;
    }
    start = start < 0 ? start + len : start;
    end = end < 0 ? end + len : end;
    start = start < 0 ? 0 : start;
    end = end >= len ? len - 1 : end;
    if (start > end || len == 0) {
        resp_write_text(&r->out, "");
        return;
    }
    resp_write_bulk(&r->out, slice_of(read.value.data + start, (size_t)(end - start) + 1));
}
