/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/whole.h"

#include "base/mem.h"
#include "bin/bench/crew.h"
#include "bin/bench/trial.h"
#include "os/os.h"

#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define REOPEN_TIMES 3
#define CHECKED_KEYS 1000
#define CHILD_WORDS_MAX 512
#define ENGINE_NAME_MAX 32

/* Times one operation that took elapsed_ns. */
static void note_times(struct result *result, const struct histogram *h)
{
    latency_of(h, &result->latency);
    result->elapsed_ns = h->sum_ns;
}

int whole_verify(struct trial *trial, struct result *result, struct error *err)
{
    AUTO(mem_free_ptr) struct histogram *h = mem_calloc(1, sizeof(*h));
    uint64_t start = os_monotonic_ns(trial->os);
    uint64_t entries = 0;
    int rc;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    rc = trial->engine->verify(trial->db, result->threads, &entries, err);
    if (rc < 0) {
        return rc;
    }
    histogram_record(h, os_monotonic_ns(trial->os) - start);
    note_times(result, h);
    result->ops = entries;
    result->entries = entries;
    result->user_bytes = entries * (trial->plan->key_len + trial->plan->value_len);
    return BLOCKDB_OK;
}

int whole_reopen(struct trial *trial, struct result *result, struct error *err)
{
    AUTO(mem_free_ptr) struct histogram *h = mem_calloc(1, sizeof(*h));
    unsigned i;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < REOPEN_TIMES; i++) {
        uint64_t start;
        int rc = trial_close(trial, err);

        if (rc < 0) {
            return rc;
        }
        start = os_monotonic_ns(trial->os);
        rc = trial_open(trial, err);
        if (rc < 0) {
            return rc;
        }
        histogram_record(h, os_monotonic_ns(trial->os) - start);
    }
    note_times(result, h);
    result->ops = REOPEN_TIMES;
    return BLOCKDB_OK;
}

/* ---- recover ------------------------------------------------------------------------------- */

/* Runs this program again on the same plan, as the one that crashes. */
static int run_child(struct trial *trial, struct error *err)
{
    char child_option[] = "--crash-child";
    char engine_option[] = "--crash-engine";
    char engine_name[ENGINE_NAME_MAX];
    char *argv[CHILD_WORDS_MAX + 5];
    char *const *given = trial->plan->argv;
    unsigned count = 0;
    pid_t pid;
    int status;
    int rc;

    while (given[count] != NULL && count < CHILD_WORDS_MAX) {
        argv[count] = given[count];
        count++;
    }
    (void)snprintf(engine_name, sizeof(engine_name), "%s", trial->engine->name);
    argv[count++] = child_option;
    argv[count++] = trial->dir;
    argv[count++] = engine_option;
    argv[count++] = engine_name;
    argv[count] = NULL;
    rc = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
    if (rc != 0) {
        return error_set_errno(err, rc, "cannot start another blockdb-bench");
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return error_set(err, BLOCKDB_EIO,
                         "the child that fills '%s' and crashes has failed; its message is above",
                         trial->dir);
    }
    return BLOCKDB_OK;
}

/* Reads some keys: what was acknowledged must have survived the process. */
static int check_keys(struct trial *trial, struct error *err)
{
    const struct plan *plan = trial->plan;
    uint64_t random = plan->seed;
    uint8_t key[DATASET_KEY_LEN_MAX];
    void *session = NULL;
    unsigned n;
    int rc = trial->engine->session_new(trial->db, &session, err);

    for (n = 0; rc == 0 && n < CHECKED_KEYS; n++) {
        uint64_t i = dataset_pick(trial->data, &random);
        struct slice value = {0};

        dataset_key(trial->data, i, false, key);
        rc = trial->engine->get(session, slice_of(key, plan->key_len), &value, err);
        if (rc == BLOCKDB_ENOTFOUND || (rc == 0 && !dataset_check(trial->data, i, value))) {
            rc = error_set(err, BLOCKDB_ECORRUPT,
                           "recover: key number %" PRIu64 " was acknowledged and is lost or wrong",
                           i);
        }
    }
    if (session != NULL) {
        trial->engine->session_free(session);
    }
    return rc;
}

int whole_recover(struct trial *trial, struct result *result, struct error *err)
{
    AUTO(mem_free_ptr) struct histogram *h = mem_calloc(1, sizeof(*h));
    uint64_t start;
    int rc;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    rc = trial_close(trial, err);
    if (rc == 0) {
        rc = run_child(trial, err);
    }
    if (rc < 0) {
        return rc;
    }
    start = os_monotonic_ns(trial->os);
    rc = trial_open(trial, err);
    if (rc < 0) {
        return rc;
    }
    histogram_record(h, os_monotonic_ns(trial->os) - start);
    note_times(result, h);
    result->ops = 1;
    trial->state = TRIAL_PARTIAL;
    return check_keys(trial, err);
}

/* Fills an open database in batches. */
static int fill(struct trial *trial, struct error *err)
{
    AUTO(mem_free_ptr) struct crew_outcome *outcomes = mem_alloc(CREW_PARTS * sizeof(*outcomes));
    const struct workload *workload;
    struct crew_job job = {
        .os = trial->os,
        .db = trial->db,
        .threads = 1,
        .steps = (trial->plan->num + trial->plan->batch - 1) / trial->plan->batch,
        .pattern = {.engine = trial->engine,
                    .data = trial->data,
                    .durability = trial->plan->durability,
                    .batch = (unsigned)trial->plan->batch,
                    .generation = 1},
    };
    int rc = workload_find("fillbatch", strlen("fillbatch"), &workload, err);

    if (rc < 0) {
        return rc;
    }
    if (outcomes == NULL) {
        return error_set_no_memory(err);
    }
    job.pattern.workload = workload;
    return crew_run(&job, outcomes, err);
}

int whole_crash(const struct plan *plan, struct error *err)
{
    struct dataset data;
    struct trial trial = {
        .os = os_real(),
        .plan = plan,
        .data = &data,
        .engine = plan->engines[0],
        .dir = plan->crash_child,
    };
    int rc = dataset_init(&data, plan->num, plan->key_len, plan->value_len, plan->seed);

    if (rc < 0) {
        return error_set_no_memory(err);
    }
    rc = trial_open(&trial, err);
    if (rc == 0) {
        rc = fill(&trial, err);
    }
    if (rc == 0) {
        _exit(0); /* the crash: nothing is closed, written back or freed */
    }
    IGNORE_RESULT(trial_close(&trial, NULL)); /* the first failure is told */
    dataset_deinit(&data);
    return rc;
}
