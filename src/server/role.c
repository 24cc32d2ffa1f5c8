/* SPDX-License-Identifier: Apache-2.0 */
#include "server/role.h"

#include "base/assert.h"
#include "base/lines.h"
#include "base/text.h"
#include "base/utf8.h"

static const struct role roles[] = {
    {"auditor", RIGHT_PROVE, "proofs, signed heads, blocks and verification; no values"},
    {"reader", RIGHT_READ | RIGHT_PROVE,
     "keys, values and their history, and all that auditors may"},
    {"writer", RIGHT_WRITE, "puts, deletions and batches; add reader to read what was written"},
    {"operator", RIGHT_OPERATE, "compaction, flush, backup, statistics and metrics; no values"},
    {"admin", RIGHTS_ALL, "everything, users, tokens, redaction and reserved keys included"},
};
#define ROLE_COUNT (sizeof roles / sizeof *roles)

const struct role *role_table(size_t *out_count)
{
    *out_count = ROLE_COUNT;
    return roles;
}

const struct role *role_find(struct slice name)
{
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (slice_equal(name, slice_of_text(roles[i].name))) {
            return &roles[i];
        }
    }
    return NULL;
}

static int unknown_role(struct slice name, struct error *err)
{
    const char *names[ROLE_COUNT];
    char word[TEXT_SHOWN_BYTES];
    const char *nearest;

    for (size_t i = 0; i < ROLE_COUNT; i++) {
        names[i] = roles[i].name;
    }
    text_show(word, name);
    nearest = text_nearest(word, names, ROLE_COUNT);
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "there is no role '%s': did you mean '%s'?", word,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "there is no role '%s': roles are auditor, reader, writer, operator, admin",
                     word);
}

static int check_prefix(const struct role *role, struct slice prefix, struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];

    if ((role->rights & (RIGHT_OPERATE | RIGHT_ADMIN)) != 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the role '%s' concerns the whole database and takes no key prefix",
                         role->name);
    }
    if (prefix.len == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a role with a colon needs a key prefix behind it, such as "
                         "'writer:orders/'; leave the colon out for all keys");
    }
    if (!utf8_valid(prefix) || memchr(prefix.data, 0, prefix.len) != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the key prefix of a role must be UTF-8 without zero bytes");
    }
    if (key_is_reserved(prefix)) {
        text_show(shown, prefix);
        return error_set(err, BLOCKDB_EINVAL,
                         "the key prefix '%s' is reserved for users and tokens, which the role "
                         "admin without a prefix may change",
                         shown);
    }
    return BLOCKDB_OK;
}

int role_parse_grant(struct slice text, struct principal_grant *out, struct error *err)
{
    struct slice prefix = text;
    struct slice name;
    const struct role *role;
    bool has_prefix;

    if (text.len > ROLE_GRANT_LEN_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "a role with its key prefix has at most %d bytes",
                         ROLE_GRANT_LEN_MAX);
    }
    has_prefix = slice_take_until(&prefix, ':', &name);
    if (!has_prefix) {
        name = text;
        prefix = slice_of(NULL, 0);
    }
    role = role_find(name);
    if (role == NULL) {
        return unknown_role(name, err);
    }
    if (has_prefix) {
        int rc = check_prefix(role, prefix, err);

        if (rc < 0) {
            return rc;
        }
    }
    *out = (struct principal_grant){.rights = role->rights, .prefix = prefix};
    return BLOCKDB_OK;
}

void role_list_deinit(struct role_list *list)
{
    buf_deinit(&list->texts);
    list->count = 0;
}

const char *role_list_next(const struct role_list *list, const char *text)
{
    const char *end;
    const char *next;

    if (list->count == 0) {
        return NULL;
    }
    end = (const char *)list->texts.data + list->texts.len;
    next = text == NULL ? (const char *)list->texts.data : text + strlen(text) + 1;
    return next < end ? next : NULL;
}

static bool is_there(const struct role_list *list, struct slice grant)
{
    const char *text = NULL;

    while ((text = role_list_next(list, text)) != NULL) {
        if (slice_equal(slice_of_text(text), grant)) {
            return true;
        }
    }
    return false;
}

int role_list_add(struct role_list *list, struct slice grant, struct error *err)
{
    struct principal_grant parsed;
    int rc = role_parse_grant(grant, &parsed, err);

    if (rc < 0 || is_there(list, grant)) {
        return rc;
    }
    if (list->count == ROLE_GRANTS_MAX) {
        return error_set(err, BLOCKDB_ELIMIT, "a user or token has at most %d roles",
                         ROLE_GRANTS_MAX);
    }
    if (buf_reserve(&list->texts, grant.len + 1) < 0) {
        return error_set_no_memory(err);
    }
    memcpy(list->texts.data + list->texts.len, grant.data, grant.len);
    list->texts.data[list->texts.len + grant.len] = 0;
    list->texts.len += grant.len + 1;
    list->count++;
    return BLOCKDB_OK;
}

int role_list_copy(struct role_list *out, const struct role_list *list)
{
    if (buf_append_slice(&out->texts, buf_slice(&list->texts)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    out->count = list->count;
    return BLOCKDB_OK;
}

/* The grants that the texts stand for: they were checked when they were added. */
static size_t grants_of(const struct role_list *list, struct principal_grant out[ROLE_GRANTS_MAX])
{
    const char *text = NULL;
    size_t count = 0;

    while ((text = role_list_next(list, text)) != NULL) {
        int rc = role_parse_grant(slice_of_text(text), &out[count], NULL);

        ASSERT(rc == BLOCKDB_OK);
        count++;
    }
    return count;
}

int role_list_principal(const struct role_list *list, const char *name,
                        const struct principal **out, struct error *err)
{
    struct principal_grant grants[ROLE_GRANTS_MAX];
    size_t count = grants_of(list, grants);

    return principal_new_granted(name, grants, count, out, err);
}

unsigned role_list_rights(const struct role_list *list)
{
    struct principal_grant grants[ROLE_GRANTS_MAX];
    size_t count = grants_of(list, grants);
    unsigned rights = 0;

    for (size_t i = 0; i < count; i++) {
        rights |= grants[i].rights;
    }
    return rights;
}
