/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the server: COMMAND, CONFIG, TIME, WAIT. */
#include "base/mem.h"
#include "os/os.h"
#include "server/resp/resp_glob.h"
#include "server/resp/resp_limits.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"
#include "server/resp/resp_session.h"
#include "server/server.h"

#include <stdio.h>

/* TIME */
void resp_run_time(struct resp_run *r)
{
    uint64_t now_ms = os_now_ms(r->session->worker->os);
    char text[24];

    resp_write_array(&r->out, 2);
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)(now_ms / 1000));
    resp_write_text(&r->out, text);
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)(now_ms % 1000 * 1000));
    resp_write_text(&r->out, text);
}

/* WAIT replicas timeout: standing alone there are none */
void resp_run_wait(struct resp_run *r)
{
    uint64_t ignored;

    if (resp_parse_number(r, r->args[1], INT32_MAX, &ignored) &&
        resp_parse_number(r, r->args[2], INT64_MAX, &ignored)) {
        resp_write_integer(&r->out, 0);
    }
}

/* WAITAOF local replicas timeout */
int resp_job_waitaof(struct resp_run *r, struct blockdb *db, struct error *err)
{
    uint64_t local = 0;
    uint64_t replicas = 0;
    uint64_t timeout_ms = 0;
    int rc = resp_number_of(r->args[1], 1, &local, err);

    if (rc == BLOCKDB_OK) {
        rc = resp_number_of(r->args[2], INT32_MAX, &replicas, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = resp_number_of(r->args[3], INT64_MAX, &timeout_ms, err);
    }
    if (rc == BLOCKDB_OK && local > 0) {
        rc = blockdb_sync(db, err);
    }
    if (rc < 0) {
        return rc;
    }
    resp_write_array(&r->out, 2);
    resp_write_integer(&r->out, (int64_t)local);
    resp_write_integer(&r->out, 0);
    return BLOCKDB_OK;
}

/* ---- COMMAND ------------------------------------------------------------------------------- */

static void write_flags(struct resp_writer *out, const struct resp_command *c)
{
    bool is_write = (c->flags & RESP_WRITES) != 0;
    bool is_read = !is_write && (c->rights & RIGHT_READ) != 0;
    bool is_fast = c->job == NULL && c->last_key == c->first_key;
    bool is_open = (c->flags & RESP_ANYBODY) != 0;
    bool is_alone = (c->flags & RESP_ALONE) != 0;

    resp_write_set(out, (size_t)is_write + is_read + is_fast + is_open + is_alone);
    if (is_write) {
        resp_write_simple(out, "write");
    }
    if (is_read) {
        resp_write_simple(out, "readonly");
    }
    if (is_fast) {
        resp_write_simple(out, "fast");
    }
    if (is_open) {
        resp_write_simple(out, "no_auth");
    }
    if (is_alone) {
        resp_write_simple(out, "no_multi");
    }
}

static void write_command(struct resp_writer *out, const struct resp_command *c)
{
    resp_write_array(out, 6);
    resp_write_text(out, c->name);
    resp_write_integer(out, c->arity);
    write_flags(out, c);
    resp_write_integer(out, c->first_key);
    resp_write_integer(out, c->last_key);
    resp_write_integer(out, c->key_step);
}

static void write_docs(struct resp_writer *out, const struct resp_command *c)
{
    resp_write_text(out, c->name);
    resp_write_map(out, 3);
    resp_write_text(out, "summary");
    resp_write_text(out, c->summary);
    resp_write_text(out, "since");
    resp_write_text(out, "0.1.0");
    resp_write_text(out, "group");
    resp_write_text(out, resp_group_name(c->group));
}

/* COMMAND INFO [name ...] */
static void command_info(struct resp_run *r)
{
    size_t count;
    const struct resp_command *table = resp_command_table(&count);

    if (r->arg_count <= 2) {
        resp_write_array(&r->out, count);
        for (size_t i = 0; i < count; i++) {
            write_command(&r->out, &table[i]);
        }
        return;
    }
    resp_write_array(&r->out, r->arg_count - 2);
    for (size_t i = 2; i < r->arg_count; i++) {
        const struct resp_command *c = resp_command_find(r->args[i]);

        if (c != NULL) {
            write_command(&r->out, c);
        } else {
            resp_write_null_array(&r->out);
        }
    }
}

/* COMMAND DOCS [name ...] */
static void command_docs(struct resp_run *r)
{
    size_t count;
    const struct resp_command *table = resp_command_table(&count);
    size_t known = r->arg_count == 2 ? count : 0;

    for (size_t i = 2; i < r->arg_count; i++) {
        known += resp_command_find(r->args[i]) != NULL;
    }
    resp_write_map(&r->out, known);
    for (size_t i = 0; r->arg_count == 2 && i < count; i++) {
        write_docs(&r->out, &table[i]);
    }
    for (size_t i = 2; i < r->arg_count; i++) {
        const struct resp_command *c = resp_command_find(r->args[i]);

        if (c != NULL) {
            write_docs(&r->out, c);
        }
    }
}

/* COMMAND LIST */
static void command_list(struct resp_run *r)
{
    size_t count;
    const struct resp_command *table = resp_command_table(&count);

    resp_write_array(&r->out, count);
    for (size_t i = 0; i < count; i++) {
        resp_write_text(&r->out, table[i].name);
    }
}

/* COMMAND GETKEYS name argument ... */
static void command_getkeys(struct resp_run *r)
{
    const struct resp_command *c = r->arg_count > 2 ? resp_command_find(r->args[2]) : NULL;
    struct resp_keys keys = {0};

    if (c != NULL && resp_command_takes(c, r->arg_count - 2)) {
        keys = resp_command_keys(c, r->arg_count - 2);
    }
    if (keys.count == 0) {
        resp_write_error(&r->out, "ERR", "The command has no key arguments");
        return;
    }
    resp_write_array(&r->out, keys.count);
    for (size_t i = keys.first; i < keys.end; i += keys.step) {
        resp_write_bulk(&r->out, r->args[2 + i]);
    }
}

/* COMMAND [COUNT | INFO | DOCS | LIST | GETKEYS] */
void resp_run_command(struct resp_run *r)
{
    size_t count;

    if (r->arg_count == 1 || resp_word_is(r->args[1], "info")) {
        command_info(r);
    } else if (resp_word_is(r->args[1], "docs")) {
        command_docs(r);
    } else if (resp_word_is(r->args[1], "count")) {
        (void)resp_command_table(&count); /* only its length */
        resp_write_integer(&r->out, (int64_t)count);
    } else if (resp_word_is(r->args[1], "list") && r->arg_count > 2) {
        resp_write_error(&r->out, "ERR", "COMMAND LIST takes no filter here: it lists all");
    } else if (resp_word_is(r->args[1], "list")) {
        command_list(r);
    } else if (resp_word_is(r->args[1], "getkeys")) {
        command_getkeys(r);
    } else {
        resp_write_error(&r->out, "ERR",
                         "unknown subcommand; COMMAND has COUNT, INFO, DOCS, LIST and GETKEYS");
    }
}

/* ---- CONFIG -------------------------------------------------------------------------------- */

/* Writes pairs that a pattern matches; with out NULL only counts them. */
struct config_page {
    struct resp_writer *out;
    const struct slice *patterns;
    size_t pattern_count;
    size_t count;
};

static void config_pair(struct config_page *page, const char *name, const char *value)
{
    for (size_t i = 0; i < page->pattern_count; i++) {
        if (!resp_glob_matches(page->patterns[i], slice_of_text(name))) {
            continue;
        }
        page->count++;
        if (page->out != NULL) {
            resp_write_text(page->out, name);
            resp_write_text(page->out, value);
        }
        return;
    }
}

static void config_number(struct config_page *page, const char *name, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    config_pair(page, name, text);
}

/* wal_sync_mode in words of Redis. */
static const char *fsync_mode(const struct blockdb *db)
{
    const char *mode = blockdb_option_in_force(db, "wal_sync_mode");

    if (strcmp(mode, "none") == 0) {
        return "no";
    }
    return strcmp(mode, "interval") == 0 ? "everysec" : "always";
}

static void config_pairs(struct config_page *page, const struct resp_session *s)
{
    const struct resp_worker *w = s->worker;
    const struct blockdb *db = dispatch_db(w->dispatch);
    size_t count;
    const struct blockdb_option_info *options = blockdb_option_table(&count);

    config_pair(page, "save", "");
    config_pair(page, "appendonly", "yes");
    config_pair(page, "appendfsync", fsync_mode(db));
    config_pair(page, "databases", "1");
    config_pair(page, "maxmemory", "0");
    config_pair(page, "maxmemory-policy", "noeviction");
    config_number(page, "proto-max-bulk-len", RESP_BULK_MAX);
    if (w->server != NULL) {
        const struct server_config *config = server_config(w->server);

        config_number(page, "port", server_resp_port(w->server));
        config_number(page, "maxclients", config->max_connections);
        config_number(page, "timeout", config->max_idle_time / 1000);
        config_number(page, "tcp-keepalive", config->tcp_keepalive ? config->keepalive_time : 0);
    }
    for (size_t i = 0; i < count && principal_may(s->principal, RIGHT_OPERATE); i++) {
        config_pair(page, options[i].name, blockdb_option_in_force(db, options[i].name));
    }
}

/* CONFIG GET pattern ... */
void resp_run_config(struct resp_run *r)
{
    struct config_page page = {.patterns = r->args + 2, .pattern_count = r->arg_count - 2};

    if (resp_word_is(r->args[1], "set") || resp_word_is(r->args[1], "rewrite") ||
        resp_word_is(r->args[1], "resetstat")) {
        resp_write_error(&r->out, "ERR",
                         "the configuration is changed in its file, and read again on SIGHUP");
    } else if (!resp_word_is(r->args[1], "get") || r->arg_count < 3) {
        resp_write_error(&r->out, "ERR", "CONFIG has one form: CONFIG GET pattern [pattern ...]");
    } else {
        config_pairs(&page, r->session);
        resp_write_map(&r->out, page.count);
        page.out = &r->out;
        config_pairs(&page, r->session);
    }
}
