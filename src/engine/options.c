/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/options.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "base/units.h"
#include "engine/map.h"
#include "ledger/note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KIB (1ULL << 10)
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define TIB (1ULL << 40)

#define MEMORY_LIMIT_DEFAULT GIB
#define MEMTABLES_IN_MEMORY 4 /* one that fills, those that wait for the flush, and arenas */
#define COMPACTION_THREADS_AUTO_MAX 8
#define DIRECT_IO_ALIGN 4096
#define NUMBER_TEXT_MAX 24

enum option_kind { STRING, SIZE, DURATION, INTEGER, BOOLEAN, ENUM };

#define TYPE_STRING "string"
#define TYPE_SIZE "size"
#define TYPE_DURATION "duration_ms"
#define TYPE_INTEGER "integer"
#define TYPE_BOOLEAN "boolean"
#define TYPE_ENUM "enum"

#define OPTION(section, name, kind, default_value, choices, min, max, help)                        \
    {#name, TYPE_##kind, default_value, choices, help, #section},
static const struct blockdb_option_info infos[] = {
#include "engine/options_table.inc"
};
#undef OPTION

#define OPTION_COUNT (sizeof(infos) / sizeof(infos[0]))

/* Where and in what bounds the value of infos[i] lives. */
struct field {
    enum option_kind kind;
    size_t offset; /* in struct settings */
    uint64_t min;
    uint64_t max;
};

#define OPTION(section, name, kind, default_value, choices, min, max, help)                        \
    {kind, offsetof(struct settings, name), min, max},
static const struct field fields[OPTION_COUNT] = {
#include "engine/options_table.inc"
};
#undef OPTION

_Static_assert(sizeof(enum wal_sync_mode) == sizeof(unsigned), "value_store writes an unsigned");

struct blockdb_options {
    struct settings settings;
    struct event_listener listener;
    char *texts[OPTION_COUNT]; /* owned; NULL: the default */
};

/* A value between parsing and storing. */
struct value {
    uint64_t number;                   /* of every kind but STRING */
    char number_text[NUMBER_TEXT_MAX]; /* canonical form of numbers */
    const char *text;                  /* canonical form, borrowed */
};

const struct blockdb_option_info *blockdb_option_table(size_t *out_count)
{
    *out_count = OPTION_COUNT;
    return infos;
}

void options_range(size_t index, uint64_t *out_min, uint64_t *out_max)
{
    ASSERT(index < OPTION_COUNT);
    *out_min = fields[index].min;
    *out_max = fields[index].max;
}

static const char *info_name(const void *context, size_t index)
{
    (void)context; /* there is one table */
    return infos[index].name;
}

/* The row of a name, or OPTION_COUNT. */
static size_t option_find(const char *name)
{
    size_t i;

    for (i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(infos[i].name, name) == 0) {
            break;
        }
    }
    return i;
}

static int value_out_of_range(size_t index, const char *text, struct error *err)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "option %s: %.64s is out of range: it must lie between %" PRIu64
                     " and %" PRIu64,
                     infos[index].name, text, fields[index].min, fields[index].max);
}

static int value_parse_string(size_t index, const char *text, struct value *out, struct error *err)
{
    size_t len = strlen(text);

    if (len < fields[index].min || len > fields[index].max) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option %s: the text has %zu bytes, it must have %" PRIu64 " to %" PRIu64,
                         infos[index].name, len, fields[index].min, fields[index].max);
    }
    out->text = text;
    return BLOCKDB_OK;
}

static int value_parse_number(size_t index, const char *text, struct value *out, struct error *err)
{
    enum option_kind kind = fields[index].kind;
    int rc = kind == SIZE       ? size_parse(text, &out->number, err)
             : kind == DURATION ? duration_parse(text, &out->number, err)
                                : number_parse(text, &out->number, err);

    if (rc < 0) {
        return error_wrap(err, rc, "option %s", infos[index].name);
    }
    if (out->number < fields[index].min || out->number > fields[index].max) {
        return value_out_of_range(index, text, err);
    }
    (void)snprintf(out->number_text, sizeof(out->number_text), "%" PRIu64, out->number);
    out->text = out->number_text;
    return BLOCKDB_OK;
}

static int value_parse_boolean(size_t index, const char *text, struct value *out, struct error *err)
{
    out->number = strcmp(text, "true") == 0;
    if (out->number == 0 && strcmp(text, "false") != 0) {
        return error_set(err, BLOCKDB_EINVAL, "option %s: '%.64s' must be true or false",
                         infos[index].name, text);
    }
    out->text = out->number != 0 ? "true" : "false";
    return BLOCKDB_OK;
}

static int value_parse_enum(size_t index, const char *text, struct value *out, struct error *err)
{
    const char *word = infos[index].choices;
    size_t len = strlen(text);

    out->number = 0;
    while (*word != '\0') {
        size_t word_len = strcspn(word, " ");

        if (word_len == len && memcmp(word, text, len) == 0) {
            out->text = text;
            return BLOCKDB_OK;
        }
        out->number++;
        word += word_len;
        word += strspn(word, " ");
    }
    return error_set(err, BLOCKDB_EINVAL, "option %s: '%.64s' must be one of: %s",
                     infos[index].name, text, infos[index].choices);
}

static int value_parse(size_t index, const char *text, struct value *out, struct error *err)
{
    switch (fields[index].kind) {
    case STRING:
        return value_parse_string(index, text, out, err);
    case SIZE:
    case DURATION:
    case INTEGER:
        return value_parse_number(index, text, out, err);
    case BOOLEAN:
        return value_parse_boolean(index, text, out, err);
    case ENUM:
        return value_parse_enum(index, text, out, err);
    }
    return BLOCKDB_EINVAL;
}

/* Stores a parsed value; text is the copy that the options own, or the static default. */
static void value_store(struct settings *settings, size_t index, const struct value *value,
                        const char *text)
{
    void *at = (char *)settings + fields[index].offset;
    unsigned choice = (unsigned)value->number;
    bool flag = value->number != 0;

    switch (fields[index].kind) {
    case STRING:
        memcpy(at, &text, sizeof(text));
        break;
    case SIZE:
    case DURATION:
    case INTEGER:
        memcpy(at, &value->number, sizeof(value->number));
        break;
    case BOOLEAN:
        memcpy(at, &flag, sizeof(flag));
        break;
    case ENUM:
        memcpy(at, &choice, sizeof(choice));
        break;
    }
}

struct blockdb_options *blockdb_options_new(void)
{
    struct blockdb_options *options = mem_calloc(1, sizeof(*options));
    size_t i;

    if (options == NULL) {
        return NULL;
    }
    for (i = 0; i < OPTION_COUNT; i++) {
        struct value value = {0};

        ASSERT(value_parse(i, infos[i].default_value, &value, NULL) == BLOCKDB_OK);
        value_store(&options->settings, i, &value, infos[i].default_value);
    }
    return options;
}

void blockdb_options_free(struct blockdb_options *options)
{
    size_t i;

    if (options == NULL) {
        return;
    }
    for (i = 0; i < OPTION_COUNT; i++) {
        mem_free(options->texts[i]);
    }
    mem_free(options);
}

static int option_unknown(const char *name, struct error *err)
{
    const char *nearest = suggest_nearest(name, OPTION_COUNT, info_name, NULL);

    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown option '%.64s': did you mean '%s'?", name,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "unknown option '%.64s': see docs/operate/configuration.md for the list",
                     name);
}

int blockdb_options_set(struct blockdb_options *options, const char *name, const char *text,
                        struct blockdb_error *err)
{
    size_t index = option_find(name);
    struct value value = {0};
    char *copy;
    int rc;

    if (index == OPTION_COUNT) {
        return option_unknown(name, err);
    }
    rc = value_parse(index, text, &value, err);
    if (rc < 0) {
        return rc;
    }
    copy = mem_strdup(value.text);
    if (copy == NULL) {
        return error_set_no_memory(err);
    }
    mem_free(options->texts[index]);
    options->texts[index] = copy;
    value_store(&options->settings, index, &value, copy);
    return BLOCKDB_OK;
}

const char *blockdb_options_get(const struct blockdb_options *options, const char *name)
{
    size_t index = option_find(name);

    if (index == OPTION_COUNT) {
        return NULL;
    }
    return options->texts[index] != NULL ? options->texts[index] : infos[index].default_value;
}

bool options_is_set(const struct blockdb_options *options, const char *name)
{
    size_t index = option_find(name);

    return index != OPTION_COUNT && options->texts[index] != NULL;
}

const struct settings *options_settings(const struct blockdb_options *options)
{
    return &options->settings;
}

struct blockdb_options *options_copy(const struct blockdb_options *options)
{
    struct blockdb_options *copy = blockdb_options_new();
    size_t i;

    if (copy == NULL || options == NULL) {
        return copy;
    }
    copy->listener = options->listener;
    for (i = 0; i < OPTION_COUNT; i++) {
        if (options->texts[i] != NULL &&
            blockdb_options_set(copy, infos[i].name, options->texts[i], NULL) < 0) {
            blockdb_options_free(copy);
            return NULL;
        }
    }
    return copy;
}

void blockdb_options_set_event_cb(struct blockdb_options *options, blockdb_event_cb cb, void *arg)
{
    options->listener = (struct event_listener){.cb = cb, .arg = arg};
}

struct event_listener options_listener(const struct blockdb_options *options)
{
    return options->listener;
}

/* What caches, memtables and the map may come to hold. */
static uint64_t settings_memory_need(const struct settings *s)
{
    uint64_t map = s->proof_map ? MAP_BYTES_MAX : 0;

    return s->block_cache_size + s->index_cache_size +
           MEMTABLES_IN_MEMORY * s->memtable_size_limit + map;
}

uint64_t settings_memory_limit(const struct settings *settings)
{
    uint64_t need = settings_memory_need(settings);

    if (settings->memory_limit > 0) {
        return settings->memory_limit;
    }
    return need > MEMORY_LIMIT_DEFAULT ? need : MEMORY_LIMIT_DEFAULT;
}

unsigned settings_compaction_threads(const struct settings *settings, unsigned processors)
{
    unsigned half = processors / 2;

    if (settings->max_compaction_threads > 0) {
        return (unsigned)settings->max_compaction_threads;
    }
    if (half < 1) {
        return 1;
    }
    return half > COMPACTION_THREADS_AUTO_MAX ? COMPACTION_THREADS_AUTO_MAX : half;
}

/* A command whose key nobody knows could print anything. */
static int check_signer_options(const struct settings *settings, struct error *err)
{
    bool has_command = settings->signer_command[0] != '\0';
    bool has_key = settings->signer_key[0] != '\0';

    if (has_command && !has_key) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option signer_command needs the option signer_key: the verifier key, "
                         "as blockdb-cli keygen prints it, of whoever signs there, against which "
                         "its signatures are checked");
    }
    if (has_key && !has_command) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option signer_key belongs to signer_command, which is empty");
    }
    return BLOCKDB_OK;
}

static int check_origin(const struct settings *settings, struct error *err)
{
    size_t len = strlen(settings->origin);

    if (len > NOTE_NAME_MAX ||
        (len > 0 && !note_name_valid(slice_of((const uint8_t *)settings->origin, len)))) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option origin: '%s' cannot name a log: it must be UTF-8 of at most %d "
                         "bytes, without spaces, control characters and '+'",
                         settings->origin, NOTE_NAME_MAX);
    }
    return BLOCKDB_OK;
}

static int check_memory_limit(const struct settings *settings, struct error *err)
{
    uint64_t need = settings_memory_need(settings);

    if (settings->memory_limit == 0 || settings->memory_limit >= need) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option memory_limit: %" PRIu64 " is less than block_cache_size, "
                     "index_cache_size, %d memtables and the map of proof_map need: set it "
                     "to %" PRIu64 " or more, or lower block_cache_size (%" PRIu64
                     ") or memtable_size_limit (%" PRIu64 ")",
                     settings->memory_limit, MEMTABLES_IN_MEMORY, need, settings->block_cache_size,
                     settings->memtable_size_limit);
}

static int check_write_buffer_size(const struct settings *settings, struct error *err)
{
    uint64_t over = settings->write_buffer_size % DIRECT_IO_ALIGN;

    if (over == 0) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "option write_buffer_size: %" PRIu64 " is no multiple of %d: use %" PRIu64,
                     settings->write_buffer_size, DIRECT_IO_ALIGN,
                     settings->write_buffer_size - over);
}

/* What is checked of all settings together, and the keys that it is about. */
struct rule {
    int (*check)(const struct settings *settings, struct error *err);
    const char *keys[SETTINGS_RULE_KEYS_MAX + 1]; /* with their tables; NULL ends them */
};

static const struct rule rules[] = {
    {check_signer_options, {"ledger.signer_command", "ledger.signer_key"}},
    {check_origin, {"ledger.origin"}},
    {check_memory_limit,
     {"database.memory_limit", "database.block_cache_size", "database.index_cache_size",
      "database.memtable_size_limit", "ledger.proof_map"}},
    {check_write_buffer_size, {"database.write_buffer_size"}},
};

int settings_check(const struct settings *settings, const char *const **out_keys, struct error *err)
{
    size_t i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        int rc = rules[i].check(settings, err);

        if (rc < 0) {
            if (out_keys != NULL) {
                *out_keys = rules[i].keys;
            }
            return rc;
        }
    }
    return BLOCKDB_OK;
}
