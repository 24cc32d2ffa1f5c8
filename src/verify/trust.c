/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/trust.h"

#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/policy.h"
#include "ledger/verifier_key.h"
#include "verify/face.h"

#include <assert.h>

#define NAME_SHOWN_MAX 200

static_assert(POLICY_WITNESSES_MAX <= 64 && BLOCKDB_TRUST_KEYS_MAX <= 64, "sets are 64 bits");

struct key_list {
    const char *const *texts;
    size_t count;
};

/* What the keys of the caller say of a note. */
struct key_result {
    uint64_t signed_by;
    bool lists_log;  /* there is a key of type Ed25519 among them */
    bool has_log;    /* ... that signed */
    bool for_origin; /* ... and has the origin as its name */
};

static int shown_len(struct slice text)
{
    return (int)(text.len < NAME_SHOWN_MAX ? text.len : NAME_SHOWN_MAX);
}

/* Verifies the signatures of key number i. origin may be empty. */
static int check_key(const struct key_list *keys, size_t i, const struct note *note,
                     struct slice origin, struct key_result *result, struct error *err)
{
    struct verifier_key key;
    int rc;

    if (keys->texts[i] == NULL) {
        return error_set(err, BLOCKDB_EINVAL, "trusted key %zu is missing", i + 1);
    }
    rc = verifier_key_parse(slice_of_text(keys->texts[i]), &key, err);
    if (rc < 0) {
        return error_wrap(err, rc, "trusted key %zu", i + 1);
    }
    result->lists_log |= key.type == KEY_TYPE_ED25519;
    rc = note_verify(note, &key, err);
    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
    }
    result->signed_by |= (uint64_t)1 << i;
    if (key.type == KEY_TYPE_ED25519) {
        result->has_log = true;
        result->for_origin |= slice_equal(key.name, origin);
    }
    return BLOCKDB_OK;
}

static int check_keys(const struct key_list *keys, const struct note *note, struct slice origin,
                      struct key_result *out, struct error *err)
{
    size_t i;

    *out = (struct key_result){0};
    if (keys->count > BLOCKDB_TRUST_KEYS_MAX || (keys->count > 0 && keys->texts == NULL)) {
        return error_set(err, BLOCKDB_EINVAL, "%zu trusted keys were given; at most %d may be",
                         keys->count, BLOCKDB_TRUST_KEYS_MAX);
    }
    for (i = 0; i < keys->count; i++) {
        int rc = check_key(keys, i, note, origin, out, err);

        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static int not_signed(const struct note *note, struct error *err)
{
    const struct note_signature *first = &note->list[0];

    return error_set(err, BLOCKDB_ETAMPERED,
                     "none of the trusted keys has signed; the first of %zu signatures is of "
                     "'%.*s' with key ID %08x",
                     note->count, shown_len(first->name), (const char *)first->name.data,
                     first->key_id);
}

int blockdb_verify_note(const void *note, size_t len, const char *const *keys, size_t key_count,
                        struct blockdb_note *out_note, struct blockdb_error *err)
{
    struct key_list list = {keys, key_count};
    struct key_result result;
    struct note parsed;
    int rc = note_parse(slice_of(note, len), &parsed, err);

    if (rc == BLOCKDB_OK) {
        rc = check_keys(&list, &parsed, slice_of(NULL, 0), &result, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (result.signed_by == 0) {
        return not_signed(&parsed, err);
    }
    *out_note = (struct blockdb_note){
        .text = face_bytes(parsed.text),
        .signed_by = result.signed_by,
        .signature_count = parsed.count,
    };
    return BLOCKDB_OK;
}

/* ---- Heads ----------------------------------------------------------------------------------- */

static void take_witnesses(const struct policy_result *result, struct blockdb_checkpoint *out)
{
    size_t i;

    out->witness_count = result->witness_count;
    out->witnesses = result->witnesses;
    out->is_policy_fulfilled = true;
    for (i = 0; i < POLICY_WITNESSES_MAX; i++) {
        if ((result->witnesses >> i & 1) != 0 && result->times_s[i] > out->witnessed_s) {
            out->witnessed_s = result->times_s[i];
        }
    }
}

/* Demands what the policy demands; *out_has_log tells whether a log that it lists has signed. */
static int check_policy(const struct blockdb_trust *trust, const struct note *note,
                        const struct checkpoint *checkpoint, struct blockdb_checkpoint *out,
                        bool *out_has_log, struct error *err)
{
    struct policy policy;
    struct policy_result result;
    int rc = policy_parse(slice_of(trust->policy, trust->policy_len), &policy, err);

    if (rc == BLOCKDB_OK) {
        rc = policy_check(&policy, note, checkpoint, &result, err);
    }
    if (rc < 0) {
        return rc;
    }
    take_witnesses(&result, out);
    *out_has_log = result.log != NULL;
    return BLOCKDB_OK;
}

static int check_origin(const struct blockdb_trust *trust, struct slice origin, struct error *err)
{
    if (trust->origin == NULL || slice_equal(origin, slice_of_text(trust->origin))) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_ETAMPERED, "the head is of the log '%.*s', not of '%.*s'",
                     shown_len(origin), (const char *)origin.data,
                     shown_len(slice_of_text(trust->origin)), trust->origin);
}

static int check_trust(const struct blockdb_trust *trust, const struct note *note,
                       const struct checkpoint *checkpoint, struct blockdb_checkpoint *out,
                       struct error *err)
{
    struct key_list keys = {trust->keys, trust->key_count};
    struct key_result result;
    bool has_log = false;
    int rc = check_keys(&keys, note, checkpoint->origin, &result, err);

    if (rc == BLOCKDB_OK && trust->policy != NULL) {
        rc = check_policy(trust, note, checkpoint, out, &has_log, err);
    }
    if (rc < 0) {
        return rc;
    }
    out->signed_by = result.signed_by;
    if (!result.lists_log && !has_log) {
        return error_set(err, BLOCKDB_EINVAL,
                         "no key of a log is trusted: give one, or a policy that lists one");
    }
    if (result.lists_log && !result.has_log) {
        return not_signed(note, err);
    }
    if (!has_log && trust->origin == NULL && !result.for_origin) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the head is of the log '%.*s', but the trusted key that signed it has "
                         "another name; name that origin if this is right",
                         shown_len(checkpoint->origin), (const char *)checkpoint->origin.data);
    }
    return check_origin(trust, checkpoint->origin, err);
}

static struct blockdb_checkpoint head_of(const struct checkpoint *checkpoint)
{
    struct blockdb_checkpoint head = {
        .origin = face_bytes(checkpoint->origin),
        .tree_size = checkpoint->size,
    };

    memcpy(head.root, checkpoint->root.bytes, SHA256_LEN);
    return head;
}

static bool is_same_head(const struct blockdb_checkpoint *a, const struct blockdb_checkpoint *b)
{
    return a->tree_size == b->tree_size && hash_equal(face_hash(a->root), face_hash(b->root)) &&
           slice_equal(face_slice(a->origin), face_slice(b->origin));
}

int trust_check_head_again(const struct blockdb_trust *trust,
                           const struct blockdb_checkpoint *known, struct slice note_bytes,
                           struct blockdb_checkpoint *out, struct error *err)
{
    struct checkpoint checkpoint;
    struct blockdb_checkpoint head;
    struct note note;
    int rc = checkpoint_parse_note(note_bytes, &note, &checkpoint, err);

    if (rc < 0) {
        return rc;
    }
    head = head_of(&checkpoint);
    head.signature_count = note.count;
    if (known != NULL && is_same_head(known, &head)) {
        struct blockdb_bytes origin = head.origin;

        *out = *known;
        out->origin = origin;
        return BLOCKDB_OK;
    }
    rc = check_trust(trust, &note, &checkpoint, &head, err);
    if (rc < 0) {
        return rc;
    }
    *out = head;
    return BLOCKDB_OK;
}

int trust_check_head(const struct blockdb_trust *trust, struct slice note_bytes,
                     struct blockdb_checkpoint *out, struct error *err)
{
    return trust_check_head_again(trust, NULL, note_bytes, out, err);
}

int blockdb_verify_checkpoint(const void *note, size_t len, const struct blockdb_trust *trust,
                              struct blockdb_checkpoint *out_head, struct blockdb_error *err)
{
    struct blockdb_trust demand = {0};
    int rc = face_copy_in(&demand, sizeof demand, trust, err);

    return rc < 0 ? rc : trust_check_head(&demand, slice_of(note, len), out_head, err);
}
