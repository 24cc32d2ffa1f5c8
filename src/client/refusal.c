/* SPDX-License-Identifier: Apache-2.0 */
#include "client/refusal.h"

#include "base/json_reader.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

struct named_refusal {
    const char *name;
    int code;
};

/* The words of docs/operate/http.md. */
static const struct named_refusal named_refusals[] = {
    {"InvalidArgument", BLOCKDB_EINVAL},
    {"Unauthorized", BLOCKDB_EDENIED},
    {"Denied", BLOCKDB_EDENIED},
    {"NotFound", BLOCKDB_ENOTFOUND},
    {"NoSuchPath", BLOCKDB_EUNSUPPORTED},
    {"MethodNotAllowed", BLOCKDB_EUNSUPPORTED},
    {"Conflict", BLOCKDB_ECONFLICT},
    {"Stale", BLOCKDB_ESTALE},
    {"Exists", BLOCKDB_EEXIST},
    {"JobRunning", BLOCKDB_EBUSY},
    {"Redacted", BLOCKDB_EREDACTED},
    {"LengthRequired", BLOCKDB_EINVAL},
    {"LimitExceeded", BLOCKDB_ELIMIT},
    {"NotText", BLOCKDB_EINVAL},
    {"TooManyRequests", BLOCKDB_EBUSY},
    {"HeadersTooLarge", BLOCKDB_ELIMIT},
    {"Tampered", BLOCKDB_ETAMPERED},
    {"Corrupt", BLOCKDB_ECORRUPT},
    {"IoError", BLOCKDB_EIO},
    {"Unsupported", BLOCKDB_EUNSUPPORTED},
    {"Busy", BLOCKDB_EBUSY},
    {"ReadOnly", BLOCKDB_EREADONLY},
    {"Closing", BLOCKDB_ECLOSED},
    {"Draining", BLOCKDB_EBUSY},
    {"OutOfMemory", BLOCKDB_ENOMEM},
    {"TimedOut", BLOCKDB_ETIMEDOUT},
    {"NoSpace", BLOCKDB_ENOSPC},
    {"Canceled", BLOCKDB_ECANCELED},
};

/* What a status means that comes without a word we know, from a proxy for example. */
static int code_of_http(int status)
{
    switch (status) {
    case 401:
    case 403:
    case 407:
        return BLOCKDB_EDENIED;
    case 408:
    case 504:
        return BLOCKDB_ETIMEDOUT;
    case 409:
    case 412:
        return BLOCKDB_ECONFLICT;
    case 410:
        return BLOCKDB_EREDACTED;
    case 413:
    case 431:
        return BLOCKDB_ELIMIT;
    case 421:
    case 429:
    case 502:
    case 503:
        return BLOCKDB_EBUSY;
    case 404: /* our servers say more than the status; this is somebody else's path */
    case 405:
    case 501:
        return BLOCKDB_EUNSUPPORTED;
    case 507:
        return BLOCKDB_ENOSPC;
    default:
        return status >= 400 && status < 500 ? BLOCKDB_EINVAL : BLOCKDB_EIO;
    }
}

static int code_of_name(struct slice name, int fallback)
{
    size_t i;

    for (i = 0; i < sizeof(named_refusals) / sizeof(named_refusals[0]); i++) {
        if (slice_equal(name, slice_of_text(named_refusals[i].name))) {
            return named_refusals[i].code;
        }
    }
    return fallback;
}

/* Reads {"error":NAME,"message":TEXT}; what is missing stays empty. False: memory was short. */
static bool read_body(struct slice body, struct buf *name, struct buf *message)
{
    struct json_reader r = json_reader_of(body);
    struct slice key;

    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "error") && json_reader_type(&r) == JSON_READER_STRING) {
            buf_reset(name);
            (void)json_reader_text(&r, name); /* what is no text is not shown */
        } else if (json_key_is(key, "message") && json_reader_type(&r) == JSON_READER_STRING) {
            buf_reset(message);
            (void)json_reader_text(&r, message); /* the same */
        } else {
            json_reader_skip(&r);
        }
    }
    return !r.short_memory;
}

static const char *advice_for(int status)
{
    return status == 401 ? "; give a token or a user with a password" : "";
}

int refusal_of(const struct answer *answer, const char *url, struct error *err)
{
    AUTO(buf_deinit) struct buf name = {0};
    AUTO(buf_deinit) struct buf message = {0};
    int code;

    if (!read_body(answer_body(answer), &name, &message)) {
        return error_set_no_memory(err);
    }
    code = code_of_name(buf_slice(&name), code_of_http(answer->status));
    if (message.len > 0) {
        char shown[TEXT_SHOWN_BYTES];

        /* A server is believed to write lines for people; what is none is shown escaped. */
        if (memchr(message.data, '\n', message.len) == NULL &&
            memchr(message.data, '\x1b', message.len) == NULL) {
            return error_set(err, code, "%.*s%s", (int)message.len, (const char *)message.data,
                             advice_for(answer->status));
        }
        text_show(shown, buf_slice(&message));
        return error_set(err, code, "%s", shown);
    }
    if (answer->status / 100 == 3) {
        return error_set(err, code,
                         "%s answered with HTTP status %d: it redirects to '%s'; give the URL of "
                         "the server itself",
                         url, answer->status, answer->location);
    }
    return error_set(err, code, "%s answered with HTTP status %d%s%s", url, answer->status,
                     answer->status == 404 ? "; is it a BlockDB server?" : "",
                     advice_for(answer->status));
}

bool refusal_is_for_now(const struct answer *answer)
{
    struct error ignored;

    if (answer->status != 429 && (answer->status < 502 || answer->status > 504)) {
        return false;
    }
    /* A server that is read-only stays so until somebody looks after it. */
    return refusal_of(answer, "", &ignored) != BLOCKDB_EREADONLY;
}

bool refusal_is_undone(const struct answer *answer)
{
    struct error ignored;

    return (answer->status == 429 || answer->status == 503) &&
           refusal_of(answer, "", &ignored) != BLOCKDB_ETIMEDOUT;
}

bool refusal_is_elsewhere(const struct answer *answer)
{
    bool has_hint = answer->leader[0] != '\0' || answer->location[0] != '\0';

    return has_hint && (answer->status == 421 || answer->status == 307 || answer->status == 308 ||
                        (answer->status == 503 && answer->leader[0] != '\0'));
}
