/* SPDX-License-Identifier: Apache-2.0 */
#include "server/conn_output.h"

#include "base/assert.h"
#include "base/mem.h"

struct output_piece {
    struct output_piece *next;
    struct buf bytes;
    size_t sent;
};

static void piece_free(struct output_piece *piece)
{
    buf_deinit(&piece->bytes);
    mem_free(piece);
}

void output_deinit(struct conn_output *output)
{
    while (output->first != NULL) {
        struct output_piece *piece = output->first;

        output->first = piece->next;
        piece_free(piece);
    }
    buf_deinit(&output->tail);
    *output = (struct conn_output){0};
}

size_t output_len(const struct conn_output *output)
{
    return output->pieces_bytes + output->tail.len - output->tail_sent;
}

/* Appends a piece that owns *bytes, of which `sent` are gone. */
static void piece_append(struct conn_output *output, struct output_piece *piece, struct buf *bytes,
                         size_t sent)
{
    *piece = (struct output_piece){.bytes = *bytes, .sent = sent};
    *bytes = (struct buf){0};
    if (output->first == NULL) {
        output->last = &output->first;
    }
    *output->last = piece;
    output->last = &piece->next;
    output->pieces_bytes += piece->bytes.len - sent;
}

int output_take(struct conn_output *output, struct buf *taken)
{
    struct output_piece *before = NULL;
    struct output_piece *piece;
    int rc;

    if (taken->len < OUTPUT_PIECE_MIN) {
        rc = buf_append(&output->tail, taken->data, taken->len);
        if (rc == BLOCKDB_OK) {
            buf_deinit(taken);
        }
        return rc;
    }
    piece = mem_alloc(sizeof(*piece));
    if (output->tail.len > output->tail_sent) {
        before = mem_alloc(sizeof(*before));
    }
    if (piece == NULL || (before == NULL && output->tail.len > output->tail_sent)) {
        mem_free(piece);
        mem_free(before);
        return BLOCKDB_ENOMEM;
    }
    if (before != NULL) {
        piece_append(output, before, &output->tail, output->tail_sent);
    }
    buf_reset(&output->tail);
    output->tail_sent = 0;
    piece_append(output, piece, taken, 0);
    return BLOCKDB_OK;
}

static struct iovec vector_of(const struct buf *bytes, size_t sent)
{
    return (struct iovec){.iov_base = bytes->data + sent, .iov_len = bytes->len - sent};
}

int output_vectors(const struct conn_output *output, struct iovec *vectors)
{
    const struct output_piece *piece;
    int count = 0;

    for (piece = output->first; piece != NULL && count < OUTPUT_VECTORS_MAX; piece = piece->next) {
        vectors[count++] = vector_of(&piece->bytes, piece->sent);
    }
    if (count < OUTPUT_VECTORS_MAX && output->tail.len > output->tail_sent) {
        vectors[count++] = vector_of(&output->tail, output->tail_sent);
    }
    return count;
}

struct slice output_first(const struct conn_output *output)
{
    const struct output_piece *piece = output->first;

    if (piece != NULL) {
        return slice_of(piece->bytes.data + piece->sent, piece->bytes.len - piece->sent);
    }
    if (output->tail.len == output->tail_sent) {
        return (struct slice){0};
    }
    return slice_of(output->tail.data + output->tail_sent, output->tail.len - output->tail_sent);
}

void output_sent(struct conn_output *output, size_t len)
{
    while (len > 0 && output->first != NULL) {
        struct output_piece *piece = output->first;
        size_t left = piece->bytes.len - piece->sent;
        size_t part = len < left ? len : left;

        piece->sent += part;
        output->pieces_bytes -= part;
        len -= part;
        if (part == left) {
            output->first = piece->next;
            piece_free(piece);
        }
    }
    output->tail_sent += len;
    ASSERT(output->tail_sent <= output->tail.len);
    if (output->tail_sent == output->tail.len) {
        buf_reset(&output->tail);
        output->tail_sent = 0;
    } else if (output->tail_sent >= OUTPUT_PIECE_MIN &&
               output->tail_sent >= output->tail.len - output->tail_sent) {
        /* A tail that never runs empty must not grow for ever. */
        output->tail.len -= output->tail_sent;
        memmove(output->tail.data, output->tail.data + output->tail_sent, output->tail.len);
        output->tail_sent = 0;
    }
}
