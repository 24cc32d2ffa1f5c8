/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/write_id.h"

#include "base/text.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS ((size_t)2 * BLOCKDB_CLIENT_ID_LEN)

int write_id_parse(const char *text, struct write_id *out, struct error *err)
{
    struct write_id id;

    if (strlen(text) <= ID_DIGITS || text[ID_DIGITS] != ':' ||
        text_parse_hex(slice_of(text, ID_DIGITS), id.client_id, sizeof(id.client_id)) < 0 ||
        number_parse(text + ID_DIGITS + 1, &id.request, NULL) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --request: '%.64s' must be ID:N, %zu hexadecimal digits and a "
                         "number",
                         text, ID_DIGITS);
    }
    *out = id;
    return BLOCKDB_OK;
}

void write_id_format(char text[WRITE_ID_TEXT_BYTES], const struct write_id *id)
{
    text_format_hex(text, id->client_id, sizeof(id->client_id));
    (void)snprintf(text + ID_DIGITS, WRITE_ID_TEXT_BYTES - ID_DIGITS, ":%" PRIu64, id->request);
}
