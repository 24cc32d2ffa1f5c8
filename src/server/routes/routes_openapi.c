/* SPDX-License-Identifier: Apache-2.0 */
/* The description of the API: openapi.json of this folder, made an array by tools/embed_text. */
#include "server/routes/routes.h"

extern const unsigned char openapi_text[];
extern const size_t openapi_text_len;

struct slice routes_openapi(void)
{
    return slice_of(openapi_text, openapi_text_len);
}
