/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof files that were published: they still verify, and the writer still makes the same bytes.
 * BLOCKDB_WRITE_VECTORS=1 writes them anew.
 */
#include "base/mem.h"
#include "verify_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* docs/format/proof.md */
#define VKEY "log.example/sample+2589da60+AYhLiFf06qFhPGFQTbNNS+rzRlF6DjHePN3U2bQgHZ0L"

static struct sample sample;

static const struct {
    const char *name;
    struct sample_file file;
} files[] = {
    {"entry", {.head_size = 14, .seq = 0, .with_value = true, .with_block = true}},
    {"range", {.head_size = 8, .seq = 5, .range_first = 4, .range_count = 1}},
    {"newest",
     {.head_size = 14,
      .seq = 3,
      .with_value = true,
      .with_block = true,
      .with_key = true,
      .with_history = true,
      .key = "alpha"}},
    {"newest-no-gap",
     {.head_size = 11, .seq = 3, .with_value = true, .with_key = true, .key = "alpha"}},
    {"deleted", {.head_size = 11, .seq = 2, .with_key = true, .key = "beta"}},
    {"absent", {.head_size = 14, .seq = 13, .with_key = true, .key = "nobody"}},
    {"redacted", {.head_size = 11, .seq = 6, .with_key = true, .redaction = 8, .key = "secret"}},
};

static void path_of(size_t i, char *out, size_t len)
{
    snprintf(out, len, "%s/%s.tlog-proof", PROOF_FILES, files[i].name);
}

static void write_anew(size_t i, const struct buf *text)
{
    char path[500];
    FILE *file;

    path_of(i, path, sizeof path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->len, file), text->len);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(size_t i, uint8_t *out, size_t len)
{
    char path[500];
    FILE *file;
    size_t got;

    path_of(i, path, sizeof path);
    file = fopen(path, "rb");
    assert_non_null(file);
    got = fread(out, 1, len, file);
    assert_int_equal(fclose(file), 0);
    return got;
}

static void published_files(void **state)
{
    static uint8_t bytes[1 << 16];
    struct verify_case test;

    case_init(&test, &sample);
    test.keys[0] = VKEY;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        AUTO(buf_deinit) struct buf text = {0};
        size_t len;

        sample_write(&sample, &files[i].file, &text);
        if (getenv("BLOCKDB_WRITE_VECTORS") != NULL) {
            write_anew(i, &text);
        }
        len = read_file(i, bytes, sizeof bytes);
        assert_true(slice_equal(slice_of(bytes, len), buf_slice(&text)));
        assert_int_equal(case_verify(&test, slice_of(bytes, len)), 0);
    }
    case_deinit(&test);
}

static int setup(void **state)
{
    sample_init(&sample);
    return 0;
}

static int teardown(void **state)
{
    sample_deinit(&sample);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_files)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
