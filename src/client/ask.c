/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ask_priv.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEAD_ROOM 1024
#define CLIENT_ID_TEXT (2 * BLOCKDB_CLIENT_ID_LEN + 1)

/* ---- Building ------------------------------------------------------------------------------ */

int ask_begin(struct ask *ask, struct blockdb_client *client, const char *method, struct error *err)
{
    *ask = (struct ask){.client = client, .method = method};
    ask->repeatable = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    ask->deadline_ns = os_monotonic_ns(client->os) + client->request_timeout_ns;
    return client_take_slot(client, ask->deadline_ns, &ask->slot, err);
}

void ask_end(struct ask *ask)
{
    if (ask->slot != NULL) {
        client_release_slot(ask->client, ask->slot);
        ask->slot = NULL;
    }
}

void ask_path(struct ask *ask, const char *text)
{
    ask->is_short |= buf_append(&ask->slot->target, text, strlen(text)) < 0;
}

void ask_path_u64(struct ask *ask, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    ask_path(ask, text);
}

void ask_path_encoded(struct ask *ask, struct slice bytes)
{
    ask->is_short |= url_append_encoded(&ask->slot->target, bytes) < 0;
}

void ask_parameter(struct ask *ask, const char *name)
{
    struct slice target = buf_slice(&ask->slot->target);
    bool is_first = target.len == 0 || memchr(target.data, '?', target.len) == NULL;

    ask_path(ask, is_first ? "?" : "&");
    ask_path(ask, name);
    ask_path(ask, "=");
}

void ask_parameter_u64(struct ask *ask, const char *name, uint64_t value)
{
    ask_parameter(ask, name);
    ask_path_u64(ask, value);
}

void ask_parameter_text(struct ask *ask, const char *name, struct slice value)
{
    ask_parameter(ask, name);
    ask_path_encoded(ask, value);
}

void ask_number(struct ask *ask, const struct blockdb_write_options *options)
{
    ask->repeatable = true;
    if (options != NULL && options->client_id != NULL) {
        ask->client_id = options->client_id;
        ask->request = options->request;
    } else {
        ask->client_id = ask->slot->client_id;
        ask->request = ++ask->slot->request;
    }
}

struct slice ask_body(const struct ask *ask)
{
    if (ask->content_type == NULL) {
        return slice_of(NULL, 0);
    }
    return ask->body != NULL ? *ask->body : buf_slice(&ask->slot->body);
}

static int head_fields(const struct ask *ask, struct buf *head)
{
    char id[CLIENT_ID_TEXT];

    if (ask->client->authorization != NULL &&
        buf_append(head, ask->client->authorization, strlen(ask->client->authorization)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (ask->accept != NULL && buf_appendf(head, "Accept: %s\r\n", ask->accept) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (ask->content_type != NULL &&
        buf_appendf(head, "Content-Type: %s\r\nContent-Length: %zu\r\n", ask->content_type,
                    ask_body(ask).len) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (ask->content_type == NULL && strcmp(ask->method, "POST") == 0 &&
        buf_appendf(head, "Content-Length: 0\r\n") < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (ask->client_id == NULL) {
        return BLOCKDB_OK;
    }
    text_format_hex(id, ask->client_id, BLOCKDB_CLIENT_ID_LEN);
    return buf_appendf(head, "Blockdb-Client: %s\r\nBlockdb-Request: %" PRIu64 "\r\n", id,
                       ask->request);
}

int ask_head_build(const struct ask *ask, const struct url *url)
{
    const char *credentials = ask->client->authorization;
    struct buf *head = &ask->slot->head;

    buf_reset(head);
    /* Room at once, so that no copy of the credentials is left behind by growing. */
    if (buf_reserve(head, HEAD_ROOM + strlen(url->path) + ask->slot->target.len +
                              (credentials != NULL ? strlen(credentials) : 0)) < 0 ||
        buf_appendf(head, "%s %s", ask->method, url->path) < 0 ||
        buf_append_slice(head, buf_slice(&ask->slot->target)) < 0 ||
        buf_appendf(head, " HTTP/1.1\r\nHost: ") < 0 || url_append_host(head, url) < 0 ||
        buf_appendf(head, "\r\nUser-Agent: %s\r\n", ask->client->user_agent) < 0 ||
        head_fields(ask, head) < 0) {
        return BLOCKDB_ENOMEM;
    }
    return buf_append(head, "\r\n", 2);
}
