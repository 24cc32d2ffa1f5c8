/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/server/notify.h"

#include "base/text.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_BYTES 1024
#define NS_PER_US 1000
#define US_PER_MS 1000

/* Connects to a socket of the file system or, with '@', of the abstract name space. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd;

    if ((path[0] != '/' && path[0] != '@') || len >= sizeof(address.sun_path)) {
        return -1;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* The watchdog is meant for us unless it names another process. */
static uint64_t watchdog_of_environment(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t value;

    if (usec == NULL || text_parse_decimal(slice_of_text(usec), &value) < 0) {
        return 0;
    }
    if (pid != NULL) {
        uint64_t number;

        if (text_parse_decimal(slice_of_text(pid), &number) < 0 || number != (uint64_t)getpid()) {
            return 0;
        }
    }
    value /= (uint64_t)2 * US_PER_MS;
    return value > 0 ? value : 1;
}

void notify_open(struct notify *notify, struct os *os)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *notify = (struct notify){.os = os, .fd = path != NULL ? connect_to(path) : -1};
    if (notify->fd >= 0) {
        notify->watchdog_ms = watchdog_of_environment();
    }
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0) {
        (void)close(notify->fd);
    }
    notify->fd = -1;
}

__attribute__((format(printf, 3, 0))) static void send_prefixed(const struct notify *notify,
                                                                const char *prefix,
                                                                const char *format, va_list args)
{
    char message[MESSAGE_BYTES];
    size_t len;

    if (notify->fd < 0) {
        return;
    }
    (void)snprintf(message, sizeof(message), "%s", prefix);
    len = strlen(message);
    (void)vsnprintf(message + len, sizeof(message) - len, format, args);
    /* A manager that does not listen is no reason to stop serving. */
    (void)!send(notify->fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_send(const struct notify *notify, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    send_prefixed(notify, "", format, args);
    va_end(args);
}

void notify_status(const struct notify *notify, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    send_prefixed(notify, "STATUS=", format, args);
    va_end(args);
}

void notify_reloading(const struct notify *notify)
{
    notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                os_monotonic_ns(notify->os) / NS_PER_US);
}
