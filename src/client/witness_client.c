/* SPDX-License-Identifier: Apache-2.0 */
#include "client/witness_client.h"

#include "base/lines.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ledger/checkpoint.h"
#include "ledger/cosignature.h"
#include "wire/add_checkpoint.h"

#include <inttypes.h>

#define ANSWER_LEN_MAX ((size_t)64 << 10)
/* Others may submit heads of the same log at the same time; beyond this it is no coincidence. */
#define TRIES_MAX 4
#define TOLD_LEN_MAX 200 /* of an answer that is quoted in a message */
#define NS_PER_MS 1000000ULL

void witness_outcome_deinit(struct witness_outcome *outcome)
{
    buf_deinit(&outcome->lines);
    *outcome = (struct witness_outcome){0};
}

/* ---- One witness --------------------------------------------------------------------------- */

/* One submission to one witness. */
struct attempt {
    const struct policy_witness *witness;
    const struct witness_submission *submission;
    struct note note; /* the submitted one */
    struct checkpoint checkpoint;
    struct buf url; /* of add-checkpoint, with a zero */
    struct buf body;
    struct http_response response;
};

static void attempt_deinit(struct attempt *a)
{
    buf_deinit(&a->url);
    buf_deinit(&a->body);
    http_response_deinit(&a->response);
}

static int attempt_init(struct attempt *a, const struct policy_witness *witness,
                        const struct witness_submission *submission, struct error *err)
{
    AUTO(buf_deinit) struct buf prefix = {0};
    int rc;

    a->witness = witness;
    a->submission = submission;
    rc = checkpoint_parse_note(submission->note, &a->note, &a->checkpoint, err);
    if (rc < 0) {
        return rc;
    }
    if (buf_append_slice(&prefix, witness->url) < 0 || buf_append_u8(&prefix, 0) < 0 ||
        http_url_join(&a->url, (const char *)prefix.data, ADD_CHECKPOINT_PATH) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

/* The body for a witness of a size. */
static int build_body(struct attempt *a, uint64_t old_size, struct error *err)
{
    struct add_checkpoint request = {.old_size = old_size, .note = a->submission->note};
    struct proof proof = {0};
    int rc;

    if (old_size > 0 && old_size < a->checkpoint.size) {
        rc = a->submission->prove(a->submission->context, old_size, a->checkpoint.size, &proof,
                                  err);
        if (rc < 0) {
            return rc;
        }
        if (proof.count > ADD_CHECKPOINT_HASHES_MAX) {
            return error_set(err, BLOCKDB_ELIMIT, "the proof is too long for a witness");
        }
    }
    request.proof_count = proof.count;
    memcpy(request.proof, proof.hashes, proof.count * sizeof(proof.hashes[0]));
    buf_reset(&a->body);
    rc = add_checkpoint_append(&a->body, &request);
    if (rc == BLOCKDB_ELIMIT) {
        return error_set(err, rc, "the head is too long for a witness");
    }
    return rc < 0 ? error_set_no_memory(err) : rc;
}

/* ---- Answers ------------------------------------------------------------------------------- */

/* The first line of what the witness says, cut and made printable, for messages. */
static const char *told(const struct attempt *a, char out[TOLD_LEN_MAX + 1])
{
    struct slice body = buf_slice(&a->response.body);
    struct slice line;

    if (!slice_take_until(&body, '\n', &line)) {
        line = body;
    }
    utf8_show(line, out, TOLD_LEN_MAX + 1);
    return out;
}

/* Appends a line of the answer to out if it is this witness's; it must be valid then. */
static int take_line(const struct attempt *a, struct slice line, struct buf *out, struct error *err)
{
    struct note_signature signature;
    uint64_t time_s;
    int rc;

    if (note_signature_parse(line, &signature) < 0) {
        return error_set(err, BLOCKDB_ECORRUPT, "the answer has a line that is no signature");
    }
    if (signature.key_id != a->witness->key.id ||
        !slice_equal(signature.name, a->witness->key.name)) {
        return BLOCKDB_OK;
    }
    rc = cosignature_verify_one(&signature, &a->witness->key, a->note.text, &time_s, err);
    if (rc == BLOCKDB_ETAMPERED) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "the cosignature is not valid for the key that the policy has");
    }
    if (rc < 0) {
        return rc;
    }
    if (buf_append_slice(out, line) < 0 || buf_append_u8(out, '\n') < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

static int take_lines(const struct attempt *a, struct witness_outcome *outcome, struct error *err)
{
    struct lines lines = lines_of(buf_slice(&a->response.body));
    AUTO(buf_deinit) struct buf valid = {0};
    struct slice line;

    while (lines_next(&lines, &line)) {
        int rc = take_line(a, line, &valid, err);

        if (rc < 0) {
            return rc;
        }
    }
    if (lines_left(&lines) || valid.len == 0) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "the answer has no cosignature of the key that the policy has");
    }
    buf_deinit(&outcome->lines);
    outcome->lines = valid;
    valid = (struct buf){0};
    outcome->size = a->checkpoint.size;
    return BLOCKDB_OK;
}

/* The witness has another size than it was asked with. ECONFLICT: ask again with outcome->size. */
static int take_size(const struct attempt *a, struct witness_outcome *outcome, struct error *err)
{
    uint64_t asked = outcome->size;
    uint64_t size;
    char text[TOLD_LEN_MAX + 1];

    if (add_checkpoint_size_parse(buf_slice(&a->response.body), &size) < 0) {
        return error_set(err, BLOCKDB_EIO, "the answer 409 tells no size: %s", told(a, text));
    }
    outcome->size = size;
    if (size > a->checkpoint.size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "it has cosigned a head of %" PRIu64 " entries, this log has only %" PRIu64
                         ": the directory is an older copy of the log, or a fork of it",
                         size, a->checkpoint.size);
    }
    if (size == asked && size == a->checkpoint.size) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "it has cosigned another head of %" PRIu64 " entries: the log has forked",
                         size);
    }
    if (size == asked) {
        return error_set(err, BLOCKDB_EIO, "it refuses the size that it tells, %" PRIu64, size);
    }
    return error_set(err, BLOCKDB_ECONFLICT, "it has %" PRIu64 " entries", size);
}

static int judge(const struct attempt *a, struct witness_outcome *outcome, struct error *err)
{
    char text[TOLD_LEN_MAX + 1];

    switch (a->response.status) {
    case 200:
        return take_lines(a, outcome, err);
    case 409:
        return take_size(a, outcome, err);
    case 403:
    case 404:
        return error_set(err, BLOCKDB_EDENIED,
                         "it refuses the head (%d): %s; its operator must add this log's key",
                         a->response.status, told(a, text));
    case 422:
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the head of %" PRIu64 " entries does not continue the one of %" PRIu64
                         " that it cosigned: the log has forked: %s",
                         a->checkpoint.size, outcome->size, told(a, text));
    default:
        return error_set(err, BLOCKDB_EIO, "unexpected answer %d: %s", a->response.status,
                         told(a, text));
    }
}

/* ---- Submitting ---------------------------------------------------------------------------- */

/* HTTP-1 for all requests of a submission together. */
static int limit_time(struct http *http, const struct witness_submission *submission,
                      struct error *err)
{
    uint64_t now;
    uint64_t left_ms;

    if (submission->deadline_ns == 0) {
        return BLOCKDB_OK;
    }
    now = os_monotonic_ns(submission->os);
    left_ms = now < submission->deadline_ns ? (submission->deadline_ns - now) / NS_PER_MS : 0;
    if (left_ms == 0) {
        return error_set(err, BLOCKDB_ETIMEDOUT, "no answer in time");
    }
    http_set_timeout(http, left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX);
    return BLOCKDB_OK;
}

static int submit_once(struct http *http, struct attempt *a, struct witness_outcome *outcome,
                       struct error *err)
{
    struct http_request_body body;
    int rc = build_body(a, outcome->size, err);

    rc = rc == BLOCKDB_OK ? limit_time(http, a->submission, err) : rc;
    if (rc < 0) {
        return rc;
    }
    body = (struct http_request_body){.bytes = buf_slice(&a->body)};
    rc = http_post(http, (const char *)a->url.data, &body, &a->response, err);
    return rc < 0 ? rc : judge(a, outcome, err);
}

static int submit(struct http *http, const struct policy_witness *witness,
                  const struct witness_submission *submission, struct witness_outcome *outcome,
                  struct error *err)
{
    AUTO(attempt_deinit) struct attempt a = {0};
    unsigned tries;
    int rc = attempt_init(&a, witness, submission, err);

    if (rc < 0) {
        return rc;
    }
    if (outcome->size > a.checkpoint.size) {
        outcome->size = 0; /* what was remembered is of no use; the witness will tell */
    }
    rc = BLOCKDB_ECONFLICT;
    for (tries = 0; tries < TRIES_MAX && rc == BLOCKDB_ECONFLICT; tries++) {
        rc = submit_once(http, &a, outcome, err);
    }
    if (rc == BLOCKDB_ECONFLICT) {
        return error_set(err, BLOCKDB_EIO, "the size that it tells never settles");
    }
    return rc;
}

int witness_submit(struct http *http, const struct policy_witness *witness,
                   const struct witness_submission *submission, struct witness_outcome *outcome)
{
    struct error *err = &outcome->error;

    outcome->status = submit(http, witness, submission, outcome, err);
    if (outcome->status < 0) {
        outcome->status = error_wrap(err, outcome->status, "witness '%.*s'", (int)witness->name.len,
                                     (const char *)witness->name.data);
    }
    return outcome->status;
}

/* ---- Rounds -------------------------------------------------------------------------------- */

/* One witness of a round, in a thread of its own. */
struct task {
    const struct witness_submission *submission;
    const struct policy_witness *witness;
    const struct http_options *options;
    struct witness_outcome *outcome;
    struct os_thread *thread; /* NULL: not asked */
};

static void task_run(void *arg)
{
    struct task *t = arg;
    AUTO(http_close_ptr) struct http *http = NULL;

    t->outcome->status = http_open(t->options, &http, &t->outcome->error);
    if (t->outcome->status == BLOCKDB_OK) {
        IGNORE_RESULT(witness_submit(http, t->witness, t->submission, t->outcome));
    }
}

static bool is_asked(const struct witness_round *round, size_t i)
{
    return round->policy->witnesses[i].url.len > 0 && (round->skip >> i & 1) == 0;
}

static void start_tasks(const struct witness_round *round, const struct task *pattern,
                        struct task *tasks, struct witness_outcome *outcomes)
{
    size_t i;

    for (i = 0; i < round->policy->witness_count; i++) {
        struct task *t = &tasks[i];
        struct error own;
        int rc;

        if (!is_asked(round, i)) {
            continue;
        }
        *t = *pattern;
        t->witness = &round->policy->witnesses[i];
        t->outcome = &outcomes[i];
        rc = os_thread_start(round->os, "witness", task_run, t, &t->thread, &own);
        /* Once it runs, the outcome is the thread's. */
        if (rc < 0) {
            t->outcome->status = rc;
            t->outcome->error = own;
        }
    }
}

static uint64_t join_tasks(const struct witness_round *round, struct task *tasks)
{
    uint64_t cosigned = 0;
    size_t i;

    for (i = 0; i < round->policy->witness_count; i++) {
        if (tasks[i].thread == NULL) {
            continue;
        }
        os_thread_join(round->os, tasks[i].thread);
        if (tasks[i].outcome->status == BLOCKDB_OK) {
            cosigned |= (uint64_t)1 << i;
        }
    }
    return cosigned;
}

int witness_round_run(const struct witness_round *round, struct witness_outcome *outcomes,
                      uint64_t *out, struct error *err)
{
    uint32_t timeout_ms = round->timeout_ms > 0 ? round->timeout_ms
                                                : WITNESS_ROUND_TIMEOUT_MS_DEFAULT;
    const struct http_access access = {.ca_file = round->ca_file};
    struct http_options options = {
        .body_max = ANSWER_LEN_MAX, .timeout_ms = timeout_ms, .access = &access};
    struct witness_submission submission = round->submission;
    struct task pattern = {.submission = &submission, .options = &options};
    AUTO(mem_free_ptr) struct task *tasks = NULL;

    submission.os = round->os;
    submission.deadline_ns = os_monotonic_ns(round->os) + timeout_ms * NS_PER_MS;
    tasks = mem_calloc(POLICY_WITNESSES_MAX, sizeof(*tasks));
    if (tasks == NULL) {
        return error_set_no_memory(err);
    }
    start_tasks(round, &pattern, tasks, outcomes);
    *out = join_tasks(round, tasks);
    return BLOCKDB_OK;
}
