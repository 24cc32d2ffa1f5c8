/* SPDX-License-Identifier: Apache-2.0 */
extern "C" {
#include "base/bytes.h"
#include "base/error.h"
#include "base/mem.h"
}
#include "shim/json.h"
#include "shim/json_locate.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <vector>

namespace dom = simdjson::dom;

/* Objects of up to this many members are checked for duplicates pair by pair. */
static const size_t PAIRWISE_MEMBERS_MAX = 12;
/* Room that the parser starts with. */
static const size_t CAPACITY_MIN = 4096;

struct json {
    dom::parser parser;
    struct buf padded = {nullptr, 0, 0}; /* the text and the bytes that simdjson reads beyond it */
    std::vector<dom::element> unchecked; /* containers whose members are still to be checked */
    std::vector<std::string_view> keys;  /* of one large object */
    size_t len_max = 0;
    unsigned depth_max = 0;

    ~json()
    {
        buf_deinit(&padded);
    }
};

/* Values travel through C as the two words that simdjson's elements and iterators are. */
template <typename T> static T unpack(json_value value)
{
    T unpacked;

    static_assert(sizeof(T) == sizeof(json_value), "elements and iterators are two words");
    static_assert(std::is_trivially_copyable<T>::value, "elements and iterators are plain bytes");
    std::memcpy(static_cast<void *>(&unpacked), &value, sizeof(value));
    return unpacked;
}

template <typename T> static json_value pack(const T &element_or_iterator)
{
    json_value value;

    static_assert(sizeof(T) == sizeof(json_value), "elements and iterators are two words");
    std::memcpy(&value, static_cast<const void *>(&element_or_iterator), sizeof(value));
    return value;
}

static dom::element element_of(json_value value)
{
    return unpack<dom::element>(value);
}

static struct slice slice_of_view(std::string_view view)
{
    return slice_of(view.data(), view.size());
}

extern "C" struct json *json_new(unsigned depth_max, size_t len_max)
{
    void *memory = mem_alloc(sizeof(json));
    json *made;

    if (memory == nullptr) {
        return nullptr;
    }
    try {
        made = new (memory) json();
    } catch (...) {
        mem_free(memory);
        return nullptr;
    }
    made->len_max = len_max;
    made->depth_max = depth_max;
    return made;
}

extern "C" void json_free(struct json *json)
{
    if (json != nullptr) {
        json->~json();
        mem_free(json);
    }
}

extern "C" void json_free_ptr(struct json **json)
{
    json_free(*json);
}

static int duplicate_key(std::string_view key, struct error *err)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "not valid JSON: the key \"%.*s\" occurs twice in one object",
                     static_cast<int>(std::min<size_t>(key.size(), 64)), key.data());
}

static int keys_check_pairwise(const dom::object &object, struct error *err)
{
    std::string_view seen[PAIRWISE_MEMBERS_MAX];
    size_t count = 0;

    for (dom::key_value_pair member : object) {
        for (size_t i = 0; i < count; i++) {
            if (seen[i] == member.key) {
                return duplicate_key(member.key, err);
            }
        }
        seen[count++] = member.key;
    }
    return BLOCKDB_OK;
}

static int keys_check_sorted(struct json *json, const dom::object &object, struct error *err)
{
    json->keys.clear();
    for (dom::key_value_pair member : object) {
        json->keys.push_back(member.key);
    }
    std::sort(json->keys.begin(), json->keys.end());
    auto twice = std::adjacent_find(json->keys.begin(), json->keys.end());
    return twice == json->keys.end() ? BLOCKDB_OK : duplicate_key(*twice, err);
}

static void remember_container(struct json *json, const dom::element &element)
{
    if (element.is_object() || element.is_array()) {
        json->unchecked.push_back(element);
    }
}

static int object_check(struct json *json, const dom::object &object, struct error *err)
{
    int rc = object.size() <= PAIRWISE_MEMBERS_MAX ? keys_check_pairwise(object, err)
                                                   : keys_check_sorted(json, object, err);

    if (rc < 0) {
        return rc;
    }
    for (dom::key_value_pair member : object) {
        remember_container(json, member.value);
    }
    return BLOCKDB_OK;
}

static void array_check(struct json *json, const dom::element &element)
{
    dom::array array;

    if (element.get(array) == simdjson::SUCCESS) {
        for (dom::element item : array) {
            remember_container(json, item);
        }
    }
}

/* JSON-2, without recursion. */
static int duplicates_check(struct json *json, const dom::element &root, struct error *err)
{
    json->unchecked.clear();
    remember_container(json, root);
    while (!json->unchecked.empty()) {
        dom::element element = json->unchecked.back();
        dom::object object;

        json->unchecked.pop_back();
        if (element.get(object) == simdjson::SUCCESS) {
            int rc = object_check(json, object, err);

            if (rc < 0) {
                return rc;
            }
            continue;
        }
        array_check(json, element);
    }
    return BLOCKDB_OK;
}

static int not_json(struct json *json, struct slice text, simdjson::error_code code,
                    struct error *err)
{
    struct json_fault fault;

    if (code == simdjson::MEMALLOC) {
        return error_set_no_memory(err);
    }
    if (json_locate_fault(text, json->depth_max, &fault)) {
        return error_set(err, BLOCKDB_EINVAL, "not valid JSON: %s", simdjson::error_message(code));
    }
    return error_set(err, BLOCKDB_EINVAL, "not valid JSON at byte %zu: %s", fault.offset + 1,
                     fault.what);
}

static int text_copy(struct json *json, struct slice text)
{
    buf_reset(&json->padded);
    if (buf_reserve(&json->padded, text.len + simdjson::SIMDJSON_PADDING) < 0) {
        return BLOCKDB_ENOMEM;
    }
    if (text.len > 0) {
        std::memcpy(json->padded.data, text.data, text.len);
    }
    std::memset(json->padded.data + text.len, 0, simdjson::SIMDJSON_PADDING);
    return BLOCKDB_OK;
}

static int document_parse(struct json *json, struct slice text, json_value *out_root,
                          struct error *err)
{
    const size_t levels = json->depth_max + size_t{1}; /* simdjson counts the document itself */
    simdjson::error_code code = simdjson::SUCCESS;
    dom::element root;
    int rc;

    if (json->parser.max_depth() != levels || json->parser.capacity() < text.len) {
        code = json->parser.allocate(std::max<size_t>(text.len, CAPACITY_MIN), levels);
    }
    if (code == simdjson::SUCCESS) {
        code = json->parser.parse(json->padded.data, text.len, false).get(root);
    }
    if (code != simdjson::SUCCESS) {
        return not_json(json, text, code, err);
    }
    rc = duplicates_check(json, root, err);
    if (rc < 0) {
        return rc;
    }
    *out_root = pack(root);
    return BLOCKDB_OK;
}

extern "C" int json_parse(struct json *json, struct slice text, json_value *out_root,
                          struct error *err)
{
    if (text.len > json->len_max) {
        return error_set(err, BLOCKDB_ELIMIT, "the JSON text has %zu bytes, the limit is %zu",
                         text.len, json->len_max);
    }
    if (text_copy(json, text) < 0) {
        return error_set_no_memory(err);
    }
    try {
        return document_parse(json, text, out_root, err);
    } catch (...) { /* only std::bad_alloc of the vectors can come */
        return error_set_no_memory(err);
    }
}

extern "C" enum json_type json_type_of(json_value value)
{
    switch (element_of(value).type()) {
    case dom::element_type::OBJECT:
        return JSON_OBJECT;
    case dom::element_type::ARRAY:
        return JSON_ARRAY;
    case dom::element_type::STRING:
        return JSON_STRING;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE:
        return JSON_NUMBER;
    case dom::element_type::BOOL:
        return JSON_BOOLEAN;
    case dom::element_type::NULL_VALUE:
        break;
    }
    return JSON_NULL;
}

extern "C" const char *json_type_name(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "null";
    case JSON_BOOLEAN:
        return "a boolean";
    case JSON_NUMBER:
        return "a number";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "an array";
    case JSON_OBJECT:
        return "an object";
    }
    return "unknown";
}

extern "C" bool json_text(json_value value, struct slice *out)
{
    std::string_view view;

    if (element_of(value).get(view) != simdjson::SUCCESS) {
        return false;
    }
    *out = slice_of_view(view);
    return true;
}

extern "C" bool json_u64(json_value value, uint64_t *out)
{
    uint64_t number;

    if (element_of(value).get(number) != simdjson::SUCCESS) {
        return false;
    }
    *out = number;
    return true;
}

extern "C" bool json_i64(json_value value, int64_t *out)
{
    int64_t number;

    if (element_of(value).get(number) != simdjson::SUCCESS) {
        return false;
    }
    *out = number;
    return true;
}

extern "C" bool json_double(json_value value, double *out)
{
    double number;

    if (element_of(value).get(number) != simdjson::SUCCESS) {
        return false;
    }
    *out = number;
    return true;
}

extern "C" bool json_boolean(json_value value, bool *out)
{
    bool flag;

    if (element_of(value).get(flag) != simdjson::SUCCESS) {
        return false;
    }
    *out = flag;
    return true;
}

extern "C" bool json_member(json_value value, const char *key, json_value *out)
{
    struct json_cursor cursor = json_walk(value);
    struct slice wanted = slice_of_text(key);
    struct slice name;
    json_value member;

    if (!cursor.is_object) {
        return false;
    }
    while (json_next(&cursor, &name, &member)) {
        if (slice_equal(name, wanted)) {
            *out = member;
            return true;
        }
    }
    return false;
}

extern "C" struct json_cursor json_walk(json_value value)
{
    struct json_cursor cursor = {{nullptr, 0}, {nullptr, 0}, false};
    dom::element element = element_of(value);
    dom::object object;
    dom::array array;

    if (element.get(object) == simdjson::SUCCESS) {
        cursor.at = pack(object.begin());
        cursor.end = pack(object.end());
        cursor.is_object = true;
    } else if (element.get(array) == simdjson::SUCCESS) {
        cursor.at = pack(array.begin());
        cursor.end = pack(array.end());
    }
    return cursor;
}

template <typename Iterator> static Iterator step(struct json_cursor *cursor)
{
    Iterator here = unpack<Iterator>(cursor->at);
    Iterator next = here;

    ++next;
    cursor->at = pack(next);
    return here;
}

extern "C" bool json_next(struct json_cursor *cursor, struct slice *out_key, json_value *out_value)
{
    struct slice key = {nullptr, 0};

    if (cursor->at.index == cursor->end.index) {
        return false;
    }
    if (cursor->is_object) {
        dom::object::iterator here = step<dom::object::iterator>(cursor);

        key = slice_of_view(here.key());
        *out_value = pack(here.value());
    } else {
        *out_value = pack(*step<dom::array::iterator>(cursor));
    }
    if (out_key != nullptr) {
        *out_key = key;
    }
    return true;
}
