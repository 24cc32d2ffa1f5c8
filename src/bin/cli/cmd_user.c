/* SPDX-License-Identifier: Apache-2.0 */
/* user: the users of a server, kept in its database. */
#include "bin/cli/auth_remote.h"
#include "bin/cli/cli.h"
#include "bin/cli/grants.h"
#include "bin/cli/secret_input.h"
#include "bin/cli/source.h"
#include "server/auth_store.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define BY "blockdb-cli"

/* ---- Printing ------------------------------------------------------------------------------ */

struct listing {
    struct cli *cli;
    struct row_printer rows;
    int status;
};

static size_t user_fields(struct field fields[6], const struct user_record *user,
                          const struct blockdb_version_info *version, const char *roles)
{
    size_t n = 0;

    fields[n++] = (struct field){.name = "name", .type = FIELD_TEXT, .text = user->name};
    fields[n++] = (struct field){.name = "roles", .type = FIELD_TEXT, .text = roles};
    fields[n++] = (struct field){
        .name = "state", .type = FIELD_TEXT, .text = user->disabled ? "disabled" : "enabled"};
    fields[n++] = (struct field){
        .name = "password", .type = FIELD_TEXT, .text = user->password[0] != '\0' ? "yes" : "no"};
    fields[n++] = (struct field){.name = "by", .type = FIELD_TEXT, .text = user->by};
    fields[n++] = (struct field){.name = "changed", .type = FIELD_TIME, .number = version->time_ms};
    return n;
}

static int list_one(void *context, const struct auth_record *record)
{
    struct listing *listing = context;
    AUTO(buf_deinit) struct buf roles = {0};
    struct field fields[6];

    if (strcmp(record->type, "user") != 0) {
        return BLOCKDB_OK;
    }
    if (record->user == NULL) {
        message_note(&listing->cli->messages, LOGGER_WARNING, "%s", record->damage->message);
        return BLOCKDB_OK;
    }
    if (grants_join(&record->user->roles, &roles) < 0) {
        return BLOCKDB_ENOMEM;
    }
    row_print(&listing->rows, fields,
              user_fields(fields, record->user, &record->version, (const char *)roles.data));
    return BLOCKDB_OK;
}

static int list_users(struct cli *cli, const char *name, struct error *err)
{
    struct listing listing = {.cli = cli, .rows = {.out = &cli->out, .format = cli->format}};
    int rc;

    row_printer_begin(&listing.rows);
    rc = cli->db != NULL ? auth_store_walk(cli->db, list_one, &listing, err)
                         : auth_remote_users(source_client(cli->source), list_one, &listing, err);
    row_printer_end(&listing.rows);
    return rc;
}

static int show_user(struct cli *cli, const char *name, struct error *err)
{
    AUTO(user_record_deinit) struct user_record user = {0};
    AUTO(buf_deinit) struct buf roles = {0};
    struct blockdb_version_info version;
    struct field fields[6];
    int rc = cli->db != NULL
                 ? auth_store_user(cli->db, name, &user, &version, err)
                 : auth_remote_user(source_client(cli->source), name, &user, &version, err);

    if (rc < 0) {
        return rc;
    }
    if (grants_join(&user.roles, &roles) < 0) {
        return error_set_no_memory(err);
    }
    fields_print(&cli->out, cli->format, fields,
                 user_fields(fields, &user, &version, (const char *)roles.data));
    return BLOCKDB_OK;
}

static void tell(struct cli *cli, const char *name, const char *what)
{
    if (cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "user '%s' %s\n", name, what);
    } else {
        const struct field field = {.name = "name", .type = FIELD_TEXT, .text = name};

        fields_print(&cli->out, cli->format, &field, 1);
    }
}

/* ---- Changing ------------------------------------------------------------------------------ */

static struct auth_writer writer_of(struct cli *cli)
{
    return (struct auth_writer){.db = cli->db, .os = cli->os, .by = BY};
}

static int change_user(struct cli *cli, const struct user_change *change, struct error *err)
{
    const struct auth_writer writer = writer_of(cli);

    return cli->db != NULL ? auth_store_user_set(&writer, change, err)
                           : auth_remote_user_set(source_client(cli->source), change, err);
}

static int add_user(struct cli *cli, const char *name, struct error *err)
{
    AUTO(secret_input_deinit) struct buf password = {0};
    AUTO(role_list_deinit) struct role_list roles = {0};
    const struct auth_writer writer = writer_of(cli);
    struct user_change user = {.name = name, .roles = &roles};
    int rc = grants_read(&cli->args, &roles, err);

    if (rc == BLOCKDB_OK && roles.count == 0) {
        rc = error_set(err, BLOCKDB_EINVAL,
                       "option --role is missing: role list shows what there "
                       "is, such as --role reader");
    }
    if (rc == BLOCKDB_OK && !args_has(&cli->args, "no-password")) {
        rc = secret_input_password(cli, name, &password, err);
        user.sets_password = true;
        user.password = buf_slice(&password);
    }
    if (rc == BLOCKDB_OK) {
        rc = cli->db != NULL ? auth_store_user_add(&writer, &user, err)
                             : auth_remote_user_add(source_client(cli->source), &user, err);
    }
    if (rc == BLOCKDB_OK) {
        tell(cli, name, "added");
    }
    return rc;
}

static int set_user(struct cli *cli, const char *name, struct error *err)
{
    AUTO(role_list_deinit) struct role_list roles = {0};
    struct user_change change = {.name = name};
    bool disables = args_has(&cli->args, "disable");
    bool enables = args_has(&cli->args, "enable");
    int rc = grants_read(&cli->args, &roles, err);

    if (rc < 0) {
        return rc;
    }
    change.roles = roles.count > 0 ? &roles : NULL;
    change.sets_disabled = disables || enables;
    change.disabled = disables;
    change.sets_password = args_has(&cli->args, "no-password");
    if ((disables && enables) ||
        (change.roles == NULL && !change.sets_disabled && !change.sets_password)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "say what to change: --role, --disable or --enable, or --no-password; "
                         "user passwd sets a password");
    }
    rc = change_user(cli, &change, err);
    if (rc == BLOCKDB_OK) {
        tell(cli, name, "changed");
    }
    return rc;
}

static int set_password(struct cli *cli, const char *name, struct error *err)
{
    AUTO(secret_input_deinit) struct buf password = {0};
    struct user_change change = {.name = name, .sets_password = true};
    int rc = secret_input_password(cli, name, &password, err);

    if (rc == BLOCKDB_OK) {
        change.password = buf_slice(&password);
        rc = change_user(cli, &change, err);
    }
    if (rc == BLOCKDB_OK) {
        tell(cli, name, "has another password");
    }
    return rc;
}

/* The password of who asks a server. */
static int set_own_password(struct cli *cli, struct error *err)
{
    AUTO(secret_input_deinit) struct buf old_password = {0};
    AUTO(secret_input_deinit) struct buf new_password = {0};
    int rc;

    if (cli->db != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "user passwd needs a NAME with --data-dir; without one it changes the "
                         "password of who asks a server");
    }
    rc = secret_input_old_password(cli, &old_password, err);
    if (rc == BLOCKDB_OK) {
        rc = secret_input_password(cli, "yours", &new_password, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = auth_remote_password(source_client(cli->source), buf_slice(&old_password),
                                  buf_slice(&new_password), err);
    }
    if (rc == BLOCKDB_OK && cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "your password is another one now\n");
    }
    return rc;
}

static int remove_user(struct cli *cli, const char *name, struct error *err)
{
    const struct auth_writer writer = writer_of(cli);
    int rc = cli->db != NULL ? auth_store_user_remove(&writer, name, err)
                             : auth_remote_user_remove(source_client(cli->source), name, err);

    if (rc == BLOCKDB_OK) {
        tell(cli, name, "removed");
    }
    return rc;
}

int cmd_user(struct cli *cli, struct error *err)
{
    static const struct security_action actions[] = {
        {"add", add_user, NULL, true},       {"list", list_users, NULL, false},
        {"show", show_user, NULL, true},     {"set", set_user, NULL, true},
        {"remove", remove_user, NULL, true}, {"passwd", set_password, NULL, true},
    };

    if (cli->args.positional_count == 1 && strcmp(cli->args.positional[0], "passwd") == 0) {
        return set_own_password(cli, err);
    }
    return security_action_run(cli, actions, sizeof actions / sizeof *actions, err);
}
