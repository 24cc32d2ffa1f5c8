/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit: follows a log from where it was last, without trust in whoever keeps it.
 *
 * An audit takes the newest signed head, checks its signatures, and that it continues the head it
 * remembers. Then it reads all entries since and recomputes everything: leaf hashes, every tile of
 * every level, batches, times, block roots, the chain of headers, the roots in them, the map of
 * newest versions, and the root of the head. Entries are cut into stretches, which threads check
 * side by side (audit_stretch.h); one thread joins them in order (audit_join.h).
 *
 * AUDIT-1  The state file changes only to what was verified, and never backwards.
 * AUDIT-2  What is reported as the failure is the first in the order of entries.
 * AUDIT-3  Two audits of one log with one state file prove that it only grew between them.
 *
 * Threads:   audit_run() starts threads of its own; progress is called from the caller's.
 * Ownership: borrows all options; a report owns its list of settings.
 */
#pragma once

#include "audit/audit_source.h"
#include "audit/audit_state.h"

#include <stdbool.h>

struct os;

#define AUDIT_THREADS_MAX 64
#define AUDIT_CONFIGS_MAX 1000

struct audit_options {
    struct os *os;
    struct audit_source *source;
    const char *state_path;
    const char *key;            /* the log's vkey, or NULL */
    const struct slice *policy; /* text of a tlog-policy, or NULL; with both, both must hold */
    bool is_full;               /* all entries again, not only the new ones */
    bool without_map;
    bool without_values;
    unsigned threads; /* 0: one a processor */
    blockdb_progress_cb progress;
    void *progress_arg;
};

/* How far the signatures of the head were checked. */
enum audit_trust {
    AUDIT_UNSIGNED,  /* there was no signed head */
    AUDIT_UNCHECKED, /* signed, but no key was given */
    AUDIT_SIGNED,    /* by the given key */
    AUDIT_QUORUM,    /* as the policy demands */
};

/* Why the map of newest versions was not checked. */
enum audit_map_status {
    AUDIT_MAP_CHECKED,
    AUDIT_MAP_NONE,      /* the headers carry none */
    AUDIT_MAP_LATE,      /* the audit did not begin at entry 0 */
    AUDIT_MAP_UNWANTED,  /* without_map */
    AUDIT_MAP_UNREACHED, /* the audit ended before */
};

/* A setting that was put on record. */
struct audit_config {
    uint64_t seq;
    char name[64]; /* of the first item, cut and made printable */
    uint64_t item_count;
};

struct audit_report {
    char origin[256];
    uint64_t from; /* entries [from, size) were audited */
    uint64_t size;
    struct hash root;
    uint64_t entries; /* audited now */
    uint64_t bytes_hashed;
    uint64_t bytes_read;
    uint64_t tiles;             /* and bundles, read */
    struct audit_counts counts; /* from the beginning of the log */
    uint64_t epoch;
    enum audit_trust trust;
    enum audit_map_status map;
    bool is_grown; /* compared with a remembered head, of remembered_size */
    uint64_t remembered_size;
    bool values_checked;
    uint64_t values_bytes;
    uint64_t redacted_values;     /* puts without a value, as the database says */
    struct audit_config *configs; /* owned; met now, at most AUDIT_CONFIGS_MAX */
    size_t config_count;
    char fork_path[512]; /* where evidence of a fork was written; "" : none */
};

void audit_report_deinit(struct audit_report *report);

/* Audits. *report (zeroed before) is filled also on failure, as far as it came.
 * ETAMPERED, ECORRUPT: the log does not hold; the message names the place. EINVAL: bad options or
 * another log than that of the state file. ECANCELED: progress asked to stop; what was checked is
 * kept in the state file. EVERSION, EUNSUPPORTED, EIO, ENOMEM ... */
RESULT_MUST_BE_USED int audit_run(const struct audit_options *options, struct audit_report *report,
                                  struct error *err);
