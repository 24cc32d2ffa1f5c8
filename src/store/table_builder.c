/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table_builder.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/table_builder_priv.h"

#include <inttypes.h>

#define PAGE_BYTES_DEFAULT 4096
#define INDEX_INTERVAL 1

/* ---- Making and freeing --------------------------------------------------------------------- */

static void builder_free(struct table_builder *b)
{
    file_writer_free(b->writer);
    compressor_free(b->compressor);
    filter_deinit(&b->filter);
    keyed_page_builder_deinit(&b->data);
    keyed_page_builder_deinit(&b->partition);
    keyed_page_builder_deinit(&b->top);
    table_facts_deinit(&b->properties.facts);
    buf_deinit(&b->separator);
    buf_deinit(&b->body);
    buf_deinit(&b->raw);
    buf_deinit(&b->stored);
    buf_deinit(&b->run);
    buf_deinit(&b->shared_runs);
    buf_deinit(&b->directory);
    mem_free(b->path);
    mem_free(b);
}

static void builder_free_ptr(struct table_builder **b)
{
    if (*b != NULL) {
        builder_free(*b);
    }
}

/* Sets what does not need the file. */
static int builder_init(struct table_builder *b, const struct table_builder_options *options,
                        struct error *err)
{
    struct table_properties *t = &b->properties;

    b->os = options->os;
    t->facts.file_number = options->file_number;
    t->facts.seq_min = UINT64_MAX;
    t->facts.time_min_ms = UINT64_MAX;
    memcpy(t->ledger_id, options->ledger_id, sizeof(t->ledger_id));
    t->page_target = (uint32_t)(options->page_bytes > 0 ? options->page_bytes : PAGE_BYTES_DEFAULT);
    t->index_target = (uint32_t)(options->index_bytes > 0 ? options->index_bytes
                                                          : PAGE_BYTES_DEFAULT);
    t->filter_bits_per_key = options->filter_bits_per_key;
    t->codec = options->codec;
    b->file_seed = table_file_seed(options->ledger_id, options->file_number);
    keyed_page_builder_init(&b->data, TABLE_RESTART_INTERVAL);
    keyed_page_builder_init(&b->partition, INDEX_INTERVAL);
    keyed_page_builder_init(&b->top, INDEX_INTERVAL);
    b->path = mem_strdup(options->path);
    b->compressor = compressor_new(options->codec, options->level);
    if (b->path == NULL || b->compressor == NULL ||
        filter_init(&b->filter, options->keys_max, options->filter_bits_per_key) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

/* Creates the file and writes its header. */
static int start_file(struct table_builder *b, const struct table_builder_options *options,
                      struct error *err)
{
    unsigned flags = OS_READ | OS_WRITE | OS_CREATE | OS_EXCLUSIVE;
    uint8_t header[TABLE_HEADER_BYTES];
    struct os_file *file;
    int rc;

    flags |= options->writer.direct ? (unsigned)OS_DIRECT : 0;
    rc = os_open(b->os, b->path, flags, &file, err);
    if (rc < 0) {
        return rc;
    }
    b->created = true;
    rc = file_writer_new(file, 0, &options->writer, &b->writer, err);
    if (rc < 0) {
        file_close(file);
        return rc;
    }
    table_header_encode(header, options->ledger_id, options->file_number);
    return file_writer_append(b->writer, slice_of(header, sizeof(header)), err);
}

int table_builder_new(const struct table_builder_options *options, struct table_builder **out,
                      struct error *err)
{
    struct table_builder *b;
    int rc;

    if (options->filter_bits_per_key > FILTER_BITS_PER_KEY_MAX ||
        options->page_bytes > TABLE_PAGE_RAW_MAX / 4 ||
        options->index_bytes > TABLE_PAGE_RAW_MAX / 4) {
        return error_set(err, BLOCKDB_EINVAL,
                         "table '%s': at most %d filter bits a key and pages of %d MiB",
                         options->path, FILTER_BITS_PER_KEY_MAX, (int)(TABLE_PAGE_RAW_MAX >> 22));
    }
    b = mem_calloc(1, sizeof(*b));
    if (b == NULL) {
        return error_set_no_memory(err);
    }
    rc = builder_init(b, options, err);
    if (rc == BLOCKDB_OK) {
        rc = start_file(b, options, err);
    }
    if (rc < 0) {
        table_builder_abandon(b);
        return rc;
    }
    *out = b;
    return BLOCKDB_OK;
}

void table_builder_abandon(struct table_builder *b)
{
    if (b == NULL) {
        return;
    }
    file_writer_free(TAKE(b->writer));
    if (b->created && os_unlink(b->os, b->path, NULL) < 0) {
        /* It stays as an unfinished file, which is no table: opening removes such files. */
    }
    builder_free(b);
}

/* ---- Pages ---------------------------------------------------------------------------------- */

int table_builder_write_page(struct table_builder *b, struct slice raw, enum table_page_kind kind,
                             struct table_handle *out, struct error *err)
{
    uint64_t offset = file_writer_offset(b->writer);
    enum codec codec = CODEC_NONE;
    struct table_trailer trailer;
    int rc;

    buf_reset(&b->stored);
    if (kind == TABLE_PAGE_FILTER) {
        rc = buf_append_slice(&b->stored, raw);
    } else {
        rc = compressor_run(b->compressor, raw, &b->stored, &codec);
    }
    *out = (struct table_handle){.offset = offset, .len = (uint32_t)b->stored.len};
    trailer = (struct table_trailer){
        .codec = (uint8_t)codec, .kind = (uint8_t)kind, .raw_len = (uint32_t)raw.len};
    if (rc == BLOCKDB_OK) {
        rc = table_trailer_append(&b->stored, &trailer, b->file_seed ^ offset);
    }
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    return file_writer_append(b->writer, buf_slice(&b->stored), err);
}

/* Writes what a page builder has gathered. */
static int write_keyed(struct table_builder *b, struct keyed_page_builder *page,
                       enum table_page_kind kind, struct table_handle *out, struct error *err)
{
    buf_reset(&b->raw);
    if (keyed_page_builder_finish(page, &b->raw) < 0) {
        return error_set_no_memory(err);
    }
    return table_builder_write_page(b, buf_slice(&b->raw), kind, out, err);
}

static int add_handle(struct keyed_page_builder *index, struct slice separator,
                      struct table_handle handle, struct error *err)
{
    uint8_t body[2 * VARINT_BYTES_MAX];
    size_t len = put_varint(body, handle.offset);

    len += put_varint(body + len, handle.len);
    if (keyed_page_builder_add(index, separator, slice_of(body, len), (struct slice){0}) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

/* Sets out to a short key not below `last` and below `next`. */
static int choose_separator(struct slice last, struct slice next, struct buf *out)
{
    size_t common = keyed_page_common_len(last, next);
    size_t len = last.len;
    size_t i = common;

    buf_reset(out);
    if (common < last.len && last.data[common] + 1 == next.data[common]) {
        if (common + 1 < next.len) {
            return buf_append(out, next.data, common + 1);
        }
        i = common + 1; /* a byte further right may be raised: last stays below next before it */
    }
    while (i < last.len && last.data[i] == UINT8_MAX) {
        i++;
    }
    if (i + 1 < last.len && common < last.len) {
        len = i + 1;
    }
    if (buf_append(out, last.data, len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (len < last.len) {
        out->data[len - 1]++;
    }
    return BLOCKDB_OK;
}

static int close_partition(struct table_builder *b, struct error *err)
{
    struct table_handle handle;
    int rc = write_keyed(b, &b->partition, TABLE_PAGE_PARTITION, &handle, err);

    if (rc < 0) {
        return rc;
    }
    b->properties.index_partitions++;
    b->properties.index_bytes += handle.len + TABLE_TRAILER_BYTES;
    return add_handle(&b->top, buf_slice(&b->separator), handle, err);
}

/* Writes the data page, with the version pages it links to before it, and indexes it. next is the
 * key that follows, empty at the end. */
static int close_data_page(struct table_builder *b, struct slice next, struct error *err)
{
    struct table_properties *t = &b->properties;
    struct table_handle handle;
    int rc = table_builder_close_shared_runs(b, err);

    if (rc == BLOCKDB_OK) {
        t->facts.raw_bytes += keyed_page_builder_bytes(&b->data);
        rc = write_keyed(b, &b->data, TABLE_PAGE_DATA, &handle, err);
    }
    if (rc < 0) {
        return rc;
    }
    t->data_pages++;
    t->data_bytes += handle.len + TABLE_TRAILER_BYTES;
    if (next.len > 0) {
        rc = choose_separator(buf_slice(&b->data.last_key), next, &b->separator);
    } else {
        buf_reset(&b->separator);
        rc = buf_append_slice(&b->separator, buf_slice(&b->data.last_key));
    }
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    rc = add_handle(&b->partition, buf_slice(&b->separator), handle, err);
    if (rc == BLOCKDB_OK &&
        (next.len == 0 || keyed_page_builder_bytes(&b->partition) >= t->index_target)) {
        rc = close_partition(b, err);
    }
    return rc;
}

/* ---- Adding --------------------------------------------------------------------------------- */

/* Whether the page is full, or the item would make it far too large. */
static bool page_is_full(const struct table_builder *b, const struct item *item)
{
    size_t bytes = keyed_page_builder_bytes(&b->data);
    size_t target = b->properties.page_target;

    return b->data.entry_count > 0 &&
           (bytes >= target ||
            bytes + item->key.len + (item->value_inline ? item->value.len : 0) > 2 * target);
}

static int judge(const struct table_builder *b, const struct item *item, struct error *err)
{
    bool put = item->kind == BLOCKDB_KIND_PUT;
    struct slice last = buf_slice(&b->data.last_key);

    if (item->key.len < 1 || item->key.len > BLOCKDB_KEY_MAX ||
        item->value_len > BLOCKDB_VALUE_MAX || item->seq == BLOCKDB_SEQ_NONE ||
        (!put &&
         (item->kind != BLOCKDB_KIND_DELETE || item->value_inline || item->value_len > 0)) ||
        (item->value_inline && item->value.len != item->value_len)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "table '%s': item of seq %" PRIu64 " cannot be stored", b->path,
                         item->seq);
    }
    if (b->properties.facts.key_count > 0 && slice_compare(last, item->key) >= 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "table '%s': the key of seq %" PRIu64 " is not above the one before",
                         b->path, item->seq);
    }
    return BLOCKDB_OK;
}

static void count_item(struct table_facts *f, const struct item *item)
{
    f->key_count++;
    f->version_count++; /* older ones were counted when they were written */
    f->delete_count += item->kind == BLOCKDB_KIND_DELETE;
    f->inline_count += item->value_inline;
    f->seq_min = item->seq < f->seq_min ? item->seq : f->seq_min;
    f->seq_max = item->seq > f->seq_max ? item->seq : f->seq_max;
    f->time_min_ms = item->time_ms < f->time_min_ms ? item->time_ms : f->time_min_ms;
    f->time_max_ms = item->time_ms > f->time_max_ms ? item->time_ms : f->time_max_ms;
}

/* Puts the item into the data page. */
static int append_item(struct table_builder *b, const struct item *item, struct error *err)
{
    struct table_item encoded = {
        .seq = item->seq,
        .time_ms = item->time_ms,
        .value_len = item->value_len,
        .kind = item->kind,
        .value_inline = item->value_inline,
    };
    int rc;

    if (b->data.entry_count == 0) {
        b->data.base_seq = item->seq;
        b->data.base_time = item->time_ms;
    }
    rc = table_builder_write_older(b, item, &encoded, err);
    if (rc < 0) {
        return rc;
    }
    buf_reset(&b->body);
    if (table_item_encode(&b->body, &encoded, b->data.base_seq, b->data.base_time) < 0 ||
        keyed_page_builder_add(&b->data, item->key, buf_slice(&b->body),
                               item->value_inline ? item->value : (struct slice){0}) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

static int add(struct table_builder *b, const struct item *item, struct error *err)
{
    struct table_facts *f = &b->properties.facts;
    int rc = judge(b, item, err);

    if (rc == BLOCKDB_OK && page_is_full(b, item)) {
        rc = close_data_page(b, item->key, err);
    }
    if (rc == BLOCKDB_OK && f->key_count == 0 && buf_append_slice(&f->key_min, item->key) < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc == BLOCKDB_OK) {
        rc = append_item(b, item, err);
    }
    if (rc < 0) {
        return rc;
    }
    filter_add(&b->filter, table_key_hash(item->key));
    count_item(f, item);
    return BLOCKDB_OK;
}

static int refuse(const struct table_builder *b, struct error *err)
{
    return error_set(err, b->failure, "table '%s' is not built further after an earlier failure",
                     b->path);
}

int table_builder_add(struct table_builder *b, const struct item *item, struct error *err)
{
    int rc;

    if (b->failure < 0) {
        return refuse(b, err);
    }
    rc = add(b, item, err);
    if (rc < 0) {
        b->failure = rc;
    }
    return rc;
}

uint64_t table_builder_key_count(const struct table_builder *b)
{
    return b->properties.facts.key_count;
}

uint64_t table_builder_bytes(const struct table_builder *b)
{
    return file_writer_offset(b->writer) + keyed_page_builder_bytes(&b->data) +
           keyed_page_builder_bytes(&b->partition) + keyed_page_builder_bytes(&b->top) +
           b->filter.line_count * FILTER_LINE_BYTES + b->shared_runs.len;
}

/* ---- Finishing ------------------------------------------------------------------------------ */

static int write_filter(struct table_builder *b, struct error *err)
{
    struct table_properties *t = &b->properties;
    uint64_t line;

    filter_finish(&b->filter);
    t->filter_lines = b->filter.line_count;
    t->filter_probes = b->filter.probes;
    t->filter_unit_lines = b->filter.line_count > 0 ? TABLE_FILTER_UNIT_LINES : 0;
    t->filter_offset = b->filter.line_count > 0 ? file_writer_offset(b->writer) : 0;
    for (line = 0; line < b->filter.line_count; line += TABLE_FILTER_UNIT_LINES) {
        uint64_t left = b->filter.line_count - line;
        uint64_t lines = left < TABLE_FILTER_UNIT_LINES ? left : TABLE_FILTER_UNIT_LINES;
        struct slice raw = slice_of(b->filter.lines + line * FILTER_LINE_BYTES,
                                    (size_t)lines * FILTER_LINE_BYTES);
        struct table_handle handle;
        int rc = table_builder_write_page(b, raw, TABLE_PAGE_FILTER, &handle, err);

        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static int write_properties(struct table_builder *b, struct table_handle *out, struct error *err)
{
    buf_reset(&b->raw);
    if (table_properties_encode(&b->raw, &b->properties) < 0) {
        return error_set_no_memory(err);
    }
    return table_builder_write_page(b, buf_slice(&b->raw), TABLE_PAGE_PROPERTIES, out, err);
}

static int finish(struct table_builder *b, struct error *err)
{
    struct table_facts *f = &b->properties.facts;
    struct table_footer footer = {0};
    uint8_t bytes[TABLE_FOOTER_BYTES];
    int rc;

    if (f->key_count == 0) {
        return error_set(err, BLOCKDB_EINVAL, "table '%s': a table needs at least one key",
                         b->path);
    }
    if (buf_append_slice(&f->key_max, buf_slice(&b->data.last_key)) < 0) {
        return error_set_no_memory(err);
    }
    rc = close_data_page(b, (struct slice){0}, err);
    if (rc == BLOCKDB_OK) {
        rc = write_filter(b, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = write_keyed(b, &b->top, TABLE_PAGE_TOP_INDEX, &footer.top_index, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = write_properties(b, &footer.properties, err);
    }
    if (rc < 0) {
        return rc;
    }
    footer.file_bytes = file_writer_offset(b->writer) + TABLE_FOOTER_BYTES;
    f->file_bytes = footer.file_bytes;
    table_footer_encode(bytes, &footer, b->file_seed);
    rc = file_writer_append(b->writer, slice_of(bytes, sizeof(bytes)), err);
    return rc == BLOCKDB_OK ? file_writer_sync(b->writer, err) : rc;
}

int table_builder_finish(struct table_builder *b, struct table_facts *out_facts, struct error *err)
{
    AUTO(builder_free_ptr) struct table_builder *owned = b;
    int rc = owned->failure < 0 ? refuse(owned, err) : finish(owned, err);

    if (rc < 0) {
        return rc;
    }
    *out_facts = owned->properties.facts;
    owned->properties.facts = (struct table_facts){0};
    return BLOCKDB_OK;
}
