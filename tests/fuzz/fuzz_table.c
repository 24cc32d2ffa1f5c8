/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any pages as a table. The input is a row of pages, each a byte kind, two bytes length, and so
 * many raw bytes; they become a file with right checksums, header and footer, whose last two pages
 * are taken as top index and properties. A kind with the high bit set spoils the page's checksum.
 * Whatever opens can be read to its end, and a check that passes means that every key is found.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/table.h"
#include "store/table_format.h"

#define FILE_NUMBER 1
#define SPOILED 0x80U
#define CACHE_BYTES (1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t ledger_id[TABLE_LEDGER_ID_LEN] = {0};
static char table_path_text[] = "/1.sst";

/* ---- An operating system with one file ------------------------------------------------------ */

struct memory_file {
    struct os_file base;
    struct slice bytes;
};
struct memory_os {
    struct os base;
    struct memory_file file;
};

static int memory_pread(struct os_file *f, void *out, size_t len, uint64_t offset, size_t *out_len,
                        struct error *err)
{
    struct slice bytes = ((struct memory_file *)f)->bytes;
    size_t left = offset < bytes.len ? bytes.len - (size_t)offset : 0;

    (void)err;
    *out_len = len < left ? len : left;
    if (*out_len > 0) {
        memcpy(out, bytes.data + offset, *out_len);
    }
    return BLOCKDB_OK;
}

static int memory_stat(struct os_file *f, struct os_stat *out, struct error *err)
{
    (void)err;
    *out = (struct os_stat){.len_bytes = ((struct memory_file *)f)->bytes.len};
    return BLOCKDB_OK;
}

static void memory_close(struct os_file *f)
{
    (void)f;
}

static int memory_open(struct os *os, const char *path, unsigned flags, struct os_file **out,
                       struct error *err)
{
    (void)path;
    (void)flags;
    (void)err;
    *out = &((struct memory_os *)os)->file.base;
    return BLOCKDB_OK;
}

static const struct os_file_ops memory_file_ops = {
    .pread = memory_pread, .stat = memory_stat, .close = memory_close};
static const struct os_ops memory_os_ops = {.open = memory_open};

/* ---- Making the file ------------------------------------------------------------------------ */

static void append_page(struct buf *file, uint8_t kind, struct slice raw, uint64_t seed)
{
    AUTO(buf_deinit) struct buf page = {0};
    struct table_trailer trailer = {
        .codec = CODEC_NONE, .kind = kind & ~SPOILED, .raw_len = (uint32_t)raw.len};

    ASSERT(buf_append_slice(&page, raw) == 0);
    ASSERT(table_trailer_append(&page, &trailer, seed ^ file->len) == 0);
    if ((kind & SPOILED) != 0) {
        page.data[page.len - 1] ^= 1;
    }
    ASSERT(buf_append_slice(file, buf_slice(&page)) == 0);
}

static void make_file(struct slice input, struct buf *file)
{
    uint64_t seed = table_file_seed(ledger_id, FILE_NUMBER);
    uint8_t header[TABLE_HEADER_BYTES];
    uint8_t end[TABLE_FOOTER_BYTES];
    struct table_footer footer = {0};
    struct reader r = reader_of(input);

    table_header_encode(header, ledger_id, FILE_NUMBER);
    ASSERT(buf_append(file, header, sizeof(header)) == 0);
    while (reader_left(&r) >= 3) {
        uint8_t kind = reader_u8(&r);
        size_t len = reader_le16(&r);
        struct slice raw = reader_bytes(&r, len < reader_left(&r) ? len : reader_left(&r));

        footer.top_index = footer.properties;
        footer.properties = (struct table_handle){.offset = file->len, .len = (uint32_t)raw.len};
        append_page(file, kind, raw, seed);
    }
    footer.file_bytes = file->len + TABLE_FOOTER_BYTES;
    table_footer_encode(end, &footer, seed);
    ASSERT(buf_append(file, end, sizeof(end)) == 0);
}

/* ---- Using it ------------------------------------------------------------------------------- */

static void walk_versions(const struct version_list *list)
{
    AUTO(version_cursor_deinit) struct version_cursor c = {0};
    uint64_t before = UINT64_MAX;
    uint64_t seq = 0;
    int rc = version_cursor_init(&c, list, VERSIONS_ALL, NULL);

    while (rc == BLOCKDB_OK) {
        rc = version_cursor_next(&c, &seq, NULL);
        ASSERT(rc < 0 || seq < before);
        before = seq;
    }
    rc = version_list_find(list, before / 2, &seq, NULL);
    ASSERT(rc < 0 || seq <= before / 2);
}

struct visited {
    struct table *table;
    struct epoch *epoch;
    uint64_t count;
};

static int visit(void *arg, const struct item *item, struct error *err)
{
    struct visited *v = arg;

    (void)err;
    walk_versions(&item->older);
    v->count++;
    return BLOCKDB_OK;
}

/* Every key that a cursor gives is looked up; found says that it must be there. */
static void walk(struct visited *v, bool forward, bool must_find)
{
    AUTO(cursor_free_ptr) struct cursor *c = NULL;
    int rc = table_cursor_new(v->table, NULL, &c, NULL);

    if (rc == BLOCKDB_OK) {
        rc = forward ? cursor_seek_first(c, NULL) : cursor_seek_last(c, NULL);
    }
    while (rc == BLOCKDB_OK && cursor_valid(c)) {
        const struct item *item = cursor_item(c);
        struct table_hit hit = {0};

        epoch_enter(v->epoch);
        rc = table_get(v->table, item->key, table_key_hash(item->key), BLOCKDB_SEQ_NONE, &hit,
                       NULL);
        ASSERT(!must_find || (rc == BLOCKDB_OK && hit.found && hit.seq == item->seq));
        if (rc == BLOCKDB_OK) {
            rc = table_get(v->table, item->key, table_key_hash(item->key), item->seq / 2, &hit,
                           NULL);
        }
        epoch_leave(v->epoch);
        walk_versions(&item->older);
        ASSERT(!must_find || rc == BLOCKDB_OK);
        rc = forward ? cursor_next(c, NULL) : cursor_prev(c, NULL);
    }
    ASSERT(!must_find || rc == BLOCKDB_OK);
}

static void use(struct table *table, struct epoch *epoch)
{
    struct visited v = {.table = table, .epoch = epoch};
    bool good = table_verify(table, visit, &v, NULL) == BLOCKDB_OK;

    ASSERT(!good || v.count == table_facts(table)->key_count);
    walk(&v, true, good);
    walk(&v, false, good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_deinit) struct buf file = {0};
    struct memory_os os = {.base.ops = &memory_os_ops,
                           .file.base = {.ops = &memory_file_ops, .path = table_path_text}};
    struct epoch *epoch = epoch_new();
    struct cache_options cache_options = {.epoch = epoch, .capacity_bytes = CACHE_BYTES};
    struct cache *cache = cache_new(&cache_options);
    struct table_options options = {
        .os = &os.base, .epoch = epoch, .block_cache = cache, .index_cache = cache};
    struct table *table;

    ASSERT(epoch != NULL && cache != NULL);
    make_file(slice_of(data, size), &file);
    os.file.bytes = buf_slice(&file);
    if (table_open(&options, table_path_text, FILE_NUMBER, &table, NULL) == BLOCKDB_OK) {
        use(table, epoch);
        table_unref(table);
    }
    cache_free(cache);
    epoch_free(epoch);
    return 0;
}
