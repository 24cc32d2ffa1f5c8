/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/event.h"

#include "engine/db.h"

#include <stdarg.h>
#include <stdio.h>

void event_tell(const struct blockdb *db, enum blockdb_event_level level, const char *area,
                const char *format, ...)
{
    struct event_listener listener = options_listener(db->options);
    char message[BLOCKDB_ERROR_MESSAGE_MAX];
    va_list args;

    if (listener.cb == NULL) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args); /* cut when too long */
    va_end(args);
    listener.cb(listener.arg, level, area, message);
}
