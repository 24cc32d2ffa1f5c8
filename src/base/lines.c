/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lines.h"

bool slice_take_until(struct slice *text, char separator, struct slice *out)
{
    const uint8_t *end = text->len > 0 ? memchr(text->data, separator, text->len) : NULL;

    if (end == NULL) {
        return false;
    }
    *out = slice_of(text->data, (size_t)(end - text->data));
    *text = slice_of(end + 1, text->len - out->len - 1);
    return true;
}

bool lines_next(struct lines *lines, struct slice *out)
{
    if (!slice_take_until(&lines->left, '\n', out)) {
        return false;
    }
    lines->number++;
    return true;
}
