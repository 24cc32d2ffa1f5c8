/* SPDX-License-Identifier: Apache-2.0 */
#include "server/principal.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

struct principal {
    atomic_uint refs; /* 0: never freed */
    unsigned rights;  /* of all grants */
    const char *name;
    size_t grant_count;
    struct principal_grant grants[]; /* behind them the bytes of their prefixes, and the name */
};

static const struct {
    unsigned right;
    const char *verb;
} rights_words[] = {
    {RIGHT_READ, "read"},       {RIGHT_WRITE, "write"},      {RIGHT_PROVE, "ask for evidence"},
    {RIGHT_OPERATE, "operate"}, {RIGHT_ADMIN, "administer"},
};

static int check_sizes(const char *name, size_t grant_count, struct error *err)
{
    size_t name_len = strlen(name);

    if (name_len > PRINCIPAL_NAME_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "the name of a user has at most %d bytes, not %zu",
                         PRINCIPAL_NAME_MAX, name_len);
    }
    if (grant_count > PRINCIPAL_PREFIXES_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "'%s' has %zu key prefixes; at most %d are possible",
                         name, grant_count, PRINCIPAL_PREFIXES_MAX);
    }
    return BLOCKDB_OK;
}

int principal_new_granted(const char *name, const struct principal_grant *grants,
                          size_t grant_count, const struct principal **out, struct error *err)
{
    size_t name_len = strlen(name);
    size_t bytes = sizeof(struct principal) + grant_count * sizeof(*grants) + name_len + 1;
    struct principal *p;
    char *at;
    int rc = check_sizes(name, grant_count, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < grant_count; i++) {
        bytes += grants[i].prefix.len;
    }
    p = mem_alloc(bytes);
    if (p == NULL) {
        return error_set_no_memory(err);
    }

    atomic_init(&p->refs, 1);
    p->rights = 0;
    p->grant_count = grant_count;
    at = (char *)&p->grants[grant_count];
    memcpy(at, name, name_len + 1);
    p->name = at;
    at += name_len + 1;
    for (size_t i = 0; i < grant_count; i++) {
        struct slice prefix = grants[i].prefix;

        if (prefix.len > 0) {
            memcpy(at, prefix.data, prefix.len);
        }
        p->rights |= grants[i].rights;
        p->grants[i] = (struct principal_grant){grants[i].rights, slice_of(at, prefix.len)};
        at += prefix.len;
    }
    *out = p;
    return BLOCKDB_OK;
}

int principal_new(const char *name, unsigned rights, const struct slice *prefixes,
                  size_t prefix_count, const struct principal **out, struct error *err)
{
    struct principal_grant grants[PRINCIPAL_PREFIXES_MAX] = {{.rights = rights}};
    int rc = check_sizes(name, prefix_count, err);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < prefix_count; i++) {
        grants[i] = (struct principal_grant){rights, prefixes[i]};
    }
    return principal_new_granted(name, grants, prefix_count > 0 ? prefix_count : 1, out, err);
}

const struct principal *principal_ref(const struct principal *p)
{
    /* The count is no part of what a principal is, so it changes in a constant one. */
    struct principal *counted = (struct principal *)(uintptr_t)p;

    if (p != principal_everyone()) {
        atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    }
    return p;
}

void principal_unref(const struct principal *p)
{
    struct principal *counted = (struct principal *)(uintptr_t)p;

    if (p == NULL || p == principal_everyone()) {
        return;
    }
    /* acquire-release: whoever frees sees what all others did with it before */
    if (atomic_fetch_sub_explicit(&counted->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(counted);
    }
}

const struct principal *principal_everyone(void)
{
    static const struct principal everyone = {
        .rights = RIGHTS_ALL, .name = "everyone", .grant_count = 1, .grants = {{RIGHTS_ALL, {0}}}};

    return &everyone;
}

const char *principal_name(const struct principal *p)
{
    return p->name;
}

unsigned principal_rights(const struct principal *p)
{
    return p->rights;
}

size_t principal_grant_count(const struct principal *p)
{
    return p->grant_count;
}

struct principal_grant principal_grant_at(const struct principal *p, size_t index)
{
    return p->grants[index];
}

size_t principal_prefix_count(const struct principal *p)
{
    for (size_t i = 0; i < p->grant_count; i++) {
        if (p->grants[i].prefix.len == 0) {
            return 0;
        }
    }
    return p->grant_count;
}

struct slice principal_prefix(const struct principal *p, size_t index)
{
    return p->grants[index].prefix;
}

bool key_is_reserved(struct slice key)
{
    return slice_has_prefix(key, slice_of_text(RESERVED_PREFIX));
}

bool principal_may(const struct principal *p, unsigned rights)
{
    return (p->rights & rights) == rights;
}

/* Whether the grants whose prefixes `key` starts with give all those rights together. */
static bool is_granted(const struct principal *p, unsigned rights, struct slice key)
{
    unsigned given = 0;

    for (size_t i = 0; i < p->grant_count; i++) {
        if (slice_has_prefix(key, p->grants[i].prefix)) {
            given |= p->grants[i].rights;
        }
    }
    return (given & rights) == rights;
}

bool principal_may_key(const struct principal *p, unsigned rights, struct slice key)
{
    if (key_is_reserved(key)) {
        return principal_may(p, rights | RIGHT_ADMIN);
    }
    return is_granted(p, rights, key);
}

bool principal_may_prefix(const struct principal *p, unsigned rights, struct slice prefix)
{
    /* A prefix of the reserved one, the empty one above all, has reserved keys below it. */
    bool meets_reserved = key_is_reserved(prefix) ||
                          slice_has_prefix(slice_of_text(RESERVED_PREFIX), prefix);

    return (!meets_reserved || principal_may(p, RIGHT_ADMIN)) && is_granted(p, rights, prefix);
}

static const char *verb_of(unsigned rights)
{
    for (size_t i = 0; i < sizeof(rights_words) / sizeof(rights_words[0]); i++) {
        if ((rights & rights_words[i].right) != 0) {
            return rights_words[i].verb;
        }
    }
    return "do that";
}

int principal_deny(const struct principal *p, unsigned rights, struct slice key, struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];

    if (key.len == 0) {
        return error_set(err, BLOCKDB_EDENIED, "user '%s' may not %s", p->name, verb_of(rights));
    }
    text_show(shown, key);
    return error_set(err, BLOCKDB_EDENIED, "user '%s' may not %s key '%s'", p->name,
                     verb_of(rights), shown);
}
