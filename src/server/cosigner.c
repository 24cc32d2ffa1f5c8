/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cosigner.h"

#include "base/lock.h"
#include "base/mem.h"
#include "client/witness_client.h"
#include "ledger/checkpoint.h"
#include "ledger/policy.h"
#include "os/os.h"

#include <blockdb/blockdb.h>
#include <blockdb/evidence.h>
#include <inttypes.h>

#define NS_PER_MS 1000000ULL
#define ROUND_TIMEOUT_MS 5000
#define BACKOFF_MAX_MS 60000        /* while no witness answers */
#define BACKOFF_MISSING_MAX_MS 5000 /* while some do and the policy asks for more */
#define AREA "witness"

struct cosigner {
    /* constant */
    struct os *os;
    struct blockdb *db;
    struct logger *logger;
    struct buf policy_text;
    struct policy policy; /* borrows policy_text */
    uint64_t interval_ms;
    uint32_t round_timeout_ms;
    struct os_thread *thread;

    /* thread only */
    uint64_t shown_size;                  /* of the newest head for which a round was complete */
    uint64_t sizes[POLICY_WITNESSES_MAX]; /* what each witness is believed to have */
    uint64_t told; /* bit i: the failure of witness i was told and not ended since */

    struct mutex mu;
    struct cond wake;
    /* guarded by mu */
    bool is_stopping;
    struct buf witnessed; /* the newest witnessed note; empty: none */
    struct cosigner_stats stats;
};

/* One head on its way. */
struct round {
    struct cosigner *cosigner;
    struct slice note;
    uint64_t size;
    uint64_t before;   /* bit i: witnesses[i] had cosigned it before the round */
    uint64_t cosigned; /* bit i: in the round */
    struct witness_outcome outcomes[POLICY_WITNESSES_MAX];
};

static void round_free(struct round **round)
{
    size_t i;

    if (*round == NULL) {
        return;
    }
    for (i = 0; i < POLICY_WITNESSES_MAX; i++) {
        witness_outcome_deinit(&(*round)->outcomes[i]);
    }
    mem_free(*round);
}

/* As witness_prove_fn. */
static int prove(void *context, uint64_t old_size, uint64_t new_size, struct proof *out,
                 struct error *err)
{
    const struct round *round = context;
    struct blockdb_proof proof;
    int rc = blockdb_prove_consistency(round->cosigner->db, old_size, new_size, &proof, err);

    if (rc < 0) {
        return rc;
    }
    out->count = proof.count;
    memcpy(out->hashes, proof.hashes, sizeof(proof.hashes));
    return BLOCKDB_OK;
}

/* ---- What came of it ----------------------------------------------------------------------- */

/* A failure is told when it begins, a contradiction each time, and that it works again. */
static void tell(struct cosigner *c, size_t i, const struct witness_outcome *outcome)
{
    uint64_t bit = (uint64_t)1 << i;

    if (outcome->status == BLOCKDB_ETAMPERED) {
        logger_write(c->logger, LOGGER_ERROR, AREA, "%s", outcome->error.message);
    } else if (outcome->status < 0 && (c->told & bit) == 0) {
        logger_write(c->logger, LOGGER_WARNING, AREA, "%s", outcome->error.message);
    } else if (outcome->status == BLOCKDB_OK && (c->told & bit) != 0) {
        logger_write(c->logger, LOGGER_INFO, AREA, "witness %zu of the policy cosigns again",
                     i + 1);
    }
    c->told = outcome->status < 0 ? c->told | bit : c->told & ~bit;
}

static void count(struct cosigner *c, const struct round *round)
{
    size_t i;

    mutex_lock(&c->mu);
    c->stats.rounds++;
    for (i = 0; i < c->policy.witness_count; i++) {
        if (c->policy.witnesses[i].url.len > 0) {
            c->stats.failures += round->outcomes[i].status < 0;
            c->stats.contradictions += round->outcomes[i].status == BLOCKDB_ETAMPERED;
        }
    }
    mutex_unlock(&c->mu);
}

/* Adds the lines to the head in the database, if that is still the newest, and to *note. */
static int attach(struct cosigner *c, const struct round *round, struct buf *note,
                  struct error *err)
{
    size_t i;
    int rc = buf_append_slice(note, round->note);

    for (i = 0; rc == BLOCKDB_OK && i < c->policy.witness_count; i++) {
        const struct buf *lines = &round->outcomes[i].lines;

        if ((round->cosigned >> i & 1) == 0) {
            continue;
        }
        rc = buf_append_slice(note, buf_slice(lines));
        if (rc == BLOCKDB_OK) {
            rc = blockdb_checkpoint_cosign(c->db, round->size, lines->data, lines->len, err);
            rc = rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
        }
    }
    return rc;
}

/* COSIGN-1: what the policy says of a note, and the size it is of. */
static int judge(const struct cosigner *c, struct slice bytes, struct policy_result *out,
                 uint64_t *out_size, struct error *err)
{
    struct policy_result result;
    struct checkpoint checkpoint;
    struct note note;
    int rc = checkpoint_parse_note(bytes, &note, &checkpoint, err);

    rc = rc == BLOCKDB_OK ? policy_evaluate(&c->policy, &note, &checkpoint, &result, err) : rc;
    if (rc < 0) {
        return rc;
    }
    *out = result;
    *out_size = checkpoint.size;
    return BLOCKDB_OK;
}

/* Keeps a note that is witnessed; takes it then. Whether it is. */
static bool keep(struct cosigner *c, struct buf *note)
{
    struct policy_result result;
    struct error err = {0};
    uint64_t size;

    if (judge(c, buf_slice(note), &result, &size, &err) < 0) {
        logger_write(c->logger, LOGGER_WARNING, AREA, "%s", err.message);
        return false;
    }
    if (!result.quorum_met) {
        return false;
    }
    mutex_lock(&c->mu);
    buf_deinit(&c->witnessed);
    c->witnessed = *note;
    c->stats.witnessed++;
    c->stats.size = size;
    mutex_unlock(&c->mu);
    *note = (struct buf){0};
    return true;
}

/* ---- Rounds -------------------------------------------------------------------------------- */

/* How long to wait before the next look. */
enum pace { PACE_USUAL, PACE_MISSING, PACE_FAILED };

/* Shows one head to those who have not cosigned it. */
static enum pace show(struct cosigner *c, struct round *round, struct error *err)
{
    AUTO(buf_deinit) struct buf note = {0};
    const struct witness_round asked = {
        .os = c->os,
        .policy = &c->policy,
        .submission = {.note = round->note, .prove = prove, .context = round},
        .skip = round->before,
        .timeout_ms = c->round_timeout_ms,
    };
    size_t i;
    int rc;

    for (i = 0; i < c->policy.witness_count; i++) {
        round->outcomes[i].size = c->sizes[i];
    }
    rc = witness_round_run(&asked, round->outcomes, &round->cosigned, err);
    if (rc == BLOCKDB_OK) {
        count(c, round);
        rc = attach(c, round, &note, err);
    }
    if (rc < 0) {
        logger_write(c->logger, LOGGER_WARNING, AREA, "%s", err->message);
        return PACE_FAILED;
    }
    for (i = 0; i < c->policy.witness_count; i++) {
        if (c->policy.witnesses[i].url.len > 0 && (round->before >> i & 1) == 0) {
            tell(c, i, &round->outcomes[i]);
            c->sizes[i] = round->outcomes[i].size;
        }
    }
    if (keep(c, &note)) {
        return PACE_USUAL;
    }
    return (round->before | round->cosigned) != 0 ? PACE_MISSING : PACE_FAILED;
}

/* Looks for a head that was not shown yet, or not to enough. */
static enum pace look(struct cosigner *c)
{
    AUTO(blockdb_value_deinit) struct blockdb_value newest = {0};
    AUTO(round_free) struct round *round = NULL;
    struct policy_result before;
    struct error err = {0};
    enum pace pace;
    uint64_t size;

    if (blockdb_checkpoint_get(c->db, &newest, &err) < 0) {
        return PACE_USUAL; /* none was signed yet; what is wrong with it, others tell */
    }
    if (judge(c, slice_of(newest.data, newest.len), &before, &size, &err) < 0) {
        logger_write(c->logger, LOGGER_WARNING, AREA, "%s", err.message);
        return PACE_FAILED;
    }
    if (size == c->shown_size) {
        return PACE_USUAL;
    }
    round = mem_calloc(1, sizeof(*round));
    if (round == NULL) {
        return PACE_FAILED;
    }
    round->cosigner = c;
    round->note = slice_of(newest.data, newest.len);
    round->size = size;
    round->before = before.witnesses;
    pace = show(c, round, &err);
    if (pace == PACE_USUAL) {
        c->shown_size = size;
    }
    return pace;
}

/* Waits; true when it is time to end. */
static bool pause_for(struct cosigner *c, uint64_t ms)
{
    bool is_stopping;

    mutex_lock(&c->mu);
    if (!c->is_stopping) {
        (void)cond_wait_for(&c->wake, &c->mu, ms * NS_PER_MS);
    }
    is_stopping = c->is_stopping;
    mutex_unlock(&c->mu);
    return is_stopping;
}

static uint64_t next_pause(const struct cosigner *c, enum pace pace, uint64_t pause_ms)
{
    uint64_t max_ms = pace == PACE_FAILED ? BACKOFF_MAX_MS : BACKOFF_MISSING_MAX_MS;

    if (pace == PACE_USUAL) {
        return c->interval_ms;
    }
    return 2 * pause_ms < max_ms ? 2 * pause_ms : max_ms;
}

static void thread_main(void *arg)
{
    struct cosigner *c = arg;
    uint64_t pause_ms = c->interval_ms;

    while (!pause_for(c, pause_ms)) {
        pause_ms = next_pause(c, look(c), pause_ms);
    }
}

/* ---- Life ---------------------------------------------------------------------------------- */

static int read_policy(struct cosigner *c, const char *path, struct error *err)
{
    int rc = os_read_file(c->os, path, POLICY_TEXT_MAX, &c->policy_text, err);

    rc = rc == BLOCKDB_OK ? policy_parse(buf_slice(&c->policy_text), &c->policy, err) : rc;
    return rc < 0 ? error_wrap(err, rc, "option witness_policy_file: '%s'", path) : rc;
}

/* The newest head in the database may be witnessed from before. What is wrong with it, others
 * tell. */
static int recall(struct cosigner *c, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value newest = {0};
    AUTO(buf_deinit) struct buf note = {0};
    struct policy_result result;
    struct error ignored;
    uint64_t size;

    if (blockdb_checkpoint_get(c->db, &newest, &ignored) < 0 ||
        judge(c, slice_of(newest.data, newest.len), &result, &size, &ignored) < 0 ||
        !result.quorum_met) {
        return BLOCKDB_OK;
    }
    if (buf_append(&note, newest.data, newest.len) < 0) {
        return error_set_no_memory(err);
    }
    c->witnessed = note;
    c->stats.size = size;
    note = (struct buf){0};
    return BLOCKDB_OK;
}

static void release(struct cosigner *c)
{
    buf_deinit(&c->policy_text);
    buf_deinit(&c->witnessed);
    cond_deinit(&c->wake);
    mutex_deinit(&c->mu);
    mem_free(c);
}

int cosigner_new(const struct cosigner_options *options, struct cosigner **out, struct error *err)
{
    struct cosigner *c = mem_calloc(1, sizeof(*c));
    int rc;

    if (c == NULL) {
        return error_set_no_memory(err);
    }
    c->os = options->os;
    c->db = options->db;
    c->logger = options->logger;
    c->interval_ms = options->interval_ms > 0 ? options->interval_ms : 1;
    c->round_timeout_ms = options->round_timeout_ms > 0 ? options->round_timeout_ms
                                                        : ROUND_TIMEOUT_MS;
    mutex_init(&c->mu, LOCK_RANK_SERVER);
    cond_init(&c->wake);
    rc = read_policy(c, options->policy_path, err);
    if (rc == BLOCKDB_OK) {
        rc = recall(c, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = os_thread_start(c->os, "witness", thread_main, c, &c->thread, err);
    }
    if (rc < 0) {
        release(c);
        return rc;
    }
    *out = c;
    return BLOCKDB_OK;
}

void cosigner_stop_soon(struct cosigner *c)
{
    if (c == NULL) {
        return;
    }
    mutex_lock(&c->mu);
    c->is_stopping = true;
    cond_signal(&c->wake);
    mutex_unlock(&c->mu);
}

void cosigner_free(struct cosigner *c)
{
    if (c == NULL) {
        return;
    }
    cosigner_stop_soon(c);
    os_thread_join(c->os, c->thread);
    release(c);
}

int cosigner_note(struct cosigner *c, struct buf *out)
{
    int rc;

    mutex_lock(&c->mu);
    rc = c->witnessed.len > 0 ? buf_append_slice(out, buf_slice(&c->witnessed)) : BLOCKDB_ENOTFOUND;
    mutex_unlock(&c->mu);
    return rc;
}

struct cosigner_stats cosigner_stats(struct cosigner *c)
{
    struct cosigner_stats stats;

    mutex_lock(&c->mu);
    stats = c->stats;
    mutex_unlock(&c->mu);
    return stats;
}
