/* SPDX-License-Identifier: Apache-2.0 */
/* watch and cluster: what only a server can tell. */
#include "base/json_reader.h"
#include "base/mem.h"
#include "bin/cli/cli.h"

#include <blockdb/client.h>
#include <string.h>

#define WATCH_STEP_MS 200
#define CLUSTER_FIELDS_MAX 32

/* ---- watch --------------------------------------------------------------------------------- */

static const struct option_spec watch_options[] = {
    {.name = "from", .value = "SEQ", .help = "begin with entry SEQ (with what is written next)"},
    {.name = "limit", .value = "N", .help = "end after N entries"},
    {0},
};

const struct command watch_command = {
    .name = "watch",
    .arguments = "[PREFIX]",
    .summary = "print entries as they are written",
    .help = "Runs until it is interrupted, and goes on by itself where it was when the connection "
            "breaks, but ends with exit code 6 when there is none to begin with. Entries are "
            "printed once they are durable; -o jsonl prints what batch and "
            "import read.",
    .options = watch_options,
    .arguments_max = 1,
    .open = COMMAND_OPEN_READ,
    .only_local = NULL,
    .run = cmd_watch,
};

static void watch_free_ptr(struct blockdb_client_watch **watch)
{
    blockdb_client_watch_free(*watch);
}

static void event_print(struct entry_printer *printer, const struct blockdb_client_event *event)
{
    struct entry entry = {
        .key = slice_of(event->key, event->key_len),
        .value = slice_of(event->value, event->value_len),
        .version = event->version,
    };

    entry_print(printer, &entry);
}

/* Waits for the next event in short steps, so that Ctrl-C is noticed. */
static int watch_step(struct cli *cli, struct blockdb_client_watch *watch,
                      struct entry_printer *printer, struct error *err)
{
    struct blockdb_client_event event;
    int rc = blockdb_client_watch_next(watch, WATCH_STEP_MS, &event, err);

    if (rc == BLOCKDB_ETIMEDOUT) {
        return BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        event_print(printer, &event);
        rc = out_finish(&cli->out, err); /* who watches wants to see it now */
    }
    return rc;
}

/* How a watch stands with its server. */
struct reach {
    uint64_t failures; /* of the server itself, before the watch */
    bool was_there;    /* the server was reached */
    bool is_told;      /* that it is gone */
};

/* Whether a step's failure is one that passes: a server that was there is waited for. */
static bool is_waited_for(struct cli *cli, struct reach *reach, int rc, const struct error *err)
{
    struct blockdb_client_figures figures = {.size = sizeof(figures)};

    blockdb_client_figures_get(source_client(cli->source), &figures);
    if (figures.connections > 0) {
        reach->was_there = true;
        reach->is_told = false;
    }
    if (rc != BLOCKDB_EIO || !reach->was_there || figures.failures != reach->failures ||
        out_failed(&cli->out)) {
        return false;
    }
    if (!reach->is_told) {
        message_note(&cli->messages, LOGGER_WARNING, "waiting for the server: %s", err->message);
        reach->is_told = true;
    }
    return true;
}

int cmd_watch(struct cli *cli, struct error *err)
{
    struct blockdb_client_watch_options options = BLOCKDB_CLIENT_WATCH_OPTIONS_INIT;
    struct entry_printer printer = {
        .out = &cli->out, .format = cli->format, .columns = cli->columns};
    AUTO(watch_free_ptr) struct blockdb_client_watch *watch = NULL;
    uint64_t limit = args_u64(&cli->args, "limit", UINT64_MAX);
    struct blockdb_client_figures figures = {.size = sizeof(figures)};
    struct reach reach = {0};
    int rc;

    if (cli->db != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "watch follows a server: while this process has the directory open, "
                         "nobody else writes to it; scan and history show what is there");
    }
    if (cli->args.positional_count > 0) {
        options.prefix = cli->args.positional[0];
        options.prefix_len = strlen(cli->args.positional[0]);
    }
    options.from_seq = args_u64(&cli->args, "from", BLOCKDB_SEQ_NONE);
    rc = blockdb_client_watch_new(source_client(cli->source), &options, &watch, err);
    if (rc < 0) {
        return rc;
    }
    blockdb_client_figures_get(source_client(cli->source), &figures);
    reach.failures = figures.failures;
    entry_printer_begin(&printer);
    while (rc == BLOCKDB_OK && printer.count < limit && !cli_should_stop(cli)) {
        rc = watch_step(cli, watch, &printer, err);
        rc = is_waited_for(cli, &reach, rc, err) ? BLOCKDB_OK : rc;
    }
    entry_printer_end(&printer);
    return rc < 0 ? rc : cli_stop_status(cli, err);
}

/* ---- cluster ------------------------------------------------------------------------------- */

static const struct option_spec cluster_options[] = {{0}};

const struct command cluster_command = {
    .name = "cluster",
    .arguments = "status",
    .summary = "print what a server knows of its cluster",
    .help = "state is Leader for a server that stands alone.",
    .options = cluster_options,
    .arguments_min = 1,
    .arguments_max = 3,
    .open = COMMAND_OPEN_READ,
    .run = cmd_cluster,
};

/* The members of a status that are no containers, as fields; texts is what they point into. */
struct status_fields {
    struct field fields[CLUSTER_FIELDS_MAX];
    size_t count;
    struct buf texts;
};

static void status_fields_deinit(struct status_fields *f)
{
    buf_deinit(&f->texts);
}

/* Appends a text with its zero; where it begins. */
static bool add_text(struct status_fields *f, struct slice text, size_t *out_at)
{
    *out_at = f->texts.len;
    return buf_append_slice(&f->texts, text) == BLOCKDB_OK &&
           buf_append_u8(&f->texts, '\0') == BLOCKDB_OK;
}

static bool read_member(struct json_reader *r, struct slice key, struct status_fields *f)
{
    struct field *field = &f->fields[f->count];
    enum json_reader_type type = json_reader_type(r);
    size_t name;
    size_t at;

    if (f->count == CLUSTER_FIELDS_MAX || json_key_is(key, "success") ||
        (type != JSON_READER_NUMBER && type != JSON_READER_STRING)) {
        json_reader_skip(r);
        return true;
    }
    if (!add_text(f, key, &name)) {
        return false;
    }
    *field = (struct field){.name = (const char *)name, .type = FIELD_NUMBER};
    if (type == JSON_READER_STRING) {
        at = f->texts.len;
        field->type = FIELD_TEXT;
        field->text = (const char *)at;
        if (!json_reader_text(r, &f->texts) || buf_append_u8(&f->texts, '\0') < 0) {
            return false;
        }
    } else if (!json_reader_u64(r, &field->number)) {
        return false;
    }
    f->count++;
    return true;
}

static int status_parse(struct slice json, struct status_fields *f, struct error *err)
{
    struct json_reader r = json_reader_of(json);
    struct slice key;
    bool good = true;
    size_t i;

    json_reader_begin_object(&r);
    while (good && json_reader_key(&r, &key)) {
        good = read_member(&r, key, f);
    }
    if (!good || !json_reader_done(&r)) {
        return error_set(err, BLOCKDB_EIO, "the server's /cluster/status cannot be understood");
    }
    /* Places become pointers now that the texts move no more. */
    for (i = 0; i < f->count; i++) {
        f->fields[i].name = (const char *)f->texts.data + (size_t)f->fields[i].name;
        if (f->fields[i].type == FIELD_TEXT) {
            f->fields[i].text = (const char *)f->texts.data + (size_t)f->fields[i].text;
        }
    }
    return BLOCKDB_OK;
}

static int status_print(struct cli *cli, const struct blockdb_client_answer *answer,
                        struct error *err)
{
    AUTO(status_fields_deinit) struct status_fields fields = {0};
    struct slice body = slice_of(answer->body.data, answer->body.len);
    int rc;

    if (answer->status == 401 || answer->status == 403) {
        return error_set(err, BLOCKDB_EDENIED, "the server answered %d to /cluster/status%s",
                         answer->status,
                         answer->status == 401 ? "; give a token or a user with a password" : "");
    }
    if (answer->status != 200) {
        return error_set(err, cli_failed_here(cli, BLOCKDB_EIO),
                         "the server answered %d to /cluster/status", answer->status);
    }
    rc = status_parse(body, &fields, err);
    if (rc < 0) {
        return rc;
    }
    if (cli->format == OUTPUT_JSON || cli->format == OUTPUT_JSONL) {
        out_slice(&cli->out, body); /* with the nodes, as it came */
    } else {
        fields_print(&cli->out, cli->format, fields.fields, fields.count);
    }
    return BLOCKDB_OK;
}

int cmd_cluster(struct cli *cli, struct error *err)
{
    struct blockdb_client_request request = BLOCKDB_CLIENT_REQUEST_INIT;
    AUTO(blockdb_client_answer_deinit) struct blockdb_client_answer answer = {0};
    int rc;

    if (strcmp(cli->args.positional[0], "status") != 0) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "'cluster %.32s' is not there in this version, in which a server stands "
                         "alone; there is cluster status",
                         cli->args.positional[0]);
    }
    if (cli->db != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "cluster asks a server: leave out --data-dir");
    }
    request.target = "/cluster/status";
    rc = blockdb_client_request(source_client(cli->source), &request, &answer, err);
    return rc < 0 ? rc : status_print(cli, &answer, err);
}
