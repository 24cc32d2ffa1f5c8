/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: what is accepted keeps the rules, and more witnesses never spoil a quorum.
 */
#include "base/assert.h"
#include "ledger/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t first_bits(size_t count)
{
    return count < 64 ? ((uint64_t)1 << count) - 1 : UINT64_MAX;
}

/* Groups have members, all defined above, none in two groups. */
static void check_groups(const struct policy *policy)
{
    uint64_t witnesses = 0;
    uint64_t groups = 0;

    for (size_t i = 0; i < policy->group_count; i++) {
        const struct policy_group *group = &policy->groups[i];
        unsigned count = (unsigned)(__builtin_popcountll(group->witnesses) +
                                    __builtin_popcountll(group->groups));

        ASSERT(group->threshold >= 1 && group->threshold <= count);
        ASSERT((group->witnesses & ~first_bits(policy->witness_count)) == 0);
        ASSERT((group->groups & ~first_bits(i)) == 0);
        ASSERT((group->witnesses & witnesses) == 0);
        ASSERT((group->groups & groups) == 0);
        witnesses |= group->witnesses;
        groups |= group->groups;
    }
}

static void check_quorum(const struct policy *policy)
{
    uint64_t all = first_bits(policy->witness_count);
    uint64_t some = 0;
    bool met = policy_quorum_met(policy, 0);

    ASSERT(met == (policy->quorum == POLICY_QUORUM_NONE));
    for (size_t i = 0; i < policy->witness_count; i++) {
        bool now;

        some |= (uint64_t)1 << i;
        now = policy_quorum_met(policy, some);
        ASSERT(now || !met);
        met = now;
    }
    ASSERT(policy_quorum_met(policy, all));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy policy;
    struct error err;

    if (policy_parse(slice_of(data, size), &policy, &err) < 0) {
        return 0;
    }
    ASSERT(policy.log_count <= POLICY_LOGS_MAX);
    ASSERT(policy.witness_count <= POLICY_WITNESSES_MAX);
    ASSERT(policy.group_count <= POLICY_GROUPS_MAX);
    for (size_t i = 0; i < policy.log_count; i++) {
        ASSERT(policy.logs[i].key.type == KEY_TYPE_ED25519);
    }
    for (size_t i = 0; i < policy.witness_count; i++) {
        ASSERT(policy.witnesses[i].key.type == KEY_TYPE_COSIGNATURE);
        ASSERT(policy.witnesses[i].name.len > 0);
    }
    check_groups(&policy);
    check_quorum(&policy);
    return 0;
}
