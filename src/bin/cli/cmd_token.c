/* SPDX-License-Identifier: Apache-2.0 */
/* token and role: what programs show in place of a password, and what one may be allowed. */
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "bin/cli/auth_remote.h"
#include "bin/cli/cli.h"
#include "bin/cli/grants.h"
#include "bin/cli/source.h"
#include "os/os.h"
#include "server/auth_store.h"

#include <string.h>

#define BY "blockdb-cli"
#define EXPIRES_MAX_MS 253402300799999 /* the end of 9999 */

/* ---- Printing ------------------------------------------------------------------------------ */

static int list_one(void *context, const struct auth_record *record)
{
    struct row_printer *rows = context;
    const struct token_record *token = record->token;
    AUTO(buf_deinit) struct buf roles = {0};
    char expires[TEXT_TIME_BYTES] = "never";

    if (token == NULL) {
        return BLOCKDB_OK;
    }
    if (grants_join(&token->roles, &roles) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (token->expires_ms != 0) {
        text_format_time(expires, token->expires_ms);
    }
    const struct field fields[] = {
        {.name = "id", .type = FIELD_TEXT, .text = token->id},
        {.name = "name", .type = FIELD_TEXT, .text = token->name},
        {.name = "roles", .type = FIELD_TEXT, .text = (const char *)roles.data},
        {.name = "expires", .type = FIELD_TEXT, .text = expires},
        {.name = "by", .type = FIELD_TEXT, .text = token->by},
        {.name = "created", .type = FIELD_TIME, .number = record->version.time_ms},
    };

    row_print(rows, fields, sizeof fields / sizeof *fields);
    return BLOCKDB_OK;
}

static int list_tokens(struct cli *cli, const char *subject, struct error *err)
{
    struct row_printer rows = {.out = &cli->out, .format = cli->format};
    int rc;

    row_printer_begin(&rows);
    rc = cli->db != NULL ? auth_store_walk(cli->db, list_one, &rows, err)
                         : auth_remote_tokens(source_client(cli->source), list_one, &rows, err);
    row_printer_end(&rows);
    return rc;
}

static void print_token(struct cli *cli, const struct token *token)
{
    const struct field fields[] = {
        {.name = "id", .type = FIELD_TEXT, .text = token->id},
        {.name = "token", .type = FIELD_TEXT, .text = token->text},
    };

    if (cli->format == OUTPUT_JSON || cli->format == OUTPUT_JSONL) {
        fields_print(&cli->out, cli->format, fields, sizeof fields / sizeof *fields);
        return;
    }
    /* Alone on its line, so that a file or a variable can take it as it is. */
    out_format(&cli->out, "%s\n", token->text);
    if (cli->format == OUTPUT_TABLE) {
        message_note(&cli->messages, LOGGER_WARNING,
                     "this is the only time the token is shown: keep it in a safe place");
    }
}

/* ---- Changing ------------------------------------------------------------------------------ */

/* "90d" from now, or a time. */
static int read_expires(struct cli *cli, uint64_t *out_ms, struct error *err)
{
    const char *text = args_value(&cli->args, "expires");
    uint64_t now = os_now_ms(cli->os);
    uint64_t duration;

    if (text == NULL) {
        return BLOCKDB_OK;
    }
    if (text_parse_time(slice_of_text(text), out_ms) < 0) {
        if (duration_parse(text, &duration, err) < 0 || duration > EXPIRES_MAX_MS - now) {
            return error_set(err, BLOCKDB_EINVAL,
                             "option --expires: '%.64s' is neither a duration such as 90d nor a "
                             "time such as 2027-01-31T12:00:00Z",
                             text);
        }
        *out_ms = now + duration;
    }
    if (*out_ms <= now) {
        return error_set(err, BLOCKDB_EINVAL, "option --expires: that time has passed already");
    }
    return BLOCKDB_OK;
}

static int create_token(struct cli *cli, const char *name, struct error *err)
{
    AUTO(role_list_deinit) struct role_list roles = {0};
    AUTO(token_wipe) struct token token = {0};
    const struct auth_writer writer = {.db = cli->db, .os = cli->os, .by = BY};
    struct token_wish wish = {.name = name, .roles = &roles};
    int rc = grants_read(&cli->args, &roles, err);

    if (rc == BLOCKDB_OK && roles.count == 0) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "option --role is missing: role list shows what there "
                       "is, such as --role reader");
    }
    if (rc == BLOCKDB_OK) {
        rc = read_expires(cli, &wish.expires_ms, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = cli->db != NULL
                 ? auth_store_token_create(&writer, &wish, &token, err)
                 : auth_remote_token_create(source_client(cli->source), &wish, &token, err);
    }
    if (rc == BLOCKDB_OK) {
        print_token(cli, &token);
    }
    return rc;
}

static int revoke_token(struct cli *cli, const char *id, struct error *err)
{
    const struct auth_writer writer = {.db = cli->db, .os = cli->os, .by = BY};
    const struct field field = {.name = "id", .type = FIELD_TEXT, .text = id};
    int rc = cli->db != NULL ? auth_store_token_revoke(&writer, id, err)
                             : auth_remote_token_revoke(source_client(cli->source), id, err);

    if (rc < 0) {
        return rc;
    }
    if (cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "token %s revoked\n", id);
    } else {
        fields_print(&cli->out, cli->format, &field, 1);
    }
    return BLOCKDB_OK;
}

static int generate_token(struct cli *cli, const char *subject, struct error *err)
{
    AUTO(token_wipe) struct token token = {0};
    int rc = token_make(cli->os, &token, err);

    if (rc == BLOCKDB_OK) {
        print_token(cli, &token);
    }
    return rc;
}

int cmd_token(struct cli *cli, struct error *err)
{
    static const struct security_action actions[] = {
        {"create", create_token, NULL, true},
        {"list", list_tokens, NULL, false},
        {"revoke", revoke_token, "an ID", true},
        {"generate", generate_token, NULL, false},
    };

    return security_action_run(cli, actions, sizeof actions / sizeof *actions, err);
}

/* ---- Roles --------------------------------------------------------------------------------- */

int cmd_role(struct cli *cli, struct error *err)
{
    struct row_printer rows = {.out = &cli->out, .format = cli->format};
    size_t count;
    const struct role *roles = role_table(&count);

    if (cli->args.positional_count > 0 && strcmp(cli->args.positional[0], "list") != 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "role has no action '%.64s': roles are fixed, role list shows them",
                         cli->args.positional[0]);
    }
    row_printer_begin(&rows);
    for (size_t i = 0; i < count; i++) {
        const struct field fields[] = {
            {.name = "role", .type = FIELD_TEXT, .text = roles[i].name},
            {.name = "may", .type = FIELD_TEXT, .text = roles[i].summary},
        };

        row_print(&rows, fields, sizeof fields / sizeof *fields);
    }
    row_printer_end(&rows);
    return BLOCKDB_OK;
}
