/* SPDX-License-Identifier: Apache-2.0 */
#include "store/merge.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/merging_cursor.h"
#include "store/table_builder.h"
#include "store/table_set.h"

#include <inttypes.h>

/* Inputs are read in pieces of this size, past the caches. */
/* Index and hashes for the filter: 8 to 16 bytes for an item of some 100. */
#define TABLE_BYTES_A_BYTE_IN_MEMORY 8
#define READAHEAD_BYTES ((size_t)1 << 20)

struct job {
    const struct merge_options *options;
    struct table_builder *builder; /* the output being written, or NULL */
    uint64_t number;               /* of its file */
    uint64_t keys_per_table;       /* about so many will go into each */
    struct merge_result result;    /* the finished outputs */
    size_t cap;
};

void merge_result_deinit(struct merge_result *result)
{
    size_t i;

    for (i = 0; i < result->table_count; i++) {
        table_facts_deinit(&result->tables[i]);
    }
    mem_free(result->tables);
    *result = (struct merge_result){0};
}

static char *output_path(const struct job *job, uint64_t number)
{
    char name[TABLE_NAME_MAX];

    table_name(number, name);
    return path_join(job->options->dir, name);
}

/* Removes a finished output, if the system lets it (MERGE-2). */
static void remove_output(const struct job *job, uint64_t number)
{
    char *path = output_path(job, number);

    if (path != NULL) {
        IGNORE_RESULT(os_unlink(job->options->os, path, NULL)); /* the first error counts */
    }
    mem_free(path);
}

/* For AUTO(): takes everything back that was not handed out. */
static void job_deinit(struct job *job)
{
    size_t i;

    table_builder_abandon(job->builder);
    for (i = 0; i < job->result.table_count; i++) {
        remove_output(job, job->result.tables[i].file_number);
    }
    merge_result_deinit(&job->result);
}

/* ---- Outputs --------------------------------------------------------------------------------- */

static int begin_output(struct job *job, struct error *err)
{
    const struct merge_options *o = job->options;
    struct table_builder_options options = {
        .os = o->os,
        .page_bytes = o->page_bytes,
        .index_bytes = o->index_bytes,
        .filter_bits_per_key = o->filter_bits_per_key,
        .keys_max = job->keys_per_table,
        .codec = o->codec,
        .level = o->codec_level,
        .writer =
            {
                .buffer_bytes = o->write_buffer_bytes,
                .direct = o->direct_io,
                .throttle = o->budget != NULL ? io_budget_throttle : NULL,
                .throttle_arg = o->budget,
            },
    };
    AUTO(mem_free_ptr) char *path = NULL;
    int rc;

    job->number = o->take_number(o->take_number_arg);
    path = output_path(job, job->number);
    if (path == NULL) {
        return error_set_no_memory(err);
    }
    options.path = path;
    options.file_number = job->number;
    memcpy(options.ledger_id, o->ledger_id, TABLE_LEDGER_ID_LEN);
    rc = table_builder_new(&options, &job->builder, err);
    if (rc == BLOCKDB_EEXIST) { /* of a number just handed out: left by a crash */
        rc = os_unlink(o->os, path, err);
        rc = rc == BLOCKDB_OK ? table_builder_new(&options, &job->builder, err) : rc;
    }
    return rc;
}

static int reserve_result(struct job *job)
{
    size_t cap = job->cap > 0 ? 2 * job->cap : 8;
    struct table_facts *tables;

    if (job->result.table_count < job->cap) {
        return BLOCKDB_OK;
    }
    tables = mem_realloc(job->result.tables, cap * sizeof(*tables));
    if (tables == NULL) {
        return BLOCKDB_ENOMEM;
    }
    job->result.tables = tables;
    job->cap = cap;
    return BLOCKDB_OK;
}

static int finish_output(struct job *job, struct error *err)
{
    struct table_facts *facts;
    int rc;

    if (reserve_result(job) < 0) {
        return error_set_no_memory(err);
    }
    facts = &job->result.tables[job->result.table_count];
    rc = table_builder_finish(TAKE(job->builder), facts, err);
    if (rc < 0) {
        remove_output(job, job->number);
        return rc;
    }
    job->result.bytes += facts->file_bytes;
    job->result.table_count++;
    return BLOCKDB_OK;
}

/* ---- Copying --------------------------------------------------------------------------------- */

static int add_item(struct job *job, const struct item *item, struct error *err)
{
    const struct merge_options *o = job->options;
    struct item copy = *item;
    int rc = BLOCKDB_OK;

    if (copy.value_inline && (copy.value_len > o->inline_value_limit ||
                              (o->forget != NULL && o->forget(o->forget_arg, copy.seq)))) {
        copy.value_inline = false; /* the ledger has it */
        copy.value = slice_of(NULL, 0);
    }
    if (job->builder == NULL) {
        rc = begin_output(job, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = table_builder_add(job->builder, &copy, err);
    }
    if (rc == BLOCKDB_OK && o->table_bytes_max > 0 &&
        table_builder_bytes(job->builder) >= o->table_bytes_max) {
        rc = finish_output(job, err);
    }
    return rc;
}

static int check_cancelled(const struct merge_options *o, struct error *err)
{
    if (o->cancelled != NULL && atomic_load_explicit(o->cancelled, memory_order_relaxed)) {
        return error_set(err, BLOCKDB_ECANCELED,
                         "a merge into level %" PRIu32 " of '%s' was stopped", o->level, o->dir);
    }
    return BLOCKDB_OK;
}

static int copy_all(struct job *job, struct cursor *source, struct error *err)
{
    const struct merge_options *o = job->options;
    int rc = cursor_seek_first(source, err);

    while (rc == BLOCKDB_OK && cursor_valid(source)) {
        rc = check_cancelled(o, err);
        if (rc == BLOCKDB_OK) {
            rc = add_item(job, cursor_item(source), err);
        }
        if (rc == BLOCKDB_OK) {
            rc = cursor_next(source, err);
        }
        if (o->progress_keys != NULL) {
            atomic_fetch_add_explicit(o->progress_keys, 1, memory_order_relaxed);
        }
    }
    if (rc == BLOCKDB_OK && job->builder != NULL) {
        rc = finish_output(job, err);
    }
    return rc;
}

/* How many keys to size an output's filter for. */
static uint64_t keys_per_table(const struct merge_options *o, uint64_t key_count,
                               uint64_t byte_count)
{
    double part;

    if (o->table_bytes_max == 0 || byte_count <= o->table_bytes_max) {
        return key_count;
    }
    part = (double)o->table_bytes_max / (double)byte_count;
    return (uint64_t)((double)key_count * part * 1.25) + 1; /* keys are not spread evenly */
}

int merge_cursor(const struct merge_options *options, struct cursor *source, uint64_t key_count,
                 uint64_t byte_count, struct merge_result *out_result, struct error *err)
{
    AUTO(job_deinit)
    struct job job = {
        .options = options,
        .keys_per_table = keys_per_table(options, key_count, byte_count),
    };
    int rc = copy_all(&job, source, err);

    if (rc == BLOCKDB_OK && job.result.table_count > 0) {
        rc = os_sync_dir(options->os, options->dir, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out_result = job.result;
    job.result = (struct merge_result){0};
    return BLOCKDB_OK;
}

int merge_flush(const struct merge_options *options, const struct memtable *mt,
                struct merge_result *out_result, struct error *err)
{
    AUTO(cursor_free_ptr) struct cursor *source = NULL;

    if (memtable_cursor_new(mt, VERSIONS_ALL, &source) < 0) {
        return error_set_no_memory(err);
    }
    return merge_cursor(options, source, memtable_key_count(mt), memtable_bytes(mt), out_result,
                        err);
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

struct inputs {
    struct cursor **cursors;
    size_t count;
    uint64_t key_count;
    uint64_t byte_count;
};

static void inputs_deinit(struct inputs *inputs)
{
    while (inputs->count > 0) {
        cursor_free(inputs->cursors[--inputs->count]);
    }
    mem_free(inputs->cursors);
}

static int open_inputs(const struct merge_input *runs, size_t run_count, struct inputs *out,
                       struct error *err)
{
    const struct table_cursor_options options = {
        .bypass_cache = true,
        .readahead_bytes = READAHEAD_BYTES,
    };
    size_t i;

    out->cursors = mem_calloc(run_count, sizeof(struct cursor *));
    if (out->cursors == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < run_count; i++) {
        int rc = run_cursor_new(runs[i].tables, runs[i].count, &options, &out->cursors[i], err);
        size_t j;

        if (rc < 0) {
            return rc;
        }
        out->count++;
        for (j = 0; j < runs[i].count; j++) {
            out->key_count += table_facts(runs[i].tables[j])->key_count;
            out->byte_count += table_facts(runs[i].tables[j])->file_bytes;
        }
    }
    return BLOCKDB_OK;
}

uint64_t merge_memory_bytes(const struct merge_options *options, size_t input_count,
                            uint64_t byte_count)
{
    uint64_t table_bytes = options->table_bytes_max > 0 && options->table_bytes_max < byte_count
                               ? options->table_bytes_max
                               : byte_count;

    return options->write_buffer_bytes + input_count * READAHEAD_BYTES +
           table_bytes / TABLE_BYTES_A_BYTE_IN_MEMORY;
}

int merge_tables(const struct merge_options *options, const struct merge_input *inputs,
                 size_t input_count, struct merge_result *out_result, struct error *err)
{
    AUTO(inputs_deinit) struct inputs opened = {0};
    AUTO(cursor_free_ptr) struct cursor *source = NULL;
    uint64_t key_count;
    int rc = open_inputs(inputs, input_count, &opened, err);

    if (rc < 0) {
        return rc;
    }
    if (merging_cursor_new(opened.cursors, opened.count, VERSIONS_ALL, &source) < 0) {
        return error_set_no_memory(err);
    }
    opened.count = 0; /* the merging cursor has them now */
    key_count = opened.key_count;
    return merge_cursor(options, source, key_count, opened.byte_count, out_result, err);
}
