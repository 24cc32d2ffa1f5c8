/* SPDX-License-Identifier: Apache-2.0 */
/* Who a client says that it is: the header line Authorization, made once from texts or files. */
#include "base/base64.h"
#include "base/mem.h"
#include "client/client_priv.h"
#include "crypto/secret.h"

#include <string.h>

#define SECRET_LEN_MAX 4096
#define MODE_OTHERS 077

void client_secret_deinit(struct buf *b)
{
    if (b->data != NULL) {
        secret_wipe(b->data, b->cap);
    }
    buf_deinit(b);
}

static int secret_file_read(struct os *os, const char *path, struct buf *out, struct error *err)
{
    struct os_stat stat;
    const uint8_t *end;
    int rc = os_stat_path(os, path, &stat, err);

    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc;
    }
    if ((stat.mode & MODE_OTHERS) != 0) {
        return error_set(err, BLOCKDB_EDENIED,
                         "'%s' holds a secret and others may read it: chmod 600 it", path);
    }
    /* Reserved at once, so that no copy of it is left behind by growing. */
    if (buf_reserve(out, SECRET_LEN_MAX + 1) < 0) {
        return error_set_no_memory(err);
    }
    rc = os_read_file(os, path, SECRET_LEN_MAX, out, err);
    if (rc < 0) {
        return rc;
    }
    end = out->len > 0 ? memchr(out->data, '\n', out->len) : NULL;
    out->len = end != NULL ? (size_t)(end - out->data) : out->len;
    out->len -= out->len > 0 && out->data[out->len - 1] == '\r';
    return BLOCKDB_OK;
}

/* The text of a secret that may stand in a file. */
static int secret_read(struct os *os, const char *text, const char *path, struct buf *out,
                       struct error *err)
{
    if (text == NULL) {
        return secret_file_read(os, path, out, err);
    }
    return buf_append(out, text, strlen(text)) < 0 ? error_set_no_memory(err) : BLOCKDB_OK;
}

int client_check_line(struct slice secret, const char *what, struct error *err)
{
    size_t i;

    for (i = 0; i < secret.len; i++) {
        if (secret.data[i] < ' ' || secret.data[i] == 0x7F) {
            return error_set(err, BLOCKDB_EINVAL, "the %s has a control character in it", what);
        }
    }
    return secret.len > 0 ? BLOCKDB_OK : error_set(err, BLOCKDB_EINVAL, "the %s is empty", what);
}

static int make_bearer(const struct blockdb_client_options *o, struct os *os, struct buf *out,
                       struct error *err)
{
    AUTO(client_secret_deinit) struct buf token = {0};
    int rc = secret_read(os, o->token, o->token_file, &token, err);

    if (rc == BLOCKDB_OK) {
        rc = client_check_line(buf_slice(&token), "token", err);
    }
    if (rc == BLOCKDB_OK && buf_appendf(out, "Authorization: Bearer %.*s\r\n%c", (int)token.len,
                                        (const char *)token.data, '\0') < 0) {
        rc = error_set_no_memory(err);
    }
    return rc;
}

static int make_basic(const struct blockdb_client_options *o, struct os *os, struct buf *out,
                      struct error *err)
{
    AUTO(client_secret_deinit) struct buf pair = {0};
    AUTO(client_secret_deinit) struct buf password = {0};
    int rc = secret_read(os, o->password, o->password_file, &password, err);

    if (rc == BLOCKDB_OK) {
        rc = client_check_line(buf_slice(&password), "password", err);
    }
    if (rc == BLOCKDB_OK) {
        rc = client_check_line(slice_of_text(o->user), "user's name", err);
    }
    if (rc == BLOCKDB_OK && strchr(o->user, ':') != NULL) {
        rc = error_set(err, BLOCKDB_EINVAL, "a user's name cannot have a colon in it");
    }
    if (rc < 0) {
        return rc;
    }
    if (buf_reserve(&pair, strlen(o->user) + 1 + password.len) < 0 ||
        buf_appendf(&pair, "%s:", o->user) < 0 ||
        buf_append_slice(&pair, buf_slice(&password)) < 0 ||
        buf_reserve(out, base64_len(pair.len) + 32) < 0 ||
        buf_appendf(out, "Authorization: Basic ") < 0 || base64_append(out, buf_slice(&pair)) < 0 ||
        buf_append(out, "\r\n", 3) < 0) {
        return error_set_no_memory(err);
    }
    return BLOCKDB_OK;
}

int client_credentials_line(const struct blockdb_client_options *o, struct os *os, struct buf *out,
                            struct error *err)
{
    bool has_token = o->token != NULL || o->token_file != NULL;
    bool has_password = o->password != NULL || o->password_file != NULL;

    if ((has_token && (o->user != NULL || has_password)) || has_password != (o->user != NULL)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "credentials are either a token, or a user with a password");
    }
    if (has_token) {
        return make_bearer(o, os, out, err);
    }
    return has_password ? make_basic(o, os, out, err) : BLOCKDB_OK;
}

int client_set_credentials(struct blockdb_client *c, const struct blockdb_client_options *o,
                           struct error *err)
{
    AUTO(client_secret_deinit) struct buf line = {0};
    int rc = client_credentials_line(o, c->os, &line, err);

    if (rc < 0 || line.len == 0) {
        return rc;
    }
    c->authorization = mem_strdup((const char *)line.data);
    return c->authorization != NULL ? BLOCKDB_OK : error_set_no_memory(err);
}
