/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger/policy.h"

#include "base/lines.h"
#include "base/text.h"
#include "ledger/cosignature.h"

#include <assert.h>

static_assert(POLICY_WITNESSES_MAX <= 64 && POLICY_GROUPS_MAX <= 64, "sets are 64 bits");

/* A policy while it is parsed. */
struct parser {
    struct policy *policy;
    struct slice line; /* what is left of the line */
    size_t number;     /* of the line */
    bool has_quorum;
    uint64_t used_witnesses; /* are members of a group already */
    uint64_t used_groups;
};

/* What a name stands for. */
struct named {
    bool is_group;
    size_t index;
};

static int bad_line(const struct parser *p, struct error *err, const char *what)
{
    return error_set(err, BLOCKDB_EINVAL, "line %zu of the policy: %s", p->number, what);
}

static int bad_name(const struct parser *p, struct slice name, struct error *err, const char *what)
{
    return error_set(err, BLOCKDB_EINVAL, "line %zu of the policy: the name '%.*s' %s", p->number,
                     (int)(name.len < 200 ? name.len : 200), (const char *)name.data, what);
}

static int too_many(const struct parser *p, struct error *err, const char *what, int max)
{
    return error_set(err, BLOCKDB_ELIMIT, "line %zu of the policy: more than %d %s", p->number, max,
                     what);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next word off the line; empty at its end. */
static struct slice take_word(struct parser *p)
{
    const uint8_t *at = p->line.data;
    const uint8_t *end = at + p->line.len;
    struct slice word;

    while (at < end && is_blank(*at)) {
        at++;
    }
    word.data = at;
    while (at < end && !is_blank(*at)) {
        at++;
    }
    word.len = (size_t)(at - word.data);
    p->line = slice_of(at, (size_t)(end - at));
    return word;
}

static bool word_is(struct slice word, const char *text)
{
    return slice_equal(word, slice_of_text(text));
}

static bool find_name(const struct policy *policy, struct slice name, struct named *out)
{
    size_t i;

    for (i = 0; i < policy->witness_count; i++) {
        if (slice_equal(policy->witnesses[i].name, name)) {
            *out = (struct named){.is_group = false, .index = i};
            return true;
        }
    }
    for (i = 0; i < policy->group_count; i++) {
        if (slice_equal(policy->groups[i].name, name)) {
            *out = (struct named){.is_group = true, .index = i};
            return true;
        }
    }
    return false;
}

/* Takes the name that the line defines. */
static int take_new_name(struct parser *p, struct slice *out, struct error *err)
{
    struct slice name = take_word(p);
    struct named other;

    if (name.len == 0) {
        return bad_line(p, err, "a name is missing");
    }
    if (word_is(name, "none")) {
        return bad_name(p, name, err, "is reserved for the quorum");
    }
    if (find_name(p->policy, name, &other)) {
        return bad_name(p, name, err, "is defined twice");
    }
    *out = name;
    return BLOCKDB_OK;
}

/* Takes a key of a type, and the URL that may follow. */
static int take_key(struct parser *p, enum key_type type, struct verifier_key *out_key,
                    struct slice *out_url, struct error *err)
{
    struct slice text = take_word(p);
    int rc;

    if (text.len == 0) {
        return bad_line(p, err, "a verifier key is missing");
    }
    rc = verifier_key_parse(text, out_key, err);
    if (rc < 0) {
        return error_wrap(err, rc, "line %zu of the policy", p->number);
    }
    if (out_key->type != type) {
        return bad_line(p, err,
                        type == KEY_TYPE_ED25519
                            ? "the key of a log must be of type 0x01 (Ed25519)"
                            : "the key of a witness must be of type 0x04 (Ed25519 cosignature)");
    }
    *out_url = take_word(p);
    if (take_word(p).len > 0) {
        return bad_line(p, err, "only a URL may follow the key");
    }
    return BLOCKDB_OK;
}

static bool same_public_key(const struct verifier_key *a, const struct verifier_key *b)
{
    return memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0;
}

static int parse_log(struct parser *p, struct error *err)
{
    struct policy *policy = p->policy;
    struct policy_log log;
    size_t i;
    int rc;

    if (policy->log_count == POLICY_LOGS_MAX) {
        return too_many(p, err, "logs", POLICY_LOGS_MAX);
    }
    rc = take_key(p, KEY_TYPE_ED25519, &log.key, &log.url, err);
    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < policy->log_count; i++) {
        if (same_public_key(&policy->logs[i].key, &log.key)) {
            return bad_line(p, err, "another log has this public key");
        }
    }
    policy->logs[policy->log_count++] = log;
    return BLOCKDB_OK;
}

static int parse_witness(struct parser *p, struct error *err)
{
    struct policy *policy = p->policy;
    struct policy_witness witness;
    size_t i;
    int rc;

    if (policy->witness_count == POLICY_WITNESSES_MAX) {
        return too_many(p, err, "witnesses", POLICY_WITNESSES_MAX);
    }
    rc = take_new_name(p, &witness.name, err);
    if (rc < 0) {
        return rc;
    }
    rc = take_key(p, KEY_TYPE_COSIGNATURE, &witness.key, &witness.url, err);
    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < policy->witness_count; i++) {
        if (same_public_key(&policy->witnesses[i].key, &witness.key)) {
            return bad_line(p, err, "another witness has this public key");
        }
    }
    policy->witnesses[policy->witness_count++] = witness;
    return BLOCKDB_OK;
}

/* Makes name a member of group, and of no other. */
static int add_member(struct parser *p, struct slice name, struct policy_group *group,
                      struct error *err)
{
    struct named member;
    uint64_t *used;
    uint64_t bit;

    if (!find_name(p->policy, name, &member)) {
        return bad_name(p, name, err, "is not defined above");
    }
    used = member.is_group ? &p->used_groups : &p->used_witnesses;
    bit = (uint64_t)1 << member.index;
    if ((*used & bit) != 0) {
        return bad_name(p, name, err, "is a member of a group already");
    }
    *used |= bit;
    *(member.is_group ? &group->groups : &group->witnesses) |= bit;
    return BLOCKDB_OK;
}

static unsigned member_count(const struct policy_group *group)
{
    return (unsigned)(__builtin_popcountll(group->witnesses) + __builtin_popcountll(group->groups));
}

/* Reads how many members must have witnessed: "all", "any", or a number. */
static int parse_threshold(const struct parser *p, struct slice word, struct policy_group *group,
                           struct error *err)
{
    uint64_t count = 1;

    if (word_is(word, "all")) {
        count = member_count(group);
    } else if (!word_is(word, "any") && text_parse_decimal(word, &count) < 0) {
        return bad_line(p, err, "behind the group's name must stand all, any, or a number");
    }
    if (count < 1 || count > member_count(group)) {
        return bad_line(p, err, "the number must be between 1 and that of the group's members");
    }
    group->threshold = (unsigned)count;
    return BLOCKDB_OK;
}

static int parse_group(struct parser *p, struct error *err)
{
    struct policy *policy = p->policy;
    struct policy_group group = {0};
    struct slice threshold;
    struct slice name;
    int rc;

    if (policy->group_count == POLICY_GROUPS_MAX) {
        return too_many(p, err, "groups", POLICY_GROUPS_MAX);
    }
    rc = take_new_name(p, &group.name, err);
    if (rc < 0) {
        return rc;
    }
    threshold = take_word(p);
    while ((name = take_word(p)).len > 0) {
        rc = add_member(p, name, &group, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (member_count(&group) == 0) {
        return bad_line(p, err, "the group has no members");
    }
    rc = parse_threshold(p, threshold, &group, err);
    if (rc < 0) {
        return rc;
    }
    policy->groups[policy->group_count++] = group;
    return BLOCKDB_OK;
}

static int parse_quorum(struct parser *p, struct error *err)
{
    struct slice name = take_word(p);
    struct named quorum;

    if (p->has_quorum) {
        return bad_line(p, err, "there is a second quorum line; one is needed");
    }
    if (name.len == 0 || take_word(p).len > 0) {
        return bad_line(p, err, "one name must follow the word 'quorum'");
    }
    p->has_quorum = true;
    if (word_is(name, "none")) {
        p->policy->quorum = POLICY_QUORUM_NONE;
        return BLOCKDB_OK;
    }
    if (!find_name(p->policy, name, &quorum)) {
        return bad_name(p, name, err, "is not defined above");
    }
    p->policy->quorum = quorum.is_group ? POLICY_QUORUM_GROUP : POLICY_QUORUM_WITNESS;
    p->policy->quorum_index = quorum.index;
    return BLOCKDB_OK;
}

static int parse_line(struct parser *p, struct error *err)
{
    struct slice word;
    size_t i;

    for (i = 0; i < p->line.len; i++) {
        if ((p->line.data[i] < 0x20 && p->line.data[i] != '\t') || p->line.data[i] == 0x7f) {
            return bad_line(p, err, "the only control characters allowed are tabs");
        }
    }
    word = take_word(p);
    if (word.len == 0 || word.data[0] == '#') {
        return BLOCKDB_OK;
    }
    if (word_is(word, "log")) {
        return parse_log(p, err);
    }
    if (word_is(word, "witness")) {
        return parse_witness(p, err);
    }
    if (word_is(word, "group")) {
        return parse_group(p, err);
    }
    if (word_is(word, "quorum")) {
        return parse_quorum(p, err);
    }
    return bad_line(p, err, "it must begin with log, witness, group, quorum, or #");
}

int policy_parse(struct slice text, struct policy *out, struct error *err)
{
    struct lines lines = lines_of(text);
    struct parser parser = {.policy = out};

    if (text.len > POLICY_TEXT_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the policy is longer than %d bytes",
                         POLICY_TEXT_MAX);
    }
    out->log_count = 0;
    out->witness_count = 0;
    out->group_count = 0;
    out->quorum_index = 0;
    while (lines_next(&lines, &parser.line)) {
        int rc;

        parser.number = lines.number;
        rc = parse_line(&parser, err);
        if (rc < 0) {
            return rc;
        }
    }
    if (lines_left(&lines)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "line %zu of the policy does not end in a newline: a part of the file may "
                         "be missing",
                         lines.number + 1);
    }
    if (!parser.has_quorum) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the policy has no quorum line; write 'quorum none' if no witness is "
                         "needed");
    }
    return BLOCKDB_OK;
}

bool policy_quorum_met(const struct policy *policy, uint64_t witnesses)
{
    uint64_t groups = 0; /* that have witnessed; they only have earlier ones as members */
    size_t i;

    for (i = 0; i < policy->group_count; i++) {
        const struct policy_group *group = &policy->groups[i];
        unsigned count = (unsigned)(__builtin_popcountll(group->witnesses & witnesses) +
                                    __builtin_popcountll(group->groups & groups));

        groups |= (uint64_t)(count >= group->threshold) << i;
    }
    switch (policy->quorum) {
    case POLICY_QUORUM_NONE:
        return true;
    case POLICY_QUORUM_WITNESS:
        return (witnesses >> policy->quorum_index & 1) != 0;
    case POLICY_QUORUM_GROUP:
        return (groups >> policy->quorum_index & 1) != 0;
    }
    return false;
}

/* Finds the log of the policy that signed the note and is the one that origin names (POL-2). A
 * signature of any log of the policy must be valid (NOTE-2). */
static int find_log(const struct policy *policy, const struct note *note, struct slice origin,
                    const struct policy_log **out, struct error *err)
{
    size_t i;

    *out = NULL;
    for (i = 0; i < policy->log_count; i++) {
        const struct policy_log *log = &policy->logs[i];
        int rc = note_verify(note, &log->key, err);

        if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
            return rc;
        }
        if (rc == BLOCKDB_OK && *out == NULL && slice_equal(log->key.name, origin)) {
            *out = log;
        }
    }
    return BLOCKDB_OK;
}

static int find_witnesses(const struct policy *policy, const struct note *note,
                          struct policy_result *result, struct error *err)
{
    size_t i;

    for (i = 0; i < policy->witness_count; i++) {
        int rc = cosignature_verify(note, &policy->witnesses[i].key, &result->times_s[i], err);

        if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
            return rc;
        }
        if (rc == BLOCKDB_OK) {
            result->witnesses |= (uint64_t)1 << i;
            result->witness_count++;
        }
    }
    return BLOCKDB_OK;
}

int policy_evaluate(const struct policy *policy, const struct note *note,
                    const struct checkpoint *checkpoint, struct policy_result *out,
                    struct error *err)
{
    struct policy_result result = {0};
    int rc;

    rc = find_log(policy, note, checkpoint->origin, &result.log, err);
    if (rc < 0) {
        return rc;
    }
    rc = find_witnesses(policy, note, &result, err);
    if (rc < 0) {
        return rc;
    }
    result.quorum_met = policy_quorum_met(policy, result.witnesses);
    *out = result;
    return BLOCKDB_OK;
}

int policy_check(const struct policy *policy, const struct note *note,
                 const struct checkpoint *checkpoint, struct policy_result *out, struct error *err)
{
    struct policy_result result;
    int rc;

    rc = policy_evaluate(policy, note, checkpoint, &result, err);
    if (rc < 0) {
        return rc;
    }
    if (policy->log_count > 0 && result.log == NULL) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "no log of the policy signed the head of '%.*s'; check origin and keys",
                         (int)(checkpoint->origin.len < 200 ? checkpoint->origin.len : 200),
                         (const char *)checkpoint->origin.data);
    }
    if (!result.quorum_met) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the witnesses of the head are not enough for the quorum: %u of the %zu "
                         "in the policy cosigned it",
                         result.witness_count, policy->witness_count);
    }
    *out = result;
    return BLOCKDB_OK;
}
