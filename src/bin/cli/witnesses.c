/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/witnesses.h"

#include "base/mem.h"
#include "base/units.h"
#include "bin/cli/cli.h"
#include "bin/cli/open.h"
#include "client/witness_client.h"
#include "config/config.h"
#include "ledger/checkpoint.h"
#include "os/os.h"

#include <blockdb/evidence.h>
#include <inttypes.h>

#define ROUNDS_MAX 3
#define NS_PER_MS 1000000ULL
#define TIMEOUT_MAX_MS 3600000

/* A proof that was made while the database was open. */
struct prepared {
    uint64_t old_size; /* 0: none */
    struct proof proof;
};

/* One head on its way to the witnesses. */
struct showing {
    struct cli *cli;
    struct policy policy;
    struct buf policy_text;
    struct buf note; /* that is shown */
    uint64_t size;
    uint64_t open;     /* bit i: witnesses[i] of the policy is still to be asked */
    uint64_t cosigned; /* and these have cosigned, */
    uint64_t had;      /* of which these before, so that their new lines say nothing new */
    uint64_t deadline_ns;
    struct witness_outcome outcomes[POLICY_WITNESSES_MAX];
    struct prepared prepared[POLICY_WITNESSES_MAX]; /* for the size of outcome i */
};

static void showing_free(struct showing **s)
{
    size_t i;

    if (*s == NULL) {
        return;
    }
    for (i = 0; i < POLICY_WITNESSES_MAX; i++) {
        witness_outcome_deinit(&(*s)->outcomes[i]);
    }
    buf_deinit(&(*s)->policy_text);
    buf_deinit(&(*s)->note);
    mem_free(*s);
}

static const char *policy_path(const struct cli *cli)
{
    const char *path = config_get(cli->config, "ledger.witness_policy_file");

    return path != NULL && path[0] != '\0' ? path : NULL;
}

/* ---- Before asking ------------------------------------------------------------------------- */

static int load_policy(struct showing *s, struct error *err)
{
    const char *path = policy_path(s->cli);
    int rc = os_read_file(s->cli->os, path, POLICY_TEXT_MAX, &s->policy_text, err);

    rc = rc == BLOCKDB_OK ? policy_parse(buf_slice(&s->policy_text), &s->policy, err) : rc;
    if (rc < 0) {
        return error_wrap(err, rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc,
                          "option witness_policy_file: '%s'", path);
    }
    return BLOCKDB_OK;
}

/* Which witnesses have cosigned a note, and its size. */
static int evaluate(const struct showing *s, struct slice bytes, uint64_t *out_size,
                    uint64_t *out_witnesses, struct error *err)
{
    struct policy_result result;
    struct checkpoint checkpoint;
    struct note note;
    int rc = checkpoint_parse_note(bytes, &note, &checkpoint, err);

    rc = rc == BLOCKDB_OK ? policy_evaluate(&s->policy, &note, &checkpoint, &result, err) : rc;
    if (rc == BLOCKDB_OK) {
        *out_size = checkpoint.size;
        *out_witnesses = result.witnesses;
    }
    return rc;
}

/* What the witnesses have is what they cosigned last, as far as that is known. */
static int guess_sizes(struct showing *s, const struct blockdb_value *previous, struct error *err)
{
    uint64_t witnesses = 0;
    uint64_t size = 0;
    size_t i;
    int rc;

    if (previous->len == 0) {
        return BLOCKDB_OK;
    }
    rc = evaluate(s, slice_of(previous->data, previous->len), &size, &witnesses, err);
    for (i = 0; rc == BLOCKDB_OK && i < s->policy.witness_count; i++) {
        s->outcomes[i].size = (witnesses >> i & 1) != 0 ? size : 0;
    }
    return rc;
}

/* The proof from one size, from the database. */
static int prepare_one(struct showing *s, struct prepared *p, uint64_t old_size, struct error *err)
{
    struct blockdb_proof proof;
    int rc = blockdb_prove_consistency(s->cli->db, old_size, s->size, &proof, err);

    if (rc < 0) {
        return rc;
    }
    p->old_size = old_size;
    p->proof.count = proof.count;
    memcpy(p->proof.hashes, proof.hashes, sizeof(proof.hashes));
    return BLOCKDB_OK;
}

static int prepare(struct showing *s, struct error *err)
{
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < s->policy.witness_count; i++) {
        uint64_t old_size = s->outcomes[i].size;

        if (old_size > 0 && old_size < s->size && s->prepared[i].old_size != old_size) {
            rc = prepare_one(s, &s->prepared[i], old_size, err);
        }
    }
    return rc;
}

/* ---- Asking -------------------------------------------------------------------------------- */

/* As witness_prove_fn. ENOTFOUND: the database must be open for this one; in the next round. */
static int find_prepared(void *context, uint64_t old_size, uint64_t new_size, struct proof *out,
                         struct error *err)
{
    const struct showing *s = context;
    size_t i;

    (void)new_size;
    for (i = 0; i < s->policy.witness_count; i++) {
        if (s->prepared[i].old_size == old_size) {
            *out = s->prepared[i].proof;
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_ENOTFOUND, "the proof from %" PRIu64 " is not made yet",
                     old_size);
}

static int ask_once(struct showing *s, uint64_t *out_new, struct error *err)
{
    struct os *os = s->cli->os;
    uint64_t now = os_monotonic_ns(os);
    struct witness_round round = {
        .os = os,
        .policy = &s->policy,
        .submission = {.note = buf_slice(&s->note), .prove = find_prepared, .context = s},
        .skip = ~s->open,
    };

    if (now + NS_PER_MS > s->deadline_ns) {
        *out_new = 0;
        return BLOCKDB_OK;
    }
    round.timeout_ms = (uint32_t)((s->deadline_ns - now) / NS_PER_MS);
    return witness_round_run(&round, s->outcomes, out_new, err);
}

/* Attaches the lines of those that cosigned in this round. */
static int attach(struct showing *s, uint64_t cosigned, struct error *err)
{
    size_t i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == BLOCKDB_OK && i < s->policy.witness_count; i++) {
        const struct buf *lines = &s->outcomes[i].lines;

        if ((cosigned >> i & 1) == 0) {
            continue;
        }
        rc = blockdb_checkpoint_cosign(s->cli->db, s->size, lines->data, lines->len, err);
    }
    if (rc == BLOCKDB_ENOTFOUND) {
        message_note(&s->cli->messages, LOGGER_WARNING,
                     "checkpoint: another process has signed a newer head meanwhile; the "
                     "cosignatures of this one are not kept");
        return BLOCKDB_OK;
    }
    return rc;
}

/* Those that told a size for which no proof was at hand. */
static uint64_t still_open(const struct showing *s)
{
    uint64_t open = 0;
    size_t i;

    for (i = 0; i < s->policy.witness_count; i++) {
        if (s->outcomes[i].status == BLOCKDB_ENOTFOUND) {
            open |= (uint64_t)1 << i;
        }
    }
    return open & s->open;
}

/* One round with the database closed; it is open again on success. */
static int ask_round(struct showing *s, struct error *err)
{
    uint64_t cosigned = 0;
    int rc = prepare(s, err);

    if (rc == BLOCKDB_OK && !s->cli->in_shell) {
        rc = cli_close(s->cli, err);
    }
    rc = rc == BLOCKDB_OK ? ask_once(s, &cosigned, err) : rc;
    if (rc == BLOCKDB_OK && !s->cli->in_shell) {
        rc = cli_open(s->cli, err);
    }
    rc = rc == BLOCKDB_OK ? attach(s, cosigned & ~s->had, err) : rc;
    s->cosigned |= cosigned;
    s->open = still_open(s);
    return rc;
}

/* ---- Afterwards ---------------------------------------------------------------------------- */

static const struct witness_outcome *find_contradiction(const struct showing *s)
{
    size_t i;

    for (i = 0; i < s->policy.witness_count; i++) {
        if (s->outcomes[i].status == BLOCKDB_ETAMPERED) {
            return &s->outcomes[i];
        }
    }
    return NULL;
}

/* Tells of those that failed; the first that contradicts is the error of the command. */
static void tell_failures(const struct showing *s, const struct witness_outcome *contradiction)
{
    size_t i;

    for (i = 0; i < s->policy.witness_count; i++) {
        const struct witness_outcome *outcome = &s->outcomes[i];

        if (outcome->status < 0 && outcome != contradiction) {
            message_note(&s->cli->messages, LOGGER_WARNING, "checkpoint: %s",
                         outcome->status == BLOCKDB_ENOTFOUND ? "a witness was not reached in time"
                                                              : outcome->error.message);
        }
    }
}

static int judge(const struct showing *s, struct error *err)
{
    const struct witness_outcome *contradiction = find_contradiction(s);

    tell_failures(s, contradiction);
    if (contradiction != NULL) {
        *err = contradiction->error;
        return error_wrap(err, err->code, "the head is signed, but");
    }
    if (!policy_quorum_met(&s->policy, s->cosigned)) {
        return error_set(err, BLOCKDB_EIO,
                         "the head is signed, but only %d of %zu witnesses have cosigned it, and "
                         "the quorum of '%s' is not met; checkpoint asks the others again",
                         __builtin_popcountll(s->cosigned), s->policy.witness_count,
                         policy_path(s->cli));
    }
    return BLOCKDB_OK;
}

/* Replaces *note by what the database has now, if that is the same head. */
static int renew_note(const struct showing *s, struct blockdb_value *note, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value newest = {0};
    struct blockdb_value before = *note;
    struct checkpoint checkpoint;
    struct note parsed;
    int rc = blockdb_checkpoint_get(s->cli->db, &newest, err);

    rc = rc == BLOCKDB_OK
             ? checkpoint_parse_note(slice_of(newest.data, newest.len), &parsed, &checkpoint, err)
             : rc;
    if (rc == BLOCKDB_OK && checkpoint.size == s->size) {
        *note = newest;
        newest = before;
    }
    return rc;
}

/* ---- The whole ----------------------------------------------------------------------------- */

static int begin(struct showing *s, const struct blockdb_value *previous,
                 const struct blockdb_value *note, struct error *err)
{
    const char *timeout = args_value(&s->cli->args, "witness-timeout");
    uint64_t timeout_ms = WITNESS_ROUND_TIMEOUT_MS_DEFAULT;
    size_t i;
    int rc = timeout != NULL ? duration_parse(timeout, &timeout_ms, err) : BLOCKDB_OK;

    rc = rc == BLOCKDB_OK ? load_policy(s, err) : rc;
    rc = rc == BLOCKDB_OK ? guess_sizes(s, previous, err) : rc;
    rc = rc == BLOCKDB_OK
             ? evaluate(s, slice_of(note->data, note->len), &s->size, &s->cosigned, err)
             : rc;
    if (rc < 0) {
        return rc;
    }
    if (buf_append(&s->note, note->data, note->len) < 0) {
        return error_set_no_memory(err);
    }
    for (i = 0; i < s->policy.witness_count; i++) {
        s->open |= (uint64_t)(s->policy.witnesses[i].url.len > 0) << i;
    }
    /* Those that have cosigned it are asked again: one that has seen more tells of an old copy. */
    s->had = s->cosigned;
    timeout_ms = timeout_ms < TIMEOUT_MAX_MS ? timeout_ms : TIMEOUT_MAX_MS;
    s->deadline_ns = os_monotonic_ns(s->cli->os) + timeout_ms * NS_PER_MS;
    return BLOCKDB_OK;
}

bool witnesses_wanted(const struct cli *cli)
{
    return policy_path(cli) != NULL && !args_has(&cli->args, "no-witness") &&
           !args_has(&cli->args, "no-sign");
}

int witnesses_ask(struct cli *cli, const struct blockdb_value *previous, struct blockdb_value *note,
                  struct error *err)
{
    AUTO(showing_free) struct showing *s = mem_calloc(1, sizeof(*s));
    unsigned i;
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->cli = cli;
    rc = begin(s, previous, note, err);
    for (i = 0; rc == BLOCKDB_OK && i < ROUNDS_MAX && s->open != 0; i++) {
        rc = ask_round(s, err);
    }
    rc = rc == BLOCKDB_OK ? renew_note(s, note, err) : rc;
    return rc == BLOCKDB_OK ? judge(s, err) : rc;
}
