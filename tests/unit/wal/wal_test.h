/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the WAL share: a directory, frames whose content follows from their seqs, and
 * a reader that checks it.
 *
 * Threads: one test at a time.
 */
#pragma once

#include "base/mem.h"
#include "os/os.h"
#include "os/os_crash.h"
#include "store/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct wal_fixture {
    struct os *os;
    struct os_crash *disk; /* of wal_fixture_init_memory(), else NULL */
    char dir[256];
    uint8_t ledger_id[WAL_LEDGER_ID_BYTES];
    struct wal_options options;
    struct wal_recovery recovery;
    struct wal *wal;
    uint64_t seq;      /* the next to append */
    uint64_t position; /* behind the last frame appended */
    struct error err;
};

/* What a recovery visited. */
struct wal_seen {
    uint64_t first_seq;
    uint64_t end_seq;
    uint64_t frames;
};

/* Makes an empty directory with a marker and default options: 64 KiB segments, no helper. */
void wal_fixture_init(struct wal_fixture *f, struct os *os, const char *dir);
/* A directory of its own under /tmp. */
void wal_fixture_init_real(struct wal_fixture *f);
/* A directory in a file system in memory. */
void wal_fixture_init_memory(struct wal_fixture *f);
/* Closes what is open and removes the directory. */
void wal_fixture_deinit(struct wal_fixture *f);

/* Opens and checks what is visited: seqs from seen->first_seq on and the content that belongs to
 * them. */
int wal_fixture_open(struct wal_fixture *f, struct wal_seen *seen);
int wal_fixture_close(struct wal_fixture *f);

/* Appends a frame of `count` seqs with a payload of payload_len bytes that follow from first_seq.
 */
int wal_fixture_append(struct wal_fixture *f, uint64_t count, size_t payload_len);
/* Appends as above until n frames more stand; each must succeed. */
void wal_fixture_fill(struct wal_fixture *f, size_t n, size_t payload_len);

/* Ends the process without a close: what was written stays, synced or not (memory only). */
void wal_fixture_kill(struct wal_fixture *f);

/* Whole files, for damage. */
void test_read_file(struct os *os, const char *path, struct buf *out);
void test_write_file(struct os *os, const char *path, struct slice content);
void test_flip(struct os *os, const char *path, uint64_t offset, uint8_t mask);
/* The n-th name (from 0) in the directory that ends in suffix; false when there is none. */
bool test_find_file(struct wal_fixture *f, const char *suffix, size_t n, char out_path[512]);
size_t test_count_files(struct wal_fixture *f, const char *suffix);
