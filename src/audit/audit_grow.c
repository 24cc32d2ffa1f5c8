/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_grow.h"

#include "base/mem.h"

#include <string.h>

#define CAP_MIN 16

int audit_grow(void *list, size_t *cap, size_t needed, size_t item_len)
{
    size_t new_cap = *cap < CAP_MIN ? CAP_MIN : *cap;
    void *array;

    if (needed <= *cap) {
        return BLOCKDB_OK;
    }
    while (new_cap < needed) {
        new_cap *= 2;
    }
    memcpy(&array, list, sizeof(array));
    array = mem_realloc(array, new_cap * item_len);
    if (array == NULL) {
        return BLOCKDB_ENOMEM;
    }
    memcpy(list, &array, sizeof(array));
    *cap = new_cap;
    return BLOCKDB_OK;
}
