/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an audit reads a log from: its checkpoint, its tiles, its entry bundles.
 *
 * Three kinds: a directory of static files in the layout of C2SP tlog-tiles, the same by HTTP, and
 * an open database. Whatever they deliver is not believed: the audit recomputes all of it.
 *
 * SRC-1  A source never delivers more than the maximum of what was asked for.
 *
 * Threads:   the source: any thread; a connection belongs to one thread.
 * Ownership: a source copies its place; one of a database borrows it until freed.
 * Format:    docs/format/merkle.md, entry.md (bundles)
 */
#pragma once

#include "base/bytes.h"
#include "ledger/tile.h"

#include <blockdb/blockdb.h>
#include <stdatomic.h>
#include <stdbool.h>

struct http_access;
struct os;
struct audit_source;

/* A checkpoint with all its signatures. */
#define AUDIT_NOTE_LEN_MAX ((size_t)128 * 1024)

struct audit_source_ops {
    /* What one thread needs to read; NULL when that is nothing. */
    int (*connect)(struct audit_source *source, void **out_connection, struct error *err);
    void (*disconnect)(struct audit_source *source, void *connection);
    /* Replaces *out by a note, or by the text of an unsigned head. ENOTFOUND: there is none. */
    int (*read_checkpoint)(struct audit_source *source, void *connection, struct buf *out,
                           bool *out_is_signed, struct error *err);
    /* Replaces *out by the bytes of a tile or bundle, of whatever length. ENOTFOUND: there is no
     * such one. */
    int (*read_tile)(struct audit_source *source, void *connection, const struct tile *tile,
                     struct buf *out, struct error *err);
    void (*free)(struct audit_source *source);
};

/* Implementations embed it as their first field. */
struct audit_source {
    const struct audit_source_ops *ops;
    char *place;        /* owned: the directory or URL, for messages */
    struct blockdb *db; /* of a database, else NULL */
    /* A connection could not be made, or broke, so what failed may be tried again. Any thread. */
    atomic_bool lost_connection;
    /* Nobody wants what is read any more, so that a read that waits for its server's time gives up:
     * set and cleared by the audit, and asked of who began it (NULL: never). Any thread. */
    atomic_bool is_stopped;
    bool (*stop_asked)(void);
};

/* A directory of static files. It need not exist before the first read. ENOMEM. */
RESULT_MUST_BE_USED int audit_source_of_dir(struct os *os, const char *dir,
                                            struct audit_source **out, struct error *err);
/* The prefix of a log on the network, "https://example.org/log"; access (client/http.h; NULL:
 * nobody) is borrowed until the source is freed. EINVAL: no such URL. With the first read come
 * EUNSUPPORTED, when that needs libssl or zlib and it is not installed, EINVAL for a file of access
 * that cannot be used, and EDENIED when the server lets somebody else read. */
RESULT_MUST_BE_USED int audit_source_of_url(const char *url, const struct http_access *access,
                                            struct audit_source **out, struct error *err);
/* An open database; dir is its directory, for messages. A database without a signed head delivers
 * the text of an unsigned checkpoint: that of its sealed head. ENOMEM. */
RESULT_MUST_BE_USED int audit_source_of_database(struct blockdb *db, const char *dir,
                                                 struct audit_source **out, struct error *err);

/* NULL does nothing. */
void audit_source_free(struct audit_source *source);
/* For AUTO(audit_source_free_ptr). */
void audit_source_free_ptr(struct audit_source **source);

#define AUDIT_NAME_MAX 512
/* Names a tile or bundle for messages: "bundle '/logs/a/tile/entries/001'". Cut when longer. */
void audit_source_name(const struct audit_source *source, const struct tile *tile,
                       char out[AUDIT_NAME_MAX]);
