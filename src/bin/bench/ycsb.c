/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/ycsb.h"

#include "bin/bench/mix.h"

#define SCAN_MAX 100

static double uniform(struct worker *w)
{
    return (double)(dataset_random(&w->random) >> 11) * 0x1p-53;
}

/* Whether this step is of those that are percent of all. */
static bool falls_within(struct worker *w, unsigned percent)
{
    return dataset_random(&w->random) % 100 < percent;
}

static uint64_t pick_zipf(struct worker *w)
{
    return dataset_scatter(w->data, zipf_rank(&w->mix->zipf, uniform(w)));
}

/* The newest key that was acknowledged is the most frequent. */
static uint64_t pick_latest(struct worker *w)
{
    return mix_limit(w->mix) - 1 - zipf_rank(&w->mix->zipf, uniform(w));
}

static int update(struct worker *w, struct error *err)
{
    w->wrote = true;
    return worker_put(w, pick_zipf(w), err);
}

static int add_key(struct worker *w, struct error *err)
{
    uint64_t i;
    int rc;

    if (!mix_add_begin(w->mix, &i)) {
        return update(w, err);
    }
    w->wrote = true;
    rc = worker_put(w, i, err);
    if (rc == BLOCKDB_OK) {
        mix_add_end(w->mix, i);
    }
    return rc;
}

static int read_or_update(struct worker *w, unsigned read_percent, struct error *err)
{
    w->wrote = false;
    return falls_within(w, read_percent) ? worker_get(w, pick_zipf(w), err) : update(w, err);
}

int ycsb_step_a(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    return read_or_update(w, 50, err);
}

int ycsb_step_b(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    return read_or_update(w, 95, err);
}

int ycsb_step_c(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    return read_or_update(w, 100, err);
}

int ycsb_step_d(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    w->wrote = false;
    return falls_within(w, 95) ? worker_get(w, pick_latest(w), err) : add_key(w, err);
}

/* ---- Scans while keys are added ------------------------------------------------------------- */

/* Keys of the dataset come one after the other. Of those added some may still be on their way, so
 * that there may be gaps; what is there must be in order and have its value. */
static int visit(void *arg, struct slice key, struct slice value)
{
    struct worker *w = arg;

    while (!slice_equal(key, slice_of(w->scanned_key, w->data->key_len))) {
        if (w->expected < w->data->num || w->expected >= w->scan_limit) {
            return BLOCKDB_ECORRUPT;
        }
        w->expected++;
        dataset_key_advance(w->data, w->scanned_key);
    }
    if (!dataset_check(w->data, w->expected, value)) {
        return BLOCKDB_ECORRUPT;
    }
    w->expected++;
    dataset_key_advance(w->data, w->scanned_key);
    worker_count(w);
    return BLOCKDB_OK;
}

static int scan(struct worker *w, struct error *err)
{
    uint64_t first = pick_zipf(w);
    size_t count = 1 + (size_t)(dataset_random(&w->random) % SCAN_MAX);
    uint64_t known = mix_limit(w->mix);
    uint64_t end = first + count < known ? first + count : known;
    int rc;

    w->expected = first;
    w->scan_limit = known + 2 * MIX_WINDOW;
    dataset_key(w->data, first, false, w->buffer);
    dataset_key(w->data, first, false, w->scanned_key);
    rc = w->engine->scan(w->session, w->pairs[0].key, count, visit, w, err);
    if (rc == BLOCKDB_ECORRUPT || (rc == BLOCKDB_OK && w->expected < end)) {
        return worker_wrong(w, w->expected, "is missing or wrong in a scan", err);
    }
    return rc;
}

int ycsb_step_e(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    w->wrote = false;
    return falls_within(w, 95) ? scan(w, err) : add_key(w, err);
}

/* ---- Read, change and write ----------------------------------------------------------------- */

static int change_once(struct worker *w, uint64_t i, struct error *err)
{
    const struct bench_engine *engine = w->engine;
    struct slice value = {0};
    int rc;

    dataset_key(w->data, i, false, w->buffer);
    rc = engine->get_to_change(w->session, w->pairs[0].key, &value, err);
    rc = worker_judge(w, i, rc, value, err);
    if (rc < 0) {
        return rc;
    }
    worker_fill_pair(w, i);
    return engine->put_changed(w->session, &w->pairs[0], w->durability, err);
}

/* Of those that change a key at the same time one succeeds, so that all do in the end. */
static int change(struct worker *w, uint64_t i, struct error *err)
{
    int rc;

    w->wrote = true;
    if (w->engine->get_to_change == NULL) {
        rc = worker_get(w, i, err);
        return rc < 0 ? rc : worker_put(w, i, err);
    }
    do {
        rc = change_once(w, i, err);
    } while (rc == BLOCKDB_ECONFLICT);
    return rc;
}

int ycsb_step_f(struct worker *w, uint64_t n, struct error *err)
{
    (void)n;
    w->wrote = false;
    return falls_within(w, 50) ? worker_get(w, pick_zipf(w), err) : change(w, pick_zipf(w), err);
}
