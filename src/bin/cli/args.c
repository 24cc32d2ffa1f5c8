/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/args.h"

#include "base/assert.h"
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

/* The position of word among the choices "a|b|c"; -1 when it is none. */
static int choice_find(const char *choices, const char *word)
{
    size_t len = strlen(word);
    int index = 0;

    while (true) {
        size_t choice_len = strcspn(choices, "|");

        if (choice_len == len && memcmp(choices, word, len) == 0) {
            return index;
        }
        if (choices[choice_len] == '\0') {
            return -1;
        }
        choices += choice_len + 1;
        index++;
    }
}

static bool is_number(const struct option_spec *spec)
{
    return strcmp(spec->value, "N") == 0 || strcmp(spec->value, "SEQ") == 0 ||
           strcmp(spec->value, "HEIGHT") == 0;
}

static int value_check(const struct option_spec *spec, const char *value, struct error *err)
{
    uint64_t number;
    int rc = BLOCKDB_OK;

    if (is_number(spec)) {
        rc = number_parse(value, &number, err);
    } else if (strcmp(spec->value, "DURATION") == 0) {
        rc = duration_parse(value, &number, err);
    } else if (strchr(spec->value, '|') != NULL && choice_find(spec->value, value) < 0) {
        rc = error_set(err, BLOCKDB_EINVAL, "'%.32s' must be one of %s", value, spec->value);
    }
    return rc < 0 ? error_wrap(err, rc, "option --%s", spec->name) : rc;
}

static int option_add(struct args *args, const struct option_spec *spec, const char *value,
                      struct error *err)
{
    int rc = value != NULL ? value_check(spec, value, err) : BLOCKDB_OK;

    if (rc < 0) {
        return rc;
    }
    if (!spec->repeatable && args_has(args, spec->name)) {
        return error_set(err, BLOCKDB_EINVAL, "option --%s is given twice", spec->name);
    }
    if (args->option_count == ARGS_OPTIONS_MAX) {
        return error_set(err, BLOCKDB_EINVAL,
                         "more than %d options: spread them over several commands",
                         ARGS_OPTIONS_MAX);
    }
    args->options[args->option_count].spec = spec;
    args->options[args->option_count].value = value;
    args->option_count++;
    return BLOCKDB_OK;
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
    return option_add(args, spec, value, err);
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
    return error_set(err, BLOCKDB_EINVAL, "%u argument%s needed: %s %s",
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

uint64_t args_u64(const struct args *args, const char *name, uint64_t fallback)
{
    const char *text = args_value(args, name);
    uint64_t number = fallback;

    if (text != NULL) {
        /* It was checked when it was parsed. */
        ASSERT(number_parse(text, &number, NULL) == BLOCKDB_OK);
    }
    return number;
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

unsigned args_choice(const struct args *args, const char *name, unsigned fallback)
{
    unsigned i;

    for (i = args->option_count; i > 0; i--) {
        const struct option_spec *spec = args->options[i - 1].spec;

        if (strcmp(spec->name, name) == 0) {
            int choice = choice_find(spec->value, args->options[i - 1].value);

            ASSERT(choice >= 0); /* it was checked when it was parsed */
            return (unsigned)choice;
        }
    }
    return fallback;
}

enum blockdb_durability args_durability(const struct args *args)
{
    static const enum blockdb_durability modes[] = {
        BLOCKDB_DURABILITY_NONE,   BLOCKDB_DURABILITY_INTERVAL, BLOCKDB_DURABILITY_GROUP,
        BLOCKDB_DURABILITY_ALWAYS, BLOCKDB_DURABILITY_DEFAULT,
    };

    return modes[args_choice(args, "durability", 4)];
}
