/* SPDX-License-Identifier: Apache-2.0 */
#include "client/url.h"

#include "base/text.h"

#include <strings.h>

#define PORT_HTTP 80
#define PORT_HTTPS 443
#define PORT_MAX 65535

static int refuse(struct slice text, const char *why, struct error *err)
{
    char shown[TEXT_SHOWN_BYTES];

    text_show(shown, text);
    return error_set(err, BLOCKDB_EINVAL,
                     "URL '%s': %s; a server's URL is such as http://127.0.0.1:8080", shown, why);
}

/* Cuts a prefix, whatever its case, off *rest. */
static bool take_prefix(struct slice *rest, const char *prefix)
{
    size_t len = strlen(prefix);

    if (rest->len < len || strncasecmp((const char *)rest->data, prefix, len) != 0) {
        return false;
    }
    *rest = slice_of(rest->data + len, rest->len - len);
    return true;
}

static bool host_valid(struct slice host, bool is_ipv6)
{
    size_t i;

    for (i = 0; i < host.len; i++) {
        uint8_t c = host.data[i];
        bool is_name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';

        if (!is_name && !(is_ipv6 && (c == ':' || c == '%'))) {
            return false;
        }
    }
    return host.len > 0 && host.len <= URL_HOST_LEN_MAX;
}

/* Cuts the host off an authority; what is left is "" or ":port". */
static bool take_host(struct slice *rest, struct url *out)
{
    const uint8_t *end;
    struct slice host;

    out->is_ipv6 = rest->len > 0 && rest->data[0] == '[';
    if (out->is_ipv6) {
        *rest = slice_of(rest->data + 1, rest->len - 1);
    }
    end = rest->len > 0 ? memchr(rest->data, out->is_ipv6 ? ']' : ':', rest->len) : NULL;
    if (end == NULL && out->is_ipv6) {
        return false;
    }
    host = slice_of(rest->data, end != NULL ? (size_t)(end - rest->data) : rest->len);
    if (!host_valid(host, out->is_ipv6)) {
        return false;
    }
    memcpy(out->host, host.data, host.len);
    out->host[host.len] = '\0';
    *rest = slice_of(rest->data + host.len, rest->len - host.len);
    if (out->is_ipv6) {
        *rest = slice_of(rest->data + 1, rest->len - 1);
    }
    return true;
}

static bool parse_port(struct slice rest, struct url *out)
{
    uint64_t port = out->is_https ? PORT_HTTPS : PORT_HTTP;

    if (rest.len > 0 && (rest.data[0] != ':' ||
                         text_parse_decimal(slice_of(rest.data + 1, rest.len - 1), &port) < 0)) {
        return false;
    }
    if (port == 0 || port > PORT_MAX) {
        return false;
    }
    out->port = (uint16_t)port;
    return true;
}

static bool parse_path(struct slice path, struct url *out)
{
    size_t i;

    while (path.len > 0 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    for (i = 0; i < path.len; i++) {
        if (path.data[i] <= ' ' || path.data[i] >= 0x7F || path.data[i] == '?' ||
            path.data[i] == '#') {
            return false;
        }
    }
    if (path.len > URL_PATH_LEN_MAX) {
        return false;
    }
    if (path.len > 0) {
        memcpy(out->path, path.data, path.len);
    }
    out->path[path.len] = '\0';
    return true;
}

int url_parse(struct slice text, struct url *out, struct error *err)
{
    struct url url = {0};
    struct slice rest = text;
    struct slice authority;
    const uint8_t *slash;

    if (take_prefix(&rest, "https://")) {
        url.is_https = true;
    } else if (!take_prefix(&rest, "http://")) {
        return refuse(text, "it must begin with http:// or https://", err);
    }
    slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
    authority = slice_of(rest.data, slash != NULL ? (size_t)(slash - rest.data) : rest.len);
    if (authority.len > 0 && memchr(authority.data, '@', authority.len) != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a URL with a user or password in it is refused, for it would be seen in "
                         "process lists: use the options for credentials");
    }
    rest = slice_of(rest.data + authority.len, rest.len - authority.len);
    if (!take_host(&authority, &url) || !parse_port(authority, &url)) {
        return refuse(text, "its host or port is none", err);
    }
    if (!parse_path(rest, &url)) {
        return refuse(text, "its path is none, or has a query", err);
    }
    *out = url;
    return BLOCKDB_OK;
}

bool url_same_server(const struct url *a, const struct url *b)
{
    return a->is_https == b->is_https && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

int url_append_host(struct buf *out, const struct url *url)
{
    uint16_t usual = url->is_https ? PORT_HTTPS : PORT_HTTP;
    size_t before = out->len;

    if (buf_appendf(out, url->is_ipv6 ? "[%s]" : "%s", url->host) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (url->port != usual && buf_appendf(out, ":%u", (unsigned)url->port) < 0) {
        out->len = before;
        return BLOCKDB_ENOMEM;
    }
    return BLOCKDB_OK;
}

int url_append(struct buf *out, const struct url *url)
{
    return buf_appendf(out, url->is_ipv6 ? "%s://[%s]:%u%s" : "%s://%s:%u%s",
                       url->is_https ? "https" : "http", url->host, (unsigned)url->port, url->path);
}

int url_append_encoded(struct buf *out, struct slice bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i;
    int rc = buf_reserve(out, bytes.len * 3);

    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~' || c == ':') {
            out->data[out->len++] = c;
        } else {
            out->data[out->len++] = '%';
            out->data[out->len++] = (uint8_t)digits[c >> 4];
            out->data[out->len++] = (uint8_t)digits[c & 15];
        }
    }
    return BLOCKDB_OK;
}
