/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/workload.h"

#include "base/mem.h"
#include "base/text.h"
#include "bin/bench/pipeline.h"
#include "bin/bench/submit.h"
#include "bin/bench/whole.h"
#include "bin/bench/ycsb.h"

#include <inttypes.h>

#define SCAN_ENTRIES 100
#define NAME_MAX_LEN 32
#define CHECK_EVERY 64 /* proofs that are made are verified now and then */
#define PROOF_FILES 256

int worker_init(struct worker *w, struct error *err)
{
    size_t pair_len = w->data->key_len + w->data->value_len;
    unsigned i;

    w->buffer = mem_alloc(pair_len * w->batch);
    w->pairs = mem_calloc(w->batch, sizeof(*w->pairs));
    if (w->buffer == NULL || w->pairs == NULL) {
        worker_deinit(w);
        return error_set_no_memory(err);
    }
    for (i = 0; i < w->batch; i++) {
        uint8_t *at = w->buffer + pair_len * i;

        w->pairs[i].key = slice_of(at, w->data->key_len);
        w->pairs[i].value = slice_of(at + w->data->key_len, w->data->value_len);
    }
    return BLOCKDB_OK;
}

void worker_deinit(struct worker *w)
{
    mem_free(w->buffer);
    mem_free(w->pairs);
    buf_deinit(&w->files);
    buf_deinit(&w->ends);
    w->buffer = NULL;
    w->pairs = NULL;
}

void worker_count(struct worker *w)
{
    w->entries++;
    w->bytes += w->data->key_len + w->data->value_len;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* Makes pair `slot` of the buffer that of key i. */
static void fill_pair(struct worker *w, unsigned slot, uint64_t i)
{
    uint8_t *at = w->buffer + (w->data->key_len + w->data->value_len) * slot;

    dataset_key(w->data, i, false, at);
    dataset_value(w->data, i, w->generation, at + w->data->key_len);
    worker_count(w);
}

int worker_put(struct worker *w, uint64_t i, struct error *err)
{
    fill_pair(w, 0, i);
    return w->engine->put(w->session, &w->pairs[0], w->durability, err);
}

void worker_fill_pair(struct worker *w, uint64_t i)
{
    fill_pair(w, 0, i);
}

static int step_fill_in_order(struct worker *w, uint64_t n, struct error *err)
{
    return worker_put(w, n, err);
}

static int step_fill_scattered(struct worker *w, uint64_t n, struct error *err)
{
    return worker_put(w, dataset_scatter(w->data, n), err);
}

static int step_overwrite(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    return worker_put(w, dataset_pick(w->data, &w->random), err);
}

void worker_fill_key(struct worker *w, unsigned slot, uint64_t i)
{
    dataset_key(w->data, i, false, w->buffer + (w->data->key_len + w->data->value_len) * slot);
}

unsigned worker_fill_batch(struct worker *w, uint64_t n)
{
    uint64_t first = n * w->batch;
    unsigned used = 0;

    while (used < w->batch && first + used < w->data->num) {
        fill_pair(w, used, dataset_scatter(w->data, first + used));
        used++;
    }
    return used;
}

static int step_fill_batch(struct worker *w, uint64_t n, struct error *err)
{
    unsigned used = worker_fill_batch(w, n);

    return w->engine->put_many(w->session, w->pairs, used, w->durability, err);
}

/* ---- Reading ------------------------------------------------------------------------------- */

int worker_wrong(struct worker *w, uint64_t i, const char *what, struct error *err)
{
    return error_set(err, BLOCKDB_ECORRUPT,
                     "%s: key number %" PRIu64 " %s: the engine is wrong; keep its directory "
                     "with --keep and report it",
                     w->workload->name, i, what);
}

int worker_judge(struct worker *w, uint64_t i, int rc, struct slice value, struct error *err)
{
    if (rc == BLOCKDB_ENOTFOUND) {
        return worker_wrong(w, i, "was written and is not found", err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!dataset_check(w->data, i, value)) {
        return worker_wrong(w, i, "has a value that was never written", err);
    }
    worker_count(w);
    return BLOCKDB_OK;
}

int worker_get(struct worker *w, uint64_t i, struct error *err)
{
    struct slice value = {0};
    int rc;

    dataset_key(w->data, i, false, w->buffer);
    rc = w->engine->get(w->session, w->pairs[0].key, &value, err);
    return worker_judge(w, i, rc, value, err);
}

static int step_read(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    return worker_get(w, dataset_pick(w->data, &w->random), err);
}

static int step_read_hot(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    return worker_get(w, dataset_pick_hot(w->data, &w->random), err);
}

static int step_read_missing(struct worker *w, uint64_t n, struct error *err)
{
    uint64_t i = dataset_pick(w->data, &w->random);
    struct slice value = {0};
    int rc;

    (void)n;
    dataset_key(w->data, i, true, w->buffer);
    rc = w->engine->get(w->session, w->pairs[0].key, &value, err);
    if (rc == 0) {
        return worker_wrong(w, i, "has a neighbour that was never written and is found", err);
    }
    w->entries++;
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int step_read_as_of(struct worker *w, uint64_t n, struct error *err)
{
    uint64_t i = dataset_pick(w->data, &w->random);
    uint64_t seq = w->seq_low + dataset_random(&w->random) % (w->seq_high - w->seq_low + 1);
    struct slice value = {0};
    int rc;

    (void)n;
    dataset_key(w->data, i, false, w->buffer);
    rc = w->engine->get_as_of(w->session, w->pairs[0].key, seq, &value, err);
    return worker_judge(w, i, rc, value, err);
}

/* All keys exist, so a scan meets them one after the other. */
static int visit_scanned(void *arg, struct slice key, struct slice value)
{
    struct worker *w = arg;

    if (!slice_equal(key, slice_of(w->scanned_key, w->data->key_len)) ||
        !dataset_check(w->data, w->expected, value)) {
        return BLOCKDB_ECORRUPT;
    }
    w->expected++;
    dataset_key_advance(w->data, w->scanned_key);
    worker_count(w);
    return BLOCKDB_OK;
}

static int step_scan(struct worker *w, uint64_t n, struct error *err)
{
    uint64_t first = dataset_pick(w->data, &w->random);
    uint64_t end = first + SCAN_ENTRIES < w->data->num ? first + SCAN_ENTRIES : w->data->num;
    int rc;

    (void)n;
    w->expected = first;
    dataset_key(w->data, first, false, w->buffer);
    dataset_key(w->data, first, false, w->scanned_key);
    rc = w->engine->scan(w->session, w->pairs[0].key, SCAN_ENTRIES, visit_scanned, w, err);
    if (rc == BLOCKDB_ECORRUPT || (rc == 0 && w->expected != end)) {
        return worker_wrong(w, w->expected, "is missing or wrong in a scan", err);
    }
    return rc;
}

static int visit_version(void *arg, struct slice key, struct slice value)
{
    struct worker *w = arg;

    (void)key;
    if (!dataset_check(w->data, w->expected, value)) {
        return BLOCKDB_ECORRUPT;
    }
    worker_count(w);
    return BLOCKDB_OK;
}

static int step_history(struct worker *w, uint64_t n, struct error *err)
{
    uint64_t before = w->entries;
    int rc;

    (void)n;
    w->expected = dataset_pick(w->data, &w->random);
    dataset_key(w->data, w->expected, false, w->buffer);
    rc = w->engine->history(w->session, w->pairs[0].key, visit_version, w, err);
    if (rc == BLOCKDB_ECORRUPT || (rc == 0 && w->entries < before + 2)) {
        return worker_wrong(w, w->expected, "lacks a version or has a wrong one", err);
    }
    return rc;
}

/* ---- Proofs -------------------------------------------------------------------------------- */

static uint64_t pick_sealed(struct worker *w)
{
    return dataset_random(&w->random) % (w->seq_high + 1);
}

static int step_prove(struct worker *w, uint64_t n, struct error *err)
{
    int rc = w->engine->prove(w->session, pick_sealed(w), w->seq_high + 1, n % CHECK_EVERY == 0,
                              err);

    w->entries++;
    return rc;
}

/* Makes one proof file; its bytes are what went out. */
static int prove_file(struct worker *w, struct slice *out_file, struct error *err)
{
    int rc = w->engine->prove_file(w->session, pick_sealed(w), out_file, err);

    if (rc == 0) {
        w->entries++;
        w->bytes += out_file->len;
    }
    return rc;
}

static int step_prove_file(struct worker *w, uint64_t n, struct error *err)
{
    struct slice file;
    int rc = prove_file(w, &file, err);

    return rc == 0 && n % CHECK_EVERY == 0 ? w->engine->verify_file(w->session, file, err) : rc;
}

/* Makes the files that a worker verifies in turn. */
static int make_files(struct worker *w, struct error *err)
{
    unsigned i;

    for (i = 0; i < PROOF_FILES; i++) {
        struct slice file;
        int rc = prove_file(w, &file, err);

        if (rc < 0) {
            return rc;
        }
        if (buf_append_slice(&w->files, file) < 0 ||
            buf_append(&w->ends, &w->files.len, sizeof(w->files.len)) < 0) {
            return error_set_no_memory(err);
        }
    }
    w->entries = 0;
    w->bytes = 0;
    return BLOCKDB_OK;
}

static int step_verify_file(struct worker *w, uint64_t n, struct error *err)
{
    unsigned i = (unsigned)(n % PROOF_FILES);
    size_t ends[2] = {0};
    int rc = w->ends.len == 0 ? make_files(w, err) : BLOCKDB_OK;

    if (rc < 0) {
        return rc;
    }
    if (i > 0) {
        memcpy(ends, w->ends.data + (i - 1) * sizeof(ends[0]), sizeof(ends));
    } else {
        memcpy(&ends[1], w->ends.data, sizeof(ends[1]));
    }
    w->entries++;
    w->bytes += ends[1] - ends[0];
    return w->engine->verify_file(w->session, slice_of(w->files.data + ends[0], ends[1] - ends[0]),
                                  err);
}

/* ---- The table ----------------------------------------------------------------------------- */

static const struct workload workloads[] = {
    {.name = "fillseq",
     .help = "put all keys in ascending order",
     .need = WORKLOAD_EMPTY,
     .writes = true,
     .step = step_fill_in_order},
    {.name = "fillrandom",
     .help = "put all keys in random order, each once",
     .need = WORKLOAD_EMPTY,
     .writes = true,
     .step = step_fill_scattered},
    {.name = "fillbatch",
     .help = "the same in batches of --batch entries; an operation is an entry, a latency a batch",
     .need = WORKLOAD_EMPTY,
     .writes = true,
     .batched = true,
     .step = step_fill_batch},
    {.name = "fillsync",
     .help = "put in random order, each acknowledged after a sync; at most 3 s, or --duration",
     .need = WORKLOAD_EMPTY,
     .writes = true,
     .synced = true,
     .step = step_fill_scattered},
    {.name = "fillbatchsync",
     .help = "fillbatch, each batch acknowledged after a sync; at most 3 s, or --duration",
     .need = WORKLOAD_EMPTY,
     .writes = true,
     .synced = true,
     .batched = true,
     .step = step_fill_batch},
    {.name = "submit",
     .help = "put in random order from one thread that keeps as many puts on their way as the "
             "workload names threads, as an event loop does; BlockDB only",
     .need = WORKLOAD_EMPTY,
     .writes = true,
     .whole = submit_run},
    {.name = "fillpipe",
     .help = "put in random order, --pipeline commands sent at once; an operation is a command, a "
             "latency all of them; Redis protocol only",
     .need = WORKLOAD_EMPTY,
     .writes = true,
     .pipelined = true,
     .step = pipeline_step_fill},
    {.name = "overwrite",
     .help = "put new values under random keys that exist",
     .need = WORKLOAD_KEYS,
     .writes = true,
     .step = step_overwrite},
    {.name = "readrandom",
     .help = "get random keys that exist",
     .need = WORKLOAD_KEYS,
     .step = step_read},
    {.name = "readmissing",
     .help = "get keys that do not exist, between those that do",
     .need = WORKLOAD_KEYS,
     .step = step_read_missing},
    {.name = "readhot",
     .help = "get keys of a skewed distribution: half of the reads go to 0.4 % of the keys",
     .need = WORKLOAD_KEYS,
     .step = step_read_hot},
    {.name = "readpipe",
     .help = "get random keys, --pipeline commands sent at once; as fillpipe",
     .need = WORKLOAD_KEYS,
     .pipelined = true,
     .step = pipeline_step_read},
    {.name = "seekrandom",
     .help = "seek a random key and read 100 entries; an operation is a scan",
     .need = WORKLOAD_KEYS,
     .scans = true,
     .step = step_scan},
    {.name = "readwhilewriting",
     .help = "readrandom beside one more thread that overwrites without pause",
     .need = WORKLOAD_KEYS,
     .step = step_read,
     .behind = step_overwrite},
    {.name = "ycsb-a",
     .help = "YCSB A: half reads, half new versions, of keys by Zipf's distribution",
     .need = WORKLOAD_KEYS,
     .mixes = true,
     .step = ycsb_step_a},
    {.name = "ycsb-b",
     .help = "YCSB B: 95 % reads, 5 % new versions",
     .need = WORKLOAD_KEYS,
     .mixes = true,
     .step = ycsb_step_b},
    {.name = "ycsb-c",
     .help = "YCSB C: reads alone",
     .need = WORKLOAD_KEYS,
     .mixes = true,
     .step = ycsb_step_c},
    {.name = "ycsb-d",
     .help = "YCSB D: 95 % reads, of the latest keys most; 5 % new keys",
     .need = WORKLOAD_KEYS,
     .mixes = true,
     .grows = true,
     .step = ycsb_step_d},
    {.name = "ycsb-e",
     .help = "YCSB E: 95 % scans of 1 to 100 entries, 5 % new keys",
     .need = WORKLOAD_KEYS,
     .mixes = true,
     .grows = true,
     .scans = true,
     .step = ycsb_step_e},
    {.name = "ycsb-f",
     .help = "YCSB F: half reads, half reads and writes on the condition that nobody wrote between",
     .need = WORKLOAD_KEYS,
     .mixes = true,
     .step = ycsb_step_f},
    {.name = "history",
     .help = "read all versions of random keys that have at least two; BlockDB only",
     .need = WORKLOAD_VERSIONS,
     .scans = true,
     .step = step_history},
    {.name = "asof",
     .help = "get random keys as of random past entries; BlockDB only",
     .need = WORKLOAD_VERSIONS,
     .step = step_read_as_of},
    {.name = "verify",
     .help = "verify everything; an operation is an entry; BlockDB only",
     .need = WORKLOAD_KEYS,
     .whole = whole_verify},
    {.name = "prove",
     .help = "prove random entries in the tree of all; BlockDB only",
     .need = WORKLOAD_KEYS,
     .proves = true,
     .step = step_prove},
    {.name = "provefile",
     .help = "make proof files of random entries with their values; MB/s are those of the files; "
             "BlockDB only",
     .need = WORKLOAD_KEYS,
     .proves = true,
     .signs = true,
     .step = step_prove_file},
    {.name = "verifyfile",
     .help = "verify proof files against a head whose signature is verified once; BlockDB only",
     .need = WORKLOAD_KEYS,
     .proves = true,
     .signs = true,
     .step = step_verify_file},
    {.name = "reopen",
     .help = "open a database of all keys that was closed",
     .need = WORKLOAD_KEYS,
     .whole = whole_reopen},
    {.name = "recover",
     .help = "open a database that a process filled and left without closing it",
     .need = WORKLOAD_EMPTY,
     .whole = whole_recover},
};

const struct workload *workload_table(size_t *out_count)
{
    *out_count = sizeof(workloads) / sizeof(workloads[0]);
    return workloads;
}

int workload_find(const char *name, size_t name_len, const struct workload **out, struct error *err)
{
    const char *names[sizeof(workloads) / sizeof(workloads[0])];
    const size_t names_count = sizeof(workloads) / sizeof(workloads[0]);
    char text[NAME_MAX_LEN + 1] = "";
    const char *near;
    size_t i;

    for (i = 0; i < names_count; i++) {
        names[i] = workloads[i].name;
        if (strlen(names[i]) == name_len && memcmp(names[i], name, name_len) == 0) {
            *out = &workloads[i];
            return BLOCKDB_OK;
        }
    }
    memcpy(text, name, name_len < NAME_MAX_LEN ? name_len : NAME_MAX_LEN);
    near = text_nearest(text, names, names_count);
    return error_set(err, BLOCKDB_EINVAL, "unknown workload '%s'%s%s%s; --help lists them", text,
                     near != NULL ? ", did you mean '" : "", near != NULL ? near : "",
                     near != NULL ? "'" : "");
}

bool workload_fits(const struct workload *workload, const struct bench_engine *engine)
{
    if (workload->proves) {
        return engine->prove != NULL;
    }
    if (workload->step == step_scan || workload->step == ycsb_step_e) {
        return engine->scan != NULL;
    }
    if (workload->whole == whole_reopen || workload->whole == whole_recover) {
        return !engine->is_remote;
    }
    if (workload->pipelined) {
        return engine->put_each != NULL;
    }
    if (workload->step == step_history) {
        return engine->history != NULL;
    }
    if (workload->step == step_read_as_of) {
        return engine->get_as_of != NULL;
    }
    if (workload->whole == submit_run) {
        return engine->submit != NULL;
    }
    return workload->whole != whole_verify || engine->verify != NULL;
}
