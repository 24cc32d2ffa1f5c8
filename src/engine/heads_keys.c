/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/heads_keys.h"

#include "base/lines.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "ledger/config_entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX 4096
#define PREFIX "PRIVATE+KEY+"
#define ID_DIGITS 8
#define CONFIG_PREFIX "signing_key/"
#define CONFIG_NAME_LEN (sizeof(CONFIG_PREFIX) - 1 + ID_DIGITS)
#define KEYS_MAX (HEADS_KEYS_MAX + HEADS_SIGNERS_MAX)
#define MODE_OTHERS 077 /* permissions of everybody but the owner */

/* ---- Reading ------------------------------------------------------------------------------- */

/* HKEYS-1. */
static int check_mode(struct os *os, const char *path, struct error *err)
{
    struct os_stat stat;
    int rc = os_stat_path(os, path, &stat, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        /* Not ENOTFOUND, which tells that there is no database. */
        return error_set(err, BLOCKDB_EINVAL,
                         "option signing_key_file: there is no file '%s'; blockdb-cli keygen makes "
                         "one",
                         path);
    }
    if (rc < 0) {
        return error_wrap(err, rc, "option signing_key_file");
    }
    if ((stat.mode & MODE_OTHERS) != 0 || !stat.is_own) {
        return error_set(err, BLOCKDB_EDENIED,
                         "option signing_key_file: others may read or own '%s' (mode %04" PRIo32
                         "): chown it to the user of this program, then chmod 600 '%s'",
                         path, stat.mode, path);
    }
    return BLOCKDB_OK;
}

/* Parses the eight digits of an id. */
static bool parse_id(struct slice digits, uint32_t *out)
{
    uint32_t id = 0;
    size_t i;

    if (digits.len != ID_DIGITS) {
        return false;
    }
    for (i = 0; i < ID_DIGITS; i++) {
        uint8_t c = digits.data[i];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'a') + 10;

        if (digit > 15) {
            return false;
        }
        id = id << 4 | digit;
    }
    *out = id;
    return true;
}

static int refuse_line(const struct heads_keys *keys, size_t number, const char *what,
                       struct error *err)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "option signing_key_file: line %zu of '%s' %s; blockdb-cli keygen makes such "
                     "files",
                     number, keys->path, what);
}

static bool keys_have(const struct heads_keys *keys, uint32_t id)
{
    size_t i;

    for (i = 0; i < keys->count; i++) {
        if (keys->ids[i] == id) {
            return true;
        }
    }
    for (i = 0; i < keys->signer_count; i++) {
        if (keys->signers[i].id == id) {
            return true;
        }
    }
    return false;
}

/* Sees whose key a line is, without looking at the secret. */
static int read_line(struct heads_keys *keys, const struct lines *lines, struct slice line,
                     struct slice origin, struct error *err)
{
    struct slice prefix = slice_of_text(PREFIX);
    struct slice name;
    struct slice digits;

    if (!slice_has_prefix(line, prefix)) {
        return refuse_line(keys, lines->number, "is no private key", err);
    }
    line = slice_of(line.data + prefix.len, line.len - prefix.len);
    if (!slice_take_until(&line, '+', &name) || !slice_take_until(&line, '+', &digits) ||
        keys->count == HEADS_KEYS_MAX || !parse_id(digits, &keys->ids[keys->count])) {
        return refuse_line(
            keys, lines->number,
            keys->count == HEADS_KEYS_MAX ? "is one key too many" : "is no private key", err);
    }
    if (keys_have(keys, keys->ids[keys->count])) {
        return refuse_line(keys, lines->number, "has the key of an earlier line", err);
    }
    if (!slice_equal(name, origin)) { /* HKEYS-2 */
        return error_set(err, BLOCKDB_EINVAL,
                         "the key in line %zu of '%s' is that of the log '%.*s', but this one is "
                         "'%.*s': set the option origin to the former, or make a key with "
                         "blockdb-cli keygen --origin '%.*s' --out FILE",
                         lines->number, keys->path, (int)name.len, (const char *)name.data,
                         (int)origin.len, (const char *)origin.data, (int)origin.len,
                         (const char *)origin.data);
    }
    keys->count++;
    return BLOCKDB_OK;
}

int heads_keys_read(struct heads_keys *keys, struct os *os, const char *path, const char *origin,
                    struct error *err)
{
    struct lines lines;
    struct slice line;
    int rc = check_mode(os, path, err);

    if (rc < 0) {
        return rc;
    }
    keys->path = mem_strdup(path);
    if (keys->path == NULL || buf_reserve(&keys->text, FILE_BYTES_MAX + 1) < 0) {
        return error_set_no_memory(err);
    }
    /* Room enough was reserved, so no copy of the secret stays behind in a moved buffer. */
    rc = os_read_file(os, path, FILE_BYTES_MAX, &keys->text, err);
    if (rc < 0) {
        return error_wrap(err, rc, "option signing_key_file");
    }
    lines = lines_of(buf_slice(&keys->text));
    while (rc == BLOCKDB_OK && lines_next(&lines, &line)) {
        rc = read_line(keys, &lines, line, slice_of_text(origin), err);
    }
    if (rc == BLOCKDB_OK && (lines_left(&lines) || keys->count == 0)) {
        rc = refuse_line(keys, lines.number + 1, "is no whole line with a key", err);
    }
    return rc;
}

/* ---- Signers elsewhere ---------------------------------------------------------------------- */

static int add_signer(struct heads_keys *keys, struct slice text, struct error *err)
{
    struct verifier_key key;
    int rc;

    if (keys->signer_count == HEADS_SIGNERS_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "option signer_key: more than %d keys",
                         HEADS_SIGNERS_MAX);
    }
    rc = verifier_key_parse(text, &key, err);
    if (rc < 0) {
        return error_wrap(err, BLOCKDB_EINVAL, "option signer_key");
    }
    if (key.type != KEY_TYPE_ED25519) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option signer_key: '%.*s' is the key of a witness, not of a log",
                         (int)text.len, (const char *)text.data);
    }
    if (keys_have(keys, key.id)) { /* HKEYS-3 */
        return error_set(err, BLOCKDB_EINVAL,
                         "option signer_key: '%.*s' is named twice, or in signing_key_file, too",
                         (int)text.len, (const char *)text.data);
    }
    keys->signers[keys->signer_count++] = key;
    return BLOCKDB_OK;
}

int heads_keys_add_signers(struct heads_keys *keys, const char *text, struct error *err)
{
    struct slice left;
    int rc = BLOCKDB_OK;

    keys->signer_text = mem_strdup(text);
    if (keys->signer_text == NULL) {
        return error_set_no_memory(err);
    }
    left = slice_of_text(keys->signer_text);
    while (rc == BLOCKDB_OK && left.len > 0) {
        struct slice word;

        if (!slice_take_until(&left, ' ', &word)) {
            word = left;
            left.len = 0;
        }
        if (word.len > 0) {
            rc = add_signer(keys, word, err);
        }
    }
    return rc;
}

static const struct verifier_key *find_signer(const struct heads_keys *keys,
                                              const struct note_signature *signature)
{
    size_t i;

    for (i = 0; i < keys->signer_count; i++) {
        if (keys->signers[i].id == signature->key_id &&
            slice_equal(keys->signers[i].name, signature->name)) {
            return &keys->signers[i];
        }
    }
    return NULL;
}

/* All signatures of a note are by signers. */
static int check_note(const struct heads_keys *keys, const struct note *note, struct error *err)
{
    size_t i;

    for (i = 0; i < note->count; i++) {
        const struct verifier_key *key = find_signer(keys, &note->list[i]);
        int rc;

        if (key == NULL) {
            return error_set(err, BLOCKDB_EINVAL,
                             "line %zu is a signature of '%.*s' (key %08" PRIx32
                             "), which the option signer_key does not name",
                             i + 1, (int)note->list[i].name.len,
                             (const char *)note->list[i].name.data, note->list[i].key_id);
        }
        rc = note_verify(note, key, err);
        if (rc < 0) {
            return error_wrap(err, rc == BLOCKDB_ETAMPERED ? BLOCKDB_EINVAL : rc, "line %zu",
                              i + 1);
        }
    }
    return BLOCKDB_OK;
}

int heads_keys_check_lines(const struct heads_keys *keys, struct slice text, struct slice lines,
                           struct error *err)
{
    AUTO(buf_deinit) struct buf whole = {0};
    struct lines each = lines_of(lines);
    struct slice line;
    struct note note;
    int rc;

    while (lines_next(&each, &line)) {
        struct note_signature signature;

        if (note_signature_parse(line, &signature) < 0) {
            return error_set(err, BLOCKDB_EINVAL, "line %zu is no signature line", each.number);
        }
    }
    if (lines_left(&each)) {
        return error_set(err, BLOCKDB_EINVAL, "line %zu does not end in a newline",
                         each.number + 1);
    }
    if (each.number == 0) {
        return error_set(err, BLOCKDB_EINVAL, "there is no signature line");
    }
    if (buf_append_slice(&whole, text) < 0 || buf_append_u8(&whole, '\n') < 0 ||
        buf_append_slice(&whole, lines) < 0) {
        return error_set_no_memory(err);
    }
    rc = note_parse(buf_slice(&whole), &note, err);
    return rc < 0 ? error_wrap(err, BLOCKDB_EINVAL, "what was printed")
                  : check_note(keys, &note, err);
}

/* ---- The end -------------------------------------------------------------------------------- */

static void wipe_text(struct heads_keys *keys)
{
    if (keys->text.data != NULL) {
        secret_wipe(keys->text.data, keys->text.cap);
    }
    buf_deinit(&keys->text);
}

void heads_keys_deinit(struct heads_keys *keys)
{
    size_t i;

    for (i = 0; i < HEADS_KEYS_MAX; i++) {
        signing_key_deinit(&keys->keys[i]);
    }
    wipe_text(keys);
    mem_free(keys->path);
    mem_free(keys->signer_text);
    *keys = (struct heads_keys){0};
}

int heads_keys_load(struct heads_keys *keys, struct error *err)
{
    struct lines lines = lines_of(buf_slice(&keys->text));
    struct slice line;
    size_t i = 0;

    if (keys->is_loaded) {
        return BLOCKDB_OK;
    }
    while (lines_next(&lines, &line)) {
        int rc;

        signing_key_deinit(&keys->keys[i]); /* of an earlier attempt */
        keys->keys[i] = (struct signing_key){0};
        rc = signing_key_parse(line, &keys->keys[i], err);
        if (rc == BLOCKDB_OK && keys->keys[i].type != KEY_TYPE_ED25519) {
            rc = error_set(err, BLOCKDB_EINVAL, "it is the key of a witness, not of a log");
        }
        if (rc < 0) {
            return error_wrap(err, rc, "the key in line %zu of '%s'", lines.number, keys->path);
        }
        i++;
    }
    keys->is_loaded = true;
    wipe_text(keys);
    return BLOCKDB_OK;
}

/* ---- Comparing with what is on record ------------------------------------------------------ */

/* The id in the text of a verifier key. */
static bool id_of_line(struct slice line, uint32_t *out)
{
    struct slice part;

    return slice_take_until(&line, '+', &part) && slice_take_until(&line, '+', &part) &&
           parse_id(part, out);
}

static bool lines_have(struct slice text, uint32_t id)
{
    struct lines lines = lines_of(text);
    struct slice line;
    uint32_t other;

    while (lines_next(&lines, &line)) {
        if (id_of_line(line, &other) && other == id) {
            return true;
        }
    }
    return false;
}

bool heads_keys_are(const struct heads_keys *keys, struct slice text)
{
    struct lines lines = lines_of(text);
    struct slice line;
    uint32_t id;
    size_t i;

    for (i = 0; i < keys->count; i++) {
        if (!lines_have(text, keys->ids[i])) {
            return false;
        }
    }
    for (i = 0; i < keys->signer_count; i++) {
        if (!lines_have(text, keys->signers[i].id)) {
            return false;
        }
    }
    while (lines_next(&lines, &line)) {
        if (!id_of_line(line, &id) || !keys_have(keys, id)) {
            return false;
        }
    }
    return true;
}

int heads_keys_append(const struct heads_keys *keys, struct buf *out)
{
    size_t i;

    for (i = 0; i < keys->count + keys->signer_count; i++) {
        struct verifier_key verifier = i < keys->count ? signing_key_verifier(&keys->keys[i])
                                                       : keys->signers[i - keys->count];

        if (verifier_key_append(out, &verifier) < 0 || buf_append_u8(out, '\n') < 0) {
            return BLOCKDB_ENOMEM;
        }
    }
    return BLOCKDB_OK;
}

/* ---- The entry ----------------------------------------------------------------------------- */

struct change {
    struct config_item items[2 * KEYS_MAX];
    char names[2 * KEYS_MAX][CONFIG_NAME_LEN + 1];
    size_t count;
};

static void add_item(struct change *change, uint32_t id, struct slice value)
{
    char *name = change->names[change->count];

    (void)snprintf(name, CONFIG_NAME_LEN + 1, "%s%08" PRIx32, CONFIG_PREFIX, id);
    change->items[change->count++] = (struct config_item){.name = slice_of(name, CONFIG_NAME_LEN),
                                                          .value = value};
}

static int item_compare(const void *a, const void *b)
{
    return slice_compare(((const struct config_item *)a)->name,
                         ((const struct config_item *)b)->name);
}

int heads_keys_change(const struct heads_keys *keys, struct slice text, struct buf *out)
{
    AUTO(buf_deinit) struct buf fresh = {0};
    struct change change = {.count = 0};
    struct lines lines;
    struct slice line;
    uint32_t id;

    if (heads_keys_append(keys, &fresh) < 0) {
        return BLOCKDB_ENOMEM;
    }
    for (lines = lines_of(buf_slice(&fresh)); lines_next(&lines, &line);) {
        if (id_of_line(line, &id) && !lines_have(text, id)) {
            add_item(&change, id, line);
        }
    }
    for (lines = lines_of(text); lines_next(&lines, &line);) {
        if (id_of_line(line, &id) && !keys_have(keys, id) && change.count < 2 * KEYS_MAX) {
            add_item(&change, id, (struct slice){0});
        }
    }
    qsort(change.items, change.count, sizeof(change.items[0]), item_compare);
    return config_entry_append(out, change.items, change.count);
}
