/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of an open database: see audit_source.h. Only the public functions of the engine are
 * used, so an audit sees what any program can see.
 */
#include "audit/audit_source.h"
#include "base/mem.h"
#include "ledger/checkpoint.h"

#include <blockdb/evidence.h>

static int db_connect(struct audit_source *source, void **out_connection, struct error *err)
{
    (void)source;
    (void)err;
    *out_connection = NULL;
    return BLOCKDB_OK;
}

static void db_disconnect(struct audit_source *source, void *connection)
{
    (void)source;
    (void)connection;
}

/* The text of a checkpoint of all that is sealed, for want of a signed one. */
static int unsigned_head(struct audit_source *source, struct buf *out, struct error *err)
{
    struct blockdb_head head;
    struct checkpoint checkpoint = {.origin = slice_of_text(blockdb_origin(source->db))};
    int rc = blockdb_head_get(source->db, &head, err);

    if (rc < 0) {
        return rc;
    }
    checkpoint.size = head.size;
    memcpy(checkpoint.root.bytes, head.root, BLOCKDB_HASH_LEN);
    rc = checkpoint_append(out, &checkpoint);
    if (rc == BLOCKDB_EINVAL) {
        return error_set(err, rc, "the origin '%.100s' cannot be that of a checkpoint",
                         blockdb_origin(source->db));
    }
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

static int db_read_checkpoint(struct audit_source *source, void *connection, struct buf *out,
                              bool *out_is_signed, struct error *err)
{
    struct blockdb_value note = {0};
    int rc = blockdb_checkpoint_get(source->db, &note, err);

    (void)connection;
    buf_reset(out);
    *out_is_signed = rc != BLOCKDB_ENOTFOUND;
    if (rc == BLOCKDB_ENOTFOUND) {
        blockdb_value_deinit(&note);
        return unsigned_head(source, out, err);
    }
    if (rc == BLOCKDB_OK && buf_append(out, note.data, note.len) < 0) {
        rc = error_set_no_memory(err);
    }
    blockdb_value_deinit(&note);
    return rc;
}

static int read_bundle(struct audit_source *source, const struct tile *tile, struct buf *out,
                       struct error *err)
{
    struct blockdb_value value = {.data = out->data, .cap = out->cap};
    int rc = blockdb_bundle_read(source->db, tile->index, tile->width, &value, err);

    /* Both own their memory alike, so it goes forth and back without a copy. */
    *out = (struct buf){
        .data = value.data, .len = rc == BLOCKDB_OK ? value.len : 0, .cap = value.cap};
    return rc;
}

static int db_read_tile(struct audit_source *source, void *connection, const struct tile *tile,
                        struct buf *out, struct error *err)
{
    int rc;

    (void)connection;
    if (tile->level == TILE_LEVEL_ENTRIES) {
        return read_bundle(source, tile, out, err);
    }
    buf_reset(out);
    if (buf_reserve(out, BLOCKDB_TILE_LEN) < 0) {
        return error_set_no_memory(err);
    }
    rc = blockdb_tile_read(source->db, tile->level, tile->index, tile->width, out->data, err);
    if (rc == BLOCKDB_OK) {
        out->len = (size_t)tile->width * BLOCKDB_HASH_LEN;
    }
    return rc;
}

static void db_free(struct audit_source *source)
{
    mem_free(source);
}

static const struct audit_source_ops db_ops = {
    .connect = db_connect,
    .disconnect = db_disconnect,
    .read_checkpoint = db_read_checkpoint,
    .read_tile = db_read_tile,
    .free = db_free,
};

int audit_source_of_database(struct blockdb *db, const char *dir, struct audit_source **out,
                             struct error *err)
{
    struct audit_source *source = mem_calloc(1, sizeof(*source));
    char *place = mem_strdup(dir);

    if (source == NULL || place == NULL) {
        mem_free(source);
        mem_free(place);
        return error_set_no_memory(err);
    }
    *source = (struct audit_source){.ops = &db_ops, .place = place, .db = db};
    *out = source;
    return BLOCKDB_OK;
}
