/* SPDX-License-Identifier: Apache-2.0 */
/* The parts tables are made of: codecs, filters, the file writer. */
#include "base/mem.h"
#include "os/os_fault.h"
#include "store/codec.h"
#include "store/file_writer.h"
#include "store/filter.h"
#include "table_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

/* after the four that it needs */
#include <cmocka.h>

/* ---- Codecs ---- */

static void fill(struct rng *r, struct buf *out, size_t len, unsigned letters)
{
    size_t i;

    buf_reset(out);
    assert_int_equal(buf_append_zeros(out, len), 0);
    for (i = 0; i < len; i++) {
        out->data[i] = (uint8_t)rng_below(r, letters);
    }
}

static void codecs_give_back_what_they_took(void **state)
{
    static const size_t lens[] = {0, 1, 7, 100, 4096, 300000};
    AUTO(buf_deinit) struct buf raw = {0};
    AUTO(buf_deinit) struct buf stored = {0};
    AUTO(buf_deinit) struct buf back = {0};
    struct rng r = rng_start();
    unsigned codec;
    size_t i;

    (void)state;
    for (codec = 0; codec < CODEC_COUNT; codec++) {
        struct compressor *c = compressor_new((enum codec)codec, CODEC_LEVEL_DEFAULT);

        assert_non_null(c);
        for (i = 0; i < 12; i++) {
            size_t len = lens[i / 2];
            bool dense = i % 2 == 0;
            enum codec used;

            fill(&r, &raw, len, dense ? 3 : 256);
            buf_reset(&stored);
            assert_int_equal(buf_append(&stored, "head", 4), 0);
            assert_int_equal(compressor_run(c, buf_slice(&raw), &stored, &used), 0);
            assert_memory_equal(stored.data, "head", 4);
            if (dense && len >= 4096 && codec != CODEC_NONE) {
                assert_int_equal(used, codec);
                assert_true(stored.len - 4 <= len - len / 8);
            } else if (!dense) {
                assert_int_equal(used, CODEC_NONE); /* nothing to be won */
                assert_int_equal(stored.len - 4, len);
            }
            buf_reset(&back);
            assert_int_equal(buf_append_zeros(&back, len + 1), 0);
            assert_int_equal(
                codec_decompress(used, slice_of(stored.data + 4, stored.len - 4), back.data, len),
                0);
            assert_memory_equal(back.data, raw.data, len);
            assert_int_equal(back.data[len], 0);
            assert_int_equal(codec_decompress(used, slice_of(stored.data + 4, stored.len - 4),
                                              back.data, len + 1),
                             BLOCKDB_ECORRUPT);
        }
        compressor_free(c);
    }
    compressor_free(NULL);
}

static void damaged_bytes_do_no_harm(void **state)
{
    AUTO(buf_deinit) struct buf raw = {0};
    AUTO(buf_deinit) struct buf stored = {0};
    struct rng r = rng_start();
    uint8_t back[2000];
    unsigned codec;
    size_t i;

    (void)state;
    for (codec = 1; codec < CODEC_COUNT; codec++) {
        struct compressor *c = compressor_new((enum codec)codec, 1);
        enum codec used;

        fill(&r, &raw, sizeof(back), 4);
        buf_reset(&stored);
        assert_int_equal(compressor_run(c, buf_slice(&raw), &stored, &used), 0);
        for (i = 0; i < stored.len; i++) {
            uint8_t bit = (uint8_t)(1U << rng_below(&r, 8));
            int rc;

            stored.data[i] ^= bit;
            rc = codec_decompress(used, buf_slice(&stored), back, sizeof(back));
            assert_true(rc == 0 || rc == BLOCKDB_ECORRUPT);
            stored.data[i] ^= bit;
            assert_true(codec_decompress(used, slice_of(stored.data, i), back, sizeof(back)) < 0);
        }
        compressor_free(c);
    }
    assert_int_equal(codec_decompress(CODEC_COUNT, buf_slice(&raw), back, raw.len),
                     BLOCKDB_ECORRUPT);
}

static void codecs_have_names(void **state)
{
    enum codec codec = CODEC_NONE;
    unsigned i;

    (void)state;
    for (i = 0; i < CODEC_COUNT; i++) {
        assert_int_equal(codec_of_name(codec_name(i), &codec), 0);
        assert_int_equal(codec, i);
    }
    assert_int_equal(codec_of_name("brotli", &codec), BLOCKDB_EINVAL);
    assert_string_equal(codec_name(77), "unknown");
}

/* ---- Filters ---- */

static bool filter_has(const struct filter *f, uint64_t hash)
{
    return filter_line_has(f->lines + filter_line(hash, f->line_count) * FILTER_LINE_BYTES, hash,
                           f->probes);
}

static void filters_have_no_false_negatives(void **state)
{
    static const uint64_t key_counts[] = {0, 1, 50, 1000, 20000};
    struct rng r = rng_start();
    unsigned i;

    (void)state;
    for (i = 0; i < 15; i++) {
        uint64_t keys = key_counts[i / 3];
        uint64_t room = keys * (i % 3 == 0 ? 1 : i % 3 == 1 ? 7 : 64) + 1;
        uint64_t seed = rng_next(&r);
        struct rng again = {.state = seed};
        struct rng other = {.state = ~seed};
        struct filter f = {0};
        uint64_t wrong = 0;
        uint64_t n;

        assert_int_equal(filter_init(&f, room, 10), 0);
        for (n = 0; n < keys; n++) {
            filter_add(&f, rng_next(&again));
        }
        filter_finish(&f);
        again.state = seed;
        for (n = 0; n < keys; n++) {
            assert_true(filter_has(&f, rng_next(&again)));
        }
        for (n = 0; n < 10000; n++) {
            wrong += filter_has(&f, rng_next(&other));
        }
        assert_true(keys < 100 || wrong < 250);
        /* Far too large a guess is folded down again. */
        assert_true(f.line_count <= 64 + 3 * (keys * 10 / 512 + 1));
        filter_deinit(&f);
    }
}

/* ---- File writer ---- */

struct throttle {
    uint64_t bytes;
};

static void count_bytes(void *arg, size_t bytes)
{
    ((struct throttle *)arg)->bytes += bytes;
}

/* Writes in pieces, syncing now and then; compares the file with what was written after each. */
static void write_and_compare(struct env *env, bool direct, size_t buffer, struct rng *r)
{
    unsigned flags = OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE | (direct ? OS_DIRECT : 0);
    AUTO(buf_deinit) struct buf want = {0};
    AUTO(buf_deinit) struct buf got = {0};
    AUTO(buf_deinit) struct buf piece = {0};
    struct throttle throttle = {0};
    struct file_writer_options options = {.buffer_bytes = buffer,
                                          .write_behind_bytes = 10000,
                                          .direct = direct,
                                          .throttle = count_bytes,
                                          .throttle_arg = &throttle};
    struct file_writer *w = NULL;
    struct os_file *file;
    struct error err = {0};
    unsigned i;

    assert_int_equal(os_open(os_real(), env->path, flags, &file, &err), 0);
    assert_int_equal(file_writer_new(file, 0, &options, &w, &err), 0);
    for (i = 0; i < 60; i++) {
        fill(r, &piece, rng_below(r, i % 10 == 0 ? 40000 : 3000), 256);
        assert_int_equal(file_writer_offset(w), want.len);
        assert_int_equal(file_writer_append(w, buf_slice(&piece), &err), 0);
        assert_int_equal(buf_append_slice(&want, buf_slice(&piece)), 0);
        if (i % 7 == 0) {
            assert_int_equal(file_writer_flush(w, &err), 0);
        }
        if (i % 5 == 0) {
            assert_int_equal(file_writer_align(w, 16, &err), 0);
            assert_int_equal(buf_append_zeros(&want, -want.len & 15), 0);
        }
        if (i % 11 == 0) {
            assert_int_equal(file_writer_sync(w, &err), 0);
            buf_reset(&got);
            assert_int_equal(os_read_file(os_real(), env->path, 1 << 24, &got, &err), 0);
            assert_true(slice_equal(buf_slice(&got), buf_slice(&want)));
        }
        if (i % 23 == 22) { /* go on in a new writer, from wherever the file ends */
            assert_int_equal(file_writer_sync(w, &err), 0);
            file_writer_free(w);
            assert_int_equal(
                os_open(os_real(), env->path, flags & ~(unsigned)OS_TRUNCATE, &file, &err), 0);
            assert_int_equal(file_writer_new(file, want.len, &options, &w, &err), 0);
        }
    }
    assert_int_equal(file_writer_sync(w, &err), 0);
    assert_int_equal(file_writer_offset(w), want.len);
    buf_reset(&got);
    assert_int_equal(os_read_file(os_real(), env->path, 1 << 24, &got, &err), 0);
    assert_true(slice_equal(buf_slice(&got), buf_slice(&want)));
    assert_true(throttle.bytes >= want.len);
    assert_ptr_equal(file_writer_file(w), file);
    file_writer_free(w);
}

static void a_file_has_what_was_appended(void **state)
{
    struct rng r = rng_start();
    struct env env;

    (void)state;
    env_init(&env, 0);
    write_and_compare(&env, false, 4096, &r);
    write_and_compare(&env, false, 100000, &r);
    write_and_compare(&env, true, 4096, &r);
    write_and_compare(&env, true, 20000, &r);
    write_and_compare(&env, false, 0, &r);
    env_deinit(&env);
}

/* Appends and syncs through a writer; the code of the first failure. */
static int write_some(struct os *os, const char *path, bool direct)
{
    unsigned flags = OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE | (direct ? OS_DIRECT : 0);
    struct file_writer_options options = {
        .buffer_bytes = 8192, .write_behind_bytes = 9000, .direct = direct};
    static const uint8_t bytes[30000] = {1};
    struct os_file *file = NULL;
    struct file_writer *w;
    struct error err = {0};
    unsigned i;
    int rc = os_open(os, path, flags, &file, &err);

    if (rc < 0) {
        return rc;
    }
    rc = file_writer_new(file, 0, &options, &w, &err);
    if (rc < 0) {
        file_close(file);
        return rc;
    }
    for (i = 0; i < 5 && rc == 0; i++) {
        rc = file_writer_append(w, slice_of(bytes, i % 2 == 0 ? sizeof(bytes) : 777), &err);
        if (rc == 0) {
            rc = i % 2 == 0 ? file_writer_flush(w, &err) : file_writer_sync(w, &err);
        }
    }
    if (rc < 0) { /* FWRITE-1 */
        assert_int_equal(file_writer_append(w, slice_of(bytes, 1), NULL), rc);
        assert_int_equal(file_writer_align(w, 64, NULL), rc);
        assert_int_equal(file_writer_flush(w, NULL), rc);
        assert_int_equal(file_writer_sync(w, &err), rc);
        assert_non_null(strstr(err.message, path));
    }
    file_writer_free(w);
    return rc;
}

static void a_failed_writer_stays_failed(void **state)
{
    struct os_fault *fault = os_fault_new(os_real());
    struct env env;
    unsigned direct;

    (void)state;
    env_init(&env, 0);
    for (direct = 0; direct < 2; direct++) {
        uint64_t n;

        for (n = 1;; n++) {
            struct os_fault_plan plan = {
                .classes = OS_FAULT_ALL, .nth = n, .partial = n % 2 == 0, .code = BLOCKDB_ENOSPC};
            int rc;

            os_fault_arm(fault, &plan);
            rc = write_some(os_fault_os(fault), env.path, direct == 1);
            if (!os_fault_fired(fault)) {
                assert_int_equal(rc, 0);
                break;
            }
            assert_int_equal(rc, BLOCKDB_ENOSPC);
        }
        assert_true(n > 8);
    }
    os_fault_free(fault);
    env_deinit(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codecs_give_back_what_they_took),
        cmocka_unit_test(damaged_bytes_do_no_harm),
        cmocka_unit_test(codecs_have_names),
        cmocka_unit_test(filters_have_no_false_negatives),
        cmocka_unit_test(a_file_has_what_was_appended),
        cmocka_unit_test(a_failed_writer_stays_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
