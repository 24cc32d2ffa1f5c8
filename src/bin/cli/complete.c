/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/complete.h"

#include "bin/cli/cli.h"
#include "bin/cli/words.h"

#include <string.h>

#define KEYS_MAX 200

/* The word being typed, and the command that the line begins with. */
struct typing {
    const struct command *command; /* NULL: the word itself is the command */
    struct slice word;
    struct slice before; /* the word before it */
    unsigned position;   /* of the word among the arguments of the command, from 0 */
};

static struct slice next_word(struct slice *rest)
{
    struct slice word;
    size_t len = 0;

    while (rest->len > 0 && rest->data[0] == ' ') {
        *rest = slice_of(rest->data + 1, rest->len - 1);
    }
    while (len < rest->len && rest->data[len] != ' ') {
        len++;
    }
    word = slice_of(rest->data, len);
    *rest = slice_of(rest->data + len, rest->len - len);
    return word;
}

static const struct command *command_of(struct slice word)
{
    char name[32];

    if (word.len >= sizeof(name)) {
        return NULL;
    }
    memcpy(name, word.data, word.len);
    name[word.len] = '\0';
    return command_find(name);
}

static struct typing typing_of(struct slice line)
{
    struct typing t = {0};
    struct slice word = next_word(&line);
    bool is_first = true;

    while (line.len > 0) {
        if (is_first) {
            t.command = command_of(word);
        } else if (word.len > 0 && word.data[0] != '-') {
            t.position++;
        }
        is_first = false;
        t.before = word;
        word = next_word(&line);
    }
    t.word = word;
    return t;
}

static void add_if_fits(struct line_candidates *candidates, struct slice word, const char *text)
{
    if (slice_has_prefix(slice_of_text(text), word)) {
        line_candidates_add(candidates, slice_of_text(text));
    }
}

static void add_commands(struct line_candidates *candidates, struct slice word)
{
    size_t i;

    for (i = 0; command_table[i] != NULL; i++) {
        if (!command_table[i]->hidden) {
            add_if_fits(candidates, word, command_table[i]->name);
        }
    }
    add_if_fits(candidates, word, "\\timing");
    add_if_fits(candidates, word, "\\q");
}

static void add_options(struct line_candidates *candidates, struct slice word,
                        const struct option_spec *options)
{
    char text[64] = "--";

    for (; options->name != NULL; options++) {
        size_t len = strlen(options->name);

        if (!options->hidden && len + 3 < sizeof(text)) {
            memcpy(text + 2, options->name, len + 1);
            add_if_fits(candidates, word, text);
        }
    }
}

/* The choices "a|b|c" that an option's value or a command's argument has. */
static void add_choices(struct line_candidates *candidates, struct slice word, const char *choices)
{
    while (*choices != '\0' && *choices != ' ') {
        size_t len = strcspn(choices, "| ");
        struct slice choice = slice_of(choices, len);

        if (slice_has_prefix(choice, word)) {
            line_candidates_add(candidates, choice);
        }
        choices += len;
        choices += *choices == '|';
    }
}

static const struct option_spec *option_before(const struct typing *t)
{
    const char *name = (const char *)t->before.data;

    if (t->before.len < 2 || name[0] != '-') {
        return NULL;
    }
    if (name[1] != '-') {
        return option_find_letter(global_options, name[1]);
    }
    return option_find(t->command->options, name + 2, t->before.len - 2);
}

static void add_keys(struct cli *cli, struct line_candidates *candidates, struct slice word)
{
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct source_cursor *cursor = NULL;
    struct entry entry;
    size_t n = 0;

    if (word.len > 0 && (word.data[0] == '"' || word.data[0] == '\'')) {
        return; /* inside quotes the key's bytes are not the word's */
    }
    options.prefix = word.data;
    options.prefix_len = word.len;
    options.keys_only = true;
    if (cli->source->ops->scan_new(cli->source, &options, &cursor, NULL) < 0) {
        return; /* the next command will tell */
    }
    while (n++ < KEYS_MAX && cli->source->ops->cursor_next(cursor, &entry, NULL) == BLOCKDB_OK) {
        struct buf quoted = {0};

        if (words_quote(&quoted, entry.key) == BLOCKDB_OK) {
            line_candidates_add(candidates, buf_slice(&quoted));
        }
        buf_deinit(&quoted);
    }
    cli->source->ops->cursor_free(cursor);
}

static bool takes_key(const struct command *command, unsigned position)
{
    return position == 0 && (strncmp(command->arguments, "KEY", 3) == 0 ||
                             strcmp(command->arguments, "[PREFIX]") == 0);
}

static void add_arguments(struct cli *cli, const struct typing *t,
                          struct line_candidates *candidates)
{
    const struct option_spec *option = option_before(t);

    if (option != NULL && option->value != NULL) {
        if (strchr(option->value, '|') != NULL) {
            add_choices(candidates, t->word, option->value);
        } else if (strcmp(option->value, "KEY") == 0) {
            add_keys(cli, candidates, t->word);
        }
        candidates->hint = option->help;
        return;
    }
    candidates->hint = t->command->arguments[0] != '\0' ? t->command->arguments : NULL;
    if (t->word.len > 0 && t->word.data[0] == '-') {
        add_options(candidates, t->word, t->command->options);
        add_options(candidates, t->word, global_options);
    } else if (takes_key(t->command, t->position)) {
        add_keys(cli, candidates, t->word);
    } else if (t->position == 0 && strncmp(t->command->arguments, "wal|", 4) == 0) {
        add_choices(candidates, t->word, t->command->arguments);
    } else if (t->command->run == cmd_help) {
        add_commands(candidates, t->word);
    }
}

void shell_complete(void *cli, struct slice line, struct line_candidates *candidates)
{
    struct typing t = typing_of(line);

    candidates->word_len = t.word.len;
    if (t.before.len == 0) {
        add_commands(candidates, t.word);
    } else if (t.command != NULL) {
        add_arguments(cli, &t, candidates);
    }
}
