/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tile_file.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/with_evidence.h"
#include "store/cache.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#define MAGIC "BDBTILES"
#define MAGIC_LEN 8
#define VERSION 1
#define HEADER_LEN 4096
#define HEADER_CHECKSUM_OFFSET (HEADER_LEN - 8)
/* Keeps names of tile files in caches apart from those of tables and segments. */
#define CACHE_FILE_BASE (1ull << 63)
#define CACHE_LEVEL_SHIFT 48

struct tile_level {
    struct mutex mu;
    /* guarded by mu; changed by the appender only, which reads them without it */
    uint64_t count;
    struct os_file **files;
    uint64_t file_count;
    uint64_t file_cap;
    uint8_t tail[TILE_BYTES]; /* the hashes behind the last full tile */
    /* appender only */
    uint64_t dirty_from; /* files from this one on were written since the last sync */
};

struct tile_files {
    /* constant after open */
    struct os *os;
    char *dir;
    uint8_t ledger_id[TILE_LEDGER_ID_LEN];
    struct epoch *epoch;
    struct cache *cache;
    bool read_only;
    uint32_t file_hashes;
    struct tile_level level[TILE_LEVELS];
    /* appender only */
    bool failed; /* TILE-4 */
    struct error failure;
    /* counters; atomic, relaxed */
    atomic_uint_least64_t appended_hashes;
    atomic_uint_least64_t tile_reads;
};

/* ---- Header --------------------------------------------------------------------------------- */

static void header_encode(const struct tile_files *tiles, unsigned level, uint64_t number,
                          uint8_t *page)
{
    memset(page, 0, HEADER_LEN);
    memcpy(page, MAGIC, MAGIC_LEN);
    put_le32(page + 8, VERSION);
    put_le32(page + 12, level);
    memcpy(page + 32, tiles->ledger_id, TILE_LEDGER_ID_LEN);
    put_le64(page + 48, number);
    put_le64(page + 56, number * tiles->file_hashes);
    put_le32(page + 64, tiles->file_hashes);
    put_le64(page + HEADER_CHECKSUM_OFFSET, checksum(page, HEADER_CHECKSUM_OFFSET, 0));
}

static int header_check(const struct tile_files *tiles, unsigned level, uint64_t number,
                        const uint8_t *page, const char *path, struct error *err)
{
    if (memcmp(page, MAGIC, MAGIC_LEN) != 0 ||
        get_le64(page + HEADER_CHECKSUM_OFFSET) != checksum(page, HEADER_CHECKSUM_OFFSET, 0)) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "tile file '%s': at offset 0: the header is damaged; remove the tile "
                         "folder to have all tiles made again",
                         path);
    }
    if (get_le32(page + 8) != VERSION || get_le64(page + 24) != 0) {
        return error_set(err, BLOCKDB_EVERSION,
                         "tile file '%s': version %" PRIu32 ", features %#" PRIx64
                         ": written by a newer release; open it with that",
                         path, get_le32(page + 8), get_le64(page + 24));
    }
    if (memcmp(page + 32, tiles->ledger_id, TILE_LEDGER_ID_LEN) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "tile file '%s' belongs to another ledger; put back the file of this one",
                         path);
    }
    if (get_le32(page + 12) != level || get_le64(page + 48) != number ||
        get_le64(page + 56) != number * tiles->file_hashes ||
        get_le32(page + 64) != tiles->file_hashes) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "tile file '%s': at offset 0: the header is that of level %" PRIu32
                         ", file %" PRIu64 ", %" PRIu32 " hashes; remove the tile folder to have "
                         "all tiles made again",
                         path, get_le32(page + 12), get_le64(page + 48), get_le32(page + 64));
    }
    return BLOCKDB_OK;
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* "<dir>/<L>", freed by the caller; NULL when out of memory. */
static char *level_dir(const struct tile_files *tiles, unsigned level)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%u", level);
    return path_join(tiles->dir, name);
}

static char *file_path(const struct tile_files *tiles, unsigned level, uint64_t number)
{
    char name[48];

    (void)snprintf(name, sizeof(name), "%u/%06" PRIu64 ".tiles", level, number);
    return path_join(tiles->dir, name);
}

static uint64_t offset_of(const struct tile_files *tiles, uint64_t index)
{
    return HEADER_LEN + index % tiles->file_hashes * TILE_HASH_LEN;
}

static uint64_t cache_file_of(unsigned level, uint64_t number)
{
    return CACHE_FILE_BASE | ((uint64_t)level << CACHE_LEVEL_SHIFT) | number;
}

/* Makes room for one more file of a level. */
static int reserve_file(struct tile_level *level)
{
    uint64_t cap = level->file_cap > 0 ? level->file_cap * 2 : 4;
    struct os_file **files;

    if (level->file_count < level->file_cap) {
        return BLOCKDB_OK;
    }
    files = mem_alloc(cap * sizeof(files[0]));
    if (files == NULL) {
        return BLOCKDB_ENOMEM;
    }
    if (level->file_count > 0) {
        memcpy(files, level->files, level->file_count * sizeof(files[0]));
    }
    mutex_lock(&level->mu);
    mem_free(level->files);
    level->files = files;
    level->file_cap = cap;
    mutex_unlock(&level->mu);
    return BLOCKDB_OK;
}

static void add_file(struct tile_level *level, struct os_file *file)
{
    mutex_lock(&level->mu);
    level->files[level->file_count++] = file;
    mutex_unlock(&level->mu);
}

/* Writes the header of a new file, makes both and the name durable. */
static int write_header(struct tile_files *tiles, unsigned l, struct os_file *file, const char *dir,
                        struct error *err)
{
    AUTO(mem_free_ptr) uint8_t *page = mem_alloc(HEADER_LEN);
    int rc;

    if (page == NULL) {
        return error_set_no_memory(err);
    }
    header_encode(tiles, l, tiles->level[l].file_count, page);
    rc = file_pwrite(file, page, HEADER_LEN, 0, err);
    if (rc == BLOCKDB_OK) {
        rc = file_sync(file, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = os_sync_dir(tiles->os, dir, err);
    }
    return rc;
}

/* Creates the next file of a level. What a failed creation left of it is overwritten by the next
 * one. */
static int create_file(struct tile_files *tiles, unsigned l, struct error *err)
{
    struct tile_level *level = &tiles->level[l];
    AUTO(mem_free_ptr) char *dir = level_dir(tiles, l);
    AUTO(mem_free_ptr) char *path = file_path(tiles, l, level->file_count);
    AUTO(file_close_ptr) struct os_file *file = NULL;
    int rc;

    if (dir == NULL || path == NULL || reserve_file(level) < 0) {
        return error_set_no_memory(err);
    }
    rc = os_make_dirs(tiles->os, dir, err);
    if (rc == BLOCKDB_OK) {
        rc = os_open(tiles->os, path, OS_READ | OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = write_header(tiles, l, file, dir, err);
    }
    if (rc == BLOCKDB_OK) {
        add_file(level, TAKE(file));
    }
    return rc;
}

/* Opens the next file of a level, which must be there and hold what counts of it. */
static int open_file(struct tile_files *tiles, unsigned l, struct error *err)
{
    struct tile_level *level = &tiles->level[l];
    uint64_t number = level->file_count;
    uint64_t left = level->count - number * tiles->file_hashes;
    uint64_t need = HEADER_LEN +
                    (left < tiles->file_hashes ? left : tiles->file_hashes) * TILE_HASH_LEN;
    AUTO(mem_free_ptr) char *path = file_path(tiles, l, number);
    AUTO(mem_free_ptr) uint8_t *page = mem_alloc(HEADER_LEN);
    AUTO(file_close_ptr) struct os_file *file = NULL;
    struct os_stat stat;
    int rc;

    if (path == NULL || page == NULL || reserve_file(level) < 0) {
        return error_set_no_memory(err);
    }
    rc = os_open(tiles->os, path, OS_READ | (tiles->read_only ? 0u : OS_WRITE), &file, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "tile file '%s' is missing; remove the tile folder to have all tiles "
                         "made again",
                         path);
    }
    if (rc == BLOCKDB_OK) {
        rc = file_pread_full(file, page, HEADER_LEN, 0, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = header_check(tiles, l, number, page, path, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = file_stat(file, &stat, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (stat.len_bytes < need) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "tile file '%s' ends at offset %" PRIu64 ", its hashes reach up to "
                         "%" PRIu64 "; remove the tile folder to have all tiles made again",
                         path, stat.len_bytes, need);
    }
    add_file(level, TAKE(file));
    return BLOCKDB_OK;
}

/* Reads hashes [index, index + n), all within one file, straight from it. */
static int pread_hashes(struct tile_files *tiles, unsigned l, uint64_t index, uint64_t n,
                        uint8_t *out, struct error *err)
{
    struct tile_level *level = &tiles->level[l];
    struct os_file *file;

    mutex_lock(&level->mu);
    ASSERT(index / tiles->file_hashes < level->file_count);
    file = level->files[index / tiles->file_hashes];
    mutex_unlock(&level->mu);
    return file_pread_full(file, out, n * TILE_HASH_LEN, offset_of(tiles, index), err);
}

/* ---- Opening -------------------------------------------------------------------------------- */

/* Reads the hashes behind the last full tile. */
static int load_tail(struct tile_files *tiles, unsigned l, struct error *err)
{
    struct tile_level *level = &tiles->level[l];
    uint64_t n = level->count % TILE_HASHES;

    if (n == 0) {
        return BLOCKDB_OK;
    }
    return pread_hashes(tiles, l, level->count - n, n, level->tail, err);
}

static int open_level(struct tile_files *tiles, unsigned l, struct error *err)
{
    struct tile_level *level = &tiles->level[l];
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && level->file_count * tiles->file_hashes < level->count) {
        rc = open_file(tiles, l, err);
    }
    return rc < 0 ? rc : load_tail(tiles, l, err);
}

static struct tile_files *tile_files_new(const struct tile_files_options *options)
{
    struct tile_files *tiles = mem_calloc(1, sizeof(*tiles));
    unsigned l;

    if (tiles == NULL) {
        return NULL;
    }
    tiles->dir = mem_strdup(options->dir);
    if (tiles->dir == NULL) {
        mem_free(tiles);
        return NULL;
    }
    tiles->os = options->os;
    memcpy(tiles->ledger_id, options->ledger_id, TILE_LEDGER_ID_LEN);
    tiles->epoch = options->epoch;
    tiles->cache = options->cache;
    tiles->read_only = options->read_only;
    tiles->file_hashes = options->file_hashes != 0 ? options->file_hashes
                                                   : TILE_FILE_HASHES_DEFAULT;
    for (l = 0; l < TILE_LEVELS; l++) {
        mutex_init(&tiles->level[l].mu, LOCK_RANK_SEGMENT);
        tiles->level[l].count = WITH_EVIDENCE ? options->counts[l] : 0;
        tiles->level[l].dirty_from = UINT64_MAX;
    }
    return tiles;
}

static void close_ptr(struct tile_files **tiles)
{
    tile_files_close(*tiles);
}

int tile_files_open(const struct tile_files_options *options, struct tile_files **out_tiles,
                    struct error *err)
{
    AUTO(close_ptr) struct tile_files *tiles = NULL;
    unsigned l;
    int rc;

    if (options->file_hashes % TILE_HASHES != 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a tile file cannot hold %" PRIu32 " hashes: it must be a multiple of %u",
                         options->file_hashes, TILE_HASHES);
    }
    tiles = tile_files_new(options);
    if (tiles == NULL) {
        return error_set_no_memory(err);
    }
    for (l = 0; l < TILE_LEVELS; l++) {
        rc = open_level(tiles, l, err);
        if (rc < 0) {
            return rc;
        }
    }
    *out_tiles = TAKE(tiles);
    return BLOCKDB_OK;
}

void tile_files_close(struct tile_files *tiles)
{
    unsigned l;
    uint64_t i;

    if (tiles == NULL) {
        return;
    }
    for (l = 0; l < TILE_LEVELS; l++) {
        for (i = 0; i < tiles->level[l].file_count; i++) {
            file_close(tiles->level[l].files[i]);
        }
        mem_free(tiles->level[l].files);
        mutex_deinit(&tiles->level[l].mu);
    }
    mem_free(tiles->dir);
    mem_free(tiles);
}

/* ---- Appending ------------------------------------------------------------------------------ */

static int check_writable(const struct tile_files *tiles, struct error *err)
{
    if (tiles->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "tiles '%s' were opened read-only", tiles->dir);
    }
    if (tiles->failed) {
        return error_set(err, BLOCKDB_EREADONLY,
                         "tiles '%s' take no more writes after an earlier failure (%s); repair "
                         "the cause and restart",
                         tiles->dir, tiles->failure.message);
    }
    return BLOCKDB_OK;
}

/* Passes an error on; one that leaves the files in doubt is remembered for good (TILE-4). */
static int fail(struct tile_files *tiles, int rc, const struct error *why, bool in_sync,
                struct error *err)
{
    if (in_sync || (rc != BLOCKDB_ENOSPC && rc != BLOCKDB_ENOMEM)) {
        tiles->failed = true;
        tiles->failure = *why;
    }
    return error_set(err, rc, "%s", why->message);
}

/* Writes hashes from index on to the files, creating them as needed; counts nothing. */
static int write_hashes(struct tile_files *tiles, unsigned l, uint64_t index, const uint8_t *hashes,
                        uint64_t n, struct error *err)
{
    struct tile_level *level = &tiles->level[l];

    while (n > 0) {
        uint64_t number = index / tiles->file_hashes;
        uint64_t room = tiles->file_hashes - index % tiles->file_hashes;
        uint64_t piece = n < room ? n : room;
        int rc;

        if (number == level->file_count) {
            rc = create_file(tiles, l, err);
            if (rc < 0) {
                return rc;
            }
        }
        if (number < level->dirty_from) {
            level->dirty_from = number;
        }
        rc = file_pwrite(level->files[number], hashes, piece * TILE_HASH_LEN,
                         offset_of(tiles, index), err);
        if (rc < 0) {
            return rc;
        }
        index += piece;
        hashes += piece * TILE_HASH_LEN;
        n -= piece;
    }
    return BLOCKDB_OK;
}

/* Counts hashes that are written, and keeps those behind the last full tile. */
static void count_hashes(struct tile_level *level, const uint8_t *hashes, uint64_t n)
{
    uint64_t end = level->count + n;
    uint64_t tail = end % TILE_HASHES;
    uint64_t keep = tail < n ? tail : n; /* of the new ones */

    mutex_lock(&level->mu);
    memcpy(level->tail + (tail - keep) * TILE_HASH_LEN, hashes + (n - keep) * TILE_HASH_LEN,
           keep * TILE_HASH_LEN);
    level->count = end;
    mutex_unlock(&level->mu);
}

int tile_files_append(struct tile_files *tiles, unsigned level, const uint8_t *hashes, uint64_t n,
                      struct error *err)
{
    struct error why = {0};
    int rc = check_writable(tiles, err);

    if (rc < 0 || n == 0 || !WITH_EVIDENCE) {
        return rc;
    }
    if (level >= TILE_LEVELS || n > UINT64_MAX / TILE_HASH_LEN - tiles->level[level].count) {
        return error_set(err, BLOCKDB_EINVAL,
                         "tiles '%s' have no level %u, or not that many hashes", tiles->dir, level);
    }
    rc = write_hashes(tiles, level, tiles->level[level].count, hashes, n, &why);
    if (rc < 0) {
        return fail(tiles, rc, &why, false, err);
    }
    count_hashes(&tiles->level[level], hashes, n);
    atomic_fetch_add_explicit(&tiles->appended_hashes, n, memory_order_relaxed);
    return BLOCKDB_OK;
}

int tile_files_truncate(struct tile_files *tiles, unsigned level, uint64_t n, struct error *err)
{
    struct tile_level *at;
    uint64_t before;
    uint64_t i;
    int rc;

    if (level >= TILE_LEVELS || n > tiles->level[level].count) {
        return error_set(err, BLOCKDB_EINVAL,
                         "tiles '%s' cannot be cut to %" PRIu64 " hashes of level %u", tiles->dir,
                         n, level);
    }
    at = &tiles->level[level];
    before = at->count;
    at->count = n;
    rc = load_tail(tiles, level, err);
    if (rc < 0) {
        at->count = before;
        (void)load_tail(tiles, level, NULL); /* the tail it had; a failure shows in the hashes */
        return rc;
    }
    for (i = n / tiles->file_hashes; tiles->cache != NULL && i < at->file_count; i++) {
        cache_erase_file(tiles->cache, cache_file_of(level, i));
    }
    return BLOCKDB_OK;
}

int tile_files_sync(struct tile_files *tiles, struct error *err)
{
    struct error why = {0};
    unsigned l;
    int rc = check_writable(tiles, err);

    if (rc < 0) {
        return rc;
    }
    for (l = 0; l < TILE_LEVELS; l++) {
        struct tile_level *level = &tiles->level[l];

        for (; level->dirty_from < level->file_count; level->dirty_from++) {
            rc = file_sync(level->files[level->dirty_from], &why);
            if (rc < 0) {
                return fail(tiles, rc, &why, true, err);
            }
        }
        level->dirty_from = UINT64_MAX;
    }
    return BLOCKDB_OK;
}

/* ---- Reading -------------------------------------------------------------------------------- */

uint64_t tile_files_count(const struct tile_files *tiles, unsigned level)
{
    /* Locking does not change what the tiles hold. */
    struct tile_level *at = (struct tile_level *)(uintptr_t)&tiles->level[level];
    uint64_t count;

    ASSERT(level < TILE_LEVELS);
    mutex_lock(&at->mu);
    count = at->count;
    mutex_unlock(&at->mu);
    return count;
}

/* Reads the full tile around index into the cache and copies hashes [index, index + n) of it. */
static int load_tile(struct tile_files *tiles, unsigned l, uint64_t index, uint64_t n, uint8_t *out,
                     struct error *err)
{
    uint64_t first = index % TILE_HASHES;
    uint64_t start = index - first;
    struct page *page = page_new(cache_file_of(l, start / tiles->file_hashes),
                                 offset_of(tiles, start), TILE_BYTES);
    int rc;

    if (page == NULL) {
        return error_set_no_memory(err);
    }
    rc = pread_hashes(tiles, l, start, TILE_HASHES, page->data, err);
    if (rc < 0) {
        page_unref(page);
        return rc;
    }
    memcpy(out, page->data + first * TILE_HASH_LEN, n * TILE_HASH_LEN);
    cache_add(tiles->cache, page);
    return BLOCKDB_OK;
}

/* Copies hashes [index, index + n), all within one full tile. */
static int read_in_tile(struct tile_files *tiles, unsigned l, uint64_t index, uint64_t n,
                        uint8_t *out, struct error *err)
{
    uint64_t first = index % TILE_HASHES;
    const struct page *page = NULL;
    int rc = BLOCKDB_OK;

    if (tiles->cache == NULL) {
        atomic_fetch_add_explicit(&tiles->tile_reads, 1, memory_order_relaxed);
        return pread_hashes(tiles, l, index, n, out, err);
    }
    epoch_enter(tiles->epoch);
    page = cache_lookup(tiles->cache, cache_file_of(l, index / tiles->file_hashes),
                        offset_of(tiles, index - first));
    if (page != NULL) {
        memcpy(out, page->data + first * TILE_HASH_LEN, n * TILE_HASH_LEN);
    } else {
        atomic_fetch_add_explicit(&tiles->tile_reads, 1, memory_order_relaxed);
        rc = load_tile(tiles, l, index, n, out, err);
    }
    epoch_leave(tiles->epoch);
    return rc;
}

/* Copies what the tail has of [index, index + n), which is its end; returns how many hashes are
 * left before it. ENOTFOUND when not all exist, then nothing is copied. */
static int read_tail(struct tile_level *level, uint64_t index, uint64_t n, uint8_t *out,
                     uint64_t *out_left)
{
    uint64_t tail_index;
    uint64_t from;

    mutex_lock(&level->mu);
    if (index > level->count || n > level->count - index) {
        mutex_unlock(&level->mu);
        return BLOCKDB_ENOTFOUND;
    }
    tail_index = level->count - level->count % TILE_HASHES;
    from = index > tail_index ? index : tail_index;
    if (index + n > from) {
        memcpy(out + (from - index) * TILE_HASH_LEN,
               level->tail + (from - tail_index) * TILE_HASH_LEN,
               (index + n - from) * TILE_HASH_LEN);
        n = from - index;
    }
    mutex_unlock(&level->mu);
    *out_left = n;
    return BLOCKDB_OK;
}

int tile_files_read(struct tile_files *tiles, unsigned level, uint64_t index, uint64_t n,
                    uint8_t *out, struct error *err)
{
    int rc;

    if (level >= TILE_LEVELS) {
        return BLOCKDB_ENOTFOUND;
    }
    rc = read_tail(&tiles->level[level], index, n, out, &n);
    while (rc == BLOCKDB_OK && n > 0) {
        uint64_t first = index % TILE_HASHES;
        uint64_t piece = n < TILE_HASHES - first ? n : TILE_HASHES - first;

        rc = read_in_tile(tiles, level, index, piece, out, err);
        index += piece;
        out += piece * TILE_HASH_LEN;
        n -= piece;
    }
    return rc;
}

int tile_files_read_range(struct tile_files *tiles, unsigned level, uint64_t index, uint64_t n,
                          uint8_t *out, struct error *err)
{
    uint64_t count;
    int rc = BLOCKDB_OK;

    if (level >= TILE_LEVELS) {
        return BLOCKDB_ENOTFOUND;
    }
    count = tile_files_count(tiles, level);
    if (index > count || n > count - index) {
        return BLOCKDB_ENOTFOUND;
    }
    while (rc == BLOCKDB_OK && n > 0) {
        uint64_t room = tiles->file_hashes - index % tiles->file_hashes;
        uint64_t piece = n < room ? n : room;

        rc = pread_hashes(tiles, level, index, piece, out, err);
        index += piece;
        out += piece * TILE_HASH_LEN;
        n -= piece;
    }
    return rc;
}

void tile_files_get_stats(const struct tile_files *tiles, struct tile_files_stats *out)
{
    struct tile_files_stats stats = {
        .appended_hashes = tiles->appended_hashes,
        .tile_reads = tiles->tile_reads,
    };
    unsigned l;

    for (l = 0; l < TILE_LEVELS; l++) {
        struct tile_level *level = (struct tile_level *)(uintptr_t)&tiles->level[l];

        mutex_lock(&level->mu);
        stats.files += level->file_count;
        mutex_unlock(&level->mu);
    }
    *out = stats;
}
