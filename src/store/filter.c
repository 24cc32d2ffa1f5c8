/* SPDX-License-Identifier: Apache-2.0 */
#include "store/filter.h"

#include "base/assert.h"
#include "base/mem.h"

#define LINE_BITS (FILTER_LINE_BYTES * 8)
#define KEYS_MAX (UINT32_MAX / 2) /* so that lines can be counted in 32 bits, whatever the rest */
#define FOLDABLE_STEPS 32
#define PROBES_PER_TEN_BITS 6 /* the best number for lines of 512 bits is below ln 2 a bit */

/* Rounds a number of lines up, by a few percent at most, to one that can be halved often. */
static uint64_t round_up_lines(uint64_t lines)
{
    uint64_t step = 1;

    while (step * FOLDABLE_STEPS <= lines) {
        step *= 2;
    }
    return (lines + step - 1) / step * step;
}

int filter_init(struct filter *f, uint64_t keys_max, unsigned bits_per_key)
{
    struct filter made = {.bits_per_key = bits_per_key};

    ASSERT(bits_per_key <= FILTER_BITS_PER_KEY_MAX);
    if (bits_per_key > 0) {
        uint64_t keys = keys_max < KEYS_MAX ? keys_max : KEYS_MAX;

        made.probes = (bits_per_key * PROBES_PER_TEN_BITS + 5) / 10;
        made.probes = made.probes > 0 ? made.probes : 1;
        made.probes = made.probes < FILTER_PROBES_MAX ? made.probes : FILTER_PROBES_MAX;
        made.line_count = (keys * bits_per_key + LINE_BITS - 1) / LINE_BITS;
        made.line_count = round_up_lines(made.line_count > 0 ? made.line_count : 1);
        made.lines = mem_calloc(made.line_count, FILTER_LINE_BYTES);
        if (made.lines == NULL) {
            return BLOCKDB_ENOMEM;
        }
    }
    *f = made;
    return BLOCKDB_OK;
}

void filter_deinit(struct filter *f)
{
    mem_free(f->lines);
    *f = (struct filter){0};
}

void filter_add(struct filter *f, uint64_t hash)
{
    uint32_t x = (uint32_t)hash;
    uint8_t *line;
    unsigned i;

    f->key_count++;
    if (f->line_count == 0) {
        return;
    }
    line = f->lines + filter_line(hash, f->line_count) * FILTER_LINE_BYTES;
    for (i = 0; i < f->probes; i++) {
        x *= FILTER_PROBE_FACTOR;
        line[x >> (FILTER_BIT_SHIFT + 3)] |= (uint8_t)(1U << (x >> FILTER_BIT_SHIFT & 7));
    }
}

/* Lays lines 2i and 2i+1 over each other: floor(h * 2n / 2^32) / 2 is floor(h * n / 2^32). */
static void fold(struct filter *f)
{
    uint64_t i;
    unsigned b;

    f->line_count /= 2;
    for (i = 0; i < f->line_count; i++) {
        const uint8_t *pair = f->lines + 2 * i * FILTER_LINE_BYTES;
        uint8_t *line = f->lines + i * FILTER_LINE_BYTES;

        for (b = 0; b < FILTER_LINE_BYTES; b++) {
            line[b] = pair[b] | pair[FILTER_LINE_BYTES + b];
        }
    }
}

void filter_finish(struct filter *f)
{
    while (f->line_count % 2 == 0 && f->line_count > 0 &&
           f->line_count / 2 * LINE_BITS >= f->key_count * f->bits_per_key) {
        fold(f);
    }
}
