/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source: the database that commands work on, in a directory or behind a server.
 *
 * Commands know the operations and not which of the two answers them, so each command exists once
 * and prints the same. Contracts are those of the functions of the same names in
 * blockdb/blockdb.h and blockdb/evidence.h, statuses included.
 *
 * Threads:   one thread, and those that progress functions say.
 * Ownership: what _new functions hand out is freed with _free before the source is closed.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "bin/cli/print.h"

#include <blockdb/blockdb.h>
#include <blockdb/evidence.h>
#include <stdbool.h>

struct source;
struct source_batch;  /* puts, deletions and conditions */
struct source_cursor; /* over the entries of a scan or a history */
struct source_watch;

struct source_put {
    struct slice key;
    struct slice value;
    bool if_absent;
    struct blockdb_write_options options; /* of a put that is no part of a batch */
};

/* What stats shows beside the figures; borrowed until the next call or the close. */
struct source_identity {
    const char *version;
    const char *data_dir;
    const char *ledger_id;
    const char *origin;
    uint64_t epoch;
};

struct source_ops {
    int (*close)(struct source *s, struct error *err);

    int (*put)(struct source *s, const struct source_put *put, struct blockdb_write_result *out,
               struct error *err);
    int (*remove)(struct source *s, struct slice key, const struct blockdb_write_options *options,
                  struct blockdb_write_result *out, struct error *err);
    int (*batch_new)(struct source *s, struct source_batch **out, struct error *err);
    void (*batch_free)(struct source_batch *batch);
    int (*batch_put)(struct source_batch *batch, const struct source_put *put, struct error *err);
    int (*batch_delete)(struct source_batch *batch, struct slice key, struct error *err);
    size_t (*batch_count)(const struct source_batch *batch);
    size_t (*batch_bytes)(const struct source_batch *batch);
    int (*batch_write)(struct source_batch *batch, enum blockdb_durability durability,
                       struct blockdb_write_result *out, struct error *err);
    /* Takes the batch. cb may be called before it returns. */
    int (*batch_submit)(struct source_batch *batch, enum blockdb_durability durability,
                        blockdb_write_cb cb, void *arg, struct error *err);

    int (*get)(struct source *s, struct slice key, uint64_t at_seq, struct blockdb_value *value,
               struct error *err);
    /* The same, with its evidence checked: a directory recomputes the entry's block, a server
     * proves the entry to those keys in --key. */
    int (*get_verified)(struct source *s, struct slice key, uint64_t at_seq,
                        struct blockdb_value *value, struct error *err);
    int (*seq_at_time)(struct source *s, uint64_t time_ms, uint64_t *out_seq, struct error *err);
    int (*scan_new)(struct source *s, const struct blockdb_scan_options *options,
                    struct source_cursor **out, struct error *err);
    int (*history_new)(struct source *s, struct slice key, bool versions_only,
                       struct source_cursor **out, struct error *err);
    /* *out borrows until the next call; of a history its key is empty. */
    int (*cursor_next)(struct source_cursor *cursor, struct entry *out, struct error *err);
    void (*cursor_free)(struct source_cursor *cursor);

    int (*block_get)(struct source *s, uint64_t height, struct blockdb_block *out,
                     struct error *err);
    int (*head_get)(struct source *s, struct blockdb_head *out, struct error *err);
    int (*checkpoint_get)(struct source *s, struct blockdb_value *out, struct error *err);
    int (*checkpoint_sign)(struct source *s, struct blockdb_value *out, struct error *err);
    int (*prove_entry)(struct source *s, uint64_t seq, const struct blockdb_prove_options *options,
                       struct blockdb_value *out, struct error *err);
    int (*prove_key)(struct source *s, struct slice key,
                     const struct blockdb_prove_options *options, struct blockdb_value *out,
                     struct error *err);

    int (*stats)(struct source *s, struct blockdb_stats *out, struct error *err);
    int (*identity)(struct source *s, struct source_identity *out, struct error *err);
    int (*verify)(struct source *s, const struct blockdb_verify_options *options,
                  struct blockdb_verify_report *out, struct error *err);
    int (*flush)(struct source *s, struct error *err);
    int (*compact)(struct source *s, bool wait, blockdb_progress_cb progress, void *arg,
                   struct error *err);
    int (*backup)(struct source *s, const char *dir, blockdb_progress_cb progress, void *arg,
                  struct error *err);
    int (*redact)(struct source *s, const struct blockdb_redact_target *targets, size_t count,
                  const struct blockdb_redact_options *options, struct blockdb_write_result *out,
                  struct error *err);
};

/* Implementations embed it as their first field. */
struct source {
    const struct source_ops *ops;
    const char *name;   /* the directory or URL, for people */
    struct blockdb *db; /* of a directory, for what a server cannot do; else NULL */
};

struct cli;

/* Makes a source of an open database, which it takes. ENOMEM; db is the caller's then. */
RESULT_MUST_BE_USED int source_of_database(struct cli *cli, struct blockdb *db, const char *dir,
                                           struct source **out, struct error *err);
/* Makes a source of the server that the options, the environment or a profile name. Nothing is
 * asked of it yet. EINVAL, EDENIED: as blockdb_client_new(). */
RESULT_MUST_BE_USED int source_of_server(struct cli *cli, struct source **out, struct error *err);
/* The client of a server's source. */
struct blockdb_client;
struct blockdb_client *source_client(struct source *s);
