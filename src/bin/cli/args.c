/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/args.h"

#include "base/text.h"
#include "base/units.h"

#include <string.h>

#define NAMES_MAX 40

/* The place in argv while parsing. */
struct cursor_args {
    char *const *argv;
    int argc;
    int at;
};

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9');
}

static size_t names_add(const struct option_spec *options, const char **names, size_t count)
{
    for (; options->name != NULL && count < NAMES_MAX; options++) {
        if (!options->hidden) {
            names[count++] = options->name;
        }
    }
    return count;
}

static int option_unknown(const struct args *args, const char *word, struct error *err)
{
    const char *names[NAMES_MAX];
    const char *of = args->command != NULL ? args->command->name : "blockdb-cli";
    char name[64];
    const char *nearest = NULL;
    size_t count = names_add(global_options, names, 0);

    if (args->command != NULL) {
        count = names_add(args->command->options, names, count);
    }
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");

        len = len < sizeof(name) ? len : sizeof(name) - 1;
        memcpy(name, word + 2, len);
        name[len] = '\0';
        nearest = text_nearest(name, names, count);
    }
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown option '%.64s' of %s: did you mean '--%s'?",
                         word, of, nearest);
    }
    return error_set(
        err, BLOCKDB_EINVAL,
        "unknown option '%.64s' of %s: see --help, or write -- before an argument that "
        "begins with a dash",
        word, of);
}

/* Finds the option that a word names; *out_value is what follows its "=", or NULL. */
static const struct option_spec *spec_of_word(const struct args *args, const char *word,
                                              const char **out_value)
{
    const struct option_spec *spec = NULL;
    size_t len;

    *out_value = NULL;
    if (word[1] != '-') {
        if (word[2] != '\0') {
            *out_value = word + 2 + (word[2] == '=');
        }
        if (args->command != NULL) {
            spec = option_find_letter(args->command->options, word[1]);
        }
        return spec != NULL ? spec : option_find_letter(global_options, word[1]);
    }
    len = strcspn(word + 2, "=");
    if (word[2 + len] == '=') {
        *out_value = word + 2 + len + 1;
    }
    if (args->command != NULL) {
        spec = option_find(args->command->options, word + 2, len);
    }
    return spec != NULL ? spec : option_find(global_options, word + 2, len);
}

static int option_parse(struct args *args, struct cursor_args *c, struct error *err)
{
    const char *word = c->argv[c->at];
    const char *value;
    const struct option_spec *spec = spec_of_word(args, word, &value);

    if (spec == NULL) {
        return option_unknown(args, word, err);
    }
    if (spec->value == NULL && value != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "option --%s takes no value", spec->name);
    }
    if (spec->value != NULL && value == NULL) {
        if (c->at + 1 >= c->argc) {
            return error_set(err, BLOCKDB_EINVAL, "option --%s needs a value: --%s %s", spec->name,
                             spec->name, spec->value);
        }
        value = c->argv[++c->at];
    }
    if (!spec->repeatable && args_has(args, spec->name)) {
        return error_set(err, BLOCKDB_EINVAL, "option --%s is given twice", spec->name);
    }
    if (args->option_count == ARGS_OPTIONS_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "more than %d options", ARGS_OPTIONS_MAX);
    }
    args->options[args->option_count].spec = spec;
    args->options[args->option_count].value = value;
    args->option_count++;
    return BLOCKDB_OK;
}

static int positional_add(struct args *args, const char *word, struct error *err)
{
    unsigned max;

    if (args->command == NULL) {
        args->command = command_find(word);
        return args->command != NULL ? BLOCKDB_OK : command_unknown(word, err);
    }
    max = args->command->arguments_max;
    if (args->positional_count == max || args->positional_count == ARGS_POSITIONAL_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "one argument too many: '%.64s' (usage: %s %s; quote arguments with "
                         "spaces)",
                         word, args->command->name, args->command->arguments);
    }
    args->positional[args->positional_count++] = word;
    return BLOCKDB_OK;
}

static int args_check_count(const struct args *args, struct error *err)
{
    if (args->command == NULL || args->positional_count >= args->command->arguments_min ||
        args_has(args, "help") || args_has(args, "version")) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL, "%s needs %u argument%s: %s %s", args->command->name,
                     args->command->arguments_min, args->command->arguments_min == 1 ? "" : "s",
                     args->command->name, args->command->arguments);
}

int args_parse(struct args *args, int argc, char *const *argv, struct error *err)
{
    struct cursor_args c = {.argv = argv, .argc = argc};
    bool options_ended = false;

    *args = (struct args){0};
    for (; c.at < argc; c.at++) {
        const char *word = argv[c.at];
        int rc;

        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = true;
            continue;
        }
        if (!options_ended && is_option(word)) {
            rc = option_parse(args, &c, err);
        } else {
            rc = positional_add(args, word, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return args_check_count(args, err);
}

const char *args_value_at(const struct args *args, const char *name, unsigned n)
{
    unsigned i;

    for (i = 0; i < args->option_count; i++) {
        if (strcmp(args->options[i].spec->name, name) == 0 && n-- == 0) {
            return args->options[i].value;
        }
    }
    return NULL;
}

const char *args_value(const struct args *args, const char *name)
{
    unsigned i;

    for (i = args->option_count; i > 0; i--) {
        if (strcmp(args->options[i - 1].spec->name, name) == 0) {
            return args->options[i - 1].value;
        }
    }
    return NULL;
}

bool args_has(const struct args *args, const char *name)
{
    unsigned i;

    for (i = 0; i < args->option_count; i++) {
        if (strcmp(args->options[i].spec->name, name) == 0) {
            return true;
        }
    }
    return false;
}

int argument_number(const char *text, const char *what, uint64_t *out, struct error *err)
{
    int rc = number_parse(text, out, err);

    return rc < 0 ? error_wrap(err, rc, "%s", what) : rc;
}

int args_u64(const struct args *args, const char *name, uint64_t fallback, uint64_t *out,
             struct error *err)
{
    const char *text = args_value(args, name);
    int rc;

    if (text == NULL) {
        *out = fallback;
        return BLOCKDB_OK;
    }
    rc = number_parse(text, out, err);
    return rc < 0 ? error_wrap(err, rc, "option --%s", name) : rc;
}

int time_parse(const char *text, uint64_t *out_ms, struct error *err)
{
    struct slice slice = slice_of_text(text);

    if (number_parse(text, out_ms, NULL) < 0 && text_parse_time(slice, out_ms) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.64s' is not a time: write RFC 3339, such as 2026-01-31T12:00:00Z, or "
                         "milliseconds since 1970",
                         text);
    }
    return BLOCKDB_OK;
}

int args_durability(const struct args *args, enum blockdb_durability *out, struct error *err)
{
    static const char *const names[] = {"none", "interval", "group", "always"};
    const char *text = args_value(args, "durability");
    int i;

    if (text == NULL) {
        *out = BLOCKDB_DURABILITY_DEFAULT;
        return BLOCKDB_OK;
    }
    for (i = 0; i < 4; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = (enum blockdb_durability)(BLOCKDB_DURABILITY_NONE + i);
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option --durability: '%.64s' must be none, interval, group or always", text);
}
