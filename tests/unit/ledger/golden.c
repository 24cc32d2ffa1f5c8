/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define VECTORS_MAX 400
#define NAME_MAX_LEN 80

struct vector {
    char name[NAME_MAX_LEN];
    struct buf bytes;
};

static struct vector vectors[VECTORS_MAX];
static size_t vector_count;

static void give_up(const char *what, const char *name)
{
    fprintf(stderr, "%s: %s '%s'\n", GOLDEN_PATH, what, name);
    abort();
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes a line "name = hex". */
static void take_line(const char *line)
{
    const char *equals = strstr(line, " = ");
    struct vector *v = &vectors[vector_count];

    if (line[0] == '#' || line[0] == '\0') {
        return;
    }
    if (equals == NULL || vector_count == VECTORS_MAX || equals - line >= NAME_MAX_LEN) {
        give_up("cannot take the line", line);
    }
    memcpy(v->name, line, (size_t)(equals - line));
    for (const char *at = equals + 3; *at != '\0'; at += 2) {
        int high = digit(at[0]);
        int low = high < 0 ? -1 : digit(at[1]);

        if (low < 0 || buf_append_u8(&v->bytes, (uint8_t)(high << 4 | low)) < 0) {
            give_up("no hex in", v->name);
        }
    }
    vector_count++;
}

void golden_open(void)
{
    FILE *file = fopen(GOLDEN_PATH, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    if (file == NULL) {
        give_up("cannot open", GOLDEN_PATH);
    }
    while ((len = getline(&line, &cap, file)) > 0) {
        line[len - 1] = '\0';
        take_line(line);
    }
    free(line);
    (void)fclose(file); /* only read */
}

void golden_close(void)
{
    for (size_t i = 0; i < vector_count; i++) {
        buf_deinit(&vectors[i].bytes);
    }
    vector_count = 0;
}

struct slice golden(const char *name)
{
    for (size_t i = 0; i < vector_count; i++) {
        if (strcmp(vectors[i].name, name) == 0) {
            return buf_slice(&vectors[i].bytes);
        }
    }
    give_up("no vector", name);
    return (struct slice){0};
}

struct hash golden_hash(const char *name)
{
    struct slice bytes = golden(name);
    struct hash hash;

    if (bytes.len != sizeof hash.bytes) {
        give_up("no hash", name);
    }
    memcpy(hash.bytes, bytes.data, sizeof hash.bytes);
    return hash;
}

struct slice golden_at(const char *format, unsigned long long number)
{
    char name[NAME_MAX_LEN];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(name, sizeof name, format, number);
#pragma GCC diagnostic pop
    return golden(name);
}

struct hash golden_hash_at(const char *format, unsigned long long number)
{
    char name[NAME_MAX_LEN];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(name, sizeof name, format, number);
#pragma GCC diagnostic pop
    return golden_hash(name);
}

size_t golden_count(const char *prefix)
{
    size_t count = 0;

    for (size_t i = 0; i < vector_count; i++) {
        count += strncmp(vectors[i].name, prefix, strlen(prefix)) == 0;
    }
    return count;
}

const char *golden_name(const char *prefix, size_t index)
{
    for (size_t i = 0; i < vector_count; i++) {
        if (strncmp(vectors[i].name, prefix, strlen(prefix)) == 0 && index-- == 0) {
            return vectors[i].name;
        }
    }
    give_up("too few vectors like", prefix);
    return NULL;
}
