/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing the chain of segments: what the manifest says against what is there.
 */
#include "base/mem.h"
#include "store/segment_priv.h"
#include "store/segment_recover.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- The directory -------------------------------------------------------------------------- */

struct listing {
    const struct segments_options *options;
    struct error *err;
    bool leftover; /* a file numbered one above the last known is there */
};

/* The number in "000001.blk" or "000001-2.blk", or 0; and the revision. */
static uint32_t number_of_name(const char *name, uint32_t *out_revision)
{
    char again[SEGMENT_NAME_MAX];
    char *end;
    unsigned long long number = strtoull(name, &end, 10);
    unsigned long long revision = 0;

    if (*end == '-') {
        revision = strtoull(end + 1, &end, 10);
    }
    if (number == 0 || number > UINT32_MAX || revision > UINT32_MAX || strcmp(end, ".blk") != 0) {
        return 0;
    }
    segment_name((uint32_t)number, (uint32_t)revision, again);
    *out_revision = (uint32_t)revision;
    return strcmp(again, name) == 0 ? (uint32_t)number : 0;
}

/* The number a new segment gets. */
static uint64_t next_number(const struct segments_options *options)
{
    return options->known_count > 0 ? (uint64_t)options->known[0].number + options->known_count : 1;
}

static int visit_name(void *context, const char *name, bool is_dir)
{
    struct listing *listing = context;
    const struct segments_options *options = listing->options;
    uint32_t revision = 0;
    uint32_t number = is_dir ? 0 : number_of_name(name, &revision);

    if (number == 0 || (options->known_count > 0 && number >= options->known[0].number &&
                        number < next_number(options))) {
        return BLOCKDB_OK;
    }
    if (number != next_number(options)) {
        return error_set(listing->err, BLOCKDB_ECORRUPT,
                         "segment '%s/%s' is not in the manifest; was a file of another database "
                         "put here, or an old manifest? Move it away if it does not belong here",
                         options->dir, name);
    }
    listing->leftover = true;
    return BLOCKDB_OK;
}

/* Removes a segment without blocks that no manifest got to know (SEG-6). */
static int remove_leftover(const struct segments_options *options,
                           struct segments_recovery *recovery, struct error *err)
{
    AUTO(mem_free_ptr) char *path = segment_path(options->dir, (uint32_t)next_number(options), 0);
    struct os_stat stat;
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_stat_path(options->os, path, &stat, err);
    if (rc < 0) {
        return rc;
    }
    if (stat.len_bytes > SEGMENT_DATA_OFFSET) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s' holds blocks but is not in the manifest; was an old "
                         "manifest put back? Restore the directory as a whole",
                         path);
    }
    recovery->removed_files++;
    if (options->read_only) {
        return BLOCKDB_OK;
    }
    rc = os_unlink(options->os, path, err);
    return rc < 0 ? rc : os_sync_dir(options->os, options->dir, err);
}

static int check_directory(const struct segments_options *options,
                           struct segments_recovery *recovery, struct error *err)
{
    struct listing listing = {.options = options, .err = err};
    int rc = os_list(options->os, options->dir, visit_name, &listing, err);

    if (rc < 0 || !listing.leftover) {
        return rc;
    }
    return remove_leftover(options, recovery, err);
}

struct revisions {
    const struct segments_options *options;
    struct segments_recovery *recovery;
    struct error *err;
};

/* Removes the file of a revision that is not the one in force: an interrupted rewriting left it. */
static int remove_revision(void *context, const char *name, bool is_dir)
{
    const struct revisions *r = context;
    const struct segments_options *options = r->options;
    AUTO(mem_free_ptr) char *path = NULL;
    uint32_t revision = 0;
    uint32_t number = is_dir ? 0 : number_of_name(name, &revision);

    if (number == 0 || options->known_count == 0 || number < options->known[0].number ||
        number >= next_number(options) ||
        options->known[number - options->known[0].number].revision == revision) {
        return BLOCKDB_OK;
    }
    path = path_join(options->dir, name);
    if (path == NULL) {
        return error_set_no_memory(r->err);
    }
    r->recovery->removed_files++;
    return os_unlink(options->os, path, r->err);
}

/* Once all revisions in force are known to be there. */
static int remove_revisions(const struct segments_options *options,
                            struct segments_recovery *recovery, struct error *err)
{
    struct revisions r = {.options = options, .recovery = recovery, .err = err};
    uint32_t before = recovery->removed_files;
    int rc;

    if (options->read_only) {
        return BLOCKDB_OK;
    }
    rc = os_list(options->os, options->dir, remove_revision, &r, err);
    if (rc < 0 || recovery->removed_files == before) {
        return rc;
    }
    return os_sync_dir(options->os, options->dir, err);
}

/* ---- The chain ------------------------------------------------------------------------------ */

static int check_options(const struct segments_options *options, struct error *err)
{
    uint32_t i;

    if (options->segment_bytes != 0 && (options->segment_bytes < SEGMENT_BYTES_MIN ||
                                        options->segment_bytes > SEGMENT_BYTES_MAX)) {
        return error_set(err, BLOCKDB_EINVAL, "segment_bytes is %" PRIu64 ": it must be %u to %llu",
                         options->segment_bytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    }
    if (options->codec >= CODEC_COUNT) {
        return error_set(err, BLOCKDB_EINVAL, "compression number %u is unknown", options->codec);
    }
    for (i = 0; i < options->known_count; i++) {
        const struct segment_info *known = &options->known[i];

        if (known->number == 0 || known->number - options->known[0].number != i ||
            (!known->finished && i + 1 < options->known_count)) {
            return error_set(err, BLOCKDB_ECORRUPT,
                             "ledger '%s': the manifest's list of segments has a gap at segment "
                             "%" PRIu32 "; restore the manifest from a backup",
                             options->dir, known->number);
        }
    }
    return BLOCKDB_OK;
}

/* Whether segment begins where the one before it ended (SEG-1). */
static int check_link(const struct segment *before, const struct segment *segment,
                      struct error *err)
{
    struct segment_end end;

    if (before == NULL) {
        return BLOCKDB_OK;
    }
    end = segment_end_of(before);
    if (segment->first_seq != end.seq || segment->first_height != end.height) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "segment '%s' begins with seq %" PRIu64 ", height %" PRIu64
                         ", but the one before ends with seq %" PRIu64 ", height %" PRIu64
                         "; restore the ledger from a backup or another node",
                         segment->path, segment->first_seq, segment->first_height, end.seq,
                         end.height);
    }
    return BLOCKDB_OK;
}

static int open_known(struct segments *segments, const struct segments_options *options,
                      struct segments_recovery *recovery, struct error *err)
{
    struct segment_list *list = atomic_load_explicit(&segments->list, memory_order_relaxed);
    struct segment *before = NULL;
    uint32_t i;

    for (i = 0; i < options->known_count; i++) {
        struct segment *segment;
        int rc = segment_open(&segments->env, &options->known[i], &segment, err);

        if (rc < 0) {
            return rc;
        }
        list->item[i] = (struct segment_list_item){segment->first_seq, segment};
        list->count = i + 1; /* from here on the list owns the segment */
        rc = check_link(before, segment, err);
        if (rc == BLOCKDB_OK && !options->known[i].finished) {
            rc = segment_recover(segment, options->trusted_seq, recovery, err);
        }
        if (rc < 0) {
            return rc;
        }
        before = segment;
    }
    return BLOCKDB_OK;
}

/* Prepares what the appender works with. */
static int open_writer(struct segments *segments, const struct segments_options *options,
                       struct error *err)
{
    struct segment *last = segments_last(segments);
    int rc;

    if (options->read_only) {
        return BLOCKDB_OK;
    }
    rc = segment_packer_init(&segments->packer, (enum codec)options->codec, options->codec_level);
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    if (last == NULL || atomic_load_explicit(&last->active, memory_order_relaxed) == NULL) {
        return BLOCKDB_OK;
    }
    rc = segment_writer_init(&segments->writer, last->file, segment_end_of(last).offset,
                             options->direct_io, err);
    segments->writer.throttle = segments->throttle;
    segments->writer.throttle_context = segments->throttle_context;
    return rc;
}

static int segments_new(const struct segments_options *options, struct segments **out)
{
    struct segments *segments = mem_calloc(1, sizeof(*segments));
    struct segment_list *list = mem_alloc(sizeof(*list) +
                                          options->known_count * sizeof(struct segment_list_item));
    char *dir = mem_strdup(options->dir);

    if (segments == NULL || list == NULL || dir == NULL) {
        mem_free(segments);
        mem_free(list);
        mem_free(dir);
        return BLOCKDB_ENOMEM;
    }
    list->count = 0;
    segments->dir = dir;
    segments->env = (struct segment_env){
        .os = options->os,
        .dir = dir,
        .epoch = options->epoch,
        .cache = options->cache,
        .index_cache = options->index_cache != NULL ? options->index_cache : options->cache,
        .direct_io = options->direct_io,
        .read_only = options->read_only,
    };
    memcpy(segments->env.ledger_id, options->ledger_id, SEGMENT_LEDGER_ID_LEN);
    segments->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes
                                                          : SEGMENT_BYTES_DEFAULT;
    segments->on_load = options->on_load;
    segments->on_load_context = options->on_load_context;
    segments->warm_record_bytes = options->warm_record_bytes;
    segments->throttle = options->throttle;
    segments->throttle_context = options->throttle_context;
    atomic_init(&segments->list, list);
    *out = segments;
    return BLOCKDB_OK;
}

static void close_ptr(struct segments **segments)
{
    segments_close(*segments);
}

int segments_open(const struct segments_options *options, struct segments **out_segments,
                  struct segments_recovery *out_recovery, struct error *err)
{
    AUTO(close_ptr) struct segments *segments = NULL;
    struct segments_recovery recovery = {0};
    int rc = check_options(options, err);

    if (rc == BLOCKDB_OK) {
        rc = check_directory(options, &recovery, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (segments_new(options, &segments) < 0) {
        return error_set_no_memory(err);
    }
    rc = open_known(segments, options, &recovery, err);
    if (rc == BLOCKDB_OK && segments_end_seq(segments) < options->trusted_seq) {
        rc = error_set(err, BLOCKDB_ECORRUPT,
                       "ledger '%s' ends at seq %" PRIu64 ", but entries below %" PRIu64
                       " were durable; restore it from a backup or another node",
                       options->dir, segments_end_seq(segments), options->trusted_seq);
    }
    if (rc == BLOCKDB_OK) {
        rc = remove_revisions(options, &recovery, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = open_writer(segments, options, err);
    }
    if (rc < 0) {
        return rc;
    }
    atomic_store_explicit(&segments->durable_seq, segments_end_seq(segments), memory_order_relaxed);
    if (out_recovery != NULL) {
        *out_recovery = recovery;
    }
    *out_segments = TAKE(segments);
    return BLOCKDB_OK;
}

void segments_close(struct segments *segments)
{
    struct segment_list *list;
    uint32_t i;

    if (segments == NULL) {
        return;
    }
    list = atomic_load_explicit(&segments->list, memory_order_acquire);
    for (i = 0; i < list->count; i++) {
        segment_unref(list->item[i].segment);
    }
    mem_free(list);
    segment_writer_deinit(&segments->writer);
    segment_packer_deinit(&segments->packer);
    buf_deinit(&segments->image);
    mem_free(segments->dir);
    mem_free(segments);
}

/* ---- The list ------------------------------------------------------------------------------- */

uint32_t segment_list_find(const struct segment_list *list, uint64_t seq)
{
    uint32_t low = 0;
    uint32_t high = list->count;

    /* The newest entries are asked for most. */
    if (seq >= list->item[high - 1].first_seq) {
        return high - 1;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (list->item[middle].first_seq <= seq) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

struct segment_list *segments_next_list(const struct segments *segments)
{
    const struct segment_list *list = segments_list(segments);
    struct segment_list *next = mem_alloc(sizeof(*next) +
                                          ((size_t)list->count + 1) * sizeof(list->item[0]));

    if (next != NULL) {
        next->count = list->count;
        memcpy(next->item, list->item, list->count * sizeof(list->item[0]));
    }
    return next;
}

void segments_publish_list(struct segments *segments, struct segment_list *next,
                           struct segment *added)
{
    struct segment_list *old = atomic_load_explicit(&segments->list, memory_order_relaxed);

    next->item[next->count++] = (struct segment_list_item){added->first_seq, added};
    atomic_store_explicit(&segments->list, next, memory_order_release);
    epoch_retire(segments->env.epoch, &old->retired, old, mem_free);
}
