/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define FRACTION_DIGITS_MAX 6

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40},
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000},
};

/* A decimal number: digits * 10^-decimals. */
struct decimal {
    uint64_t digits;
    unsigned decimals;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool decimal_add_digit(struct decimal *d, char c)
{
    return !__builtin_mul_overflow(d->digits, 10, &d->digits) &&
           !__builtin_add_overflow(d->digits, (uint64_t)(c - '0'), &d->digits);
}

/* Parses the number at *at and moves *at behind it; false when there is none or it is too large. */
static bool decimal_parse(const char **at, struct decimal *out)
{
    const char *p = *at;
    struct decimal d = {0};

    if (!is_digit(*p)) {
        return false;
    }
    for (; is_digit(*p); p++) {
        if (!decimal_add_digit(&d, *p)) {
            return false;
        }
    }
    if (*p == '.') {
        p++;
        if (!is_digit(*p)) {
            return false;
        }
        for (; is_digit(*p); p++) {
            if (++d.decimals > FRACTION_DIGITS_MAX || !decimal_add_digit(&d, *p)) {
                return false;
            }
        }
    }
    *at = p;
    *out = d;
    return true;
}

/* digits * factor / 10^decimals; false when that overflows or is no whole number. */
static bool decimal_scale(struct decimal d, uint64_t factor, uint64_t *out)
{
    unsigned __int128 value = (unsigned __int128)d.digits * factor;
    uint64_t divisor = 1;

    while (d.decimals > 0) {
        divisor *= 10;
        d.decimals--;
    }
    if (value % divisor != 0 || value / divisor > UINT64_MAX) {
        return false;
    }
    *out = (uint64_t)(value / divisor);
    return true;
}

static bool unit_parse(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
    struct decimal d;
    size_t i;

    if (!decimal_parse(&text, &d)) {
        return false;
    }
    while (*text == ' ') {
        text++;
    }
    if (*text == '\0') {
        return decimal_scale(d, 1, out);
    }
    for (i = 0; i < count; i++) {
        if (strcmp(text, units[i].name) == 0) {
            return decimal_scale(d, units[i].factor, out);
        }
    }
    return false;
}

int size_parse(const char *text, uint64_t *out_bytes, struct error *err)
{
    if (!unit_parse(text, size_units, sizeof(size_units) / sizeof(size_units[0]), out_bytes)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.64s' is not a size: write bytes or a number with B, KiB, MiB, GiB or "
                         "TiB, such as 268435456 or \"256MiB\"",
                         text);
    }
    return BLOCKDB_OK;
}

int duration_parse(const char *text, uint64_t *out_ms, struct error *err)
{
    if (!unit_parse(text, duration_units, sizeof(duration_units) / sizeof(duration_units[0]),
                    out_ms)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%.64s' is not a duration: write milliseconds or a number with ms, s, "
                         "min, h or d, such as 1000 or \"150ms\"",
                         text);
    }
    return BLOCKDB_OK;
}

int number_parse(const char *text, uint64_t *out_number, struct error *err)
{
    const char *p = text;
    struct decimal d;

    if (!decimal_parse(&p, &d) || *p != '\0' || d.decimals > 0) {
        return error_set(err, BLOCKDB_EINVAL, "'%.64s' is not a whole number from 0 to %llu", text,
                         (unsigned long long)UINT64_MAX);
    }
    *out_number = d.digits;
    return BLOCKDB_OK;
}
