/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_head.h"

#include "base/mem.h"
#include "ledger/checkpoint.h"
#include "ledger/merkle.h"
#include "ledger/policy.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Signatures ---------------------------------------------------------------------------- */

/* A note with what its text says, and a policy: too large for a stack. */
struct signed_head {
    struct note note;
    struct checkpoint checkpoint;
    struct policy policy;
    struct policy_result result;
};

static int check_key(const char *text, const struct signed_head *head, struct error *err)
{
    struct verifier_key key;
    int rc = verifier_key_parse(slice_of_text(text), &key, err);

    if (rc < 0) {
        return error_wrap(err, rc, "the log's key");
    }
    if (key.type != KEY_TYPE_ED25519) {
        return error_set(err, BLOCKDB_EINVAL, "the key '%.100s' is that of a witness, not of a log",
                         text);
    }
    if (!slice_equal(key.name, head->checkpoint.origin)) {
        return error_set(
            err, BLOCKDB_EINVAL, "the key is that of the log '%.*s', but this is the log '%.*s'",
            (int)key.name.len, (const char *)key.name.data, (int)head->checkpoint.origin.len,
            (const char *)head->checkpoint.origin.data);
    }
    rc = note_verify(&head->note, &key, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_ETAMPERED, "it is not signed by the key '%.100s'", text);
    }
    return rc;
}

static int check_policy(struct slice text, bool has_key, struct signed_head *head,
                        enum audit_trust *out_trust, struct error *err)
{
    int rc = policy_parse(text, &head->policy, err);

    if (rc < 0) {
        return error_wrap(err, rc, "the policy");
    }
    if (head->policy.log_count == 0 && !has_key) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the policy lists no log; give the log's key with --key as well");
    }
    rc = policy_check(&head->policy, &head->note, &head->checkpoint, &head->result, err);
    if (rc == BLOCKDB_OK) {
        *out_trust = head->policy.quorum == POLICY_QUORUM_NONE ? AUDIT_SIGNED : AUDIT_QUORUM;
    }
    return rc;
}

static int check_signatures(const struct audit_options *options, struct signed_head *head,
                            enum audit_trust *out_trust, struct error *err)
{
    int rc = BLOCKDB_OK;

    *out_trust = AUDIT_UNCHECKED;
    if (options->source->db == NULL && options->key == NULL && options->policy == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the audit of somebody's log needs the log's key: give --key or --policy");
    }
    if (options->key != NULL) {
        rc = check_key(options->key, head, err);
        *out_trust = AUDIT_SIGNED;
    }
    if (rc == BLOCKDB_OK && options->policy != NULL) {
        rc = check_policy(*options->policy, options->key != NULL, head, out_trust, err);
    }
    return rc;
}

/* Parses what was fetched, and checks its signatures when it has any. */
static int judge(const struct audit_options *options, struct slice bytes, bool is_signed,
                 struct signed_head *head, enum audit_trust *out_trust, struct error *err)
{
    int rc;

    if (is_signed) {
        rc = checkpoint_parse_note(bytes, &head->note, &head->checkpoint, err);
        return rc < 0 ? rc : check_signatures(options, head, out_trust, err);
    }
    if (options->key != NULL || options->policy != NULL) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "there is no signed head that a key or policy could be checked with; "
                         "sign one with blockdb-cli checkpoint");
    }
    *out_trust = AUDIT_UNSIGNED;
    return checkpoint_parse(bytes, &head->checkpoint, err);
}

/* ---- Fetching ------------------------------------------------------------------------------ */

static int fetch_bytes(struct audit_source *source, struct buf *out, bool *out_is_signed,
                       struct error *err)
{
    void *connection = NULL;
    int rc = source->ops->connect(source, &connection, err);

    if (rc < 0) {
        return rc;
    }
    rc = source->ops->read_checkpoint(source, connection, out, out_is_signed, err);
    source->ops->disconnect(source, connection);
    if (rc == BLOCKDB_ENOTFOUND) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%.300s' has no checkpoint: it is not a log as export-log writes it",
                         source->place);
    }
    return rc;
}

int audit_head_fetch(const struct audit_options *options, struct audit_head *out,
                     enum audit_trust *out_trust, struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    AUTO(mem_free_ptr) struct signed_head *head = mem_alloc(sizeof(*head));
    bool is_signed = false;
    int rc;

    if (head == NULL) {
        return error_set_no_memory(err);
    }
    rc = fetch_bytes(options->source, &bytes, &is_signed, err);
    if (rc < 0) {
        return rc;
    }
    rc = judge(options, buf_slice(&bytes), is_signed, head, out_trust, err);
    if (rc < 0) {
        return error_wrap(err, rc, "checkpoint of '%.300s'", options->source->place);
    }
    *out = (struct audit_head){
        .note = bytes, .size = head->checkpoint.size, .root = head->checkpoint.root};
    bytes = (struct buf){0};
    return BLOCKDB_OK;
}

/* ---- Growth -------------------------------------------------------------------------------- */

enum audit_growth audit_head_compare(struct audit_reader *r, const struct audit_head *before,
                                     const struct audit_head *now)
{
    struct hash_source source = audit_reader_hashes(r);
    struct consistency claim = {.old_size = before->size,
                                .new_size = now->size,
                                .old_root = &before->root,
                                .new_root = &now->root};
    struct proof proof;
    struct hash root;
    struct error ignored;

    if (before->size == 0) {
        return GROWTH_OK;
    }
    if (now->size < before->size) {
        return GROWTH_SHORTER;
    }
    if (now->size == before->size) {
        return hash_equal(&now->root, &before->root) ? GROWTH_OK : GROWTH_OTHER;
    }
    if (proof_consistency(&source, before->size, now->size, &proof, &ignored) < 0) {
        return GROWTH_UNKNOWN;
    }
    if (consistency_verify(&claim, proof.hashes, proof.count) == BLOCKDB_OK) {
        return GROWTH_OK;
    }
    if (proof_root(&source, now->size, &root, &ignored) < 0 || !hash_equal(&root, &now->root)) {
        return GROWTH_UNKNOWN;
    }
    return GROWTH_OTHER;
}

/* ---- Evidence of a fork -------------------------------------------------------------------- */

static int fork_text(const struct audit_head *before, const struct audit_head *now,
                     const char *reason, struct buf *out)
{
    if (buf_appendf(out, "blockdb.org/fork@v1\nreason %s\nremembered %zu\n", reason,
                    before->note.len) < 0 ||
        buf_append_slice(out, buf_slice(&before->note)) < 0 ||
        buf_appendf(out, "shown %zu\n", now->note.len) < 0 ||
        buf_append_slice(out, buf_slice(&now->note)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return BLOCKDB_OK;
}

int audit_fork_write(const struct audit_options *options, const struct audit_head *before,
                     const struct audit_head *now, const char *reason, char out_path[512],
                     struct error *err)
{
    AUTO(buf_deinit) struct buf text = {0};
    char path[OS_PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s.fork-%" PRIu64, options->state_path,
                       os_now_ms(options->os));
    int rc;

    if (len < 0 || (size_t)len >= sizeof(path)) {
        return error_set(err, BLOCKDB_EINVAL, "the path of the state file is too long");
    }
    if (fork_text(before, now, reason, &text) < 0) {
        return error_set_no_memory(err);
    }
    rc = os_replace_file(options->os, path, buf_slice(&text), err);
    if (rc == BLOCKDB_OK) {
        (void)snprintf(out_path, 512, "%s", len < 512 ? path : "");
    }
    return rc;
}
