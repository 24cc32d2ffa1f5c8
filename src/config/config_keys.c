/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_keys.h"

#include "base/assert.h"
#include "base/text.h"
#include "engine/options.h"

#include <string.h>

#define NAMES_MAX 256

#define TYPE_STRING "string"
#define TYPE_LIST "list"
#define TYPE_SIZE "size"
#define TYPE_DURATION "duration_ms"
#define TYPE_SECONDS "duration_s"
#define TYPE_INTEGER "integer"
#define TYPE_BOOLEAN "boolean"
#define TYPE_ENUM "enum"

#define KEY(section, name, type, default_value, choices, min, max, help)                           \
    {#section, #name, TYPE_##type, default_value, choices, help, min, max},
static const struct config_key own_rows[] = {
#include "config/keys_server.inc"
/* The order of the tables in files and in the reference. */
#include "config/keys_cluster.inc"
#include "config/keys_logging.inc"
#include "config/keys_security.inc"
};
#undef KEY

#define OWN_COUNT (sizeof(own_rows) / sizeof(own_rows[0]))
_Static_assert(OWN_COUNT <= CONFIG_OWN_KEYS_MAX, "a config has a place for each value");

static const char *const known_sections[] = {"database", "ledger",  "server",
                                             "security", "cluster", "logging"};
#define KNOWN_SECTION_COUNT (sizeof(known_sections) / sizeof(known_sections[0]))

size_t config_own_count(void)
{
    return OWN_COUNT;
}

const struct config_key *config_own_row(size_t index)
{
    ASSERT(index < OWN_COUNT);
    return &own_rows[index];
}

size_t config_own_find(const char *section, const char *name)
{
    size_t i;

    for (i = 0; i < OWN_COUNT; i++) {
        if (strcmp(own_rows[i].name, name) == 0 && strcmp(own_rows[i].section, section) == 0) {
            break;
        }
    }
    return i;
}

bool config_key_is_number(const struct config_key *key)
{
    return strcmp(key->type, TYPE_SIZE) == 0 || strcmp(key->type, TYPE_DURATION) == 0 ||
           strcmp(key->type, TYPE_SECONDS) == 0 || strcmp(key->type, TYPE_INTEGER) == 0;
}

static size_t option_key_count(void)
{
    size_t count;

    (void)blockdb_option_table(&count); /* only the count is wanted */
    return count;
}

size_t config_key_count(void)
{
    return option_key_count() + OWN_COUNT;
}

struct config_key config_key_at(size_t index)
{
    size_t count;
    const struct blockdb_option_info *info = blockdb_option_table(&count);
    struct config_key key;

    if (index >= count) {
        return *config_own_row(index - count);
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

int config_section_unknown(const char *section, struct error *err)
{
    const char *nearest = text_nearest(section, known_sections, KNOWN_SECTION_COUNT);

    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown table [%.64s]: did you mean [%s]?", section,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "unknown table [%.64s]: there are [database], [ledger], [server], [security], "
                     "[cluster] and [logging]",
                     section);
}

/* A section in which a key of that name exists, or NULL. */
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

int config_key_outside(const char *key, struct error *err)
{
    const char *section = section_of_key(key);

    if (config_section_known(key)) {
        return error_set(err, BLOCKDB_EINVAL, "'%s' is a table: write [%s] and its keys below", key,
                         key);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "key '%.64s' stands outside of any table: put it below [%s]", key,
                     section != NULL ? section : known_sections[0]);
}
