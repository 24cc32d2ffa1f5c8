/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged tables: whatever byte is wrong, no wrong data comes out, and verification finds it. */
#include "base/mem.h"
#include "common/test_env.h"
#include "store/table_format.h"
#include "table_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

/* after the four that it needs */
#include <cmocka.h>

static struct samples damage_samples(struct rng *r)
{
    struct sample_options options = {.count = 30, .value_len_max = 30, .long_list = 4000};
    struct samples s = samples_new(r, &options);
    size_t i;

    for (i = 0; i < s.count; i++) { /* one long list is enough */
        if (s.at[i].item.older.count > 100) {
            break;
        }
    }
    for (i++; i < s.count; i++) {
        if (s.at[i].item.older.count > 100) {
            s.at[i].item.older = version_list_of_array(s.at[i].older, 20);
        }
    }
    return s;
}

static void load_file(const char *path, struct buf *out)
{
    struct error err = {0};

    buf_reset(out);
    assert_int_equal(os_read_file(os_real(), path, 1 << 24, out, &err), 0);
}

static void store_file(const char *path, struct slice bytes)
{
    struct error err = {0};
    struct os_file *file;

    assert_int_equal(os_open(os_real(), path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, &err), 0);
    assert_int_equal(file_pwrite(file, bytes.data, bytes.len, 0, &err), 0);
    file_close(file);
}

static void poke(struct os_file *file, uint64_t offset, uint8_t byte)
{
    assert_int_equal(file_pwrite(file, &byte, 1, offset, NULL), 0);
}

/* An error that tells of damage, and where. */
static void check_told(const struct env *env, int rc, const struct error *err)
{
    assert_true(rc == BLOCKDB_ECORRUPT || rc == BLOCKDB_EFOREIGN || rc == BLOCKDB_EVERSION);
    assert_int_equal(err->code, rc);
    assert_non_null(strstr(err->message, env->path));
}

/* Reads everything; each answer is right or an error. */
static void read_all(struct env *env, struct table *table, const struct samples *s)
{
    size_t i;

    for (i = 0; i < s->count; i++) {
        const struct item *want = &s->at[i].item;
        uint64_t at_seq = want->older.count > 0 ? s->at[i].older[want->older.count / 2] : 0;
        struct table_hit hit = {0};
        struct error err = {0};
        int rc;

        epoch_enter(env->epoch);
        rc = table_get(table, want->key, table_key_hash(want->key), BLOCKDB_SEQ_NONE, &hit, &err);
        if (rc == 0) {
            assert_true(hit.found && hit.seq == want->seq && hit.time_ms == want->time_ms);
            assert_true(hit.kind == want->kind && hit.value_len == want->value_len);
            assert_true(!want->value_inline || slice_equal(hit.value, want->value));
        } else {
            check_told(env, rc, &err);
        }
        rc = at_seq > 0 ? table_get(table, want->key, table_key_hash(want->key), at_seq, &hit, &err)
                        : 0;
        if (rc < 0) {
            check_told(env, rc, &err);
        } else if (at_seq > 0) {
            assert_true(hit.found && hit.seq == at_seq);
        }
        epoch_leave(env->epoch);
    }
}

static void walk_all(struct env *env, struct table *table, const struct samples *s)
{
    AUTO(cursor_free_ptr) struct cursor *c = NULL;
    struct error err = {0};
    size_t i = 0;
    int rc = table_cursor_new(table, NULL, &c, &err);

    assert_int_equal(rc, 0);
    rc = cursor_seek_first(c, &err);
    while (rc == 0 && cursor_valid(c)) {
        assert_true(slice_equal(cursor_item(c)->key, s->at[i].item.key));
        assert_int_equal(cursor_item(c)->seq, s->at[i].item.seq);
        i++;
        rc = cursor_next(c, &err);
    }
    if (rc < 0) {
        assert_false(cursor_valid(c));
        check_told(env, rc, &err);
        return;
    }
    assert_int_equal(i, s->count);
}

/* Opens and uses the damaged table; it must not stay unnoticed. */
static void use_damaged(struct env *env, const struct samples *s, bool read_too)
{
    AUTO(table_unref_ptr) struct table *table = NULL;
    struct error err = {0};
    int rc = env_open(env, &table, &err);

    if (rc < 0) {
        check_told(env, rc, &err);
        return;
    }
    if (read_too) {
        read_all(env, table, s);
        walk_all(env, table, s);
    }
    rc = table_verify(table, NULL, NULL, &err);
    check_told(env, rc, &err);
}

static void every_byte_counts(void **state)
{
    AUTO(buf_deinit) struct buf good = {0};
    struct rng r = rng_start();
    struct samples s = damage_samples(&r);
    struct error err = {0};
    unsigned codec;

    (void)state;
    for (codec = 0; codec < CODEC_COUNT; codec += test_rounds(2, 1)) {
        struct os_file *file;
        struct env env;
        size_t i;

        env_init(&env, 0);
        env.build.codec = (enum codec)codec;
        env.build.page_bytes = 512;
        env.build.index_bytes = 200;
        assert_int_equal(env_build(&env, &s, &err), 0);
        load_file(env.path, &good);
        assert_int_equal(os_open(os_real(), env.path, OS_WRITE, &file, &err), 0);
        /* Each byte of the raw table; compressed, a sample of them. */
        for (i = 0; i < good.len; i += codec == CODEC_NONE ? 1 : test_rounds(7, 1)) {
            uint8_t flip = (uint8_t)(1U << rng_below(&r, 8));

            poke(file, i, good.data[i] ^ flip);
            use_damaged(&env, &s, i % test_rounds(5, 1) == 0);
            poke(file, i, good.data[i]);
        }
        file_close(file);
        env_deinit(&env);
    }
    samples_free(&s);
}

static void a_cut_or_longer_file_is_refused(void **state)
{
    AUTO(buf_deinit) struct buf good = {0};
    struct rng r = rng_start();
    struct samples s = damage_samples(&r);
    struct table *table = NULL;
    struct error err = {0};
    struct env env;
    unsigned i;

    (void)state;
    env_init(&env, 0);
    assert_int_equal(env_build(&env, &s, &err), 0);
    load_file(env.path, &good);
    for (i = 0; i < test_rounds(300, 5000); i++) {
        size_t len = i < 20 ? i * 20 : i < 100 ? good.len - i + 19 : rng_below(&r, good.len);
        int rc;

        store_file(env.path, slice_of(good.data, len));
        rc = env_open(&env, &table, &err);
        check_told(&env, rc, &err);
    }
    assert_int_equal(buf_append_zeros(&good, 1), 0);
    store_file(env.path, buf_slice(&good));
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_ECORRUPT);
    env_deinit(&env);
    samples_free(&s);
}

/* The same keys in another file, and the same file one page further: right bytes, wrong place. */
static void misdirected_writes_are_found(void **state)
{
    AUTO(buf_deinit) struct buf good = {0};
    AUTO(buf_deinit) struct buf other = {0};
    AUTO(buf_deinit) struct buf mixed = {0};
    struct rng r = rng_start();
    struct samples s = damage_samples(&r);
    struct error err = {0};
    struct env env;
    size_t from;

    (void)state;
    env_init(&env, 0);
    env.build.file_number = ENV_FILE_NUMBER + 1;
    assert_int_equal(env_build(&env, &s, &err), 0);
    load_file(env.path, &other);
    assert_int_equal(os_unlink(os_real(), env.path, &err), 0);
    env.build.file_number = ENV_FILE_NUMBER;
    assert_int_equal(env_build(&env, &s, &err), 0);
    load_file(env.path, &good);
    assert_int_equal(good.len, other.len);
    for (from = TABLE_HEADER_BYTES; from + 512 < good.len; from += 512) {
        buf_reset(&mixed);
        assert_int_equal(buf_append_slice(&mixed, buf_slice(&good)), 0);
        memcpy(mixed.data + from, other.data + from, 512);
        if (memcmp(mixed.data, good.data, good.len) != 0) {
            store_file(env.path, buf_slice(&mixed));
            use_damaged(&env, &s, true);
        }
    }
    env_deinit(&env);
    samples_free(&s);
}

/* A newer format is refused by name, not as damage. */
static void newer_formats_are_refused(void **state)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct rng r = rng_start();
    struct samples s = damage_samples(&r);
    struct table *table = NULL;
    struct error err = {0};
    struct env env;

    (void)state;
    env_init(&env, 0);
    assert_int_equal(env_build(&env, &s, &err), 0);
    load_file(env.path, &bytes);
    put_le32(bytes.data + 8, 2);
    put_le64(bytes.data + 120, checksum(bytes.data, 120, 0));
    store_file(env.path, buf_slice(&bytes));
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_EVERSION);
    put_le32(bytes.data + 8, 1);
    put_le64(bytes.data + 24, 4); /* a feature that must be known */
    put_le64(bytes.data + 120, checksum(bytes.data, 120, 0));
    store_file(env.path, buf_slice(&bytes));
    assert_int_equal(env_open(&env, &table, &err), BLOCKDB_EVERSION);
    put_le64(bytes.data + 24, 0);
    put_le64(bytes.data + 16, 4); /* one that may be ignored */
    put_le64(bytes.data + 120, checksum(bytes.data, 120, 0));
    store_file(env.path, buf_slice(&bytes));
    assert_int_equal(env_open(&env, &table, &err), 0);
    table_unref(table);
    env_deinit(&env);
    samples_free(&s);
}

/* ---- Wrong content under right checksums ---- */

/* Reads all and expects nothing but that it ends. */
static void use_forged(struct env *env, const struct samples *s)
{
    AUTO(table_unref_ptr) struct table *table = NULL;
    AUTO(cursor_free_ptr) struct cursor *c = NULL;
    struct error err = {0};
    size_t i;

    if (env_open(env, &table, &err) < 0) {
        return;
    }
    for (i = 0; i < s->count; i++) {
        AUTO(version_cursor_deinit) struct version_cursor versions = {0};
        struct slice key = s->at[i].item.key;
        struct table_hit hit;
        uint64_t seq;
        int rc;

        epoch_enter(env->epoch);
        assert_true(table_get(table, key, table_key_hash(key), BLOCKDB_SEQ_NONE, &hit, &err) <= 0);
        assert_true(table_get(table, key, table_key_hash(key), 1000000, &hit, &err) <= 0);
        epoch_leave(env->epoch);
        rc = table_versions(table, key, VERSIONS_ALL, &versions, &err);
        while (rc == 0) {
            rc = version_cursor_next(&versions, &seq, &err);
        }
    }
    if (table_cursor_new(table, NULL, &c, &err) == 0) {
        int rc = cursor_seek_last(c, &err);

        while (rc == 0 && cursor_valid(c)) {
            rc = cursor_prev(c, &err);
        }
    }
    assert_true(table_verify(table, NULL, NULL, &err) <= 0);
}

/* A table without compression, its bytes, and where its pages are. */
struct forgery {
    struct env env;
    struct samples s;
    struct buf good;
    struct buf bytes;
    uint64_t seed;
    uint64_t offsets[200];
    uint32_t lens[200];
    unsigned count;
};

static void forgery_init(struct forgery *f, struct rng *r)
{
    uint64_t offset = TABLE_HEADER_BYTES;
    struct error err = {0};

    *f = (struct forgery){.s = damage_samples(r)};
    env_init(&f->env, 0);
    f->env.build.page_bytes = 512;
    f->env.build.index_bytes = 200;
    assert_int_equal(env_build(&f->env, &f->s, &err), 0);
    load_file(f->env.path, &f->good);
    f->seed = table_file_seed(f->env.build.ledger_id, ENV_FILE_NUMBER);
    while (offset + TABLE_FOOTER_BYTES < f->good.len) { /* lengths are found by trying */
        const uint8_t *page = f->good.data + offset;
        uint32_t len = 0;

        while (get_le32(page + len + 4) != len ||
               get_le64(page + len + 8) != checksum(page, len + 8, f->seed ^ offset)) {
            len++;
        }
        assert_true(f->count < 200);
        f->offsets[f->count] = offset;
        f->lens[f->count++] = len;
        offset += len + TABLE_TRAILER_BYTES;
    }
}

static void forgery_deinit(struct forgery *f)
{
    env_deinit(&f->env);
    samples_free(&f->s);
    buf_deinit(&f->good);
    buf_deinit(&f->bytes);
}

/* Starts over with the good bytes. */
static void forgery_reset(struct forgery *f)
{
    buf_reset(&f->bytes);
    assert_int_equal(buf_append_slice(&f->bytes, buf_slice(&f->good)), 0);
}

/* Changes one byte of a page, signs it again and writes the file. */
static void forge(struct forgery *f, unsigned page, size_t at, uint8_t flip)
{
    uint8_t *bytes = f->bytes.data + f->offsets[page];
    uint32_t len = f->lens[page];

    bytes[at] ^= flip;
    put_le64(bytes + len + 8, checksum(bytes, len + 8, f->seed ^ f->offsets[page]));
    store_file(f->env.path, buf_slice(&f->bytes));
}

static unsigned page_of_kind(const struct forgery *f, enum table_page_kind kind)
{
    unsigned i = 0;

    while (f->good.data[f->offsets[i] + f->lens[i] + 1] != kind) {
        i++;
    }
    return i;
}

static void forged_pages_do_no_harm(void **state)
{
    struct rng r = rng_start();
    struct forgery f;
    unsigned n;

    (void)state;
    forgery_init(&f, &r);
    for (n = 0; n < test_rounds(400, 20000); n++) {
        unsigned page = (unsigned)rng_below(&r, f.count);

        forgery_reset(&f);
        forge(&f, page, rng_below(&r, f.lens[page] + 8), (uint8_t)(1U << rng_below(&r, 8)));
        use_forged(&f.env, &f.s);
    }
    forgery_deinit(&f);
}

/* Whatever can be derived from the rest of the file is compared with it. */
static void forged_properties_and_filters_are_found(void **state)
{
    static const enum table_page_kind kinds[] = {TABLE_PAGE_PROPERTIES, TABLE_PAGE_FILTER};
    struct rng r = rng_start();
    struct forgery f;
    unsigned k;

    (void)state;
    forgery_init(&f, &r);
    for (k = 0; k < 2; k++) {
        unsigned page = page_of_kind(&f, kinds[k]);
        size_t at;

        for (at = 0; at < f.lens[page]; at++) {
            /* Where units end does not matter to a single one; what was asked for when building
             * is for people only. */
            if (kinds[k] == TABLE_PAGE_PROPERTIES && at >= 160 && at < 184 && at / 4 != 41) {
                continue;
            }
            forgery_reset(&f);
            forge(&f, page, at, (uint8_t)(1U << rng_below(&r, 8)));
            use_damaged(&f.env, &f.s, false);
        }
    }
    forgery_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(a_cut_or_longer_file_is_refused),
        cmocka_unit_test(misdirected_writes_are_found),
        cmocka_unit_test(newer_formats_are_refused),
        cmocka_unit_test(forged_pages_do_no_harm),
        cmocka_unit_test(forged_properties_and_filters_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
