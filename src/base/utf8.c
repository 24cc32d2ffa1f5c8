/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define DOTS "..."
#define WORD_LEN_MAX 40 /* longer ones are cut */
#define ESCAPE_LEN 4    /* \xNN */

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The bounds of the second byte depend on the first: they keep out long forms, surrogates and what
 * lies above U+10FFFF. */
static bool second_fits(uint8_t first, uint8_t second)
{
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    return second >= low && second <= high;
}

size_t utf8_character_len(struct slice text)
{
    const uint8_t *p = text.data;
    size_t len;
    size_t i;

    if (text.len == 0) {
        return 0;
    }
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }
    len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (text.len < len || !second_fits(p[0], p[1])) {
        return 0;
    }
    for (i = 2; i < len; i++) {
        if (!is_continuation(p[i])) {
            return 0;
        }
    }
    return len;
}

bool utf8_valid(struct slice text)
{
    uint64_t word;

    while (text.len > 0) {
        size_t len;

        if (text.len >= sizeof(word)) {
            memcpy(&word, text.data, sizeof(word));
            if ((word & 0x8080808080808080ULL) == 0) { /* eight ASCII characters at once */
                text = slice_of(text.data + sizeof(word), text.len - sizeof(word));
                continue;
            }
        }
        len = utf8_character_len(text);
        if (len == 0) {
            return false;
        }
        text = slice_of(text.data + len, text.len - len);
    }
    return true;
}

bool utf8_is_control(struct slice text)
{
    const uint8_t *p = text.data;

    if (p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0)) {
        return true;
    }
    /* U+2028 to U+202E, and U+2066 to U+2069. */
    return p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
                            (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

void utf8_cut(char *text, size_t len)
{
    size_t room = len - (sizeof(DOTS) - 1);
    size_t at = room;

    while (at > 0 && room - at < WORD_LEN_MAX && text[at] != ' ') {
        at--;
    }
    if (at == 0 || text[at] != ' ') {
        at = room;
        while (at > 0 && is_continuation((uint8_t)text[at])) {
            at--;
        }
    }
    memcpy(text + at, DOTS, sizeof(DOTS));
}

void utf8_show(struct slice text, char *out, size_t cap)
{
    size_t at = 0;

    while (text.len > 0) {
        size_t len = utf8_character_len(text);
        bool is_shown = len > 0 && !utf8_is_control(text);
        size_t shown_len = is_shown ? len : ESCAPE_LEN;

        len = is_shown ? len : 1;
        if (shown_len >= cap - at) {
            utf8_cut(out, at);
            return;
        }
        if (is_shown) {
            memcpy(out + at, text.data, len);
        } else {
            (void)snprintf(out + at, cap - at, "\\x%02x", text.data[0]);
        }
        at += shown_len;
        text = slice_of(text.data + len, text.len - len);
    }
    out[at] = '\0';
}
