/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process for others to kill, fill up or cut off: writes numbered entries through the public
 * header and tells what was acknowledged; in another run, checks that it is there.
 *
 *   store_writer write DIR MODE FIRST   opens DIR (creating it) and writes entries numbered from
 *       FIRST in two threads, with wal_sync_mode MODE; prints "N SEQ" once an entry is
 *       acknowledged, until it is killed or a write fails ("error CODE MESSAGE").
 *   store_writer check DIR              reads "N SEQ" lines, demands that each entry is there, and
 *       verifies everything; prints "ok ENTRIES", or "lost N" for each that is missing.
 *   store_writer fill DIR               writes until the disk is full, prints "full MESSAGE", waits
 *       for a line, writes on, closes, and prints "N SEQ" lines for everything.
 */
#include <blockdb/blockdb.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS 3000
#define FILL_VALUE 8000
#define VALUE_MAX FILL_VALUE
#define WRITES_AFTER 200
#define RETRIES 200
#define ACKED_MAX 100000

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

/* One line at once, so that two threads do not mix theirs and a kill leaves none in a buffer. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char line[BLOCKDB_ERROR_MESSAGE_MAX + 64];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (write(STDOUT_FILENO, line, (size_t)len) != len) {
        exit(1); /* who listened is gone */
    }
}

static struct blockdb *open_db(const char *dir, const char *mode, unsigned flags)
{
    static const char *const settings[][2] = {
        {"memtable_size_limit", "1MiB"}, {"wal_file_size", "17MiB"},
        {"wal_keep_size", "0"},          {"ledger_segment_size", "1MiB"},
        {"blockchain_batch_size", "50"}, {"block_interval", "20ms"},
        {"block_cache_size", "1MiB"},    {"index_cache_size", "1MiB"},
        {"compaction_threshold", "2"},   {"inline_value_limit", "100"},
    };
    struct blockdb_options *options = blockdb_options_new();
    struct blockdb *db = NULL;
    struct blockdb_error err;
    size_t i;

    for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (blockdb_options_set(options, settings[i][0], settings[i][1], &err) < 0) {
            fail("%s", err.message);
        }
    }
    if (blockdb_options_set(options, "wal_sync_mode", mode, &err) < 0 ||
        blockdb_open(dir, options, flags, &db, &err) < 0) {
        fail("open: %s", err.message);
    }
    blockdb_options_free(options);
    return db;
}

static size_t make_key(uint64_t n, char *out)
{
    return (size_t)snprintf(out, 32, "key%05" PRIu64, n % KEYS);
}

/* The value of entry n: its number, then bytes that follow from it. */
static size_t make_value(uint64_t n, size_t len, char *out)
{
    size_t i;
    size_t head = (size_t)snprintf(out, 32, "%020" PRIu64, n);

    for (i = head; i < len; i++) {
        out[i] = (char)('a' + (n + i) % 26);
    }
    return len;
}

static int put(struct blockdb *db, uint64_t n, size_t value_len, uint64_t *out_seq,
               struct blockdb_error *err)
{
    struct blockdb_write_result result;
    char key[32];
    char value[VALUE_MAX];
    size_t key_len = make_key(n, key);
    int rc = blockdb_put(db, key, key_len, value, make_value(n, value_len, value), NULL, &result,
                         err);

    if (rc == BLOCKDB_OK) {
        *out_seq = result.first_seq;
    }
    return rc;
}

/* ---- write --------------------------------------------------------------------------------- */

struct numbers {
    struct blockdb *db;
    _Atomic uint64_t next;
};

static void *write_on(void *arg)
{
    struct numbers *numbers = arg;

    for (;;) {
        uint64_t n = atomic_fetch_add(&numbers->next, 1);
        struct blockdb_error err;
        uint64_t seq = 0;
        int rc = put(numbers->db, n, 20 + n * 37 % 900, &seq, &err);

        if (rc < 0) {
            say("error %d %s\n", rc, err.message);
            return NULL;
        }
        say("%" PRIu64 " %" PRIu64 "\n", n, seq);
    }
}

static int run_write(const char *dir, const char *mode, uint64_t first)
{
    struct numbers numbers = {.next = first};
    pthread_t other;

    numbers.db = open_db(dir, mode, BLOCKDB_OPEN_CREATE);
    if (pthread_create(&other, NULL, write_on, &numbers) != 0) {
        fail("cannot start a thread");
    }
    (void)write_on(&numbers);
    (void)pthread_join(other, NULL);
    return 0; /* not closed: what it was killed for may have happened to it */
}

/* ---- check --------------------------------------------------------------------------------- */

/* Whether entry seq is put n, whole. */
static bool is_there(struct blockdb *db, uint64_t n, uint64_t seq)
{
    struct blockdb_value key = {0};
    struct blockdb_value value = {0};
    struct blockdb_error err;
    char expected_key[32];
    char expected[VALUE_MAX];
    size_t key_len = make_key(n, expected_key);
    int rc = blockdb_get_entry(db, seq, &key, &value, &err);
    bool found = rc == BLOCKDB_OK && key.len == key_len && value.len >= 20 &&
                 value.len <= VALUE_MAX && memcmp(key.data, expected_key, key_len) == 0;

    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        fail("entry %" PRIu64 ": %s", seq, err.message);
    }
    if (found) {
        (void)make_value(n, value.len, expected);
        found = memcmp(value.data, expected, value.len) == 0;
    }
    blockdb_value_deinit(&key);
    blockdb_value_deinit(&value);
    return found;
}

/* The index knows every key's newest entry: a get agrees with the history. */
static void check_index(struct blockdb *db)
{
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    struct blockdb_iter *iter = NULL;
    struct blockdb_value value = {0};
    struct blockdb_error err;
    int rc;

    if (blockdb_iter_new(db, &options, &iter, &err) < 0) {
        fail("scan: %s", err.message);
    }
    while ((rc = blockdb_iter_next(iter, &err)) == BLOCKDB_OK) {
        size_t len;
        const void *key = blockdb_iter_key(iter, &len);

        if (blockdb_get(db, key, len, NULL, &value, &err) < 0) {
            fail("get: %s", err.message);
        }
        if (value.version.seq != blockdb_iter_version(iter).seq) {
            fail("a scan and a get differ");
        }
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        fail("scan: %s", err.message);
    }
    blockdb_value_deinit(&value);
    blockdb_iter_free(iter);
}

static int run_check(const char *dir)
{
    struct blockdb *db = open_db(dir, "group", BLOCKDB_OPEN_CREATE);
    struct blockdb_verify_report report;
    struct blockdb_error err;
    uint64_t n;
    uint64_t seq;

    while (scanf("%" SCNu64 " %" SCNu64, &n, &seq) == 2) {
        if (!is_there(db, n, seq)) {
            say("lost %" PRIu64 "\n", n);
        }
    }
    check_index(db);
    if (blockdb_verify(db, NULL, &report, &err) < 0) {
        fail("verify: %s", err.message);
    }
    if (blockdb_close(db, &err) < 0) {
        fail("close: %s", err.message);
    }
    say("ok %" PRIu64 "\n", report.entries);
    return 0;
}

/* ---- fill ---------------------------------------------------------------------------------- */

static uint64_t acked[ACKED_MAX]; /* seq of entry n */

static uint64_t fill(struct blockdb *db, struct blockdb_error *err)
{
    uint64_t n;

    for (n = 0; n < ACKED_MAX - WRITES_AFTER; n++) {
        int rc = put(db, n, FILL_VALUE, &acked[n], err);

        if (rc == BLOCKDB_ENOSPC) {
            return n;
        }
        if (rc < 0) {
            fail("a full disk gave %d: %s", rc, err->message);
        }
    }
    fail("the disk never became full");
}

static void check_all(struct blockdb *db, uint64_t count)
{
    uint64_t n;

    for (n = 0; n < count; n++) {
        if (!is_there(db, n, acked[n])) {
            fail("entry of number %" PRIu64 " is gone", n);
        }
    }
}

/* Writes on, as soon as the engine has noticed that there is room. */
static uint64_t resume(struct blockdb *db, uint64_t first)
{
    struct blockdb_error err;
    unsigned retries = 0;
    uint64_t n = first;

    while (n < first + WRITES_AFTER) {
        int rc = put(db, n, FILL_VALUE, &acked[n], &err);

        if (rc == BLOCKDB_OK) {
            n++;
        } else if (rc != BLOCKDB_ENOSPC || ++retries > RETRIES) {
            fail("writing does not resume: %d %s", rc, err.message);
        } else {
            (void)usleep(50000);
        }
    }
    return n;
}

static int run_fill(const char *dir)
{
    struct blockdb *db = open_db(dir, "group", BLOCKDB_OPEN_CREATE);
    struct blockdb_error err;
    char line[16];
    uint64_t count = fill(db, &err);
    uint64_t n;

    check_all(db, count);
    check_index(db);
    say("full %s\n", err.message);
    if (fgets(line, sizeof(line), stdin) == NULL) {
        fail("nobody made room");
    }
    count = resume(db, count);
    check_all(db, count);
    if (blockdb_close(db, &err) < 0) {
        fail("close: %s", err.message);
    }
    for (n = 0; n < count; n++) {
        say("%" PRIu64 " %" PRIu64 "\n", n, acked[n]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "write") == 0) {
        return run_write(argv[2], argv[3], strtoull(argv[4], NULL, 10));
    }
    if (argc == 3 && strcmp(argv[1], "check") == 0) {
        return run_check(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "fill") == 0) {
        return run_fill(argv[2]);
    }
    fail("usage: store_writer write DIR MODE FIRST | check DIR | fill DIR");
}
