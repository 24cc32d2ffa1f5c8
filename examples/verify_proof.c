/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a proof file against the public key of a log, and prints what it proves. Needs neither
 * database nor network, and trusts neither the file nor whoever sent it.
 *
 * Build:  cc verify_proof.c $(pkg-config --cflags --libs blockdb-verify) -o verify_proof
 * Run:    ./verify_proof PROOF-FILE VKEY [KEY]
 */
#include <blockdb/verify.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64L * 1024 * 1024)

/* Reads a file whole; NULL when it cannot, or when it is too large to be a proof. */
static char *read_file(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long len;

    if (file == NULL) {
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) > 0 && len <= FILE_MAX &&
        fseek(file, 0, SEEK_SET) == 0) {
        text = malloc((size_t)len);
        *out_len = (size_t)len;
    }
    if (text != NULL && fread(text, 1, *out_len, file) != *out_len) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

static const char *state_name(enum blockdb_key_state state)
{
    switch (state) {
    case BLOCKDB_KEY_LIVE:
        return "is the newest version of its key";
    case BLOCKDB_KEY_DELETED:
        return "is the newest version of its key, a deletion";
    case BLOCKDB_KEY_ABSENT:
        return "is the last of the log, in which the key was never written";
    case BLOCKDB_KEY_NOT_SHOWN:
        break;
    }
    return "was written; it may have been replaced since";
}

static void print_bytes(const char *name, struct blockdb_bytes bytes)
{
    printf("%s: ", name);
    fwrite(bytes.data, 1, bytes.len, stdout);
    printf("\n");
}

static void print_report(const struct blockdb_proof_report *report)
{
    struct blockdb_bytes history = report->history; /* the iterator moves its copy */
    struct blockdb_proof_version version;

    print_bytes("log", report->head.origin);
    printf("of its %" PRIu64 " entries, entry %" PRIu64 " %s\n", report->head.tree_size,
           report->seq, state_name(report->key_state));
    if (report->entry.key.len > 0) {
        print_bytes("key", report->entry.key);
    }
    if (report->value_state == BLOCKDB_VALUE_WHOLE) {
        print_bytes("value", report->value);
    }
    while (blockdb_proof_next_version(&history, &version)) {
        printf("version: entry %" PRIu64 ", of %" PRIu64 " ms\n", version.seq,
               version.entry.time_ms);
    }
    if (report->has_redaction) {
        print_bytes("erased, because", report->redaction.reason);
    }
}

static int verify(const char *text, size_t len, const char *vkey, const char *key)
{
    struct blockdb_trust trust = BLOCKDB_TRUST_INIT;
    struct blockdb_expectations expect = BLOCKDB_EXPECTATIONS_INIT;
    struct blockdb_proof_report report = BLOCKDB_PROOF_REPORT_INIT;
    struct blockdb_proof_file file = {text, len, NULL, BLOCKDB_PROOF_SCRATCH_LEN(len)};
    struct blockdb_error err;
    int rc;

    trust.keys = &vkey;
    trust.key_count = 1;
    if (key != NULL) {
        expect.key = key;
        expect.key_len = strlen(key);
    }
    file.scratch = malloc(file.scratch_len + 1);
    if (file.scratch == NULL) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    rc = blockdb_verify_proof_file(&file, &trust, &expect, &report, &err);
    if (rc == BLOCKDB_OK) {
        print_report(&report);
    } else {
        fprintf(stderr, "NOT PROVEN: %s\n", err.message);
    }
    free(file.scratch);
    return rc == BLOCKDB_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    size_t len = 0;
    char *text;
    int code;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s PROOF-FILE VKEY [KEY]\n", argv[0]);
        return 2;
    }
    text = read_file(argv[1], &len);
    if (text == NULL) {
        fprintf(stderr, "cannot read '%s'\n", argv[1]);
        return 1;
    }
    code = verify(text, len, argv[2], argc == 4 ? argv[3] : NULL);
    free(text);
    return code;
}
