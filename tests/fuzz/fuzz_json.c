/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: the fast parser and the slow scan for faults agree, and a document can be walked. */
#include "base/assert.h"
#include "shim/json.h"
#include "shim/json_locate.h"

#define DEPTH_MAX 16
#define LEN_MAX 65536
#define STACK_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads everything that a document holds. */
static void walk(struct json_value root)
{
    struct json_value stack[STACK_MAX];
    size_t count = 1;

    stack[0] = root;
    while (count > 0) {
        struct json_value value = stack[--count];
        struct json_cursor cursor = json_walk(value);
        struct json_value member;
        struct slice text;
        uint64_t number;
        double fraction;
        bool flag;

        (void)json_text(value, &text);
        (void)json_u64(value, &number);
        (void)json_double(value, &fraction);
        (void)json_boolean(value, &flag);
        while (count < STACK_MAX && json_next(&cursor, &text, &member)) {
            stack[count++] = member;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *json = json_new(DEPTH_MAX, LEN_MAX);
    struct json_fault fault = {0};
    struct json_value root;
    struct error err = {0};
    bool scanned;
    int rc;

    if (json == NULL || size > LEN_MAX) {
        json_free(json);
        return 0;
    }
    rc = json_parse(json, slice_of(data, size), &root, &err);
    scanned = json_locate_fault(slice_of(data, size), DEPTH_MAX, &fault);
    if (rc == BLOCKDB_OK) {
        ASSERT(scanned);
        walk(root);
    } else {
        ASSERT(!scanned || strstr(err.message, "occurs twice") != NULL);
        ASSERT(scanned || fault.offset <= size);
    }
    json_free(json);
    return 0;
}
