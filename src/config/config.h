/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: the tables [database], [ledger], [server], [security], [cluster] and [logging],
 * from TOML files, environment and flags. All programs know all tables, so that one file serves
 * them all.
 *
 * Whoever is applied later wins, so programs apply files, then the environment, then flags. The
 * keys of [database] and [ledger] are those of blockdb_option_table(); nothing is known here twice.
 *
 * CFG-1  An unknown key, a wrong type, unit, choice or range is an error that names file and line,
 *        and the nearest known key.
 * CFG-2  A failed call may have applied earlier keys of its file; a program that fails to configure
 *        itself ends.
 * CFG-3  A key is accepted only when a program of this build reads it.
 *
 * Threads:   caller locks; immutable once applied.
 * Ownership: a config owns its values.
 * Format:    docs/operate/configuration.md
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/logger.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_FILE_BYTES_MAX (1024 * 1024)

struct config;
struct os;

/* One key; all texts are static. */
struct config_key {
    const char *section;       /* "database" */
    const char *name;          /* "memtable_size_limit" */
    const char *type;          /* as struct blockdb_option_info; "duration_s", "list" */
    const char *default_value; /* "" when computed */
    const char *choices;       /* of an enum, separated by spaces */
    const char *help;
    uint64_t min; /* of a number, or of the length of a string */
    uint64_t max;
};

/* All keys, section by section. */
size_t config_key_count(void);
struct config_key config_key_at(size_t index);
/* Whether values of key are numbers: sizes, times, integers. */
bool config_key_is_number(const struct config_key *key);

/* What [logging] says. */
struct config_logging {
    enum logger_level level;
    enum logger_format format;
    const char *file; /* "": standard error */
};

/* All defaults; NULL when out of memory. */
struct config *config_new(void);
void config_free(struct config *config);
void config_free_ptr(struct config **config);

/* Applies one TOML document; name stands for it in messages. EINVAL as CFG-1 tells. */
RESULT_MUST_BE_USED int config_apply_text(struct config *config, struct slice text,
                                          const char *name, struct error *err);
/* Applies a file, or the *.toml files of a directory in the order of their names. */
RESULT_MUST_BE_USED int config_apply_path(struct config *config, struct os *os, const char *path,
                                          struct error *err);
/* Applies BLOCKDB_<KEY> for [database] and BLOCKDB_<SECTION>_<KEY> for the others, in capital
 * letters. Other variables are ignored unless they look like a mistyped key (EINVAL). environment
 * is an array of "NAME=value" that ends in NULL; borrowed. */
RESULT_MUST_BE_USED int config_apply_environment(struct config *config, char *const *environment,
                                                 struct error *err);
/* Applies one value as text: name is "section.key", or a key of [database]. */
RESULT_MUST_BE_USED int config_set(struct config *config, const char *name, const char *value,
                                   struct error *err);

/* The value in force as text; NULL for an unknown name. Borrowed until the next change. */
const char *config_get(const struct config *config, const char *name);

/* The values of programs' own keys, those outside of [database] and [ledger]; name must be one.
 * Numbers are in the key's unit (a duration_s is seconds), those of an enum the position among the
 * choices; a list has a space between two words. Texts are borrowed until the next change. */
const char *config_text(const struct config *config, const char *name);
uint64_t config_number(const struct config *config, const char *name);
bool config_bool(const struct config *config, const char *name);

/* Whether a file, the environment or a flag has set that key. */
bool config_is_set(const struct config *config, const char *name);
/* Where the value in force stands, as "file:line"; "" when no file has set it, or a later flag or
 * variable did. Borrowed until the next change. */
const char *config_where(const struct config *config, const char *name);

/* Puts before the refusal in err, whose code is rc, where in files the keys stand that it is about,
 * as "a.toml:3 and a.toml:9". NULL ends names; keys that no file has set have no place. Returns rc.
 */
int config_refuse(const struct config *config, const char *const *names, int rc, struct error *err);

/* The tables [database] and [ledger]; borrowed. */
const struct blockdb_options *config_database(const struct config *config);
/* Whether the keys of [database] and [ledger] fit together, which opening a database demands.
 * EINVAL names them, and where they stand. */
RESULT_MUST_BE_USED int config_check_database(const struct config *config, struct error *err);
/* Who hears of events of databases opened with config_database(); see
 * blockdb_options_set_event_cb(). */
void config_set_event_cb(struct config *config, blockdb_event_cb cb, void *arg);
/* The [logging] table; file is borrowed. */
struct config_logging config_logging(const struct config *config);

/* Appends a complete, commented TOML file with the values of config. ENOMEM leaves out unchanged in
 * length or longer. */
RESULT_MUST_BE_USED int config_print(const struct config *config, struct buf *out);
/* Appends the reference tables of docs/operate/configuration.md. */
RESULT_MUST_BE_USED int config_print_reference(struct buf *out);
