/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An edit is applied by building the arrays of the next state beside the present ones. Tables that
 * stay share their keys between the two; which keys belong to one of them only is kept in two
 * lists, of which one is freed in the end.
 *
 * Both keys of a table lie in one allocation that begins at first_key.data.
 */
#include "store/manifest_state.h"

#include "base/assert.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

static uint8_t *meta_keys(const struct table_meta *meta)
{
    return (uint8_t *)(uintptr_t)meta->first_key.data;
}

void manifest_state_init(struct manifest_state *state)
{
    *state = (struct manifest_state){.next_file_number = 1, .redactions_from = UINT64_MAX};
}

void manifest_state_deinit(struct manifest_state *state)
{
    size_t i;

    for (i = 0; i < state->table_count; i++) {
        mem_free(meta_keys(&state->tables[i]));
    }
    mem_free(state->tables);
    mem_free(state->segments);
    buf_deinit(&state->frontier_bytes);
    buf_deinit(&state->dedupe);
    manifest_state_init(state);
}

const struct table_meta *manifest_state_find(const struct manifest_state *state, uint64_t number)
{
    size_t i;

    for (i = 0; i < state->table_count; i++) {
        if (state->tables[i].number == number) {
            return &state->tables[i];
        }
    }
    return NULL;
}

void manifest_state_as_edit(const struct manifest_state *state, struct manifest_edit *out)
{
    *out = (struct manifest_edit){
        .add_tables = state->tables,
        .add_table_count = state->table_count,
        .put_segments = state->segments,
        .put_segment_count = state->segment_count,
        .set_flushed = true,
        .set_sealed = true,
        .set_wal = true,
        .set_options = true,
        .set_dedupe = true,
        .set_epoch = true,
        .set_redactions = state->redactions_from != UINT64_MAX,
        .redactions_from = state->redactions_from,
        .flushed_seq = state->flushed_seq,
        .sealed = state->sealed,
        .wal = state->wal,
        .options = state->options,
        .dedupe_seq = state->dedupe_seq,
        .dedupe = buf_slice(&state->dedupe),
        .epoch = state->epoch,
        .next_file_number = state->next_file_number,
    };
    out->sealed.frontier = buf_slice(&state->frontier_bytes);
}

/* ---- Order ----------------------------------------------------------------------------------- */

static int order_of(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int number_order(const void *a, const void *b)
{
    return order_of(*(const uint64_t *)a, *(const uint64_t *)b);
}

static int table_order(const void *a, const void *b)
{
    const struct table_meta *x = a;
    const struct table_meta *y = b;

    if (x->level != y->level) {
        return order_of(x->level, y->level);
    }
    return x->level == 0 ? order_of(y->last_seq, x->last_seq)
                         : slice_compare(x->first_key, y->first_key);
}

static int segment_order(const void *a, const void *b)
{
    const struct manifest_segment *x = a;
    const struct manifest_segment *y = b;

    return order_of(x->number, y->number);
}

static bool contains(const uint64_t *numbers, size_t count, uint64_t number)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (numbers[i] == number) {
            return true;
        }
    }
    return false;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static int check_meta(const struct table_meta *meta, uint64_t next_file_number, struct error *err)
{
    if (meta->number == 0 || meta->number >= next_file_number) {
        return error_set(err, BLOCKDB_EINVAL,
                         "table %" PRIu64 " is added, but the next file number is %" PRIu64,
                         meta->number, next_file_number);
    }
    if (meta->level >= TABLE_LEVELS) {
        return error_set(err, BLOCKDB_EINVAL, "table %" PRIu64 " is added to level %" PRIu32,
                         meta->number, meta->level);
    }
    if (meta->key_count == 0 || meta->version_count < meta->key_count ||
        meta->first_seq > meta->last_seq || meta->first_key.len == 0 ||
        slice_compare(meta->first_key, meta->last_key) > 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "table %" PRIu64 " is added with impossible counts or ranges",
                         meta->number);
    }
    return BLOCKDB_OK;
}

static int check_neighbours(const struct table_meta *a, const struct table_meta *b,
                            struct error *err)
{
    if (a->level != b->level) {
        return BLOCKDB_OK;
    }
    if (a->level == 0 ? a->first_seq <= b->last_seq
                      : slice_compare(a->last_key, b->first_key) >= 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "tables %" PRIu64 " and %" PRIu64 " of level %" PRIu32 " overlap",
                         a->number, b->number, a->level);
    }
    return BLOCKDB_OK;
}

static int check_tables(const struct manifest_state *next, struct error *err)
{
    uint64_t *numbers = mem_alloc(next->table_count * sizeof(*numbers));
    int rc = BLOCKDB_OK;
    size_t i;

    if (numbers == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < next->table_count; i++) {
        numbers[i] = next->tables[i].number;
    }
    qsort(numbers, next->table_count, sizeof(*numbers), number_order);
    for (i = 1; rc == BLOCKDB_OK && i < next->table_count; i++) {
        if (numbers[i - 1] == numbers[i]) {
            rc = error_set(err, BLOCKDB_EINVAL, "table %" PRIu64 " is added twice", numbers[i]);
        } else {
            rc = check_neighbours(&next->tables[i - 1], &next->tables[i], err);
        }
    }
    mem_free(numbers);
    return rc;
}

/* Copies what stays of state's tables to next, and notes the keys of what goes. */
static int keep_tables(struct manifest_change *change, const struct manifest_state *state,
                       const struct manifest_edit *edit, struct error *err)
{
    size_t i;

    for (i = 0; i < state->table_count; i++) {
        const struct table_meta *meta = &state->tables[i];

        if (!contains(edit->remove_tables, edit->remove_table_count, meta->number)) {
            change->next.tables[change->next.table_count++] = *meta;
            continue;
        }
        if (change->removed_count == edit->remove_table_count) {
            break;
        }
        change->removed_keys[change->removed_count++] = meta_keys(meta);
    }
    if (change->removed_count != edit->remove_table_count) {
        return error_set(err, BLOCKDB_EINVAL, "%zu tables are removed, of which %zu are there",
                         edit->remove_table_count, change->removed_count);
    }
    return BLOCKDB_OK;
}

static int add_table(struct manifest_change *change, const struct table_meta *meta,
                     struct error *err)
{
    struct table_meta copy = *meta;
    uint8_t *keys;
    int rc = check_meta(meta, change->next.next_file_number, err);

    if (rc < 0) {
        return rc;
    }
    keys = mem_alloc(meta->first_key.len + meta->last_key.len);
    if (keys == NULL) {
        return error_set_no_memory(err);
    }
    memcpy(keys, meta->first_key.data, meta->first_key.len);
    memcpy(keys + meta->first_key.len, meta->last_key.data, meta->last_key.len);
    copy.first_key.data = keys;
    copy.last_key.data = keys + meta->first_key.len;
    change->next.tables[change->next.table_count++] = copy;
    change->added_keys[change->added_count++] = keys;
    return BLOCKDB_OK;
}

static int prepare_tables(struct manifest_change *change, const struct manifest_state *state,
                          const struct manifest_edit *edit, struct error *err)
{
    size_t cap = state->table_count + edit->add_table_count;
    size_t i;
    int rc;

    change->next.tables = mem_alloc(cap * sizeof(*change->next.tables));
    change->added_keys = mem_alloc(edit->add_table_count * sizeof(*change->added_keys));
    change->removed_keys = mem_alloc(edit->remove_table_count * sizeof(*change->removed_keys));
    if (change->next.tables == NULL || change->added_keys == NULL || change->removed_keys == NULL) {
        return error_set_no_memory(err);
    }
    rc = keep_tables(change, state, edit, err);
    for (i = 0; rc == BLOCKDB_OK && i < edit->add_table_count; i++) {
        rc = add_table(change, &edit->add_tables[i], err);
    }
    if (rc < 0) {
        return rc;
    }
    qsort(change->next.tables, change->next.table_count, sizeof(*change->next.tables), table_order);
    return check_tables(&change->next, err);
}

/* ---- Segments -------------------------------------------------------------------------------- */

static void put_segment(struct manifest_state *next, const struct manifest_segment *segment)
{
    size_t i;

    for (i = 0; i < next->segment_count; i++) {
        if (next->segments[i].number == segment->number) {
            next->segments[i] = *segment;
            return;
        }
    }
    next->segments[next->segment_count++] = *segment;
}

static int prepare_segments(struct manifest_change *change, const struct manifest_state *state,
                            const struct manifest_edit *edit, struct error *err)
{
    size_t cap = state->segment_count + edit->put_segment_count;
    struct manifest_state *next = &change->next;
    size_t i;

    next->segments = mem_alloc(cap * sizeof(*next->segments));
    if (next->segments == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < state->segment_count; i++) {
        if (!contains(edit->remove_segments, edit->remove_segment_count,
                      state->segments[i].number)) {
            next->segments[next->segment_count++] = state->segments[i];
        }
    }
    if (state->segment_count - next->segment_count != edit->remove_segment_count) {
        return error_set(err, BLOCKDB_EINVAL, "%zu segments are removed, of which %zu are there",
                         edit->remove_segment_count, state->segment_count - next->segment_count);
    }
    for (i = 0; i < edit->put_segment_count; i++) {
        put_segment(next, &edit->put_segments[i]);
    }
    qsort(next->segments, next->segment_count, sizeof(*next->segments), segment_order);
    return BLOCKDB_OK;
}

/* ---- The rest -------------------------------------------------------------------------------- */

static int check_forward(const char *what, uint64_t from, uint64_t to, struct error *err)
{
    if (to >= from) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL, "the %s goes back from %" PRIu64 " to %" PRIu64, what,
                     from, to);
}

static int prepare_numbers(struct manifest_state *next, const struct manifest_edit *edit,
                           struct error *err)
{
    int rc = BLOCKDB_OK;

    if (edit->next_file_number != 0) {
        rc = check_forward("next file number", next->next_file_number, edit->next_file_number, err);
        next->next_file_number = edit->next_file_number;
    }
    if (rc == BLOCKDB_OK && edit->set_flushed) {
        rc = check_forward("flushed seq", next->flushed_seq, edit->flushed_seq, err);
        next->flushed_seq = edit->flushed_seq;
    }
    if (rc == BLOCKDB_OK && edit->set_epoch) {
        rc = check_forward("epoch", next->epoch, edit->epoch, err);
        next->epoch = edit->epoch;
    }
    if (rc == BLOCKDB_OK && edit->set_sealed) {
        rc = check_forward("sealed point", next->sealed.seq_count, edit->sealed.seq_count, err);
        next->sealed = edit->sealed;
    }
    if (edit->set_wal) {
        next->wal = edit->wal;
    }
    if (edit->set_options) {
        next->options = edit->options;
    }
    if (edit->set_redactions) {
        next->redactions_from = edit->redactions_from;
    }
    return rc;
}

static int prepare_bytes(struct manifest_change *change, const struct manifest_edit *edit,
                         struct error *err)
{
    change->new_frontier = edit->set_sealed;
    change->new_dedupe = edit->set_dedupe;
    if (edit->set_sealed &&
        buf_append_slice(&change->next.frontier_bytes, edit->sealed.frontier) < 0) {
        return error_set_no_memory(err);
    }
    if (edit->set_dedupe) {
        change->next.dedupe_seq = edit->dedupe_seq;
        if (buf_append_slice(&change->next.dedupe, edit->dedupe) < 0) {
            return error_set_no_memory(err);
        }
    }
    return BLOCKDB_OK;
}

int manifest_change_init(struct manifest_change *change, const struct manifest_state *state,
                         const struct manifest_edit *edit, struct error *err)
{
    int rc;

    *change = (struct manifest_change){.next = *state};
    change->next.tables = NULL;
    change->next.table_count = 0;
    change->next.segments = NULL;
    change->next.segment_count = 0;
    change->next.frontier_bytes = (struct buf){0};
    change->next.dedupe = (struct buf){0};
    rc = prepare_numbers(&change->next, edit, err);
    if (rc == BLOCKDB_OK) {
        rc = prepare_tables(change, state, edit, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = prepare_segments(change, state, edit, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = prepare_bytes(change, edit, err);
    }
    if (rc < 0) {
        manifest_change_deinit(change);
    }
    return rc;
}

static void free_keys(uint8_t **keys, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        mem_free(keys[i]);
    }
}

static void swap_bufs(struct buf *a, struct buf *b)
{
    struct buf t = *a;

    *a = *b;
    *b = t;
}

void manifest_change_apply(struct manifest_change *change, struct manifest_state *state)
{
    struct manifest_state *next = &change->next;

    if (!change->new_frontier) {
        swap_bufs(&next->frontier_bytes, &state->frontier_bytes);
    }
    if (!change->new_dedupe) {
        swap_bufs(&next->dedupe, &state->dedupe);
    }
    next->sealed.frontier = buf_slice(&next->frontier_bytes);
    free_keys(change->removed_keys, change->removed_count);
    mem_free(state->tables);
    mem_free(state->segments);
    buf_deinit(&state->frontier_bytes);
    buf_deinit(&state->dedupe);
    *state = *next;
    mem_free(change->added_keys);
    mem_free(change->removed_keys);
    *change = (struct manifest_change){0};
}

void manifest_change_deinit(struct manifest_change *change)
{
    free_keys(change->added_keys, change->added_count);
    mem_free(change->added_keys);
    mem_free(change->removed_keys);
    mem_free(change->next.tables);
    mem_free(change->next.segments);
    buf_deinit(&change->next.frontier_bytes);
    buf_deinit(&change->next.dedupe);
    *change = (struct manifest_change){0};
}

int manifest_state_apply(struct manifest_state *state, const struct manifest_edit *edit,
                         struct error *err)
{
    struct manifest_change change;
    int rc = manifest_change_init(&change, state, edit, err);

    if (rc < 0) {
        return rc;
    }
    manifest_change_apply(&change, state);
    return BLOCKDB_OK;
}
