/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes exported logs, good and forged, for tests of `blockdb-cli audit` and tools/check_log.
 *
 * make_log DIR ENTRIES [forge SEQ]
 *
 * Writes a signed log of at least ENTRIES entries to DIR, always the same for the same number, and
 * prints the log's verifier key. With `forge` entry SEQ has another key, and every tile and block
 * header behind it is made anew, and the head is signed: only who remembers the true log can tell.
 */
#include "unit/audit/audit_log.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK_ENTRIES 1000

static void fill(struct test_log *log, size_t entries)
{
    log->with_map = entries <= 3000; /* the maker of maps is a slow one */
    while (log->count < entries) {
        size_t n = entries < 10 * BLOCK_ENTRIES ? entries / 10 + 1 : BLOCK_ENTRIES;

        for (size_t i = 0; i < n; i++) {
            test_log_put(log, (unsigned)(log->count % 40009), (unsigned)(i % 2),
                         i + 1 < n || i % 2 == 1 ? 2 : 1);
        }
        test_log_delete(log, (unsigned)(log->count % 40009));
        test_log_seal(log);
        log->time_ms++;
    }
    test_log_put(log, 1000000, 0, 1);
    test_log_redact(log, log->count - 1);
    test_log_config(log, "key/1");
    test_log_epoch(log, 1);
    test_log_seal(log);
    test_log_seal(log);
}

static void forge(struct test_log *log, uint64_t seq)
{
    struct leaf leaf;

    if (seq >= log->count || leaf_decode(buf_slice(&log->leaves[seq]), &leaf) < 0 ||
        leaf.kind != BLOCKDB_KIND_PUT) {
        (void)fprintf(stderr, "make_log: entry %llu is no put\n", (unsigned long long)seq);
        exit(2);
    }
    leaf.key = slice_of_text("forged");
    leaf.actor = slice_of_text("nobody");
    test_log_forge(log, seq, &leaf);
}

int main(int argc, char **argv)
{
    struct test_log log;
    struct signing_key key;
    char text[400];

    if (argc != 3 && argc != 5) {
        (void)fprintf(stderr, "usage: make_log DIR ENTRIES [forge SEQ]\n");
        return 2;
    }
    test_log_init(&log);
    test_key_init(&key, 7);
    test_key_text(&key, text);
    fill(&log, strtoull(argv[2], NULL, 10));
    if (argc == 5) {
        forge(&log, strtoull(argv[4], NULL, 10));
    }
    test_log_export(&log, log.count, argv[1], &key);
    (void)puts(text);
    signing_key_deinit(&key);
    test_log_deinit(&log);
    return 0;
}
