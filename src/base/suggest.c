/* SPDX-License-Identifier: Apache-2.0 */
#include "base/suggest.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][SUGGEST_WORD_MAX + 1]; /* the row before the last, the last, this one */
    size_t a_len = strnlen(a, SUGGEST_WORD_MAX);
    size_t b_len = strnlen(b, SUGGEST_WORD_MAX);
    size_t i, j;

    for (j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3];

        row[0] = i;
        for (j = 1; j <= b_len; j++) {
            size_t replaced = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));

            row[j] = smaller(replaced, smaller(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1])) {
                row[j] = smaller(row[j], before[j - 2] + 1);
            }
        }
    }
    return rows[a_len % 3][b_len];
}

const char *suggest_nearest(const char *word, size_t count, suggest_name_fn name_fn,
                            const void *context)
{
    const char *nearest = NULL;
    size_t nearest_distance = 0;
    size_t i;

    if (strlen(word) > SUGGEST_WORD_MAX) {
        return NULL;
    }
    for (i = 0; i < count; i++) {
        const char *name = name_fn(context, i);
        size_t distance = suggest_distance(word, name);

        if (distance <= (strlen(name) + 2) / 3 &&
            (nearest == NULL || distance < nearest_distance)) {
            nearest = name;
            nearest_distance = distance;
        }
    }
    return nearest;
}
