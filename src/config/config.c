/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config_keys.h"
#include "config/config_value.h"
#include "engine/options.h"
#include "os/os.h"
#include "shim/toml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_TEXT_MAX 24
#define DATABASE "database"
#define KEYS_MAX 256
#define PLACES_BYTES 1024

struct config {
    struct blockdb_options *database; /* and [ledger] */
    char *own[CONFIG_OWN_KEYS_MAX];   /* by own key; owned; NULL: the default */
    char *where[KEYS_MAX];            /* by key of all tables; owned; NULL: in no file */
};

struct config *config_new(void)
{
    struct config *config = mem_calloc(1, sizeof(*config));

    if (config == NULL) {
        return NULL;
    }
    config->database = blockdb_options_new();
    if (config->database == NULL) {
        mem_free(config);
        return NULL;
    }
    return config;
}

void config_free(struct config *config)
{
    size_t i;

    if (config == NULL) {
        return;
    }
    for (i = 0; i < config_own_count(); i++) {
        mem_free(config->own[i]);
    }
    for (i = 0; i < KEYS_MAX; i++) {
        mem_free(config->where[i]);
    }
    blockdb_options_free(config->database);
    mem_free(config);
}

void config_free_ptr(struct config **config)
{
    config_free(*config);
}

static const char *own_get(const struct config *config, size_t key)
{
    return config->own[key] != NULL ? config->own[key] : config_own_row(key)->default_value;
}

static int own_set(struct config *config, size_t key, const char *value, struct error *err)
{
    char *copy;
    int rc = config_value_parse(config_own_row(key), value, &copy, err);

    if (rc < 0) {
        return rc;
    }
    mem_free(config->own[key]);
    config->own[key] = copy;
    return BLOCKDB_OK;
}

/* The position of a key among those of all tables, or config_key_count(). */
static size_t key_index(const char *section, const char *name)
{
    size_t i;

    for (i = 0; i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);

        if (strcmp(key.section, section) == 0 && strcmp(key.name, name) == 0) {
            break;
        }
    }
    ASSERT(i < KEYS_MAX);
    return i;
}

/* Notes where a key that is known was set; takes where. */
static void where_note(struct config *config, const char *section, const char *key, char *where)
{
    size_t i = key_index(section, key);

    mem_free(config->where[i]);
    config->where[i] = where;
}

/* Sets one key; section is a known one. */
static int key_set(struct config *config, const char *section, const char *key, const char *value,
                   struct error *err)
{
    size_t own = config_own_find(section, key);

    if (own < config_own_count()) {
        return own_set(config, own, value, err);
    }
    if (!config_key_find(section, key, NULL)) {
        return config_key_unknown(section, key, err);
    }
    return blockdb_options_set(config->database, key, value, err);
}

/* Splits "section.key"; without a dot the section is [database]. out_section holds cap bytes. */
static const char *name_split(const char *name, char *out_section, size_t cap)
{
    const char *dot = strchr(name, '.');

    if (dot == NULL) {
        (void)snprintf(out_section, cap, "%s", DATABASE);
        return name;
    }
    (void)snprintf(out_section, cap, "%.*s", (int)(dot - name), name);
    return dot + 1;
}

int config_set(struct config *config, const char *name, const char *value, struct error *err)
{
    char section[64];
    const char *key = name_split(name, section, sizeof(section));
    int rc;

    if (!config_section_known(section)) {
        return config_section_unknown(section, err);
    }
    rc = key_set(config, section, key, value, err);
    if (rc == BLOCKDB_OK) {
        where_note(config, section, key, NULL);
    }
    return rc;
}

const char *config_get(const struct config *config, const char *name)
{
    char section[64];
    const char *key = name_split(name, section, sizeof(section));
    size_t own = config_own_find(section, key);

    if (own < config_own_count()) {
        return own_get(config, own);
    }
    return config_key_find(section, key, NULL) ? blockdb_options_get(config->database, key) : NULL;
}

bool config_is_set(const struct config *config, const char *name)
{
    char section[64];
    const char *key = name_split(name, section, sizeof(section));
    size_t own = config_own_find(section, key);

    if (own < config_own_count()) {
        return config->own[own] != NULL;
    }
    return config_key_find(section, key, NULL) && options_is_set(config->database, key);
}

const char *config_where(const struct config *config, const char *name)
{
    char section[64];
    const char *key = name_split(name, section, sizeof(section));
    const char *where = config->where[key_index(section, key)];

    return where != NULL ? where : "";
}

const struct blockdb_options *config_database(const struct config *config)
{
    return config->database;
}

int config_refuse(const struct config *config, const char *const *names, int rc, struct error *err)
{
    char places[PLACES_BYTES] = "";
    size_t len = 0;

    for (; *names != NULL && len < sizeof(places); names++) {
        const char *where = config_where(config, *names);

        if (where[0] != '\0') {
            len += (size_t)snprintf(places + len, sizeof(places) - len, "%s%s",
                                    len > 0 ? " and " : "", where);
        }
    }
    return len > 0 ? error_wrap(err, rc, "%s", places) : rc;
}

int config_check_database(const struct config *config, struct error *err)
{
    const char *const *keys;
    int rc = settings_check(options_settings(config->database), &keys, err);

    return rc < 0 ? config_refuse(config, keys, rc, err) : rc;
}

void config_set_event_cb(struct config *config, blockdb_event_cb cb, void *arg)
{
    blockdb_options_set_event_cb(config->database, cb, arg);
}

/* The own key of a name that the program itself gives. */
static size_t own_named(const char *name)
{
    char section[64];
    const char *key = name_split(name, section, sizeof(section));
    size_t own = config_own_find(section, key);

    ASSERT(own < config_own_count());
    return own;
}

const char *config_text(const struct config *config, const char *name)
{
    return own_get(config, own_named(name));
}

uint64_t config_number(const struct config *config, const char *name)
{
    size_t own = own_named(name);

    return config_value_number(config_own_row(own), own_get(config, own));
}

bool config_bool(const struct config *config, const char *name)
{
    return config_number(config, name) != 0;
}

struct config_logging config_logging(const struct config *config)
{
    /* The choices stand in the order of the enums. */
    return (struct config_logging){
        .level = (enum logger_level)config_number(config, "logging.level"),
        .format = (enum logger_format)config_number(config, "logging.format"),
        .file = config_text(config, "logging.file"),
    };
}

/* ---- TOML ---------------------------------------------------------------------------------- */

/* What a key of a type may be written as. */
static const char *type_expected(const char *type)
{
    if (strcmp(type, "size") == 0) {
        return "a size such as 67108864 or \"64MiB\"";
    }
    if (strcmp(type, "duration_ms") == 0) {
        return "milliseconds or a duration such as 1000 or \"150ms\"";
    }
    if (strcmp(type, "duration_s") == 0) {
        return "seconds or a duration such as 30 or \"5min\"";
    }
    if (strcmp(type, "list") == 0) {
        return "a text in quotes or a list of them";
    }
    if (strcmp(type, "integer") == 0) {
        return "a whole number without quotes";
    }
    return strcmp(type, "boolean") == 0 ? "true or false without quotes" : "a text in quotes";
}

static bool type_accepts(const char *type, enum toml_type written)
{
    if (strcmp(type, "list") == 0) {
        return written == TOML_STRING || written == TOML_ARRAY;
    }
    if (strcmp(type, "size") == 0 || strcmp(type, "duration_ms") == 0 ||
        strcmp(type, "duration_s") == 0) {
        return written == TOML_INTEGER || written == TOML_STRING;
    }
    if (strcmp(type, "integer") == 0) {
        return written == TOML_INTEGER;
    }
    return written == (strcmp(type, "boolean") == 0 ? TOML_BOOLEAN : TOML_STRING);
}

static int item_apply(struct config *config, const struct toml_item *item, struct error *err)
{
    char number[NUMBER_TEXT_MAX];
    const char *text = item->text;
    struct config_key row;

    if (item->table[0] == '\0') {
        if (item->type != TOML_TABLE) {
            return config_key_outside(item->key, err);
        }
        return config_section_known(item->key) ? BLOCKDB_OK
                                               : config_section_unknown(item->key, err);
    }
    if (!config_key_find(item->table, item->key, &row)) {
        return config_key_unknown(item->table, item->key, err);
    }
    if (!type_accepts(row.type, item->type) || (item->type == TOML_ARRAY && text == NULL)) {
        return error_set(err, BLOCKDB_EINVAL, "key '%s' must be %s, not %s", item->key,
                         type_expected(row.type), toml_type_name(item->type));
    }
    if (item->type == TOML_BOOLEAN) {
        text = item->boolean ? "true" : "false";
    } else if (item->type == TOML_INTEGER) {
        (void)snprintf(number, sizeof(number), "%" PRId64, item->integer);
        text = number;
    }
    return key_set(config, item->table, item->key, text, err);
}

struct file_walk {
    struct config *config;
    const char *name;
};

/* Remembers where a key was set. */
static int item_note(const struct file_walk *walk, const struct toml_item *item, struct error *err)
{
    size_t size = strlen(walk->name) + NUMBER_TEXT_MAX;
    char *where = mem_alloc(size);

    if (where == NULL) {
        return error_set_no_memory(err);
    }
    (void)snprintf(where, size, "%s:%u", walk->name, item->line);
    where_note(walk->config, item->table, item->key, where);
    return BLOCKDB_OK;
}

static int file_visit(void *context, const struct toml_item *item, struct error *err)
{
    const struct file_walk *walk = context;
    int rc = item_apply(walk->config, item, err);

    if (rc < 0) {
        return error_wrap(err, rc, "%s:%u", walk->name, item->line);
    }
    return item->table[0] != '\0' ? item_note(walk, item, err) : BLOCKDB_OK;
}

int config_apply_text(struct config *config, struct slice text, const char *name, struct error *err)
{
    struct file_walk walk = {.config = config, .name = name};

    return toml_walk(text, name, file_visit, &walk, err);
}

static int config_apply_file(struct config *config, struct os *os, const char *path,
                             struct error *err)
{
    AUTO(buf_deinit) struct buf text = {0};
    int rc = os_read_file(os, path, CONFIG_FILE_BYTES_MAX, &text, err);

    if (rc < 0) {
        return error_wrap(err, rc, "cannot read the configuration");
    }
    return config_apply_text(config, buf_slice(&text), path, err);
}

struct dir_walk {
    struct config *config;
    struct os *os;
    const char *dir;
    struct error *err;
};

static bool has_suffix(const char *text, const char *suffix)
{
    size_t text_len = strlen(text);
    size_t suffix_len = strlen(suffix);

    return text_len >= suffix_len && strcmp(text + text_len - suffix_len, suffix) == 0;
}

static int dir_visit(void *context, const char *name, bool is_dir)
{
    struct dir_walk *walk = context;
    AUTO(mem_free_ptr) char *path = NULL;

    if (is_dir || name[0] == '.' || !has_suffix(name, ".toml")) {
        return BLOCKDB_OK;
    }
    path = path_join(walk->dir, name);
    if (path == NULL) {
        return error_set_no_memory(walk->err);
    }
    return config_apply_file(walk->config, walk->os, path, walk->err);
}

int config_apply_path(struct config *config, struct os *os, const char *path, struct error *err)
{
    struct dir_walk walk = {.config = config, .os = os, .dir = path, .err = err};
    struct os_stat stat;
    int rc = os_stat_path(os, path, &stat, err);

    if (rc < 0) {
        return error_wrap(err, rc, "cannot read the configuration");
    }
    if (stat.is_dir) {
        return os_list(os, path, dir_visit, &walk, err);
    }
    return config_apply_file(config, os, path, err);
}
