/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a witness that has seen nothing, 8 or 15 entries of a published log, and files of
 * heads: whatever comes in, only what continues is cosigned, and only after it was stored. The
 * first byte says which.
 */
#include "base/assert.h"
#include "base/base64.h"
#include "base/mem.h"
#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"
#include "ledger/merkle.h"
#include "ledger/signing_key.h"
#include "server/witness.h"
#include "server/witness_head.h"
#include "wire/add_checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TIME_S 1679315147

static const char log_key[] =
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
static const char root_8[] = "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=";
static const char root_15[] = "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=";

/* A store of one head that never fails. */
struct memory {
    struct witness_head head;
    struct hash log; /* that the head is of */
    bool advanced;
};

static int get(void *context, const struct hash *log, struct witness_head *out,
               struct buf *out_note, struct error *err)
{
    const struct memory *m = context;

    (void)out_note;
    (void)err;
    *out = m->head;
    ASSERT(memcmp(log, &m->log, sizeof(*log)) == 0);
    return BLOCKDB_OK;
}

static int advance(void *context, const struct hash *log, uint64_t old_size, struct slice note,
                   uint64_t *out_size, struct error *err)
{
    struct memory *m = context;
    struct witness_head head;

    (void)out_size;
    ASSERT(memcmp(log, &m->log, sizeof(*log)) == 0);
    ASSERT(old_size == m->head.size);
    ASSERT(witness_head_of_note(note, log, &head, err) == BLOCKDB_OK);
    ASSERT(head.size >= old_size);
    ASSERT(head.size > old_size || memcmp(&head.root, &m->head.root, sizeof(head.root)) == 0);
    m->head = head;
    m->advanced = true;
    return BLOCKDB_OK;
}

/* Made once and kept: making a key takes longer than all the rest. */
static const struct signing_key *cosigner_key(void)
{
    static const uint8_t seed[ED25519_SEED_LEN] = {1};
    static struct signing_key key;

    if (key.name_len == 0) {
        ASSERT(signing_key_init(&key, slice_of_text("witness"), KEY_TYPE_COSIGNATURE, seed, NULL) ==
               BLOCKDB_OK);
    }
    return &key;
}

static struct witness *make_witness(struct memory *m)
{
    struct verifier_key key;
    struct witness_options options = {
        .key = cosigner_key(),
        .keys = &key,
        .key_count = 1,
        .heads = {.get = get, .advance = advance, .context = m},
    };
    struct witness *w = NULL;

    ASSERT(verifier_key_parse(slice_of_text(log_key), &key, NULL) == BLOCKDB_OK);
    ASSERT(witness_new(&options, &w, NULL) == BLOCKDB_OK);
    witness_log_of(key.name, &m->log);
    return w;
}

/* What was cosigned is what was asked for, and the answer is its cosignature. */
static void check_cosigned(const struct witness_answer *answer, struct slice body)
{
    static struct add_checkpoint request;
    static struct note note;
    struct verifier_key key = signing_key_verifier(cosigner_key());
    struct checkpoint checkpoint;
    struct note_signature signature;
    uint64_t time_s = 0;

    ASSERT(add_checkpoint_decode(body, &request, NULL) == BLOCKDB_OK);
    ASSERT(checkpoint_parse_note(request.note, &note, &checkpoint, NULL) == BLOCKDB_OK);
    ASSERT(note_signature_parse(slice_of(answer->body.data, answer->body.len - 1), &signature) ==
           BLOCKDB_OK);
    ASSERT(cosignature_verify_one(&signature, &key, note.text, &time_s, NULL) == BLOCKDB_OK);
    ASSERT(time_s == TIME_S);
}

static void try_request(const char *root, uint64_t seen, struct slice body)
{
    AUTO(witness_answer_deinit) struct witness_answer answer = {0};
    struct memory memory = {.head = {.size = seen}};
    AUTO(witness_free_ptr) struct witness *w = make_witness(&memory);
    struct witness_request request = {
        .method = "POST", .path = "/add-checkpoint", .body = body, .time_s = TIME_S};
    struct error err = {0};

    merkle_empty_root(&memory.head.root);
    if (root != NULL) {
        ASSERT(base64_decode(slice_of_text(root), memory.head.root.bytes, SHA256_LEN) ==
               BLOCKDB_OK);
    }
    ASSERT(witness_answer(w, &request, &answer, &err) == BLOCKDB_OK);
    ASSERT(answer.body.len > 0 && answer.body.data[answer.body.len - 1] == '\n');
    ASSERT(memory.advanced == (answer.status == 200));
    ASSERT((answer.status == 200) == (err.message[0] == '\0'));
    if (answer.status == 200) {
        check_cosigned(&answer, body);
        return;
    }
    ASSERT(answer.status == 400 || answer.status == 403 || answer.status == 404 ||
           answer.status == 409 || answer.status == 422);
}

/* A file that decodes is encoded to the same bytes, but for features that may be ignored. */
static void try_file(struct slice bytes)
{
    AUTO(buf_deinit) struct buf again = {0};
    struct verifier_key key;
    struct witness_head head;
    struct slice note;
    struct hash log;

    ASSERT(verifier_key_parse(slice_of_text(log_key), &key, NULL) == BLOCKDB_OK);
    witness_log_of(key.name, &log);
    if (witness_head_decode(bytes, &log, "file", &note, &head, NULL) < 0) {
        return;
    }
    ASSERT(witness_head_encode(&again, note) == BLOCKDB_OK);
    ASSERT(again.len == bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = size > 0 ? slice_of(data + 1, size - 1) : (struct slice){0};

    switch (size > 0 ? data[0] % 4 : 0) {
    case 0:
        try_request(NULL, 0, rest);
        break;
    case 1:
        try_request(root_8, 8, rest);
        break;
    case 2:
        try_request(root_15, 15, rest);
        break;
    default:
        try_file(rest);
        break;
    }
    return 0;
}
