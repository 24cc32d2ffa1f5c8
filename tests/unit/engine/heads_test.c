/* SPDX-License-Identifier: Apache-2.0 */
#include "heads_test.h"

#include "base/mem.h"

#include <blockdb/evidence.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const struct fixture_option heads_test_options[] = {
    {"origin", ORIGIN}, {"signing_key_file", KEY_PATH}, {"head_interval", "1h"}, {NULL, NULL}};

struct signing_key heads_test_key(uint8_t number)
{
    uint8_t bytes[ED25519_SEED_LEN];
    struct signing_key key;
    struct error err;

    memset(bytes, number, sizeof(bytes));
    fixture_must(signing_key_init(&key, slice_of_text(ORIGIN), KEY_TYPE_ED25519, bytes, &err),
                 &err);
    return key;
}

void heads_test_write_keys(struct os *os, const char *path, uint8_t first, uint8_t last)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct error err;
    uint8_t i;

    for (i = first; i <= last; i++) {
        struct signing_key key = heads_test_key(i);
        char line[SIGNING_KEY_TEXT_MAX];
        size_t len = signing_key_format(&key, line);

        assert_int_equal(buf_append(&text, line, len), BLOCKDB_OK);
        assert_int_equal(buf_append_u8(&text, '\n'), BLOCKDB_OK);
        signing_key_deinit(&key);
    }
    fixture_must(os_replace_file(os, path, buf_slice(&text), &err), &err);
}

bool heads_test_signed_by(const struct blockdb_value *value, uint8_t number)
{
    struct signing_key key = heads_test_key(number);
    struct verifier_key verifier = signing_key_verifier(&key);
    struct note note;
    struct error err;
    int rc;

    fixture_must(note_parse(slice_of(value->data, value->len), &note, &err), &err);
    rc = note_verify(&note, &verifier, &err);
    signing_key_deinit(&key);
    assert_true(rc == BLOCKDB_OK || rc == BLOCKDB_ENOTFOUND);
    return rc == BLOCKDB_OK;
}

struct checkpoint heads_test_checkpoint(const struct blockdb_value *value)
{
    static struct note note;
    struct checkpoint checkpoint;
    struct error err;

    fixture_must(checkpoint_parse_note(slice_of(value->data, value->len), &note, &checkpoint, &err),
                 &err);
    return checkpoint;
}

void heads_test_world(struct world *w)
{
    *w = (struct world){.disk = os_crash_new(world_seed)};
    assert_non_null(w->disk);
    w->os = os_crash_os(w->disk);
    heads_test_write_keys(w->os, KEY_PATH, 1, 1);
    w->db = fixture_open(w->os, "/db", heads_test_options, BLOCKDB_OPEN_CREATE);
}

void heads_test_reopen(struct world *w)
{
    fixture_close(w->db);
    w->db = fixture_open(w->os, "/db", heads_test_options, 0);
}

void heads_test_sign(struct world *w, struct blockdb_value *out)
{
    struct error err;

    fixture_must(blockdb_checkpoint_sign(w->db, out, &err), &err);
}
