/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/print.h"

#include "base/json_writer.h"
#include "base/text.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_COLUMNS 28
#define SEQ_COLUMNS 10
#define NAME_COLUMNS 26
#define FIELD_TEXT_MAX 256

/* ---- Entries ------------------------------------------------------------------------------- */

const char *kind_name(enum blockdb_kind kind)
{
    switch (kind) {
    case BLOCKDB_KIND_PUT:
        return "put";
    case BLOCKDB_KIND_DELETE:
        return "delete";
    case BLOCKDB_KIND_BLOCK_HEADER:
        return "block_header";
    case BLOCKDB_KIND_REDACT:
        return "redact";
    case BLOCKDB_KIND_EPOCH:
        return "epoch";
    case BLOCKDB_KIND_CONFIG:
        return "config";
    }
    return "unknown";
}

static bool has_value(const struct entry *entry)
{
    return !entry->keys_only && entry->version.kind != BLOCKDB_KIND_DELETE &&
           !entry->version.redacted;
}

static void write_bytes(struct json_writer *w, const char *name, struct slice bytes, bool is_text)
{
    json_writer_key(w, name);
    if (is_text) {
        json_writer_string(w, bytes);
    } else {
        json_writer_base64(w, bytes);
    }
}

void entry_print_json(struct out *out, const struct entry *entry)
{
    bool is_text = utf8_valid(entry->key) && (!has_value(entry) || utf8_valid(entry->value));
    struct json_writer w;

    json_writer_init(&w, &out->pending);
    json_writer_begin_object(&w);
    json_writer_member_text(&w, "type", kind_name(entry->version.kind));
    write_bytes(&w, "key", entry->key, is_text);
    if (has_value(entry)) {
        write_bytes(&w, "value", entry->value, is_text);
    }
    if (entry->version.redacted) {
        json_writer_member_bool(&w, "redacted", true);
    }
    json_writer_member_text(&w, "encoding", is_text ? "utf8" : "base64");
    json_writer_member_u64(&w, "seq", entry->version.seq);
    json_writer_key(&w, "time");
    json_writer_time(&w, entry->version.time_ms);
    json_writer_end_object(&w);
    out_note(out, json_writer_finish(&w));
}

static void pad(struct out *out, size_t from, size_t to)
{
    for (; from < to; from++) {
        out_bytes(out, " ", 1);
    }
}

static void entry_print_table(struct entry_printer *p, const struct entry *entry)
{
    size_t fixed = SEQ_COLUMNS + 2 + TEXT_TIME_BYTES - 1 + 2;
    char time[TEXT_TIME_BYTES];
    size_t used;

    text_format_time(time, entry->version.time_ms);
    out_format(p->out, "%*" PRIu64 "  %s  ", SEQ_COLUMNS, entry->version.seq, time);
    used = out_escaped(p->out, entry->key, 0);
    if (has_value(entry)) {
        size_t at = fixed + (used > KEY_COLUMNS ? used : KEY_COLUMNS) + 2;

        pad(p->out, used, KEY_COLUMNS);
        out_text(p->out, "  ");
        (void)out_escaped(p->out, entry->value,
                          p->columns == 0        ? 0
                          : p->columns > at + 16 ? p->columns - at - 3
                                                 : 16);
    } else if (entry->version.kind == BLOCKDB_KIND_DELETE) {
        pad(p->out, used, KEY_COLUMNS);
        out_text(p->out, "  (deleted)");
    } else if (entry->version.redacted) {
        pad(p->out, used, KEY_COLUMNS);
        out_text(p->out, "  (redacted)");
    }
    out_text(p->out, "\n");
}

static void entry_print_raw(struct entry_printer *p, const struct entry *entry)
{
    out_slice(p->out, entry->key);
    if (!p->show_key_alone) {
        out_text(p->out, "\t");
        out_slice(p->out, entry->value);
    }
    out_text(p->out, "\n");
}

void entry_printer_begin(struct entry_printer *p)
{
    if (p->format == OUTPUT_JSON) {
        out_text(p->out, "[");
    }
}

void entry_print(struct entry_printer *p, const struct entry *entry)
{
    switch (p->format) {
    case OUTPUT_TABLE:
        if (p->count == 0) {
            out_format(p->out, "%*s  %-*s  %-*s  %s\n", SEQ_COLUMNS, "SEQ", TEXT_TIME_BYTES - 1,
                       "TIME", entry->keys_only ? 0 : KEY_COLUMNS, "KEY",
                       entry->keys_only ? "" : "VALUE");
        }
        entry_print_table(p, entry);
        break;
    case OUTPUT_JSON:
        out_text(p->out, p->count == 0 ? "\n" : ",\n");
        entry_print_json(p->out, entry);
        break;
    case OUTPUT_JSONL:
        entry_print_json(p->out, entry);
        out_text(p->out, "\n");
        break;
    case OUTPUT_RAW:
        entry_print_raw(p, entry);
        break;
    }
    p->count++;
    out_breathe(p->out);
}

void entry_printer_end(struct entry_printer *p)
{
    if (p->format == OUTPUT_JSON) {
        out_text(p->out, p->count == 0 ? "]\n" : "\n]\n");
    }
}

/* ---- Rows ---------------------------------------------------------------------------------- */

/* A field as scripts want it: plain numbers, hexadecimal, RFC 3339. */
static void field_plain(const struct field *f, char *out, size_t cap)
{
    char text[BLOCKDB_HASH_LEN * 2 + 1];

    switch (f->type) {
    case FIELD_NUMBER:
    case FIELD_BYTES:
    case FIELD_NS:
    case FIELD_SHARE:
        (void)snprintf(out, cap, "%" PRIu64, f->number);
        break;
    case FIELD_TIME:
        text_format_time(text, f->number);
        (void)snprintf(out, cap, "%s", text);
        break;
    case FIELD_HASH:
        text_format_hex(text, f->data, BLOCKDB_HASH_LEN);
        (void)snprintf(out, cap, "%s", text);
        break;
    case FIELD_TEXT:
        (void)snprintf(out, cap, "%s", f->text);
        break;
    }
}

/* A field as people want it. */
static void field_pretty(const struct field *f, char *out, size_t cap)
{
    char text[TEXT_SIZE_BYTES > TEXT_DURATION_BYTES ? TEXT_SIZE_BYTES : TEXT_DURATION_BYTES];

    if (f->type == FIELD_BYTES) {
        text_format_size_short(text, f->number);
        (void)snprintf(out, cap, "%s", text);
    } else if (f->type == FIELD_NS) {
        text_format_latency(text, f->number);
        (void)snprintf(out, cap, "%s", text);
    } else if (f->type == FIELD_SHARE && f->total > 0) {
        (void)snprintf(out, cap, "%.1f %%", (double)f->number * 100 / (double)f->total);
    } else if (f->type == FIELD_SHARE) {
        (void)snprintf(out, cap, "-");
    } else {
        field_plain(f, out, cap);
    }
}

static void field_write_json(struct json_writer *w, const struct field *f)
{
    json_writer_key(w, f->name);
    switch (f->type) {
    case FIELD_NUMBER:
    case FIELD_BYTES:
    case FIELD_NS:
    case FIELD_SHARE:
        json_writer_u64(w, f->number);
        break;
    case FIELD_TIME:
        json_writer_time(w, f->number);
        break;
    case FIELD_HASH:
        json_writer_hex(w, slice_of(f->data, BLOCKDB_HASH_LEN));
        break;
    case FIELD_TEXT:
        json_writer_text(w, f->text);
        break;
    }
}

static void fields_write_json(struct out *out, const struct field *fields, size_t count)
{
    struct json_writer w;
    size_t i;

    json_writer_init(&w, &out->pending);
    json_writer_begin_object(&w);
    for (i = 0; i < count; i++) {
        if (!fields[i].derived) {
            field_write_json(&w, &fields[i]);
        }
    }
    json_writer_end_object(&w);
    out_note(out, json_writer_finish(&w));
}

/* Words separated by spaces instead of underscores, without a unit that the value tells itself. */
static void name_for_people(const struct field *f, char *out, size_t cap)
{
    size_t len = strlen(f->name);
    size_t i;

    if (f->type == FIELD_NS && len > 3 && strcmp(f->name + len - 3, "_ns") == 0) {
        len -= 3;
    }
    (void)snprintf(out, cap, "%.*s", (int)len, f->name);
    for (i = 0; out[i] != '\0'; i++) {
        if (out[i] == '_') {
            out[i] = ' ';
        }
    }
}

static void fields_print_lines(struct out *out, const struct field *fields, size_t count)
{
    char name[64];
    char text[FIELD_TEXT_MAX];
    size_t i;

    for (i = 0; i < count; i++) {
        if (fields[i].type == FIELD_TEXT && fields[i].text[0] == '\0' &&
            fields[i].heading == NULL) {
            continue; /* there is nothing to say */
        }
        if (fields[i].heading != NULL) {
            out_format(out, "%s%s\n", i > 0 ? "\n" : "", fields[i].heading);
        }
        name_for_people(&fields[i], name, sizeof(name));
        field_pretty(&fields[i], text, sizeof(text));
        out_format(out, "  %-*s  %s\n", NAME_COLUMNS, name, text);
    }
}

void fields_print(struct out *out, enum output_format format, const struct field *fields,
                  size_t count)
{
    char text[FIELD_TEXT_MAX];
    size_t i;

    switch (format) {
    case OUTPUT_TABLE:
        fields_print_lines(out, fields, count);
        break;
    case OUTPUT_JSON:
    case OUTPUT_JSONL:
        fields_write_json(out, fields, count);
        out_text(out, "\n");
        break;
    case OUTPUT_RAW:
        for (i = 0; i < count; i++) {
            if (!fields[i].derived) {
                field_plain(&fields[i], text, sizeof(text));
                out_format(out, "%s\n", text);
            }
        }
        break;
    }
}

static int field_columns(const struct field *f)
{
    int name_len = (int)strlen(f->name);
    int columns = f->type == FIELD_TIME ? TEXT_TIME_BYTES - 1 : f->type == FIELD_HASH ? 16 : 12;

    return columns > name_len ? columns : name_len;
}

static void row_print_table(struct row_printer *p, const struct field *fields, size_t count)
{
    char text[FIELD_TEXT_MAX];
    size_t i;

    for (i = 0; p->count == 0 && i < count; i++) {
        name_for_people(&fields[i], text, sizeof(text));
        out_format(p->out, "%s%*s", i > 0 ? "  " : "", field_columns(&fields[i]), text);
    }
    out_text(p->out, p->count == 0 ? "\n" : "");
    for (i = 0; i < count; i++) {
        field_pretty(&fields[i], text, sizeof(text));
        if (fields[i].type == FIELD_HASH) {
            text[16] = '\0'; /* block shows the whole hash */
        }
        out_format(p->out, "%s%*s", i > 0 ? "  " : "", field_columns(&fields[i]), text);
    }
    out_text(p->out, "\n");
}

static void row_print_raw(struct row_printer *p, const struct field *fields, size_t count)
{
    char text[FIELD_TEXT_MAX];
    size_t i;

    for (i = 0; i < count; i++) {
        field_plain(&fields[i], text, sizeof(text));
        out_format(p->out, "%s%s", i > 0 ? "\t" : "", text);
    }
    out_text(p->out, "\n");
}

void row_printer_begin(struct row_printer *p)
{
    if (p->format == OUTPUT_JSON) {
        out_text(p->out, "[");
    }
}

void row_print(struct row_printer *p, const struct field *fields, size_t count)
{
    switch (p->format) {
    case OUTPUT_TABLE:
        row_print_table(p, fields, count);
        break;
    case OUTPUT_JSON:
        out_text(p->out, p->count == 0 ? "\n" : ",\n");
        fields_write_json(p->out, fields, count);
        break;
    case OUTPUT_JSONL:
        fields_write_json(p->out, fields, count);
        out_text(p->out, "\n");
        break;
    case OUTPUT_RAW:
        row_print_raw(p, fields, count);
        break;
    }
    p->count++;
    out_breathe(p->out);
}

void row_printer_end(struct row_printer *p)
{
    if (p->format == OUTPUT_JSON) {
        out_text(p->out, p->count == 0 ? "]\n" : "\n]\n");
    }
}
