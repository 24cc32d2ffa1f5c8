/* SPDX-License-Identifier: Apache-2.0 */
/* Heads, blocks, tiles and proofs. */
#include "base/mem.h"
#include "client/ask.h"
#include "client/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TILE_PATH_BYTES 96
#define TEXT_TYPE "text/plain"

/* Asks for a path and hands out the body as it came. */
static int fetch(struct ask *ask, struct blockdb_value *out, struct error *err)
{
    int rc = ask_run(ask, err);

    if (rc == BLOCKDB_OK) {
        shape_give(&ask->slot->answer.body, out);
    }
    return rc;
}

/* ---- Heads and blocks ---------------------------------------------------------------------- */

int blockdb_client_checkpoint_get(struct blockdb_client *client, struct blockdb_value *out_note,
                                  struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask.accept = TEXT_TYPE;
    ask_path(&ask, "/checkpoint");
    return fetch(&ask, out_note, err);
}

int blockdb_client_checkpoint_sign(struct blockdb_client *client, struct blockdb_value *out_note,
                                   struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "POST", err);

    if (rc < 0) {
        return rc;
    }
    ask.accept = TEXT_TYPE;
    ask.repeatable = true; /* the same head is signed again, or a longer one */
    ask.is_long = true;    /* all that was acknowledged is sealed before */
    ask_path(&ask, "/api/v1/checkpoint");
    return fetch(&ask, out_note, err);
}

int blockdb_client_head_get(struct blockdb_client *client, struct blockdb_head *out_head,
                            struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    struct blockdb_head head = {0};
    struct json_reader r;
    struct slice key;
    bool has_root = false;
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/head");
    rc = ask_run(&ask, err);
    if (rc < 0) {
        return rc;
    }
    r = json_reader_of(answer_body(&ask.slot->answer));
    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "size")) {
            (void)json_reader_u64(&r, &head.size); /* failures are sticky */
        } else if (json_key_is(key, "block_count")) {
            (void)json_reader_u64(&r, &head.block_count);
        } else if (json_key_is(key, "root")) {
            has_root = shape_hash(&r, head.root);
        } else {
            json_reader_skip(&r);
        }
    }
    if (!json_reader_done(&r) || !has_root) {
        return shape_failure(&r, "a head", err);
    }
    *out_head = head;
    return BLOCKDB_OK;
}

/* The members of a block; false for one that is not known. */
static bool block_member(struct json_reader *r, struct slice key, struct blockdb_block *b)
{
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {
        {"height", &b->height}, {"first_seq", &b->first_seq},   {"count", &b->count},
        {"term", &b->term},     {"header_seq", &b->header_seq},
    };
    const struct {
        const char *name;
        uint8_t *to;
    } hashes[] = {
        {"hash", b->hash},
        {"previous_hash", b->previous_hash},
        {"block_root", b->block_root},
        {"tree_root", b->tree_root},
    };
    size_t i;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (json_key_is(key, numbers[i].name)) {
            (void)json_reader_u64(r, numbers[i].to); /* failures are sticky */
            return true;
        }
    }
    for (i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        if (json_key_is(key, hashes[i].name)) {
            (void)shape_hash(r, hashes[i].to); /* the same */
            return true;
        }
    }
    if (json_key_is(key, "time")) {
        (void)shape_time(r, &b->time_ms); /* the same */
        return true;
    }
    return false;
}

int blockdb_client_block_get(struct blockdb_client *client, uint64_t height,
                             struct blockdb_block *out_block, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    struct blockdb_block block = {.height = BLOCKDB_SEQ_NONE};
    struct json_reader r;
    struct slice key;
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/blocks/");
    ask_path_u64(&ask, height);
    rc = ask_run(&ask, err);
    if (rc < 0) {
        return rc;
    }
    r = json_reader_of(answer_body(&ask.slot->answer));
    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (!block_member(&r, key, &block)) {
            json_reader_skip(&r);
        }
    }
    if (!json_reader_done(&r) || block.height != height) {
        return shape_failure(&r, "that block", err);
    }
    *out_block = block;
    return BLOCKDB_OK;
}

/* ---- Tiles --------------------------------------------------------------------------------- */

/* Appends the C2SP form of a tile's number: groups of three digits, all but the last with an x. */
static void tile_path_append(struct ask *ask, uint64_t index, unsigned width)
{
    char groups[TILE_PATH_BYTES];
    size_t at = sizeof(groups) - 1;
    char partial[16] = "";

    groups[at] = '\0';
    at -= 3;
    (void)snprintf(groups + at, 4, "%03u", (unsigned)(index % 1000));
    while ((index /= 1000) > 0) {
        char group[8];

        at -= 5;
        (void)snprintf(group, sizeof(group), "x%03u/", (unsigned)(index % 1000));
        memcpy(groups + at, group, 5);
    }
    ask_path(ask, groups + at);
    if (width < BLOCKDB_TILE_WIDTH) {
        (void)snprintf(partial, sizeof(partial), ".p/%u", width);
        ask_path(ask, partial);
    }
}

int blockdb_client_tile_read(struct blockdb_client *client, unsigned level, uint64_t index,
                             unsigned width, uint8_t *out, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    struct slice body;
    int rc = width > 0 && width <= BLOCKDB_TILE_WIDTH
                 ? ask_begin(&ask, client, "GET", err)
                 : error_set(err, BLOCKDB_EINVAL, "a tile has 1 to %d hashes", BLOCKDB_TILE_WIDTH);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/tile/");
    ask_path_u64(&ask, level);
    ask_path(&ask, "/");
    tile_path_append(&ask, index, width);
    rc = ask_run(&ask, err);
    if (rc < 0) {
        return rc;
    }
    body = answer_body(&ask.slot->answer);
    if (body.len != (size_t)width * BLOCKDB_HASH_LEN) {
        return error_set(err, BLOCKDB_EIO, "the tile has %zu bytes, not %u", body.len,
                         width * BLOCKDB_HASH_LEN);
    }
    memcpy(out, body.data, body.len);
    return BLOCKDB_OK;
}

int blockdb_client_bundle_read(struct blockdb_client *client, uint64_t index, unsigned width,
                               struct blockdb_value *out_bundle, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/tile/entries/");
    tile_path_append(&ask, index, width);
    return fetch(&ask, out_bundle, err);
}

/* ---- Proofs -------------------------------------------------------------------------------- */

static int proof_parse(struct slice json, struct blockdb_proof *out, struct error *err)
{
    struct blockdb_proof proof = {0};
    struct json_reader r = json_reader_of(json);
    bool has_hashes = false;
    struct slice key;

    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (!json_key_is(key, "hashes")) {
            json_reader_skip(&r);
            continue;
        }
        has_hashes = true;
        json_reader_begin_array(&r);
        while (proof.count < BLOCKDB_PROOF_HASHES_MAX && json_reader_item(&r)) {
            (void)shape_hash(&r, proof.hashes[proof.count++]); /* sticky */
        }
    }
    if (!json_reader_done(&r) || !has_hashes) {
        return shape_failure(&r, "a proof", err);
    }
    *out = proof;
    return BLOCKDB_OK;
}

static int proof_run(struct ask *ask, struct blockdb_proof *out, struct error *err)
{
    int rc = ask_run(ask, err);

    return rc < 0 ? rc : proof_parse(answer_body(&ask->slot->answer), out, err);
}

int blockdb_client_prove_inclusion(struct blockdb_client *client, uint64_t seq, uint64_t size,
                                   struct blockdb_proof *out_proof, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/proof/inclusion");
    ask_parameter_u64(&ask, "seq", seq);
    ask_parameter_u64(&ask, "size", size);
    return proof_run(&ask, out_proof, err);
}

int blockdb_client_prove_consistency(struct blockdb_client *client, uint64_t old_size,
                                     uint64_t new_size, struct blockdb_proof *out_proof,
                                     struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/proof/consistency");
    ask_parameter_u64(&ask, "from", old_size);
    ask_parameter_u64(&ask, "to", new_size);
    return proof_run(&ask, out_proof, err);
}

static void prove_parameters(struct ask *ask, const struct blockdb_prove_options *o)
{
    if (o == NULL) {
        return;
    }
    if (o->without_value) {
        ask_parameter_u64(ask, "no_value", 1);
    }
    if (o->with_history) {
        ask_parameter_u64(ask, "history", 1);
    }
    if (o->with_block) {
        ask_parameter_u64(ask, "block", 1);
    }
    if (o->range_len > 0) {
        ask_parameter_u64(ask, "range", o->range_offset);
        ask_path(ask, ":");
        ask_path_u64(ask, o->range_len);
    }
}

int blockdb_client_prove_entry(struct blockdb_client *client, uint64_t seq,
                               const struct blockdb_prove_options *options,
                               struct blockdb_value *out_file, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask.accept = TEXT_TYPE;
    ask_path(&ask, "/api/v1/proof/entry/");
    ask_path_u64(&ask, seq);
    prove_parameters(&ask, options);
    return fetch(&ask, out_file, err);
}

int blockdb_client_prove_key(struct blockdb_client *client, const void *key, size_t key_len,
                             const struct blockdb_prove_options *options,
                             struct blockdb_value *out_file, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask.accept = TEXT_TYPE;
    ask_path(&ask, "/api/v1/proof/key/");
    ask_path_encoded(&ask, slice_of(key, key_len));
    prove_parameters(&ask, options);
    return fetch(&ask, out_file, err);
}
