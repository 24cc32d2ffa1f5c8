/* SPDX-License-Identifier: Apache-2.0 */
/* Scans and histories: what comes page after page. */
#include "base/mem.h"
#include "client/ask.h"
#include "client/shape.h"

#include <string.h>

#define PAGE_ENTRIES 1000

/* A page that was fetched: an answer's body and where we are in its array of entries. */
struct page {
    struct buf bytes;
    struct json_reader at; /* inside of the array; borrows bytes */
    bool is_open;          /* there may be more in it */
    bool is_last;
    struct buf cursor; /* of the next page, as text */
    struct shape_entry entry;
};

static void page_deinit(struct page *page)
{
    buf_deinit(&page->bytes);
    buf_deinit(&page->cursor);
    shape_entry_deinit(&page->entry);
}

/* The members around the array; *out_array is its text. */
static int page_members(struct page *page, struct slice *out_array, struct error *err)
{
    struct json_reader r = json_reader_of(buf_slice(&page->bytes));
    bool has_array = false;
    struct slice key;

    buf_reset(&page->cursor);
    json_reader_begin_object(&r);
    while (json_reader_key(&r, &key)) {
        if (json_key_is(key, "entries") || json_key_is(key, "versions")) {
            has_array = json_reader_skip_value(&r, out_array);
        } else if (json_key_is(key, "next_cursor") && json_reader_type(&r) == JSON_READER_STRING) {
            (void)json_reader_text(&r, &page->cursor); /* sticky, as the others */
        } else {
            json_reader_skip(&r);
        }
    }
    return json_reader_done(&r) && has_array ? BLOCKDB_OK : shape_failure(&r, "a page", err);
}

/* Fetches the page that ask asks for. */
static int page_fetch(struct page *page, struct ask *ask, struct error *err)
{
    struct slice array;
    int rc = ask_run(ask, err);

    if (rc < 0) {
        return rc;
    }
    /* The slot is given back, so its bytes change hands. */
    buf_deinit(&page->bytes);
    page->bytes = ask->slot->answer.body;
    ask->slot->answer.body = (struct buf){0};
    rc = page_members(page, &array, err);
    if (rc < 0) {
        return rc;
    }
    page->at = json_reader_of(array);
    json_reader_begin_array(&page->at);
    page->is_open = true;
    page->is_last = page->cursor.len == 0;
    return BLOCKDB_OK;
}

/* Moves to the next entry of the page; ENOTFOUND at its end. */
static int page_next(struct page *page, struct error *err)
{
    if (page->is_open && json_reader_item(&page->at)) {
        return shape_entry_read(&page->at, &page->entry) && page->entry.has_seq
                   ? BLOCKDB_OK
                   : shape_failure(&page->at, "an entry of a page", err);
    }
    if (page->is_open && !json_reader_done(&page->at)) {
        return shape_failure(&page->at, "a page", err);
    }
    page->is_open = false;
    return BLOCKDB_ENOTFOUND;
}

/* ---- Scans --------------------------------------------------------------------------------- */

struct blockdb_client_iter {
    struct blockdb_client *client;
    struct buf prefix, start, end;
    bool has_prefix, has_start, has_end, reverse, keys_only;
    uint64_t at_seq;
    unsigned page_entries;
    struct page page;
};

void blockdb_client_iter_free(struct blockdb_client_iter *iter)
{
    if (iter != NULL) {
        buf_deinit(&iter->prefix);
        buf_deinit(&iter->start);
        buf_deinit(&iter->end);
        page_deinit(&iter->page);
        mem_free(iter);
    }
}

static void iter_free_ptr(struct blockdb_client_iter **iter)
{
    blockdb_client_iter_free(*iter);
}

static int copy(struct buf *to, bool *out_has, const void *data, size_t len)
{
    *out_has = data != NULL;
    return data != NULL ? buf_append(to, data, len) : BLOCKDB_OK;
}

int blockdb_client_iter_new(struct blockdb_client *client,
                            const struct blockdb_scan_options *options,
                            struct blockdb_client_iter **out_iter, struct error *err)
{
    static const struct blockdb_scan_options defaults = BLOCKDB_SCAN_OPTIONS_INIT;
    const struct blockdb_scan_options *o = options != NULL ? options : &defaults;
    AUTO(iter_free_ptr) struct blockdb_client_iter *iter = NULL;

    if (o->view != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "a client has no views: use at_seq");
    }
    iter = mem_calloc(1, sizeof(*iter));
    if (iter == NULL || copy(&iter->prefix, &iter->has_prefix, o->prefix, o->prefix_len) < 0 ||
        copy(&iter->start, &iter->has_start, o->start, o->start_len) < 0 ||
        copy(&iter->end, &iter->has_end, o->end, o->end_len) < 0) {
        return error_set_no_memory(err);
    }
    iter->client = client;
    iter->reverse = o->reverse;
    iter->keys_only = o->keys_only;
    iter->page_entries = PAGE_ENTRIES;
    iter->at_seq = o->at_seq;
    *out_iter = TAKE(iter);
    return BLOCKDB_OK;
}

void blockdb_client_iter_set_page(struct blockdb_client_iter *iter, unsigned entries)
{
    iter->page_entries = entries > 0 ? entries : PAGE_ENTRIES;
}

static void iter_parameters(struct ask *ask, const struct blockdb_client_iter *iter)
{
    const struct page *page = &iter->page;

    ask_path(ask, "/api/v1/scan?encoding=base64");
    if (iter->has_prefix) {
        ask_parameter_text(ask, "prefix", buf_slice(&iter->prefix));
    }
    if (iter->has_start) {
        ask_parameter_text(ask, "start", buf_slice(&iter->start));
    }
    if (iter->has_end) {
        ask_parameter_text(ask, "end", buf_slice(&iter->end));
    }
    ask_path(ask, iter->reverse ? "&reverse=1" : "");
    ask_path(ask, iter->keys_only ? "&keys_only=1" : "");
    ask_parameter_u64(ask, "limit", iter->page_entries);
    if (page->cursor.len > 0) {
        ask_parameter_text(ask, "cursor", buf_slice(&page->cursor)); /* it knows the view */
    } else if (iter->at_seq != BLOCKDB_SEQ_NONE) {
        ask_parameter_u64(ask, "at", iter->at_seq);
    }
}

static int iter_fetch(struct blockdb_client_iter *iter, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, iter->client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    iter_parameters(&ask, iter);
    return page_fetch(&iter->page, &ask, err);
}

int blockdb_client_iter_next(struct blockdb_client_iter *iter, struct error *err)
{
    while (true) {
        int rc = page_next(&iter->page, err);

        if (rc != BLOCKDB_ENOTFOUND || iter->page.is_last) {
            return rc;
        }
        rc = iter_fetch(iter, err);
        if (rc < 0) {
            return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc; /* which would be the end */
        }
    }
}

const void *blockdb_client_iter_key(const struct blockdb_client_iter *iter, size_t *out_len)
{
    *out_len = iter->page.entry.key.len;
    return iter->page.entry.key.data;
}

const void *blockdb_client_iter_value(const struct blockdb_client_iter *iter, size_t *out_len)
{
    *out_len = iter->page.entry.value.len;
    return iter->page.entry.value.data;
}

struct blockdb_version_info blockdb_client_iter_version(const struct blockdb_client_iter *iter)
{
    return iter->page.entry.version;
}

/* ---- Histories ----------------------------------------------------------------------------- */

struct blockdb_client_history {
    struct blockdb_client *client;
    struct buf key;
    uint64_t before_seq;
    bool versions_only;
    unsigned page_versions;
    struct page page;
};

void blockdb_client_history_free(struct blockdb_client_history *history)
{
    if (history != NULL) {
        buf_deinit(&history->key);
        page_deinit(&history->page);
        mem_free(history);
    }
}

int blockdb_client_history_new(struct blockdb_client *client, const void *key, size_t key_len,
                               const struct blockdb_history_options *options,
                               struct blockdb_client_history **out_history, struct error *err)
{
    static const struct blockdb_history_options defaults = BLOCKDB_HISTORY_OPTIONS_INIT;
    const struct blockdb_history_options *o = options != NULL ? options : &defaults;
    struct blockdb_client_history *history;

    if (o->view != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "a client has no views: use before_seq");
    }
    history = mem_calloc(1, sizeof(*history));
    if (history == NULL || buf_append(&history->key, key, key_len) < 0) {
        mem_free(history);
        return error_set_no_memory(err);
    }
    history->client = client;
    history->before_seq = o->before_seq;
    history->versions_only = o->versions_only;
    history->page_versions = PAGE_ENTRIES;
    *out_history = history;
    return BLOCKDB_OK;
}

void blockdb_client_history_set_page(struct blockdb_client_history *history, unsigned versions)
{
    history->page_versions = versions > 0 ? versions : PAGE_ENTRIES;
}

static int history_fetch(struct blockdb_client_history *history, struct error *err)
{
    AUTO(ask_end) struct ask ask = {0};
    int rc = ask_begin(&ask, history->client, "GET", err);

    if (rc < 0) {
        return rc;
    }
    ask_path(&ask, "/api/v1/history/");
    ask_path_encoded(&ask, buf_slice(&history->key));
    ask_path(&ask, "?encoding=base64");
    ask_path(&ask, history->versions_only ? "&versions_only=1" : "");
    ask_parameter_u64(&ask, "limit", history->page_versions);
    if (history->before_seq != BLOCKDB_SEQ_NONE) {
        ask_parameter_u64(&ask, "before", history->before_seq);
    }
    return page_fetch(&history->page, &ask, err);
}

int blockdb_client_history_next(struct blockdb_client_history *history, struct error *err)
{
    while (true) {
        int rc = page_next(&history->page, err);

        if (rc == BLOCKDB_OK) {
            history->before_seq = history->page.entry.version.seq;
        }
        if (rc != BLOCKDB_ENOTFOUND || history->page.is_last) {
            return rc;
        }
        rc = history_fetch(history, err);
        if (rc < 0) {
            return rc;
        }
    }
}

struct blockdb_version_info blockdb_client_history_version(
    const struct blockdb_client_history *history)
{
    return history->page.entry.version;
}

const void *blockdb_client_history_value(const struct blockdb_client_history *history,
                                         size_t *out_len)
{
    *out_len = history->page.entry.value.len;
    return history->page.entry.value.data;
}
