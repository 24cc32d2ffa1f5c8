/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_keys.h"

#include "base/assert.h"
#include "base/text.h"
#include "engine/options.h"

#include <string.h>

#define NAMES_MAX 128

static const struct config_key logging_rows[LOGGING_KEY_COUNT] = {
    [LOGGING_LEVEL] = {"logging", "level", "enum", "warning", "debug info warning error",
                       "The least important events that are written.", 0, 3},
    [LOGGING_FILE] = {"logging", "file", "string", "", "",
                      "File that events are appended to; empty: standard error.", 0, 3900},
    [LOGGING_FORMAT] = {"logging", "format", "enum", "text", "text json",
                        "One line of text, or one JSON object, for each event.", 0, 1},
};

static const char *const known_sections[] = {"database", "ledger", "logging"};
#define KNOWN_SECTION_COUNT (sizeof(known_sections) / sizeof(known_sections[0]))

/* Tables that other programs of BlockDB read. */
static const char *const server_sections[] = {"server", "cluster", "security"};
#define SERVER_SECTION_COUNT (sizeof(server_sections) / sizeof(server_sections[0]))

const struct config_key *logging_key_row(enum logging_key key)
{
    ASSERT(key < LOGGING_KEY_COUNT);
    return &logging_rows[key];
}

enum logging_key logging_key_find(const char *name)
{
    unsigned i;

    for (i = 0; i < LOGGING_KEY_COUNT; i++) {
        if (strcmp(logging_rows[i].name, name) == 0) {
            break;
        }
    }
    return (enum logging_key)i;
}

static size_t option_key_count(void)
{
    size_t count;

    (void)blockdb_option_table(&count); /* only the count is wanted */
    return count;
}

size_t config_key_count(void)
{
    return option_key_count() + LOGGING_KEY_COUNT;
}

struct config_key config_key_at(size_t index)
{
    size_t count;
    const struct blockdb_option_info *info = blockdb_option_table(&count);
    struct config_key key;

    if (index >= count) {
        return *logging_key_row((enum logging_key)(index - count));
    }
    info += index;
    key = (struct config_key){.section = info->section,
                              .name = info->name,
                              .type = info->type,
                              .default_value = info->default_value,
                              .choices = info->choices,
                              .help = info->help};
    options_range(index, &key.min, &key.max);
    return key;
}

bool config_key_find(const char *section, const char *name, struct config_key *out_key)
{
    size_t i;

    for (i = 0; i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);

        if (strcmp(key.section, section) == 0 && strcmp(key.name, name) == 0) {
            if (out_key != NULL) {
                *out_key = key;
            }
            return true;
        }
    }
    return false;
}

static bool is_among(const char *word, const char *const *words, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

bool config_section_known(const char *section)
{
    return is_among(section, known_sections, KNOWN_SECTION_COUNT);
}

const char *config_section_owner(const char *section)
{
    return is_among(section, server_sections, SERVER_SECTION_COUNT) ? "blockdb-server" : NULL;
}

int config_section_unknown(const char *section, struct error *err)
{
    const char *owner = config_section_owner(section);
    const char *nearest = text_nearest(section, known_sections, KNOWN_SECTION_COUNT);

    if (owner != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "table [%s] belongs to %s, which this build does not contain: move it to "
                         "a file of its own that is not given here",
                         section, owner);
    }
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown table [%.64s]: did you mean [%s]?", section,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "unknown table [%.64s]: there are [database], [ledger] and [logging]",
                     section);
}

/* The section in which a key of that name exists, or NULL. */
static const char *section_of_key(const char *name)
{
    size_t i;

    for (i = 0; i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);

        if (strcmp(key.name, name) == 0) {
            return key.section;
        }
    }
    return NULL;
}

int config_key_unknown(const char *section, const char *key, struct error *err)
{
    const char *names[NAMES_MAX];
    const char *elsewhere = section_of_key(key);
    const char *nearest;
    size_t count = 0;
    size_t i;

    if (elsewhere != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "key '%s' belongs into table [%s]", key, elsewhere);
    }
    for (i = 0; i < config_key_count() && count < NAMES_MAX; i++) {
        struct config_key row = config_key_at(i);

        if (strcmp(row.section, section) == 0) {
            names[count++] = row.name;
        }
    }
    nearest = text_nearest(key, names, count);
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "unknown key '%.64s' in table [%s]: did you mean '%s'?", key, section,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "unknown key '%.64s' in table [%s]: blockdb-cli --print-default-config lists "
                     "all keys",
                     key, section);
}
