/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/server/faces.h"

#include "server/conn.h"
#include "server/resp/resp.h"

#include <string.h>

static int hello_open(struct conn *c)
{
    conn_set_deadline(c, 60000);
    return BLOCKDB_OK;
}

static void hello_input(struct conn *c)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    struct slice in = conn_input(c);
    const uint8_t *end;

    while (in.len > 0 && (end = memmem(in.data, in.len, "\r\n\r\n", 4)) != NULL) {
        conn_consume(c, (size_t)(end + 4 - in.data));
        in = conn_input(c);
        if (buf_append(conn_output(c), answer, sizeof(answer) - 1) < 0) {
            conn_abort(c);
        }
    }
    conn_set_deadline(c, 60000);
}

static void hello_close(struct conn *c)
{
    (void)c;
}

const struct conn_protocol *faces_http(void)
{
    static const struct conn_protocol protocol = {
        .name = "http", .open = hello_open, .input = hello_input, .close = hello_close};

    return &protocol;
}

const struct conn_protocol *faces_resp(void)
{
    return resp_protocol();
}
