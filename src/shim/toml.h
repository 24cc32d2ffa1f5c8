/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML: a C face of toml++ that walks the keys of one document, with line numbers.
 *
 * TOML-1  Only TOML 1.0 passes; a key or table defined twice is refused with both lines where the
 *         parser knows them.
 * TOML-2  No exception leaves; short memory is ENOMEM.
 *
 * Threads:   any thread.
 * Ownership: nothing outlives the call; items are borrowed for one visit.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum toml_type {
    TOML_TABLE,
    TOML_ARRAY,
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_DATE_OR_TIME,
};

/* A key of the document's root (table ""), or of one of the root's tables. */
struct toml_item {
    const char *table;
    const char *key;
    enum toml_type type;
    const char *text; /* TOML_STRING: UTF-8, zero-terminated, without zeros inside; TOML_ARRAY of
                         texts: those, each followed by a line feed; else NULL */
    int64_t integer;  /* TOML_INTEGER */
    bool boolean;     /* TOML_BOOLEAN */
    unsigned line;    /* of the value, from 1 */
};

/* Returns 0 to go on, a negative code to stop with it. */
typedef int (*toml_visit_fn)(void *context, const struct toml_item *item, struct error *err);

/* Parses text and visits each table of the root, then the table's keys; tables inside tables are
 * visited as one key of type TOML_TABLE. Tables come in the order of their lines, so do keys.
 * EINVAL: not TOML; the message starts with name and line. Or what visit returned. */
RESULT_MUST_BE_USED int toml_walk(struct slice text, const char *name, toml_visit_fn visit,
                                  void *context, struct error *err);

/* "a string", "an integer", ...: for messages. Static. */
const char *toml_type_name(enum toml_type type);

#ifdef __cplusplus
}
#endif
