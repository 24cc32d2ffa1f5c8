/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four forms of output: table for people, json, jsonl, raw for scripts.
 *
 * PRINT-1  jsonl of entries is what import and batch read. An entry whose value was redacted has
 *          "redacted":true in place of a value; they pass over it.
 * PRINT-2  A list in json is one array, in jsonl one object a line; a single thing is one object.
 *
 * Threads: one thread at a time.
 */
#pragma once

#include "base/bytes.h"
#include "bin/cli/out.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stdint.h>

/* In the order of the choices of --output. */
enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_RAW };

/* ---- Entries ------------------------------------------------------------------------------- */

struct entry {
    struct slice key;
    struct slice value;
    struct blockdb_version_info version;
    bool keys_only; /* there is no value to print */
};

struct entry_printer {
    struct out *out;
    enum output_format format;
    size_t columns; /* of the terminal, 0: print everything */
    uint64_t count;
    bool show_key_alone; /* raw prints the key, without tab and value */
};

void entry_printer_begin(struct entry_printer *p);
void entry_print(struct entry_printer *p, const struct entry *entry);
void entry_printer_end(struct entry_printer *p);
/* "put", "delete" and so on. Static. */
const char *kind_name(enum blockdb_kind kind);
/* Appends the object of PRINT-1, without a line feed. */
void entry_print_json(struct out *out, const struct entry *entry);

/* ---- Rows of named fields ------------------------------------------------------------------ */

enum field_type {
    FIELD_NUMBER,
    FIELD_BYTES, /* a size: 1.5 GiB for people */
    FIELD_NS,    /* a duration */
    FIELD_TIME,  /* ms since 1970 */
    FIELD_HASH,  /* BLOCKDB_HASH_LEN bytes */
    FIELD_TEXT,
    FIELD_SHARE, /* per cent: number of total */
};

struct field {
    const char *name; /* in JSON */
    enum field_type type;
    uint64_t number;
    uint64_t total;      /* FIELD_SHARE */
    const void *data;    /* FIELD_HASH */
    const char *text;    /* FIELD_TEXT */
    const char *heading; /* for people, starts a group of lines; may be NULL */
    bool derived;        /* only for people */
};

/* Prints a single thing. raw: a value a line. */
void fields_print(struct out *out, enum output_format format, const struct field *fields,
                  size_t count);

struct row_printer {
    struct out *out;
    enum output_format format;
    uint64_t count;
};

void row_printer_begin(struct row_printer *p);
void row_print(struct row_printer *p, const struct field *fields, size_t count);
void row_printer_end(struct row_printer *p);
