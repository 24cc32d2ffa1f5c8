/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/submit.h"

#include "base/lock.h"
#include "base/mem.h"
#include "bin/bench/trial.h"
#include "bin/bench/workload.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#define NS_PER_S 1000000000ULL
#define SYNCED_DURATION_NS (3 * NS_PER_S)

struct driver;

/* One put on its way, or about to be. */
struct slot {
    struct driver *driver;
    struct slot *next;
    uint64_t start_ns;
};

struct driver {
    struct trial *trial;
    void *session;
    enum blockdb_durability durability;
    struct histogram *latency;
    struct bench_pair pair;
    uint8_t *buffer; /* of pair */
    uint64_t begun;  /* puts submitted */
    uint64_t ended;

    struct mutex mu;
    struct cond answered;
    /* Guarded by mu. */
    struct slot *ready; /* answered, not noted yet */
    int status;         /* the first failure */
    struct error error;
};

/* In a thread of the engine. */
static void note_answer(void *arg, int status, const struct blockdb_write_result *result,
                        const struct blockdb_error *err)
{
    struct slot *slot = arg;
    struct driver *d = slot->driver;
    bool wakes;

    (void)result;
    mutex_lock(&d->mu);
    if (status < 0 && d->status == BLOCKDB_OK) {
        d->status = status;
        d->error = *err;
    }
    wakes = d->ready == NULL; /* then the driver may sleep */
    slot->next = d->ready;
    d->ready = slot;
    if (wakes) {
        cond_signal(&d->answered);
    }
    mutex_unlock(&d->mu);
}

static int submit_next(struct driver *d, struct slot *slot, struct error *err)
{
    const struct trial *trial = d->trial;
    uint64_t i = dataset_scatter(trial->data, d->begun);

    dataset_key(trial->data, i, false, d->buffer);
    dataset_value(trial->data, i, trial->generation, d->buffer + trial->data->key_len);
    slot->start_ns = os_monotonic_ns(trial->os);
    d->begun++;
    return trial->engine->submit(
        d->session, &d->pair,
        &(struct bench_answer){.durability = d->durability, .cb = note_answer, .arg = slot}, err);
}

/* Waits for answers and returns their slots. */
static int take_answers(struct driver *d, struct slot **out, struct error *err)
{
    int rc;

    mutex_lock(&d->mu);
    while (d->ready == NULL) {
        cond_wait(&d->answered, &d->mu);
    }
    *out = d->ready;
    d->ready = NULL;
    rc = d->status;
    if (rc < 0) {
        *err = d->error;
    }
    mutex_unlock(&d->mu);
    return rc;
}

static bool goes_on(const struct driver *d, uint64_t end_ns)
{
    return d->begun < d->trial->plan->num && os_monotonic_ns(d->trial->os) < end_ns &&
           !signals_stop_asked();
}

/* Notes answers until all puts have theirs; each slot goes on as long as there is time. */
static int drive(struct driver *d, uint64_t end_ns, struct error *err)
{
    bool more = true;
    int rc = BLOCKDB_OK;

    while (d->ended < d->begun) {
        struct slot *slot = NULL;
        struct error cause;
        int answer = take_answers(d, &slot, &cause);
        uint64_t now_ns = os_monotonic_ns(d->trial->os);

        if (rc == BLOCKDB_OK && answer < 0) {
            rc = error_set(err, answer, "%s", cause.message);
        }
        more = more && rc == BLOCKDB_OK && goes_on(d, end_ns);
        while (slot != NULL) {
            struct slot *next = slot->next;

            d->ended++;
            histogram_record(d->latency, now_ns - slot->start_ns);
            if (more && d->begun < d->trial->plan->num) {
                rc = submit_next(d, slot, err);
                more = rc == BLOCKDB_OK;
                d->begun -= rc < 0;
            }
            slot = next;
        }
    }
    return rc;
}

static int run_slots(struct driver *d, struct slot *slots, unsigned count, struct error *err)
{
    uint64_t limit_ns = d->trial->plan->duration_ms * (NS_PER_S / 1000);
    struct error later;
    unsigned i;
    int rc = BLOCKDB_OK;
    int ended;

    if (limit_ns == 0 && bench_is_synced(d->durability)) {
        limit_ns = SYNCED_DURATION_NS;
    }
    for (i = 0; rc == BLOCKDB_OK && i < count && d->begun < d->trial->plan->num; i++) {
        slots[i].driver = d;
        rc = submit_next(d, &slots[i], err);
        d->begun -= rc < 0;
    }
    ended = drive(d,
                  rc < 0         ? 0
                  : limit_ns > 0 ? os_monotonic_ns(d->trial->os) + limit_ns
                                 : UINT64_MAX,
                  &later);
    if (rc == BLOCKDB_OK && ended < 0) {
        rc = error_set(err, ended, "%s", later.message);
    }
    return rc;
}

static void fill_result(const struct driver *d, uint64_t start_ns, struct result *result)
{
    latency_of(d->latency, &result->latency);
    result->elapsed_ns = os_monotonic_ns(d->trial->os) - start_ns;
    result->ops = d->ended;
    result->entries = d->ended;
    result->user_bytes = d->ended * (d->trial->plan->key_len + d->trial->plan->value_len);
}

int submit_run(struct trial *trial, struct result *result, struct error *err)
{
    const struct dataset *data = trial->data;
    AUTO(mem_free_ptr) struct histogram *latency = mem_calloc(1, sizeof(*latency));
    AUTO(mem_free_ptr) struct slot *slots = mem_calloc(result->threads, sizeof(*slots));
    AUTO(mem_free_ptr) uint8_t *buffer = mem_alloc(data->key_len + data->value_len);
    struct driver d = {
        .trial = trial,
        .durability = trial->plan->durability,
        .latency = latency,
        .buffer = buffer,
        .pair = {.key = slice_of(buffer, data->key_len),
                 .value = slice_of(buffer + data->key_len, data->value_len)},
    };
    uint64_t start_ns = os_monotonic_ns(trial->os);
    int rc;

    if (latency == NULL || slots == NULL || buffer == NULL) {
        return error_set_no_memory(err);
    }
    rc = trial->engine->session_new(trial->db, &d.session, err);
    if (rc < 0) {
        return rc;
    }
    trial->generation = trial->generation % DATASET_GENERATION_MAX + 1;
    mutex_init(&d.mu, LOCK_RANK_PROGRAM);
    cond_init(&d.answered);
    rc = run_slots(&d, slots, result->threads, err);
    fill_result(&d, start_ns, result);
    cond_deinit(&d.answered);
    mutex_deinit(&d.mu);
    trial->engine->session_free(d.session);
    trial->state = TRIAL_PARTIAL;
    if (rc == BLOCKDB_OK && signals_stop_asked()) {
        rc = error_set(err, BLOCKDB_ECANCELED, "stopped");
    }
    return rc;
}
