/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The faces of shim/ for a program that must start in a millisecond: the same functions, but what
 * is behind them, and with it the C++ libraries, is loaded by the first one that needs it.
 *
 * The program links this in place of json.cpp and toml.cpp; both are in libblockdb-shim.so, which
 * is installed with it. docs/adr/0016 has what that saves.
 *
 * Threads:   as in json.h and toml.h.
 * Ownership: the same.
 */
#include "base/library.h"
#include "base/mem.h"
#include "shim/json.h"
#include "shim/toml.h"

#define FOR_EACH_FUNCTION(X)                                                                       \
    X(json_new)                                                                                    \
    X(json_free)                                                                                   \
    X(json_parse)                                                                                  \
    X(json_type_of)                                                                                \
    X(json_type_name)                                                                              \
    X(json_text)                                                                                   \
    X(json_u64)                                                                                    \
    X(json_i64)                                                                                    \
    X(json_double)                                                                                 \
    X(json_boolean)                                                                                \
    X(json_member)                                                                                 \
    X(json_walk)                                                                                   \
    X(json_next)                                                                                   \
    X(toml_walk)                                                                                   \
    X(toml_type_name)

#define MEMBER(name) LIBRARY_FUNCTION(name);
#define TEXT(name) #name,

struct shim_functions {
    FOR_EACH_FUNCTION(MEMBER)
};

/* Where it may be beside the program: with it, installed, in a build directory. The loader knows
 * what $ORIGIN is. (A run path would make it look for libc in all these places at each start.) */
static const char *const shim_sonames[] = {
    "$ORIGIN/libblockdb-shim.so",
    "$ORIGIN/" BLOCKDB_SHIM_DIR "/libblockdb-shim.so",
    "$ORIGIN/../../shim/libblockdb-shim.so",
    "libblockdb-shim.so",
    NULL,
};
static const char *const shim_symbols[] = {FOR_EACH_FUNCTION(TEXT)};
static const struct library shim_library = {
    .name = "BlockDB's reader of JSON and TOML",
    .package = "blockdb",
    .sonames = shim_sonames,
    .symbols = shim_symbols,
    .symbol_count = sizeof(shim_symbols) / sizeof(shim_symbols[0]),
};

/* A parser, or what is told instead when the library is not there. */
struct json {
    struct json *parser; /* of the library; NULL: failure says why */
    struct error failure;
};

/* For calls that only exist because the library was loaded before: it stays (LIB-1). */
static struct shim_functions functions(void)
{
    struct shim_functions f = {0};

    IGNORE_RESULT(library_load(&shim_library, &f, NULL));
    return f;
}

struct json *json_new(unsigned depth_max, size_t len_max)
{
    struct json *json = mem_calloc(1, sizeof(*json));
    struct shim_functions f;

    if (json == NULL || library_load(&shim_library, &f, &json->failure) < 0) {
        return json; /* json_parse() tells */
    }
    json->parser = f.json_new(depth_max, len_max);
    if (json->parser == NULL) {
        mem_free(json);
        return NULL;
    }
    return json;
}

void json_free(struct json *json)
{
    if (json != NULL) {
        if (json->parser != NULL) {
            functions().json_free(json->parser);
        }
        mem_free(json);
    }
}

void json_free_ptr(struct json **json)
{
    json_free(*json);
}

int json_parse(struct json *json, struct slice text, struct json_value *out_root, struct error *err)
{
    if (json->parser == NULL) {
        return error_set(err, json->failure.code, "%s", json->failure.message);
    }
    return functions().json_parse(json->parser, text, out_root, err);
}

enum json_type json_type_of(struct json_value value)
{
    return functions().json_type_of(value);
}

const char *json_type_name(enum json_type type)
{
    return functions().json_type_name(type);
}

bool json_text(struct json_value value, struct slice *out)
{
    return functions().json_text(value, out);
}

bool json_u64(struct json_value value, uint64_t *out)
{
    return functions().json_u64(value, out);
}

bool json_i64(struct json_value value, int64_t *out)
{
    return functions().json_i64(value, out);
}

bool json_double(struct json_value value, double *out)
{
    return functions().json_double(value, out);
}

bool json_boolean(struct json_value value, bool *out)
{
    return functions().json_boolean(value, out);
}

bool json_member(struct json_value value, const char *key, struct json_value *out)
{
    return functions().json_member(value, key, out);
}

struct json_cursor json_walk(struct json_value value)
{
    return functions().json_walk(value);
}

bool json_next(struct json_cursor *cursor, struct slice *out_key, struct json_value *out_value)
{
    return functions().json_next(cursor, out_key, out_value);
}

int toml_walk(struct slice text, const char *name, toml_visit_fn visit, void *context,
              struct error *err)
{
    struct shim_functions f;
    int rc = library_load(&shim_library, &f, err);

    return rc < 0 ? rc : f.toml_walk(text, name, visit, context, err);
}

const char *toml_type_name(enum toml_type type)
{
    return functions().toml_type_name(type);
}
