/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_glob.h"

/* Matches one byte against the set that starts behind '['; *at moves behind the set. A set that is
 * not closed ends with the pattern. */
static bool set_matches(struct slice pattern, size_t *at, uint8_t c)
{
    size_t i = *at;
    bool negated = i < pattern.len && pattern.data[i] == '^';
    bool found = false;

    i += negated;
    while (i < pattern.len && pattern.data[i] != ']') {
        uint8_t low;
        uint8_t high;

        if (pattern.data[i] == '\\' && i + 1 < pattern.len) {
            i++;
        }
        low = pattern.data[i++];
        high = low;
        if (i + 1 < pattern.len && pattern.data[i] == '-' && pattern.data[i + 1] != ']') {
            high = pattern.data[i + 1];
            i += 2;
        }
        if (low > high) {
            uint8_t swapped = low;

            low = high;
            high = swapped;
        }
        found = found || (c >= low && c <= high);
    }
    *at = i < pattern.len ? i + 1 : i;
    return found != negated;
}

/* Matches one byte against what stands at *at, which is no star; moves *at behind it. */
static bool one_matches(struct slice pattern, size_t *at, uint8_t c)
{
    uint8_t p = pattern.data[(*at)++];

    if (p == '?') {
        return true;
    }
    if (p == '[') {
        return set_matches(pattern, at, c);
    }
    if (p == '\\' && *at < pattern.len) {
        p = pattern.data[(*at)++];
    }
    return p == c;
}

bool resp_glob_matches(struct slice pattern, struct slice text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX; /* behind the last star */
    size_t star_text = 0;   /* what that star takes ends here */

    while (t < text.len || p < pattern.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.len && t < text.len && one_matches(pattern, &p, text.data[t])) {
            t++;
            continue;
        }
        if (star == SIZE_MAX || star_text >= text.len) {
            return false;
        }
        p = star;
        t = ++star_text;
    }
    return true;
}

int resp_glob_prefix(struct slice pattern, struct buf *out)
{
    for (size_t i = 0; i < pattern.len; i++) {
        uint8_t c = pattern.data[i];
        int rc;

        if (c == '*' || c == '?' || c == '[') {
            break;
        }
        if (c == '\\' && i + 1 < pattern.len) {
            c = pattern.data[++i];
        }
        rc = buf_append_u8(out, c);
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}
