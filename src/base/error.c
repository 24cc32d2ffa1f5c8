/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *blockdb_status_name(int code)
{
    switch ((enum blockdb_status)code) {
    case BLOCKDB_OK:
        return "ok";
    case BLOCKDB_ENOTFOUND:
        return "not found";
    case BLOCKDB_EINVAL:
        return "invalid argument";
    case BLOCKDB_ECONFLICT:
        return "conflict";
    case BLOCKDB_ECORRUPT:
        return "corrupt";
    case BLOCKDB_ETAMPERED:
        return "tampered";
    case BLOCKDB_EIO:
        return "I/O error";
    case BLOCKDB_ENOSPC:
        return "disk full";
    case BLOCKDB_ENOMEM:
        return "out of memory";
    case BLOCKDB_EBUSY:
        return "busy";
    case BLOCKDB_ETIMEDOUT:
        return "timed out";
    case BLOCKDB_EREADONLY:
        return "read-only";
    case BLOCKDB_ELIMIT:
        return "limit exceeded";
    case BLOCKDB_EVERSION:
        return "unknown format version";
    case BLOCKDB_EFOREIGN:
        return "foreign file";
    case BLOCKDB_EEXIST:
        return "already exists";
    case BLOCKDB_ECLOSED:
        return "closed";
    case BLOCKDB_EREDACTED:
        return "redacted";
    case BLOCKDB_ESTALE:
        return "stale request";
    case BLOCKDB_ECANCELED:
        return "cancelled";
    case BLOCKDB_EUNSUPPORTED:
        return "not supported";
    case BLOCKDB_EDENIED:
        return "not allowed";
    case BLOCKDB_EWOULDBLOCK:
        return "would have to wait";
    }
    return "unknown error";
}

/* Marks a message as cut that should have had len bytes. */
static void mark_cut(struct error *err, int len)
{
    if (len >= (int)sizeof(err->message)) {
        utf8_cut(err->message, sizeof(err->message) - 1);
    }
}

int error_set(struct error *err, int code, const char *format, ...)
{
    va_list args;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, format);
    mark_cut(err, vsnprintf(err->message, sizeof(err->message), format, args));
    va_end(args);
    return code;
}

int error_wrap(struct error *err, int code, const char *format, ...)
{
    char inner[BLOCKDB_ERROR_MESSAGE_MAX];
    va_list args;
    int len;

    if (err == NULL) {
        return code;
    }
    (void)snprintf(inner, sizeof(inner), "%s", err->message);
    va_start(args, format);
    len = vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof(err->message)) {
        len += snprintf(err->message + len, sizeof(err->message) - (size_t)len, ": %s", inner);
    }
    mark_cut(err, len);
    err->code = code;
    return code;
}

static int code_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOENT:
        return BLOCKDB_ENOTFOUND;
    case EEXIST:
    case ENOTEMPTY:
        return BLOCKDB_EEXIST;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return BLOCKDB_ENOSPC;
    case EACCES:
    case EPERM:
        return BLOCKDB_EDENIED;
    case EROFS:
        return BLOCKDB_EREADONLY;
    case ENOMEM:
        return BLOCKDB_ENOMEM;
    case EINVAL:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
        return BLOCKDB_EINVAL;
    case ETIMEDOUT:
        return BLOCKDB_ETIMEDOUT;
    case EWOULDBLOCK:
        return BLOCKDB_EBUSY;
    case EOPNOTSUPP:
        return BLOCKDB_EUNSUPPORTED;
    default:
        return BLOCKDB_EIO;
    }
}

int error_set_errno(struct error *err, int errno_value, const char *format, ...)
{
    int code = code_of_errno(errno_value);
    char reason[128];
    va_list args;
    int len;

    if (err == NULL) {
        return code;
    }
    err->code = code;
    va_start(args, format);
    len = vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof(err->message)) {
        len += snprintf(err->message + len, sizeof(err->message) - (size_t)len, ": %s",
                        strerror_r(errno_value, reason, sizeof(reason)));
    }
    mark_cut(err, len);
    return code;
}

int error_set_no_memory(struct error *err)
{
    return error_set(err, BLOCKDB_ENOMEM,
                     "out of memory; nothing was changed, free memory or lower the cache sizes");
}
