/* SPDX-License-Identifier: Apache-2.0 */
extern "C" {
#include "base/bytes.h"
#include "base/error.h"
}
#include "shim/toml.h"

/* Some wrong documents run into assertions of the library: they must not end the program. */
struct toml_stuck {
};
[[noreturn]] static void toml_give_up()
{
    throw toml_stuck();
}
#define TOML_ASSERT(condition) ((condition) ? static_cast<void>(0) : toml_give_up())
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_HEADER_ONLY 1
#include <algorithm>
#include <string>
#include <toml++/toml.h>
#include <vector>

/* A key with its value, to be sorted by line. */
struct entry {
    std::string key;
    const toml::node *node;
};

static unsigned line_of(const toml::node &node)
{
    return static_cast<unsigned>(node.source().begin.line);
}

static std::vector<entry> entries_by_line(const toml::table &table)
{
    std::vector<entry> entries;

    for (auto &&[key, node] : table) {
        entries.push_back({std::string(key.str()), &node});
    }
    std::stable_sort(entries.begin(), entries.end(), [](const entry &a, const entry &b) {
        return line_of(*a.node) < line_of(*b.node);
    });
    return entries;
}

static enum toml_type type_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::table:
        return TOML_TABLE;
    case toml::node_type::array:
        return TOML_ARRAY;
    case toml::node_type::string:
        return TOML_STRING;
    case toml::node_type::integer:
        return TOML_INTEGER;
    case toml::node_type::floating_point:
        return TOML_FLOAT;
    case toml::node_type::boolean:
        return TOML_BOOLEAN;
    case toml::node_type::none:
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
        break;
    }
    return TOML_DATE_OR_TIME;
}

/* What one walk carries along. */
struct walk {
    const char *name;
    toml_visit_fn visit;
    void *context;
    struct error *err;
};

static int visit_entry(const walk &w, const std::string &table, const entry &e)
{
    struct toml_item item = {table.c_str(), e.key.c_str(),   type_of(*e.node), nullptr, 0,
                             false,         line_of(*e.node)};

    if (e.key.find('\0') != std::string::npos) {
        return error_set(w.err, BLOCKDB_EINVAL, "%s:%u: a key contains a zero byte", w.name,
                         item.line);
    }
    if (const auto *text = e.node->as_string()) {
        item.text = text->get().c_str();
        if (text->get().find('\0') != std::string::npos) {
            return error_set(w.err, BLOCKDB_EINVAL,
                             "%s:%u: the text of '%.64s' contains a zero byte", w.name, item.line,
                             item.key);
        }
    }
    if (const auto *integer = e.node->as_integer()) {
        item.integer = integer->get();
    }
    if (const auto *boolean = e.node->as_boolean()) {
        item.boolean = boolean->get();
    }
    return w.visit(w.context, &item, w.err);
}

static int visit_keys(const walk &w, const std::string &name, const toml::table &table)
{
    for (const entry &inner : entries_by_line(table)) {
        int rc = visit_entry(w, name, inner);

        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

static int visit_tables(const walk &w, const toml::table &root)
{
    for (const entry &top : entries_by_line(root)) {
        const auto *table = top.node->as_table();
        int rc = visit_entry(w, "", top);

        if (rc == BLOCKDB_OK && table != nullptr) {
            rc = visit_keys(w, top.key, *table);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

extern "C" int toml_walk(struct slice text, const char *name, toml_visit_fn visit, void *context,
                         struct error *err)
{
    try {
        const char *chars = text.len > 0 ? reinterpret_cast<const char *>(text.data) : "";
        toml::parse_result parsed = toml::parse(std::string_view(chars, text.len));

        if (!parsed) {
            const toml::parse_error &fault = parsed.error();
            std::string what(fault.description());

            return error_set(err, BLOCKDB_EINVAL, "%s:%u: not valid TOML: %s", name,
                             static_cast<unsigned>(fault.source().begin.line), what.c_str());
        }
        return visit_tables(walk{name, visit, context, err}, parsed.table());
    } catch (const toml_stuck &) {
        return error_set(err, BLOCKDB_EINVAL,
                         "%s: not valid TOML: the parser gave up; look for a stray character in a "
                         "table's name or a key",
                         name);
    } catch (...) { /* only std::bad_alloc can come */
        return error_set_no_memory(err);
    }
}

extern "C" const char *toml_type_name(enum toml_type type)
{
    switch (type) {
    case TOML_TABLE:
        return "a table";
    case TOML_ARRAY:
        return "an array";
    case TOML_STRING:
        return "a string";
    case TOML_INTEGER:
        return "an integer";
    case TOML_FLOAT:
        return "a number with a fraction";
    case TOML_BOOLEAN:
        return "true or false";
    case TOML_DATE_OR_TIME:
        return "a date or time";
    }
    return "unknown";
}
