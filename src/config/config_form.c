/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_form.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DIGITS "0123456789"
#define SMALL_LETTERS "abcdefghijklmnopqrstuvwxyz"
#define CAPITAL_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SCHEME_CHARS SMALL_LETTERS DIGITS "+-."
#define NAME_CHARS SMALL_LETTERS DIGITS "-._"
#define HEX_CHARS DIGITS "abcdef:."
#define PORT_MAX 65535

/* A word that borrows from a longer text. */
struct word {
    const char *text;
    size_t len;
};

static struct word word_from(struct word word, size_t skip)
{
    return (struct word){.text = word.text + skip, .len = word.len - skip};
}

/* How many bytes at the front of word are among chars. */
static size_t word_span(struct word word, const char *chars)
{
    size_t n = 0;

    while (n < word.len && strchr(chars, word.text[n]) != NULL) {
        n++;
    }
    return n;
}

/* A whole number from 1 to 65535 without leading zeros. */
static bool is_port(struct word word)
{
    unsigned port = 0;
    size_t i;

    if (word.len == 0 || word.len > 5 || word_span(word, DIGITS) != word.len ||
        word.text[0] == '0') {
        return false;
    }
    for (i = 0; i < word.len; i++) {
        port = port * 10 + (unsigned)(word.text[i] - '0');
    }
    return port <= PORT_MAX;
}

/* The length of the host at the front of word, [IPv6] or a name; 0: there is none. */
static size_t host_span(struct word word, const char *extra_chars)
{
    size_t n = 0;

    if (word.len > 0 && word.text[0] == '[') {
        size_t inside = word_span(word_from(word, 1), HEX_CHARS);

        return inside > 1 && inside + 1 < word.len && word.text[inside + 1] == ']' ? inside + 2 : 0;
    }
    while (n < word.len && (strchr(NAME_CHARS, word.text[n]) != NULL ||
                            strchr(extra_chars, word.text[n]) != NULL)) {
        n++;
    }
    return n;
}

/* Browsers send schemes and hosts in small letters, and an origin is compared as it stands. */
static bool is_origin(struct word word)
{
    size_t n;

    if (word.len == 1 && word.text[0] == '*') {
        return true;
    }
    n = word_span(word, SCHEME_CHARS);
    if (n == 0 || strchr(SMALL_LETTERS, word.text[0]) == NULL || word.len < n + 3 ||
        memcmp(word.text + n, "://", 3) != 0) {
        return false;
    }
    word = word_from(word, n + 3);
    n = host_span(word, "");
    if (n == 0) {
        return false;
    }
    return n == word.len || (word.text[n] == ':' && is_port(word_from(word, n + 1)));
}

static bool is_host_and_port(struct word word)
{
    size_t n = host_span(word, CAPITAL_LETTERS);

    return n > 0 && n < word.len && word.text[n] == ':' && is_port(word_from(word, n + 1));
}

/* What stands in URLs, logs and entries of the ledger as it is. */
static bool is_node_id(struct word word)
{
    return word_span(word, SMALL_LETTERS CAPITAL_LETTERS DIGITS "-._") == word.len;
}

struct form {
    const char *section;
    const char *name;
    bool (*matches)(struct word word);
    const char *help;
};

static const struct form forms[] = {
    {"server", "cors_origins", is_origin,
     "is no origin: write scheme://host or scheme://host:port in small letters and without a path, "
     "such as https://app.example, or * for all"},
    {"cluster", "node_id", is_node_id,
     "cannot name a node: write letters, digits, '-', '.' and '_' only, such as node-1"},
    {"cluster", "address", is_host_and_port,
     "is no host:port: write a name or address and a port from 1 to 65535, such as "
     "node1.example:8081 or [::1]:8081"},
    {"cluster", "peers", is_host_and_port,
     "is no host:port: write a name or address and a port from 1 to 65535, such as "
     "node2.example:8081 or [::1]:8081"},
};

static const struct form *form_of(const struct config_key *row)
{
    size_t i;

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(forms[i].section, row->section) == 0 && strcmp(forms[i].name, row->name) == 0) {
            return &forms[i];
        }
    }
    return NULL;
}

int config_form_check(const struct config_key *row, const char *value, struct error *err)
{
    const struct form *form = form_of(row);
    bool is_list = strcmp(row->type, "list") == 0;

    while (form != NULL && *value != '\0') {
        struct word word = {.text = value, .len = is_list ? strcspn(value, " ") : strlen(value)};

        if (!form->matches(word)) {
            return error_set(err, BLOCKDB_EINVAL, "'%.*s' %s",
                             (int)(word.len < 128 ? word.len : 128), word.text, form->help);
        }
        value += word.len;
        value += *value == ' ' ? 1 : 0;
    }
    return BLOCKDB_OK;
}
