/* SPDX-License-Identifier: Apache-2.0 */
/* The part of inspect.h for files that are searched: tables and ledger segments. */
#include "base/epoch.h"
#include "base/mem.h"
#include "base/text.h"
#include "bin/cli/cli.h"
#include "bin/cli/inspect.h"
#include "os/os.h"
#include "store/segment_file.h"
#include "store/segment_recover.h"
#include "store/table.h"
#include "store/table_format.h"

#include <string.h>

#define HEADER_ID_AT 32     /* docs/format/table.md */
#define HEADER_NUMBER_AT 48 /* docs/format/table.md */
#define KEY_TEXT_MAX 200

static void epoch_free_ptr(struct epoch **epoch)
{
    epoch_free(*epoch);
}

static void cache_free_ptr(struct cache **cache)
{
    cache_free(*cache);
}

/* Reads the first len bytes of a file. */
static int read_head(struct os *os, const char *path, void *out, size_t len, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    int rc = os_open(os, path, OS_READ, &file, err);

    return rc < 0 ? rc : file_pread_full(file, out, len, 0, err);
}

/* ---- Tables -------------------------------------------------------------------------------- */

/* A key as text that fits a field: other characters than ASCII as \xNN, long keys cut. */
static void key_text(const struct buf *key, char out[KEY_TEXT_MAX])
{
    size_t used = 0;
    size_t i;

    for (i = 0; i < key->len && used + 8 < KEY_TEXT_MAX; i++) {
        if (key->data[i] >= 0x20 && key->data[i] < 0x7f) {
            out[used++] = (char)key->data[i];
        } else {
            out[used++] = '\\';
            out[used++] = 'x';
            text_format_hex(out + used, key->data + i, 1);
            used += 2;
        }
    }
    memcpy(out + used, i < key->len ? "..." : "", i < key->len ? 4 : 1);
}

static void table_print(struct cli *cli, const struct table *table)
{
    const struct table_facts *facts = table_facts(table);
    char first_key[KEY_TEXT_MAX];
    char last_key[KEY_TEXT_MAX];
    struct table_info info;

    table_inspect(table, &info);
    key_text(&facts->key_min, first_key);
    key_text(&facts->key_max, last_key);
    const struct field fields[] = {
        {.name = "number", .type = FIELD_NUMBER, .number = facts->file_number},
        {.name = "format_version", .type = FIELD_NUMBER, .number = info.format_version},
        {.name = "file_bytes", .type = FIELD_BYTES, .number = facts->file_bytes},
        {.name = "keys", .type = FIELD_NUMBER, .number = facts->key_count},
        {.name = "versions", .type = FIELD_NUMBER, .number = facts->version_count},
        {.name = "deletes", .type = FIELD_NUMBER, .number = facts->delete_count},
        {.name = "inline_values", .type = FIELD_NUMBER, .number = facts->inline_count},
        {.name = "first_seq", .type = FIELD_NUMBER, .number = facts->seq_min},
        {.name = "last_seq", .type = FIELD_NUMBER, .number = facts->seq_max},
        {.name = "first_time", .type = FIELD_TIME, .number = facts->time_min_ms},
        {.name = "last_time", .type = FIELD_TIME, .number = facts->time_max_ms},
        {.name = "first_key", .type = FIELD_TEXT, .text = first_key},
        {.name = "last_key", .type = FIELD_TEXT, .text = last_key},
        {.name = "compression", .type = FIELD_TEXT, .text = codec_name(info.codec)},
        {.name = "raw_bytes", .type = FIELD_BYTES, .number = facts->raw_bytes},
        {.name = "data_pages", .type = FIELD_NUMBER, .number = info.data_pages},
        {.name = "data_bytes", .type = FIELD_BYTES, .number = info.data_bytes},
        {.name = "version_pages", .type = FIELD_NUMBER, .number = info.version_pages},
        {.name = "version_bytes", .type = FIELD_BYTES, .number = info.version_bytes},
        {.name = "index_partitions", .type = FIELD_NUMBER, .number = info.index_partitions},
        {.name = "index_bytes", .type = FIELD_BYTES, .number = info.index_bytes_total},
        {.name = "filter_bits_per_key", .type = FIELD_NUMBER, .number = info.filter_bits_per_key},
        {.name = "filter_bytes", .type = FIELD_BYTES, .number = info.filter_bytes},
    };

    fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
}

int inspect_table(struct cli *cli, const char *path, struct error *err)
{
    AUTO(epoch_free_ptr) struct epoch *epoch = epoch_new();
    AUTO(cache_free_ptr) struct cache *cache = NULL;
    AUTO(table_unref_ptr) struct table *table = NULL;
    struct table_options options = {.os = cli->os, .epoch = epoch};
    uint8_t header[TABLE_HEADER_BYTES];
    int rc;

    if (epoch == NULL) {
        return error_set_no_memory(err);
    }
    cache = cache_new(&(struct cache_options){.epoch = epoch});
    if (cache == NULL) {
        return error_set_no_memory(err);
    }
    options.block_cache = cache;
    options.index_cache = cache;
    rc = read_head(cli->os, path, header, sizeof(header), err);
    if (rc < 0) {
        return rc;
    }
    /* Whose table it is only the file can tell; table_open() then checks the rest of the header. */
    memcpy(options.ledger_id, header + HEADER_ID_AT, TABLE_LEDGER_ID_LEN);
    rc = table_open(&options, path, get_le64(header + HEADER_NUMBER_AT), &table, err);
    if (rc < 0) {
        return rc;
    }
    table_print(cli, table);
    return table_verify(table, NULL, NULL, err);
}

/* ---- Ledger segments ----------------------------------------------------------------------- */

/* Fills what a segment's own header and footer say about it. */
static int segment_describe(struct os *os, const char *path, struct segment_header *out_header,
                            struct segment_info *out_info, struct error *err)
{
    uint8_t page[SEGMENT_UNIT];
    AUTO(file_close_ptr) struct os_file *file = NULL;
    struct segment_footer footer;
    struct segment_place place = {.path = path};
    struct os_stat stat;
    int rc = os_open(os, path, OS_READ, &file, err);

    if (rc == BLOCKDB_OK) {
        rc = file_pread_full(file, page, sizeof(page), 0, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = segment_header_decode(page, path, out_header, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = file_stat(file, &stat, err);
    }
    if (rc < 0) {
        return rc;
    }
    *out_info = (struct segment_info){.number = out_header->number,
                                      .revision = out_header->revision,
                                      .first_seq = out_header->first_seq,
                                      .first_height = out_header->first_height};
    if (stat.len_bytes < 2 * SEGMENT_UNIT || stat.len_bytes % SEGMENT_UNIT != 0) {
        return BLOCKDB_OK;
    }
    place.offset = stat.len_bytes - SEGMENT_UNIT;
    place.seed = segment_seed(out_header->ledger_id, out_header->number);
    rc = file_pread_full(file, page, sizeof(page), place.offset, err);
    if (rc == BLOCKDB_OK && segment_footer_decode(page, &place, &footer, NULL) == BLOCKDB_OK) {
        out_info->finished = true;
        out_info->end_seq = footer.end_seq;
        out_info->end_height = footer.end_height;
        out_info->len_bytes = stat.len_bytes;
    }
    return rc;
}

static int segment_blocks_print(struct cli *cli, const struct segment *segment, struct error *err)
{
    struct row_printer printer = {.out = &cli->out, .format = cli->format};
    uint64_t count = segment_end_of(segment).height - segment->first_height;
    uint64_t i;
    int rc = BLOCKDB_OK;

    row_printer_begin(&printer);
    for (i = 0; i < count && rc == BLOCKDB_OK && !cli_should_stop(cli); i++) {
        struct segment_block_info block;

        rc = segment_block_at(segment, i, &block, err);
        if (rc == BLOCKDB_OK) {
            const struct field fields[] = {
                {.name = "height", .type = FIELD_NUMBER, .number = block.height},
                {.name = "offset", .type = FIELD_NUMBER, .number = block.offset},
                {.name = "len_bytes", .type = FIELD_NUMBER, .number = block.len_bytes},
                {.name = "first_seq", .type = FIELD_NUMBER, .number = block.first_seq},
                {.name = "records", .type = FIELD_NUMBER, .number = block.count},
                {.name = "first_time", .type = FIELD_TIME, .number = block.time_min_ms},
                {.name = "last_time", .type = FIELD_TIME, .number = block.time_max_ms},
            };

            row_print(&printer, fields, sizeof(fields) / sizeof(fields[0]));
        }
    }
    row_printer_end(&printer);
    return rc < 0 ? rc : cli_stop_status(cli, err);
}

static int segment_open_and_print(struct cli *cli, const struct segment_env *env,
                                  const struct segment_info *info, struct error *err)
{
    AUTO(segment_free_ptr) struct segment *segment = NULL;
    struct segments_recovery recovery = {0};
    int rc = segment_open(env, info, &segment, err);

    if (rc == BLOCKDB_OK && !info->finished) {
        rc = segment_recover(segment, 0, &recovery, err);
    }
    if (rc < 0) {
        return rc;
    }
    epoch_enter(env->epoch);
    rc = segment_blocks_print(cli, segment, err);
    epoch_leave(env->epoch);
    if (rc == BLOCKDB_OK && cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "\nsegment %u: %s%s\n", info->number,
                   info->finished ? "finished" : "not finished",
                   recovery.cut ? ", its tail is torn" : "");
    }
    return rc;
}

int inspect_segment(struct cli *cli, const char *path, struct error *err)
{
    AUTO(epoch_free_ptr) struct epoch *epoch = epoch_new();
    AUTO(mem_free_ptr) char *dir = path_dir(path);
    AUTO(mem_free_ptr) char *expected = NULL;
    struct segment_env env = {.os = cli->os, .dir = dir, .epoch = epoch, .read_only = true};
    struct segment_header header;
    struct segment_info info;
    const char *name = strrchr(path, '/');
    int rc;

    if (epoch == NULL || dir == NULL) {
        return error_set_no_memory(err);
    }
    rc = segment_describe(cli->os, path, &header, &info, err);
    if (rc < 0) {
        return rc;
    }
    expected = segment_path(dir, info.number, header.revision);
    if (expected == NULL) {
        return error_set_no_memory(err);
    }
    if (strcmp(strrchr(expected, '/') + 1, name != NULL ? name + 1 : path) != 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%s' says that it is segment %u: give the file that name to inspect it",
                         path, info.number);
    }
    memcpy(env.ledger_id, header.ledger_id, SEGMENT_LEDGER_ID_LEN);
    return segment_open_and_print(cli, &env, &info, err);
}
