/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/suggest.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MS_PER_S 1000ULL
#define S_PER_MIN 60
#define S_PER_HOUR 3600
#define S_PER_DAY 86400ULL
#define DAYS_PER_400_YEARS 146097ULL
/* From 0000-03-01, where the civil calendar is easiest to compute, to 1970-01-01. */
#define DAYS_TO_1970 719468ULL
#define TIME_MS_MAX 253402300799999ULL /* the last millisecond of 9999 */

void text_format_hex(char *out, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    size_t i;

    for (i = 0; i < len; i++) {
        out[2 * i] = digits[from[i] >> 4];
        out[2 * i + 1] = digits[from[i] & 15];
    }
    out[2 * len] = '\0';
}

int text_append_hex(struct buf *out, struct slice bytes)
{
    if (bytes.len > SIZE_MAX / 2 - 1 || buf_reserve(out, 2 * bytes.len + 1) < 0) {
        return BLOCKDB_ENOMEM;
    }
    text_format_hex((char *)out->data + out->len, bytes.data, bytes.len);
    out->len += 2 * bytes.len;
    return BLOCKDB_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int text_parse_hex(struct slice text, void *out, size_t len)
{
    uint8_t *to = out;
    size_t i;

    if (text.len % 2 != 0 || text.len / 2 != len) {
        return BLOCKDB_EINVAL;
    }
    for (i = 0; i < text.len; i++) {
        if (hex_digit(text.data[i]) < 0) {
            return BLOCKDB_EINVAL;
        }
    }
    for (i = 0; i < len; i++) {
        to[i] = (uint8_t)(hex_digit(text.data[2 * i]) << 4 | hex_digit(text.data[2 * i + 1]));
    }
    return BLOCKDB_OK;
}

int text_decode_hex(struct slice text, struct buf *out)
{
    int rc;

    if (buf_reserve(out, text.len / 2 + 1) < 0) {
        return BLOCKDB_ENOMEM;
    }
    rc = text_parse_hex(text, out->data + out->len, text.len / 2);
    if (rc == BLOCKDB_OK) {
        out->len += text.len / 2;
    }
    return rc;
}

int text_parse_decimal(struct slice text, uint64_t *out)
{
    uint64_t number = 0;
    bool fits = true;
    size_t i;

    if (text.len == 0 || (text.len > 1 && text.data[0] == '0')) {
        return BLOCKDB_EINVAL;
    }
    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return BLOCKDB_EINVAL;
        }
        fits = fits && !__builtin_mul_overflow(number, 10u, &number) &&
               !__builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number);
    }
    if (!fits) {
        return BLOCKDB_ELIMIT;
    }
    *out = number;
    return BLOCKDB_OK;
}

/* A day of the civil calendar; years begin in March inside the computations, so that the leap day
 * is the last of its year. */
struct date {
    unsigned year;
    unsigned month;
    unsigned day;
};

static struct date date_of_days(uint64_t days_since_1970)
{
    uint64_t days = days_since_1970 + DAYS_TO_1970;
    unsigned era_day = (unsigned)(days % DAYS_PER_400_YEARS);
    unsigned era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
    unsigned year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    unsigned march_month = (5 * year_day + 2) / 153;
    struct date date;

    date.day = year_day - (153 * march_month + 2) / 5 + 1;
    date.month = march_month < 10 ? march_month + 3 : march_month - 9;
    date.year = era_year + (unsigned)(days / DAYS_PER_400_YEARS) * 400 + (date.month <= 2);
    return date;
}

/* Days since 0000-03-01. */
static uint64_t days_of_date(struct date date)
{
    uint64_t year = date.year - (date.month <= 2);
    unsigned march_month = date.month > 2 ? date.month - 3 : date.month + 9;
    uint64_t year_day = (153 * march_month + 2) / 5 + date.day - 1;

    return year * 365 + year / 4 - year / 100 + year / 400 + year_day;
}

static bool date_exists(struct date date)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (date.year % 4 == 0 && date.year % 100 != 0) || date.year % 400 == 0;

    return date.month >= 1 && date.month <= 12 && date.day >= 1 &&
           date.day <= lengths[date.month - 1] + (unsigned)(date.month == 2 && leap);
}

/* Writes the last `count` digits of value at *at, which moves behind them, and `mark`. */
static void put_digits(char **at, unsigned value, size_t count, char mark)
{
    size_t i;

    for (i = count; i > 0; i--) {
        (*at)[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    (*at)[count] = mark;
    *at += count + 1;
}

void text_format_time(char out[TEXT_TIME_BYTES], uint64_t time_ms)
{
    uint64_t ms = time_ms < TIME_MS_MAX ? time_ms : TIME_MS_MAX;
    uint64_t seconds = ms / MS_PER_S;
    unsigned day_second = (unsigned)(seconds % S_PER_DAY);
    struct date date = date_of_days(seconds / S_PER_DAY);

    put_digits(&out, date.year, 4, '-');
    put_digits(&out, date.month, 2, '-');
    put_digits(&out, date.day, 2, 'T');
    put_digits(&out, day_second / S_PER_HOUR, 2, ':');
    put_digits(&out, day_second % S_PER_HOUR / S_PER_MIN, 2, ':');
    put_digits(&out, day_second % S_PER_MIN, 2, '.');
    put_digits(&out, (unsigned)(ms % MS_PER_S), 3, 'Z');
    *out = '\0';
}

/* Takes one byte if it is one of the given ones. */
static bool take_one(struct reader *r, const char *choices)
{
    uint8_t c = reader_u8(r);

    if (c == 0 || strchr(choices, c) == NULL) {
        r->failed = true;
        return false;
    }
    return true;
}

static unsigned take_digits(struct reader *r, int count)
{
    unsigned value = 0;

    while (count-- > 0) {
        uint8_t c = reader_u8(r);

        if (c < '0' || c > '9') {
            r->failed = true;
            return 0;
        }
        value = value * 10 + (c - '0');
    }
    return value;
}

/* False after a failure, so loops over it end. */
static bool next_is(const struct reader *r, const char *choices)
{
    return reader_ok(r) && reader_left(r) > 0 && *r->at != 0 && strchr(choices, *r->at) != NULL;
}

/* The fraction of a second in milliseconds, if there is one. */
static unsigned take_fraction(struct reader *r)
{
    unsigned ms = 0;
    unsigned weight = 100;

    if (!next_is(r, ".") || !take_one(r, ".")) {
        return 0;
    }
    do {
        ms += take_digits(r, 1) * weight;
        weight /= 10;
    } while (next_is(r, "0123456789"));
    return ms;
}

/* The offset in seconds that the local time is ahead of UTC. */
static int take_offset(struct reader *r)
{
    bool behind = next_is(r, "-");
    unsigned hours;
    unsigned minutes;
    int seconds;

    if (next_is(r, "Zz")) {
        (void)take_one(r, "Zz"); /* was just seen */
        return 0;
    }
    (void)take_one(r, "+-"); /* fails the reader, which the caller looks at */
    hours = take_digits(r, 2);
    (void)take_one(r, ":");
    minutes = take_digits(r, 2);
    r->failed = r->failed || hours > 23 || minutes > 59;
    seconds = (int)(hours * S_PER_HOUR + minutes * S_PER_MIN);
    return behind ? -seconds : seconds;
}

int text_parse_time(struct slice text, uint64_t *out_ms)
{
    struct reader r = reader_of(text);
    struct date date;
    unsigned hour;
    unsigned minute;
    unsigned second;
    unsigned ms;
    int64_t seconds;

    date.year = take_digits(&r, 4);
    (void)take_one(&r, "-"); /* this and the following fail the reader, looked at below */
    date.month = take_digits(&r, 2);
    (void)take_one(&r, "-");
    date.day = take_digits(&r, 2);
    (void)take_one(&r, "Tt ");
    hour = take_digits(&r, 2);
    (void)take_one(&r, ":");
    minute = take_digits(&r, 2);
    (void)take_one(&r, ":");
    second = take_digits(&r, 2);
    ms = take_fraction(&r);
    seconds = -take_offset(&r);
    if (!reader_done(&r) || !date_exists(date) || hour > 23 || minute > 59 || second > 60) {
        return BLOCKDB_EINVAL;
    }
    if (date.year < 1) {
        return BLOCKDB_ELIMIT;
    }
    seconds += ((int64_t)days_of_date(date) - (int64_t)DAYS_TO_1970) * (int64_t)S_PER_DAY;
    seconds += (int64_t)(hour * S_PER_HOUR + minute * S_PER_MIN + second);
    if (seconds < 0) {
        return BLOCKDB_ELIMIT;
    }
    *out_ms = (uint64_t)seconds * MS_PER_S + ms;
    return BLOCKDB_OK;
}

struct unit {
    const char *name;
    uint64_t worth;
};

static const struct unit size_units[] = {
    {"TiB", 1ULL << 40}, {"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1},
};

static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1},
};

/* The largest unit that divides the value; the last one when it is 0. */
static void format_exact(char out[TEXT_SIZE_BYTES], uint64_t value, const struct unit *unit)
{
    while (unit->worth > 1 && (value == 0 || value % unit->worth != 0)) {
        unit++;
    }
    (void)snprintf(out, TEXT_SIZE_BYTES, "%" PRIu64 "%s", value / unit->worth, unit->name);
}

void text_format_size(char out[TEXT_SIZE_BYTES], uint64_t len_bytes)
{
    format_exact(out, len_bytes, size_units);
}

void text_format_duration(char out[TEXT_DURATION_BYTES], uint64_t duration_ms)
{
    format_exact(out, duration_ms, duration_units);
}

void text_format_size_short(char out[TEXT_SIZE_BYTES], uint64_t len_bytes)
{
    const struct unit *unit = size_units;
    uint64_t whole;
    uint64_t tenths;

    while (unit->worth > 1 && len_bytes < unit->worth) {
        unit++;
    }
    whole = len_bytes / unit->worth;
    /* Divides first: ten times the rest might not fit. */
    tenths = unit->worth > 1 ? len_bytes % unit->worth / (unit->worth / 1024) * 10 / 1024 : 0;
    if (tenths > 0 && whole < 10) {
        (void)snprintf(out, TEXT_SIZE_BYTES, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths,
                       unit->name);
        return;
    }
    (void)snprintf(out, TEXT_SIZE_BYTES, "%" PRIu64 " %s", whole, unit->name);
}

void text_format_latency(char out[TEXT_DURATION_BYTES], uint64_t duration_ns)
{
    static const char *const names[] = {"ns", "us", "ms", "s"};
    uint64_t worth = 1;
    unsigned i = 0;
    uint64_t whole;
    uint64_t rest;

    while (i < 3 && duration_ns / worth >= 1000) {
        worth *= 1000;
        i++;
    }
    whole = duration_ns / worth;
    rest = worth > 1 ? duration_ns % worth / (worth / 1000) : 0;
    if (whole >= 100 || i == 0) {
        (void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 " %s", whole, names[i]);
    } else if (whole >= 10) {
        (void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 ".%" PRIu64 " %s", whole, rest / 100,
                       names[i]);
    } else {
        (void)snprintf(out, TEXT_DURATION_BYTES, "%" PRIu64 ".%02" PRIu64 " %s", whole, rest / 10,
                       names[i]);
    }
}

static const char *word_at(const void *context, size_t index)
{
    const char *const *words = context;

    return words[index];
}

const char *text_nearest(const char *word, const char *const *words, size_t count)
{
    return suggest_nearest(word, count, word_at, words);
}

/* Writes one character of text, of len bytes (0: it is none), to out; returns the bytes written. */
static size_t show_character(char out[4], struct slice text, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t first = text.data[0];

    if (len > 1 || (len == 1 && first >= ' ' && first != 0x7f && first != '\\')) {
        memcpy(out, text.data, len);
        return len;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[first >> 4];
    out[3] = digits[first & 15];
    return 4;
}

void text_show(char out[TEXT_SHOWN_BYTES], struct slice bytes)
{
    size_t used = 0;

    while (bytes.len > 0) {
        size_t len = utf8_character_len(bytes);
        char shown[4];
        size_t shown_len = show_character(shown, bytes, len);

        if (used + shown_len > 128) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(out + used, shown, shown_len);
        used += shown_len;
        len = len > 0 ? len : 1;
        bytes = slice_of(bytes.data + len, bytes.len - len);
    }
    out[used] = '\0';
}
