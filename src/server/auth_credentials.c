/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth_credentials.h"

#include "base/base64.h"
#include "base/lines.h"
#include "crypto/secret.h"

#include <strings.h>

/* Takes "Scheme " off the front of *value. */
static bool take_scheme(struct slice *value, const char *scheme)
{
    size_t len = strlen(scheme);

    if (value->len <= len || strncasecmp((const char *)value->data, scheme, len) != 0 ||
        value->data[len] != ' ') {
        return false;
    }
    while (len < value->len && value->data[len] == ' ') {
        len++;
    }
    *value = slice_of(value->data + len, value->len - len);
    return true;
}

static const char *parse_basic(struct slice text, struct auth_header *out)
{
    struct slice rest;
    size_t len;

    if (base64_check(text, &len) < 0 || len > sizeof out->bytes ||
        base64_decode(text, out->bytes, len) < 0) {
        return "the header Authorization: Basic must go on with the base64 of name:password, which "
               "has at most 1089 bytes";
    }
    rest = slice_of(out->bytes, len);
    if (!slice_take_until(&rest, ':', &out->name)) {
        auth_header_wipe(out);
        return "the header Authorization: Basic holds no colon between name and password";
    }
    out->secret = rest;
    return NULL;
}

int auth_header_parse(struct slice value, struct auth_header *out, const char **out_fault)
{
    const char *fault = NULL;

    if (take_scheme(&value, "Bearer")) {
        out->scheme = AUTH_BEARER;
        out->name = slice_of(NULL, 0);
        out->secret = value;
    } else if (take_scheme(&value, "Basic")) {
        out->scheme = AUTH_BASIC;
        fault = parse_basic(value, out);
    } else {
        fault = "the header Authorization must begin with Basic or Bearer and a space";
    }
    if (fault != NULL) {
        *out_fault = fault;
        return BLOCKDB_EINVAL;
    }
    return BLOCKDB_OK;
}

void auth_header_wipe(struct auth_header *header)
{
    if (header->scheme == AUTH_BASIC) {
        secret_wipe(header->bytes, sizeof header->bytes);
    }
    header->secret = slice_of(NULL, 0);
}

/* The first name of a kind in "DNS:a,email:b". */
static struct slice first_name(const char *san, const char *kind)
{
    struct slice rest = slice_of_text(san);
    struct slice prefix = slice_of_text(kind);

    while (rest.len > 0) {
        struct slice item;

        if (!slice_take_until(&rest, ',', &item)) {
            item = rest;
            rest = slice_of(NULL, 0);
        }
        while (item.len > 0 && item.data[0] == ' ') {
            item = slice_of(item.data + 1, item.len - 1);
        }
        if (slice_has_prefix(item, prefix)) {
            return slice_of(item.data + prefix.len, item.len - prefix.len);
        }
    }
    return slice_of(NULL, 0);
}

struct slice auth_certified_name(enum auth_tls_users rule, const struct auth_client *client)
{
    switch (rule) {
    case AUTH_TLS_COMMON_NAME:
        return client->cert_name != NULL ? slice_of_text(client->cert_name) : slice_of(NULL, 0);
    case AUTH_TLS_DNS:
        return client->cert_san != NULL ? first_name(client->cert_san, "DNS:") : slice_of(NULL, 0);
    case AUTH_TLS_EMAIL:
        return client->cert_san != NULL ? first_name(client->cert_san, "email:")
                                        : slice_of(NULL, 0);
    case AUTH_TLS_OFF:
        break;
    }
    return slice_of(NULL, 0);
}
