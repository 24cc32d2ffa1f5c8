/* SPDX-License-Identifier: Apache-2.0 */
/* The part of config.h that writes configuration files and their reference. */
#include "base/json_writer.h"
#include "base/text.h"
#include "config/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COMMENT_COLUMNS 96
#define RANGE_MAX 160

static bool is_quoted(const struct config_key *key)
{
    return strcmp(key->type, "string") == 0 || strcmp(key->type, "enum") == 0 ||
           strcmp(key->type, "list") == 0;
}

static const char *unit_of(const struct config_key *key)
{
    if (strcmp(key->type, "size") == 0) {
        return "bytes";
    }
    if (strcmp(key->type, "duration_s") == 0) {
        return "s";
    }
    return strcmp(key->type, "duration_ms") == 0 ? "ms" : "";
}

/* "4KiB" for sizes, plain digits for the rest. */
static void bound_text(const struct config_key *key, uint64_t bound, char out[TEXT_SIZE_BYTES])
{
    if (strcmp(key->type, "size") == 0 && bound > 0) {
        text_format_size(out, bound);
    } else {
        (void)snprintf(out, TEXT_SIZE_BYTES, "%" PRIu64, bound);
    }
}

/* What values a key may have, "" when any. */
static void range_text(const struct config_key *key, char out[RANGE_MAX])
{
    char min[TEXT_SIZE_BYTES];
    char max[TEXT_SIZE_BYTES];

    out[0] = '\0';
    if (key->choices[0] != '\0') {
        (void)snprintf(out, RANGE_MAX, "%s", key->choices);
    } else if (config_key_is_number(key)) {
        bound_text(key, key->min, min);
        bound_text(key, key->max, max);
        (void)snprintf(out, RANGE_MAX, "%s to %s", min, max);
    }
}

/* Appends text as comment lines of at most COMMENT_COLUMNS characters. */
static int append_comment(struct buf *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strlen(text);

        if (len > COMMENT_COLUMNS) {
            len = COMMENT_COLUMNS;
            while (len > 0 && text[len] != ' ') {
                len--;
            }
        }
        if (len == 0) { /* a word longer than the line */
            len = strlen(text);
        }
        if (buf_appendf(out, "# %.*s\n", (int)len, text) < 0) {
            return BLOCKDB_ENOMEM;
        }
        text += len;
        text += strspn(text, " ");
    }
    return BLOCKDB_OK;
}

/* TOML's basic strings escape what JSON strings escape. */
static int append_quoted(struct buf *out, const char *text)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_writer_text(&writer, text);
    return json_writer_finish(&writer);
}

/* A list as TOML writes it. */
static int append_list(struct buf *out, const char *words)
{
    struct json_writer writer;

    json_writer_init(&writer, out);
    json_writer_begin_array(&writer);
    while (*words != '\0') {
        size_t len = strcspn(words, " ");

        json_writer_string(&writer, slice_of(words, len));
        words += len;
        words += strspn(words, " ");
    }
    json_writer_end_array(&writer);
    return json_writer_finish(&writer);
}

static int append_value(struct buf *out, const struct config_key *key, const char *value)
{
    if (strcmp(key->type, "list") == 0 && strchr(value, ' ') != NULL) {
        return append_list(out, value);
    }
    return is_quoted(key) ? append_quoted(out, value) : buf_append(out, value, strlen(value));
}

static int print_key(const struct config *config, const struct config_key *key, struct buf *out)
{
    char name[96];
    char range[RANGE_MAX];
    const char *unit = unit_of(key);

    (void)snprintf(name, sizeof(name), "%s.%s", key->section, key->name);
    range_text(key, range);
    if (append_comment(out, key->help) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (range[0] != '\0' &&
        buf_appendf(out, "# (%s%s%s)\n", unit, unit[0] != '\0' ? ", " : "", range) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (buf_appendf(out, "%s = ", key->name) < 0 ||
        append_value(out, key, config_get(config, name)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append(out, "\n\n", 2);
}

int config_print(const struct config *config, struct buf *out)
{
    const char *section = "";
    size_t i;

    if (append_comment(out, "BlockDB configuration. Sizes are bytes or texts such as \"64MiB\", "
                            "times are in the unit above the key or texts such as \"5min\".") < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (i = 0; i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);

        if (strcmp(section, key.section) != 0) {
            section = key.section;
            if (buf_appendf(out, "\n[%s]\n", section) < 0) {
                return BLOCKDB_ENOMEM;
            }
        }
        if (print_key(config, &key, out) < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    out->len--; /* one line feed ends the file */
    return BLOCKDB_OK;
}

static int print_reference_row(const struct config_key *key, struct buf *out)
{
    char range[RANGE_MAX];
    const char *unit = unit_of(key);
    bool is_empty = key->default_value[0] == '\0';

    range_text(key, range);
    return buf_appendf(out, "| `%s` | %s | %s%s%s | %s | %s |\n", key->name,
                       unit[0] != '\0' ? unit : key->type, is_empty ? "" : "`", key->default_value,
                       is_empty ? "" : "`", range, key->help);
}

int config_print_reference(struct buf *out)
{
    const char *section = "";
    size_t i;

    for (i = 0; i < config_key_count(); i++) {
        struct config_key key = config_key_at(i);

        if (strcmp(section, key.section) != 0) {
            if (buf_appendf(out,
                            "%s### `[%s]`\n\n| key | type | default | range | meaning |\n"
                            "|---|---|---|---|---|\n",
                            section[0] != '\0' ? "\n" : "", key.section) < 0) {
                return BLOCKDB_ENOMEM;
            }
            section = key.section;
        }
        if (print_reference_row(&key, out) < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    return BLOCKDB_OK;
}
