/* SPDX-License-Identifier: Apache-2.0 */
#include "store/versions.h"

#include "base/assert.h"
#include "base/mem.h"

#define CHAIN_CAP_MIN 8

static const struct version_ops chain_ops;

/* ---- Array: source is the seqs, number[0] the next index ------------------------------------ */

static int array_seek(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    const uint64_t *seqs = c->list.source;
    uint64_t low = 0;
    uint64_t high = c->list.count;

    (void)err;
    while (before_seq != VERSIONS_ALL && low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (seqs[middle] >= before_seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    c->state.number[0] = low;
    return BLOCKDB_OK;
}

static int array_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    const uint64_t *seqs = c->list.source;

    (void)err;
    if (c->state.number[0] >= c->list.count) {
        return BLOCKDB_ENOTFOUND;
    }
    *out_seq = seqs[c->state.number[0]++];
    return BLOCKDB_OK;
}

static const struct version_ops array_ops = {.seek = array_seek, .next = array_next};

struct version_list version_list_of_array(const uint64_t *seqs, size_t count)
{
    if (count == 0) {
        return version_list_empty();
    }
    return (struct version_list){.ops = &array_ops, .count = count, .source = seqs};
}

/* ---- Deltas: source is the bytes, arg[0] their length, arg[1] the seq above ----------------- */
/* pointer[0] is where the next varint begins, number[0] the seq before it, number[1] what is left.
 */

static int deltas_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    const uint8_t *source = c->list.source;
    const uint8_t *at = c->state.pointer[0];
    struct reader r = {.at = at, .end = source + c->list.arg[0]};
    uint64_t above = c->state.number[0];
    uint64_t delta;

    if (c->state.number[1] == 0) {
        return BLOCKDB_ENOTFOUND;
    }
    delta = reader_varint(&r);
    if (!reader_ok(&r) || delta >= above) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "a list of older versions is damaged below seq %llu",
                         (unsigned long long)above);
    }
    c->state.pointer[0] = r.at;
    c->state.number[0] = above - 1 - delta;
    c->state.number[1]--;
    *out_seq = c->state.number[0];
    return BLOCKDB_OK;
}

static int deltas_seek(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    c->state.pointer[0] = c->list.source;
    c->state.number[0] = c->list.arg[1];
    c->state.number[1] = c->list.count;
    while (before_seq != VERSIONS_ALL) {
        struct version_state here = c->state;
        uint64_t seq = 0;
        int rc = deltas_next(c, &seq, err);

        if (rc == BLOCKDB_ENOTFOUND) {
            break;
        }
        if (rc < 0) {
            return rc;
        }
        if (seq < before_seq) {
            c->state = here;
            break;
        }
    }
    return BLOCKDB_OK;
}

static const struct version_ops deltas_ops = {.seek = deltas_seek, .next = deltas_next};

struct version_list version_list_of_deltas(struct slice deltas, uint64_t count, uint64_t above)
{
    if (count == 0) {
        return version_list_empty();
    }
    return (struct version_list){
        .ops = &deltas_ops,
        .count = count,
        .source = deltas.data,
        .arg = {deltas.len, above},
    };
}

/* ---- Cursor --------------------------------------------------------------------------------- */

static void release(struct version_cursor *c)
{
    if (c->list.ops != NULL && c->list.ops->release != NULL) {
        c->list.ops->release(c);
    }
    c->list = version_list_empty();
    c->state = (struct version_state){0};
}

/* Starts on one plain list. */
static int start(struct version_cursor *c, const struct version_list *list, struct error *err)
{
    int rc;

    release(c);
    if (list->count == 0) {
        return BLOCKDB_OK;
    }
    c->list = *list;
    rc = list->ops->seek(c, c->before_seq, err);
    if (rc < 0) {
        release(c);
    }
    return rc;
}

/* The first part of the chain, from part `from`, that may hold a seq < before_seq: all that comes
 * before a single seq that is not below the bound is above it as well. */
static size_t chain_skip(const struct version_chain *chain, size_t from, uint64_t before_seq)
{
    size_t i;
    size_t first = from;

    if (before_seq == VERSIONS_ALL) {
        return from;
    }
    for (i = from; i < chain->count; i++) {
        if (chain->parts[i].single && chain->parts[i].seq >= before_seq) {
            first = i + 1;
        }
    }
    return first;
}

int version_cursor_init(struct version_cursor *c, const struct version_list *list,
                        uint64_t before_seq, struct error *err)
{
    *c = (struct version_cursor){.before_seq = before_seq};
    if (list->count > 0 && list->ops == &chain_ops) {
        c->chain = list->source;
        c->chain_next = chain_skip(c->chain, 0, before_seq);
        return BLOCKDB_OK;
    }
    return start(c, list, err);
}

/* Goes to the next part of the chain; a single seq below the bound is given at once. */
static int chain_advance(struct version_cursor *c, bool *out_given, uint64_t *out_seq,
                         struct error *err)
{
    const struct version_part *part = &c->chain->parts[c->chain_next];

    *out_given = false;
    if (part->single) {
        release(c);
        c->chain_next++;
        if (c->before_seq == VERSIONS_ALL || part->seq < c->before_seq) {
            *out_given = true;
            *out_seq = part->seq;
        }
        return BLOCKDB_OK;
    }
    c->chain_next++;
    return start(c, &part->list, err);
}

int version_cursor_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    for (;;) {
        bool given;
        int rc;

        if (c->list.ops != NULL) {
            rc = c->list.ops->next(c, out_seq, err);
            if (rc != BLOCKDB_ENOTFOUND) {
                return rc;
            }
        }
        if (c->chain == NULL || c->chain_next >= c->chain->count) {
            return BLOCKDB_ENOTFOUND;
        }
        rc = chain_advance(c, &given, out_seq, err);
        if (rc < 0 || given) {
            return rc;
        }
    }
}

int version_cursor_seek(struct version_cursor *c, uint64_t before_seq, struct error *err)
{
    size_t next;

    if (before_seq >= c->before_seq) {
        return BLOCKDB_OK;
    }
    c->before_seq = before_seq;
    if (c->chain != NULL) {
        next = chain_skip(c->chain, c->chain_next, before_seq);
        if (next != c->chain_next) {
            release(c);
            c->chain_next = next;
        }
    }
    if (c->list.ops == NULL) {
        return BLOCKDB_OK;
    }
    return c->list.ops->seek(c, before_seq, err);
}

void version_cursor_deinit(struct version_cursor *c)
{
    release(c);
    *c = (struct version_cursor){0};
}

int version_list_find(const struct version_list *list, uint64_t at_seq, uint64_t *out_seq,
                      struct error *err)
{
    AUTO(version_cursor_deinit) struct version_cursor c = {0};
    uint64_t before_seq = at_seq == UINT64_MAX ? VERSIONS_ALL : at_seq + 1;
    int rc = version_cursor_init(&c, list, before_seq, err);

    if (rc < 0) {
        return rc;
    }
    return version_cursor_next(&c, out_seq, err);
}

/* ---- Chain ---------------------------------------------------------------------------------- */

/* Only their address matters: a cursor over a chain walks the parts by itself. */
static int chain_never_next(struct version_cursor *c, uint64_t *out_seq, struct error *err)
{
    (void)c;
    (void)out_seq;
    (void)err;
    return BLOCKDB_ENOTFOUND;
}

static const struct version_ops chain_ops = {.next = chain_never_next};

void version_chain_deinit(struct version_chain *chain)
{
    mem_free(chain->parts);
    *chain = (struct version_chain){0};
}

static int chain_reserve(struct version_chain *chain, size_t extra)
{
    size_t cap = chain->cap < CHAIN_CAP_MIN ? CHAIN_CAP_MIN : chain->cap;
    struct version_part *parts;

    if (extra <= chain->cap - chain->count) {
        return BLOCKDB_OK;
    }
    while (cap < chain->count + extra) {
        cap *= 2;
    }
    parts = mem_realloc(chain->parts, cap * sizeof(*parts));
    if (parts == NULL) {
        return BLOCKDB_ENOMEM;
    }
    chain->parts = parts;
    chain->cap = cap;
    return BLOCKDB_OK;
}

int version_chain_append_seq(struct version_chain *chain, uint64_t seq)
{
    if (chain_reserve(chain, 1) < 0) {
        return BLOCKDB_ENOMEM;
    }
    chain->parts[chain->count++] = (struct version_part){.single = true, .seq = seq};
    chain->seq_count++;
    return BLOCKDB_OK;
}

int version_chain_append_list(struct version_chain *chain, const struct version_list *list)
{
    if (list->count == 0) {
        return BLOCKDB_OK;
    }
    if (list->ops == &chain_ops) {
        const struct version_chain *other = list->source;

        ASSERT(other != chain);
        if (chain_reserve(chain, other->count) < 0) {
            return BLOCKDB_ENOMEM;
        }
        memcpy(chain->parts + chain->count, other->parts, other->count * sizeof(*other->parts));
        chain->count += other->count;
    } else {
        if (chain_reserve(chain, 1) < 0) {
            return BLOCKDB_ENOMEM;
        }
        chain->parts[chain->count++] = (struct version_part){.list = *list};
    }
    chain->seq_count += list->count;
    return BLOCKDB_OK;
}

struct version_list version_chain_list(const struct version_chain *chain)
{
    if (chain->seq_count == 0) {
        return version_list_empty();
    }
    return (struct version_list){.ops = &chain_ops, .count = chain->seq_count, .source = chain};
}
