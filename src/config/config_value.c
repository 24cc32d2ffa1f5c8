/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_value.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/config_form.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_TEXT_MAX 24
#define MS_PER_SECOND 1000
#define LIST_SEPARATORS " ,\n"

/* The position of word among words separated by spaces; -1 when it is not there. */
static int choice_find(const char *words, const char *word)
{
    size_t len = strlen(word);
    int index = 0;

    while (*words != '\0') {
        size_t word_len = strcspn(words, " ");

        if (word_len == len && memcmp(words, word, len) == 0) {
            return index;
        }
        words += word_len;
        words += strspn(words, " ");
        index++;
    }
    return -1;
}

static bool is_digits(const char *text)
{
    return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* A number without a unit is seconds here. */
static int seconds_parse(const char *text, uint64_t *out, struct error *err)
{
    uint64_t ms;
    int rc;

    if (is_digits(text)) {
        return number_parse(text, out, err);
    }
    rc = duration_parse(text, &ms, err);
    if (rc < 0) {
        return rc;
    }
    if (ms % MS_PER_SECOND != 0) {
        return error_set(err, BLOCKDB_EINVAL, "'%.64s' must come to whole seconds", text);
    }
    *out = ms / MS_PER_SECOND;
    return BLOCKDB_OK;
}

static int number_of(const struct config_key *row, const char *text, uint64_t *out,
                     struct error *err)
{
    int rc;

    if (strcmp(row->type, "size") == 0) {
        rc = size_parse(text, out, err);
    } else if (strcmp(row->type, "duration_ms") == 0) {
        rc = duration_parse(text, out, err);
    } else if (strcmp(row->type, "duration_s") == 0) {
        rc = seconds_parse(text, out, err);
    } else {
        rc = number_parse(text, out, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (*out < row->min || *out > row->max) {
        return error_set(err, BLOCKDB_EINVAL,
                         "%" PRIu64 " is out of range: %" PRIu64 " to %" PRIu64 " are possible",
                         *out, row->min, row->max);
    }
    return BLOCKDB_OK;
}

static int text_check(const struct config_key *row, const char *text, struct error *err)
{
    size_t len = strlen(text);

    if (len < row->min || len > row->max) {
        return error_set(err, BLOCKDB_EINVAL,
                         "the text has %zu bytes, %" PRIu64 " to %" PRIu64 " fit", len, row->min,
                         row->max);
    }
    return BLOCKDB_OK;
}

/* Words, one space between two. */
static void list_tidy(char *text)
{
    char *to = text;
    const char *at = text + strspn(text, LIST_SEPARATORS);

    while (*at != '\0') {
        size_t len = strcspn(at, LIST_SEPARATORS);

        if (to != text) {
            *to++ = ' ';
        }
        memmove(to, at, len);
        to += len;
        at += len;
        at += strspn(at, LIST_SEPARATORS);
    }
    *to = '\0';
}

/* Checks what is no number. */
static int word_check(const struct config_key *row, const char *text, struct error *err)
{
    if (strcmp(row->type, "boolean") == 0) {
        return choice_find("true false", text) >= 0
                   ? BLOCKDB_OK
                   : error_set(err, BLOCKDB_EINVAL, "'%.64s' must be true or false", text);
    }
    if (strcmp(row->type, "enum") == 0) {
        return choice_find(row->choices, text) >= 0
                   ? BLOCKDB_OK
                   : error_set(err, BLOCKDB_EINVAL, "'%.64s' must be one of: %s", text,
                               row->choices);
    }
    return text_check(row, text, err);
}

int config_value_parse(const struct config_key *row, const char *text, char **out_value,
                       struct error *err)
{
    char number_text[NUMBER_TEXT_MAX];
    uint64_t number;
    char *copy;
    int rc;

    if (config_key_is_number(row)) {
        rc = number_of(row, text, &number, err);
        (void)snprintf(number_text, sizeof(number_text), "%" PRIu64, rc < 0 ? 0 : number);
        text = number_text;
    } else {
        rc = word_check(row, text, err);
    }
    if (rc < 0) {
        return error_wrap(err, rc, "option %s", row->name);
    }
    copy = mem_strdup(text);
    if (copy == NULL) {
        return error_set_no_memory(err);
    }
    if (strcmp(row->type, "list") == 0) {
        list_tidy(copy);
    }
    rc = config_form_check(row, copy, err);
    if (rc < 0) {
        mem_free(copy);
        return error_wrap(err, rc, "option %s", row->name);
    }
    *out_value = copy;
    return BLOCKDB_OK;
}

uint64_t config_value_number(const struct config_key *row, const char *value)
{
    uint64_t number = 0;

    if (strcmp(row->type, "enum") == 0) {
        return (uint64_t)choice_find(row->choices, value);
    }
    if (strcmp(row->type, "boolean") == 0) {
        return strcmp(value, "true") == 0;
    }
    IGNORE_RESULT(number_parse(value, &number, NULL)); /* it was checked when it was set */
    return number;
}
