/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engines behind a network have in common: the server, which is our own or one that runs
 * already, and the prefix of their keys.
 *
 * REMOTE-1  In a database that is not ours all keys begin with "blockdb-bench/" and random digits,
 *           new ones each time it is opened: whatever was there stays, and nothing of it is read.
 *
 * Threads:   remote_open() and remote_close() one thread; the rest is immutable then, or atomic.
 */
#pragma once

#include "base/bytes.h"
#include "bin/bench/bench_engine.h"
#include "bin/bench/scratch_server.h"

#include <stdatomic.h>

#define REMOTE_PREFIX "blockdb-bench/"
#define REMOTE_PREFIX_DIGITS 12
#define REMOTE_PREFIX_LEN_MAX (sizeof(REMOTE_PREFIX) - 1 + REMOTE_PREFIX_DIGITS + 1)
#define REMOTE_KEY_LEN_MAX (REMOTE_PREFIX_LEN_MAX + 256)
#define REMOTE_URL_BYTES 1024

struct remote {
    struct os *os;
    struct scratch_server server; /* not running: another's */
    char url[REMOTE_URL_BYTES];   /* where it is; of the Redis protocol, too, as http://host:port */
    char prefix[REMOTE_PREFIX_LEN_MAX + 1]; /* empty for a server of our own */
    size_t prefix_len;
    const char *token_file;     /* or NULL */
    bool is_unsynced;           /* its writes are acknowledged unsynced */
    _Atomic uint64_t seq_count; /* entries known to be there; relaxed */
};

/* What a session needs to build keys. */
struct remote_key {
    uint8_t bytes[REMOTE_KEY_LEN_MAX];
};

/* Starts a server, or takes the one that setup names for this protocol. */
RESULT_MUST_BE_USED int remote_open(struct remote *remote, const struct bench_setup *setup,
                                    bool is_redis, struct error *err);
RESULT_MUST_BE_USED int remote_close(struct remote *remote, struct error *err);

/* The prefix and key, in the scratch of a session. */
struct slice remote_key_of(const struct remote *remote, struct slice key, struct remote_key *out);
/* The process of a server of our own, else METER_NONE. */
int64_t remote_process(const struct remote *remote);
/* Entries up to seq_count - 1 exist. */
void remote_note_seq(struct remote *remote, uint64_t seq_count);
