/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies (C2SP tlog-policy): which logs and witnesses are trusted, and how many witnesses must
 * have cosigned a head.
 *
 * POL-1  A name is defined before it is used, and is a member of at most one group, so a witness
 *        counts in one way only.
 * POL-2  The name in a log's key is the origin of its heads.
 *
 * Threads:   pure functions; any thread.
 * Ownership: a `struct policy` borrows the text it was parsed from.
 * Format:    docs/format/notes.md
 */
#pragma once

#include "ledger/checkpoint.h"
#include "ledger/note.h"
#include "ledger/verifier_key.h"

#define POLICY_TEXT_MAX 1000000
#define POLICY_LOGS_MAX 64
#define POLICY_WITNESSES_MAX 64
#define POLICY_GROUPS_MAX 64

struct policy_log {
    struct verifier_key key; /* Ed25519; its name is the origin */
    struct slice url;        /* may be empty */
};

struct policy_witness {
    struct slice name;       /* in the policy; that in heads is the key's */
    struct verifier_key key; /* cosignature */
    struct slice url;        /* may be empty */
};

/* The sets are bits: bit i stands for witnesses[i] or groups[i] of the policy. */
struct policy_group {
    struct slice name;
    unsigned threshold; /* so many members must have witnessed */
    uint64_t witnesses;
    uint64_t groups; /* only earlier ones */
};

enum policy_quorum {
    POLICY_QUORUM_NONE,
    POLICY_QUORUM_WITNESS,
    POLICY_QUORUM_GROUP,
};

struct policy {
    size_t log_count; /* 0: the caller knows its logs from elsewhere */
    size_t witness_count;
    size_t group_count;
    enum policy_quorum quorum;
    size_t quorum_index; /* of the witness or group */
    struct policy_log logs[POLICY_LOGS_MAX];
    struct policy_witness witnesses[POLICY_WITNESSES_MAX];
    struct policy_group groups[POLICY_GROUPS_MAX];
};

/* What a policy says of a head. */
struct policy_result {
    const struct policy_log *log; /* of the policy, that signed it; NULL: none of them did */
    uint64_t witnesses;           /* bit i: witnesses[i] of the policy cosigned it */
    unsigned witness_count;       /* how many bits are set */
    bool quorum_met;
    uint64_t times_s[POLICY_WITNESSES_MAX]; /* when witness i did */
};

/* Parses a policy. EINVAL with the line that is wrong; EUNSUPPORTED: a key of a type that is not
 * known; ELIMIT: more of something than there is room for. On failure *out has no meaning. */
RESULT_MUST_BE_USED int policy_parse(struct slice text, struct policy *out, struct error *err);

/* Whether the quorum is met when these witnesses (bit i: witnesses[i]) have cosigned. */
bool policy_quorum_met(const struct policy *policy, uint64_t witnesses);
/* Verifies the signatures of all logs and witnesses of the policy on a head, whose note and text
 * were parsed from the same bytes. 0 also when the policy is not fulfilled: *out says in which
 * respect. ETAMPERED: a signature of a known key is not valid. EUNSUPPORTED without libcrypto;
 * ENOMEM. On failure *out is untouched. */
RESULT_MUST_BE_USED int policy_evaluate(const struct policy *policy, const struct note *note,
                                        const struct checkpoint *checkpoint,
                                        struct policy_result *out, struct error *err);
/* The same, and ETAMPERED with what is missing unless a log of the policy signed the head (when it
 * lists any) and the quorum is met. */
RESULT_MUST_BE_USED int policy_check(const struct policy *policy, const struct note *note,
                                     const struct checkpoint *checkpoint, struct policy_result *out,
                                     struct error *err);
