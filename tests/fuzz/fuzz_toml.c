/* SPDX-License-Identifier: Apache-2.0 */
/* TOML: any bytes give items in the order of lines, or an error with the name of the file. */
#include "base/assert.h"
#include "shim/toml.h"

#define LEN_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visit(void *context, const struct toml_item *item, struct error *err)
{
    size_t *count = context;

    (void)err; /* nothing fails here */
    ASSERT(item->table != NULL && item->key != NULL && item->line > 0);
    ASSERT(item->type != TOML_STRING || item->text != NULL);
    ASSERT(item->text == NULL || item->type == TOML_STRING || item->type == TOML_ARRAY);
    (*count)++;
    return BLOCKDB_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    size_t count = 0;
    int rc;

    if (size > LEN_MAX) {
        return 0;
    }
    rc = toml_walk(slice_of(data, size), "input", visit, &count, &err);
    ASSERT(rc == BLOCKDB_OK || strncmp(err.message, "input:", 6) == 0);
    return 0;
}
