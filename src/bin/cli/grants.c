/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/grants.h"

#include "base/text.h"
#include "bin/cli/cli.h"

#include <string.h>

#define ACTIONS_MAX 8

static int unknown_action(const struct cli *cli, const struct security_action *actions,
                          size_t count, struct error *err)
{
    const char *command = cli->args.command->name;
    const char *word = cli->args.positional[0];
    const char *names[ACTIONS_MAX];
    const char *nearest;

    for (size_t i = 0; i < count && i < ACTIONS_MAX; i++) {
        names[i] = actions[i].name;
    }
    nearest = text_nearest(word, names, count);
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "%s has no action '%.64s': did you mean '%s %s'?",
                         command, word, command, nearest);
    }
    return error_set(err, BLOCKDB_EINVAL, "%s has no action '%.64s': %s --help lists them", command,
                     word, command);
}

int security_action_run(struct cli *cli, const struct security_action *actions, size_t count,
                        struct error *err)
{
    const struct args *args = &cli->args;
    const char *subject = args->positional_count > 1 ? args->positional[1] : NULL;

    for (size_t i = 0; i < count; i++) {
        const struct security_action *action = &actions[i];

        if (strcmp(args->positional[0], action->name) != 0) {
            continue;
        }
        if (action->needs_subject && subject == NULL) {
            return error_set(err, BLOCKDB_EINVAL, "%s %s needs %s", args->command->name,
                             action->name,
                             action->subject_name != NULL ? action->subject_name : "a NAME");
        }
        if (!action->needs_subject && subject != NULL) {
            return error_set(err, BLOCKDB_EINVAL, "%s %s takes no argument '%.64s'",
                             args->command->name, action->name, subject);
        }
        return action->run(cli, subject, err);
    }
    return unknown_action(cli, actions, count, err);
}

int grants_read(const struct args *args, struct role_list *out, struct error *err)
{
    const char *text;

    for (unsigned n = 0; (text = args_value_at(args, "role", n)) != NULL; n++) {
        int rc = role_list_add(out, slice_of_text(text), err);

        if (rc < 0) {
            return rc == BLOCKDB_ENOMEM ? rc : error_wrap(err, rc, "option --role");
        }
    }
    return BLOCKDB_OK;
}

int grants_join(const struct role_list *roles, struct buf *out)
{
    const char *text = NULL;
    bool first = true;

    while ((text = role_list_next(roles, text)) != NULL) {
        if (buf_appendf(out, "%s%s", first ? "" : " ", text) < 0) {
            return BLOCKDB_ENOMEM;
        }
        first = false;
    }
    return buf_append_u8(out, 0);
}
