/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify-proof: a proof file against a public key, without database or network.
 */
#include "base/arena.h"
#include "base/assert.h"
#include "base/base64.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bin/cli/cli.h"
#include "bin/cli/input.h"
#include "os/os.h"

#include <blockdb/verify.h>
#include <inttypes.h>
#include <string.h>

/* Base64 of the largest value, and what is told beside it. */
#define FILE_MAX ((size_t)64 * 1024 * 1024)
#define POLICY_MAX ((size_t)1000000)
#define FIELDS_MAX 64

/* What is read from outside, and told. */
struct check {
    struct buf text;
    struct buf scratch;
    struct buf policy;
    struct buf value; /* that is expected */
    const char *keys[BLOCKDB_TRUST_KEYS_MAX];
    struct blockdb_trust trust;
    struct blockdb_expectations expect;
    struct blockdb_proof_report report;
};

static void check_deinit(struct check *check)
{
    buf_deinit(&check->text);
    buf_deinit(&check->scratch);
    buf_deinit(&check->policy);
    buf_deinit(&check->value);
}

/* ---- Arguments ------------------------------------------------------------------------------- */

static int read_all(struct cli *cli, const char *path, size_t len_max, struct buf *out,
                    struct error *err)
{
    struct input in;
    int rc = input_open(&in, cli->os, path, err);

    if (rc == BLOCKDB_OK) {
        rc = input_all(&in, len_max, "the file", out, err);
        input_close(&in);
    }
    /* A file that is not there is no answer about a key. */
    return rc == BLOCKDB_ENOTFOUND ? error_wrap(err, BLOCKDB_EIO, "'%s'", path) : rc;
}

static int read_trust(struct cli *cli, struct check *check, struct error *err)
{
    const char *policy = args_value(&cli->args, "policy");
    const char *key;
    int rc;

    check->trust = (struct blockdb_trust)BLOCKDB_TRUST_INIT;
    check->trust.keys = check->keys;
    check->trust.origin = args_value(&cli->args, "origin");
    while ((key = args_value_at(&cli->args, "key", (unsigned)check->trust.key_count)) != NULL) {
        ASSERT(check->trust.key_count < BLOCKDB_TRUST_KEYS_MAX); /* ARGS_OPTIONS_MAX */
        check->keys[check->trust.key_count++] = key;
    }
    if (policy == NULL) {
        return check->trust.key_count > 0
                   ? BLOCKDB_OK
                   : error_set(err, BLOCKDB_EINVAL,
                               "option --key or --policy: whose signature counts must be told, "
                               "else the proof proves nothing");
    }
    rc = read_all(cli, policy, POLICY_MAX, &check->policy, err);
    if (rc == BLOCKDB_OK && buf_reserve(&check->policy, 1) < 0) {
        rc = error_set_no_memory(err);
    }
    check->trust.policy = (const char *)check->policy.data;
    check->trust.policy_len = check->policy.len;
    return rc;
}

static int read_expectations(struct cli *cli, struct check *check, struct error *err)
{
    const char *key = args_value(&cli->args, "expect-key");
    const char *value = args_value(&cli->args, "expect-value");
    int rc = BLOCKDB_OK;

    check->expect = (struct blockdb_expectations)BLOCKDB_EXPECTATIONS_INIT;
    check->expect.seq = args_u64(&cli->args, "expect-seq", BLOCKDB_SEQ_NONE);
    check->expect.require |= args_has(&cli->args, "expect-newest") ? BLOCKDB_REQUIRE_NEWEST : 0u;
    if (key != NULL) {
        check->expect.key = key;
        check->expect.key_len = strlen(key);
    }
    if (value == NULL) {
        return BLOCKDB_OK;
    }
    if (value[0] == '@') {
        rc = read_all(cli, value + 1, BLOCKDB_VALUE_MAX, &check->value, err);
    } else if (buf_append(&check->value, value, strlen(value)) < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc == BLOCKDB_OK && buf_reserve(&check->value, 1) < 0) {
        rc = error_set_no_memory(err); /* the empty value has an address, too */
    }
    check->expect.value = check->value.data;
    check->expect.value_len = check->value.len;
    return rc;
}

/* ---- Output ---------------------------------------------------------------------------------- */

/* Fields, and the texts that they need. */
struct answer {
    bool is_json; /* anything may stand in a string */
    struct field fields[FIELDS_MAX];
    size_t count;
    struct arena texts;
    bool failed; /* out of memory */
};

static struct field *add(struct answer *a, const char *name, enum field_type type)
{
    struct field *field = &a->fields[a->count];

    ASSERT(a->count < FIELDS_MAX);
    a->count++;
    field->name = name;
    field->type = type;
    return field;
}

static void add_heading(struct answer *a, const char *heading)
{
    a->fields[a->count].heading = heading; /* of the field that is added next */
}

static void add_number(struct answer *a, const char *name, uint64_t number)
{
    add(a, name, FIELD_NUMBER)->number = number;
}

static void add_time(struct answer *a, const char *name, uint64_t time_ms)
{
    add(a, name, FIELD_TIME)->number = time_ms;
}

static void add_hash(struct answer *a, const char *name, const uint8_t *hash)
{
    add(a, name, FIELD_HASH)->data = hash;
}

static void add_text(struct answer *a, const char *name, const char *text)
{
    add(a, name, FIELD_TEXT)->text = text;
}

/* Whether bytes of a stranger may be shown as they are: UTF-8 that does nothing to a terminal. */
static bool is_showable(const struct answer *a, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool is_c1 = s.data[i] == 0xc2 && i + 1 < s.len && s.data[i + 1] < 0xa0;

        if (s.data[i] == 0 || (!a->is_json && (s.data[i] < 0x20 || s.data[i] == 0x7f || is_c1))) {
            return false;
        }
    }
    return utf8_valid(s);
}

/* Bytes as text where they are, else as base64 under the other name. */
static void add_bytes(struct answer *a, const char *name, const char *base64_name,
                      struct blockdb_bytes bytes)
{
    struct slice s = slice_of(bytes.data, bytes.len);
    bool is_text = is_showable(a, s);
    size_t len = is_text ? s.len : base64_len(s.len);
    char *copy = arena_alloc(&a->texts, len + 1);

    if (copy == NULL) {
        a->failed = true;
        return;
    }
    if (!is_text) {
        base64_format(copy, s);
    } else if (len > 0) {
        memcpy(copy, s.data, len);
    }
    copy[len] = '\0';
    add_text(a, is_text ? name : base64_name, copy);
}

static void add_head(struct answer *a, const struct blockdb_checkpoint *head)
{
    add_bytes(a, "origin", "origin_base64", head->origin);
    add_number(a, "size", head->tree_size);
    add_hash(a, "root", head->root);
    if (head->signed_by != 0) { /* a policy tells that the log signed, not with which key */
        add_number(a, "signers", (uint64_t)__builtin_popcountll(head->signed_by));
    }
    if (head->is_policy_fulfilled) {
        add_number(a, "witnesses", head->witness_count);
        add_text(a, "policy", "fulfilled");
    }
    if (head->witnessed_s > 0) {
        add_time(a, "witnessed", head->witnessed_s * 1000);
    }
}

static const char *proven(const struct blockdb_proof_report *report)
{
    switch (report->key_state) {
    case BLOCKDB_KEY_NOT_SHOWN:
        return "entry";
    case BLOCKDB_KEY_LIVE:
        return "newest";
    case BLOCKDB_KEY_DELETED:
        return "deleted";
    case BLOCKDB_KEY_ABSENT:
        return "absent";
    }
    return "entry";
}

static void add_entry(struct answer *a, const struct blockdb_proof_report *report)
{
    const struct blockdb_entry *entry = &report->entry;

    add_heading(a, "Entry");
    add_number(a, "seq", report->seq);
    add_text(a, "kind", kind_name(entry->kind));
    add_time(a, "time", entry->time_ms);
    if (report->key_state != BLOCKDB_KEY_ABSENT && entry->key.len > 0) {
        add_bytes(a, "key", "key_base64", entry->key);
        add_number(a, "collection", entry->collection);
    }
    if (entry->actor.len > 0) {
        add_bytes(a, "actor", "actor_base64", entry->actor);
    }
    add_number(a, "batch_position", entry->batch_position);
    add_number(a, "batch_count", entry->batch_count);
    add_hash(a, "leaf_hash", report->leaf_hash);
}

static void add_value(struct answer *a, const struct blockdb_proof_report *report)
{
    if (report->entry.kind != BLOCKDB_KIND_PUT) {
        return;
    }
    add(a, "value_len", FIELD_BYTES)->number = report->entry.value_len;
    switch (report->value_state) {
    case BLOCKDB_VALUE_NOT_SHOWN:
        add_text(a, "value", "not shown");
        return;
    case BLOCKDB_VALUE_WHOLE:
        add_text(a, "value", "proven");
        return;
    case BLOCKDB_VALUE_RANGE:
        add_text(a, "value",
                 report->range_len == report->entry.value_len ? "proven" : "partly proven");
        add_number(a, "range_offset", report->range_offset);
        add_number(a, "range_len", report->range_len);
        return;
    }
}

static void add_block(struct answer *a, const struct blockdb_proof_report *report)
{
    if (!report->has_block) {
        return;
    }
    add_heading(a, "Block");
    add_number(a, "block_height", report->block.height);
    add_number(a, "block_position", report->block_position);
    add_number(a, "block_count", report->block.count);
    add_number(a, "block_header_seq", report->block.tree_size);
    add_time(a, "block_time", report->block.time_ms);
    add_hash(a, "block_hash", report->block.hash);
}

/* The seqs of all versions, with commas between. */
static void add_history(struct answer *a, struct blockdb_bytes history)
{
    AUTO(buf_deinit) struct buf seqs = {0};
    struct blockdb_proof_version version;
    const char *comma = "";

    while (!a->failed && blockdb_proof_next_version(&history, &version)) {
        a->failed = buf_appendf(&seqs, "%s%" PRIu64, comma, version.seq) < 0;
        comma = ",";
    }
    add_bytes(a, "history", "history_base64", (struct blockdb_bytes){seqs.data, seqs.len});
}

static void add_key(struct answer *a, const struct blockdb_proof_report *report)
{
    if (report->key_state == BLOCKDB_KEY_NOT_SHOWN) {
        return;
    }
    add_heading(a, "Key");
    if (report->key_state == BLOCKDB_KEY_ABSENT) {
        add_bytes(a, "key", "key_base64", report->key);
        add_number(a, "collection", report->collection);
    } else {
        add_number(a, "versions", report->version_count);
        add_text(a, "redacted", report->is_redacted ? "yes" : "no");
    }
    add_time(a, "as_of", report->as_of_ms);
    if (report->is_history_complete) {
        add_history(a, report->history);
    }
}

/* A reason code as the option --reason-code of redact names it. */
static const char *cause(unsigned reason_code)
{
    static const char *const words[] = {"not said",  "person", "legal",
                                        "retention", "error",  "other"};

    return reason_code < sizeof(words) / sizeof(words[0]) ? words[reason_code] : "unknown";
}

static void add_redaction(struct answer *a, const struct blockdb_proof_report *report)
{
    const struct blockdb_redaction *redaction = &report->redaction;

    if (!report->has_redaction) {
        return;
    }
    add_heading(a, "Redaction");
    add_number(a, "redaction_seq", redaction->seq);
    add_time(a, "redaction_time", redaction->time_ms);
    add_number(a, "redaction_reason_code", redaction->reason_code);
    add_text(a, "redaction_cause", cause(redaction->reason_code));
    if (redaction->reason.len > 0) {
        add_bytes(a, "redaction_reason", "redaction_reason_base64", redaction->reason);
    }
    if (redaction->authority.len > 0) {
        add_bytes(a, "redaction_authority", "redaction_authority_base64", redaction->authority);
    }
    if (redaction->actor.len > 0) {
        add_bytes(a, "redaction_actor", "redaction_actor_base64", redaction->actor);
    }
}

static int print_report(struct cli *cli, const struct blockdb_proof_report *report,
                        struct error *err)
{
    struct answer answer = {.is_json = cli->format == OUTPUT_JSON || cli->format == OUTPUT_JSONL};
    int rc = BLOCKDB_OK;

    arena_init(&answer.texts, NULL);
    add_text(&answer, "result", "ok");
    add_text(&answer, "proven", proven(report));
    add_head(&answer, &report->head);
    add_entry(&answer, report);
    add_value(&answer, report);
    add_block(&answer, report);
    add_key(&answer, report);
    add_redaction(&answer, report);
    if (answer.failed) {
        rc = error_set_no_memory(err);
    } else {
        fields_print(&cli->out, cli->format, answer.fields, answer.count);
    }
    arena_deinit(&answer.texts);
    return rc;
}

/* The bytes that are shown, of the whole value or of the range, appended to out. */
static int gather_value(const struct blockdb_proof_report *report, struct buf *out,
                        struct error *err)
{
    struct blockdb_bytes range = report->range;
    struct blockdb_bytes piece = report->value;
    int rc = buf_append(out, piece.data, piece.len);

    if (report->value_state == BLOCKDB_VALUE_NOT_SHOWN) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "option --value-out: the proof shows no value and no part of one");
    }
    while (rc == BLOCKDB_OK && blockdb_proof_next_chunk(&range, &piece)) {
        rc = buf_append(out, piece.data, piece.len);
    }
    return rc < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

static int write_value(struct cli *cli, const struct blockdb_proof_report *report,
                       struct error *err)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    const char *path = args_value(&cli->args, "value-out");
    int rc;

    if (path == NULL) {
        return BLOCKDB_OK;
    }
    rc = gather_value(report, &bytes, err);
    if (rc < 0) {
        return rc;
    }
    rc = os_replace_file(cli->os, path, buf_slice(&bytes), err);
    return rc < 0
               ? error_wrap(err, rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc, "option --value-out")
               : rc;
}

/* ---- The command ----------------------------------------------------------------------------- */

static int verify(struct check *check, struct error *err)
{
    struct blockdb_proof_file file = {.text = check->text.data, .len = check->text.len};
    int rc;

    if (buf_reserve(&check->scratch, BLOCKDB_PROOF_SCRATCH_LEN(file.len) + 1) < 0) {
        return error_set_no_memory(err);
    }
    file.scratch = check->scratch.data;
    file.scratch_len = check->scratch.cap;
    check->report = (struct blockdb_proof_report)BLOCKDB_PROOF_REPORT_INIT;
    rc = blockdb_verify_proof_file(&file, &check->trust, &check->expect, &check->report, err);
    /* Too large to be genuine, or said to be of a newer version: nothing is proven by it. */
    return rc == BLOCKDB_ELIMIT || rc == BLOCKDB_EVERSION
               ? error_wrap(err, BLOCKDB_ETAMPERED, "not proven")
               : rc;
}

static int verify_proof(struct cli *cli, struct check *check, struct error *err)
{
    int rc = read_trust(cli, check, err);

    if (rc == BLOCKDB_OK) {
        rc = read_expectations(cli, check, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = read_all(cli, cli->args.positional[0], FILE_MAX, &check->text, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = verify(check, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = write_value(cli, &check->report, err);
    }
    return rc < 0 ? rc : print_report(cli, &check->report, err);
}

int cmd_verify_proof(struct cli *cli, struct error *err)
{
    struct check check = {0};
    int rc = verify_proof(cli, &check, err);

    check_deinit(&check);
    return rc;
}
