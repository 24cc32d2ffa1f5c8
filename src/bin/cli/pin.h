/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pinned heads: what this user has seen of each log, so that an older copy or another history is
 * noticed when it is shown later.
 *
 * One small text file per origin, ${XDG_STATE_HOME:-$HOME/.local/state}/blockdb/heads/<SHA-256 of
 * the origin in hex>, keeps the largest head that was seen. It is replaced by a rename, without a
 * sync: a power cut may leave the pin before.
 *
 * PIN-1  A log that is shorter than its pin, or has another root at the pin's size, is refused
 *        (ETAMPERED), and the pin stays.
 * PIN-2  A pin only moves to a head whose log was compared with it.
 * PIN-3  That a pin cannot be read or kept fails no command; it is warned of once.
 *
 * Threads:   one thread.
 * Ownership: a `struct pin` owns its path.
 * Format:    docs/operate/cli.md, "Pinned heads"
 */
#pragma once

#include "base/error.h"
#include "crypto/sha256.h"

#include <stdbool.h>
#include <stdint.h>

struct messages;
struct os;

/* A head that was or is shown. */
struct pinned_head {
    uint64_t size;
    struct hash root;
    bool is_signed; /* and not only read from a directory */
};

/* The pin of one log. Zeroed: switched off. */
struct pin {
    struct os *os;
    struct messages *messages;
    char *path; /* NULL: off, or there is nowhere to keep it */
    char *origin;
    bool has_kept; /* kept is what the file says */
    bool is_checked;
    struct pinned_head kept;
};

/* A log as it is shown now. */
struct pin_log {
    const char *name; /* for messages: a directory or URL */
    struct pinned_head head;
    /* The root of the tree of the first size entries; size is at most head.size. */
    int (*root_at)(void *context, uint64_t size, struct hash *out, struct error *err);
    void *context;
};

/* Finds the pin of a log and reads it. environment as in main(). ENOMEM. */
RESULT_MUST_BE_USED int pin_init(struct pin *pin, struct os *os, struct messages *messages,
                                 char *const *environment, const char *origin);
void pin_deinit(struct pin *pin);

/* Compares a log with its pin (PIN-1); forget accepts whatever is shown. Errors of root_at, too. */
RESULT_MUST_BE_USED int pin_check(struct pin *pin, const struct pin_log *log, bool forget,
                                  struct error *err);
/* Moves the pin to a head of the log that was checked. */
void pin_keep(struct pin *pin, const struct pinned_head *head);
