/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans, page by page. A page is written while the iterator walks; the cursor that follows it holds
 * the seq of the view, so the pages of one scan show one state of the database.
 */
#include "base/mem.h"
#include "server/routes/cursor.h"
#include "server/routes/json_reply.h"
#include "server/routes/routes_priv.h"

#define PAGE_ENTRIES 100
#define PAGE_ENTRIES_MAX 10000
#define PAGE_BYTES_MAX ((size_t)4 << 20)
/* Keys that one page passes over because they may not be shown. */
#define PAGE_HIDDEN_MAX 100000

struct scan_request {
    struct cursor_scan bounds;
    struct cursor from; /* last_key empty: from the start */
    enum shown_as encoding;
    uint64_t limit;
    bool keys_only;
    bool may_all; /* the principal may read all keys of the prefix */
};

/* A page that is being written. */
struct scan_page {
    struct exchange *x;
    const struct scan_request *scan;
    struct json_writer w;
    uint64_t count;
    uint64_t hidden;
    struct slice last_key; /* in the arena; set when the page is full */
    bool is_not_text;      /* something cannot be shown as it was asked for */
};

static void iter_free(struct blockdb_iter **iter)
{
    blockdb_iter_free(*iter);
}

/* ---- The request --------------------------------------------------------------------------- */

static int parse_switches(const struct exchange *x, struct scan_request *out, struct error *err)
{
    int rc = query_encoding(x, &out->encoding, err);

    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "reverse", &out->bounds.reverse, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = exchange_query_bool(x, "keys_only", &out->keys_only, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = query_bounded(x, "limit", 1, PAGE_ENTRIES_MAX, &out->limit, err);
    }
    return rc < 0 ? rc : exchange_query_u64(x, "at", &out->from.at_seq, err);
}

static int scan_parse(struct exchange *x, struct scan_request *out, struct error *err)
{
    static const char *const names[] = {"prefix",    "start",  "end", "limit",    "reverse",
                                        "keys_only", "cursor", "at",  "encoding", NULL};
    struct slice text;
    int rc = exchange_query_check(x, names, err);

    /* What is absent stays empty. */
    (void)exchange_query(x, "prefix", &out->bounds.prefix);
    (void)exchange_query(x, "start", &out->bounds.start);
    (void)exchange_query(x, "end", &out->bounds.end);
    if (rc == BLOCKDB_OK) {
        rc = parse_switches(x, out, err);
    }
    if (rc == BLOCKDB_OK && exchange_query(x, "cursor", &text)) {
        rc = cursor_decode(text, &out->bounds, exchange_arena(x), &out->from, err);
    }
    out->may_all = principal_may_prefix(exchange_principal(x), RIGHT_READ, out->bounds.prefix);
    return rc;
}

/* ---- The page ------------------------------------------------------------------------------ */

static int iter_open(struct blockdb *db, const struct scan_request *scan, struct blockdb_iter **out,
                     struct error *err)
{
    struct blockdb_scan_options options = BLOCKDB_SCAN_OPTIONS_INIT;
    const struct cursor_scan *bounds = &scan->bounds;

    options.at_seq = scan->from.at_seq;
    options.prefix = bounds->prefix.len > 0 ? bounds->prefix.data : NULL;
    options.prefix_len = bounds->prefix.len;
    options.start = bounds->start.len > 0 ? bounds->start.data : NULL;
    options.start_len = bounds->start.len;
    options.end = bounds->end.len > 0 ? bounds->end.data : NULL;
    options.end_len = bounds->end.len;
    options.reverse = bounds->reverse;
    options.keys_only = scan->keys_only;
    return blockdb_iter_new(db, &options, out, err);
}

static struct slice iter_key(const struct blockdb_iter *iter)
{
    size_t len;
    const void *key = blockdb_iter_key(iter, &len);

    return slice_of(key, len);
}

/* Moves to the first entry of the page. */
static int iter_begin(struct blockdb_iter *iter, const struct scan_request *scan, struct error *err)
{
    struct slice last = scan->from.last_key;
    int rc;

    if (last.len == 0) {
        return blockdb_iter_next(iter, err);
    }
    rc = blockdb_iter_seek(iter, last.data, last.len, err);
    if (rc == BLOCKDB_OK && slice_equal(iter_key(iter), last)) {
        rc = blockdb_iter_next(iter, err);
    }
    return rc;
}

/* Writes the entry at iter, unless it may not be shown. */
static void page_add(struct scan_page *page, const struct blockdb_iter *iter)
{
    struct reply_entry entry = {.key = iter_key(iter),
                                .version = blockdb_iter_version(iter),
                                .without_value = page->scan->keys_only};
    size_t len;

    if (!page->scan->may_all &&
        !principal_may_key(exchange_principal(page->x), RIGHT_READ, entry.key)) {
        page->hidden++;
        return;
    }
    entry.value.data = blockdb_iter_value(iter, &len);
    entry.value.len = len;
    json_writer_begin_object(&page->w);
    if (!reply_entry_members(&page->w, &entry, page->scan->encoding)) {
        page->is_not_text = true;
        return;
    }
    json_writer_end_object(&page->w);
    page->count++;
}

static bool page_is_full(const struct scan_page *page)
{
    return page->count >= page->scan->limit || page->w.out->len >= PAGE_BYTES_MAX ||
           page->hidden >= PAGE_HIDDEN_MAX;
}

/* Writes entries until the page is full or the scan at its end; ENOTFOUND tells the latter. */
static int page_fill(struct scan_page *page, struct blockdb_iter *iter, struct error *err)
{
    struct arena *arena = exchange_arena(page->x);
    int rc = iter_begin(iter, page->scan, err);

    while (rc == BLOCKDB_OK) {
        page_add(page, iter);
        if (page->is_not_text) {
            return BLOCKDB_OK;
        }
        if (page_is_full(page)) {
            struct slice key = iter_key(iter);

            page->last_key = slice_of(arena_copy(arena, key.data, key.len), key.len);
            if (page->last_key.data == NULL) {
                return error_set_no_memory(err);
            }
            /* Whether there is a next page is known only when something follows. */
            return blockdb_iter_next(iter, err);
        }
        rc = blockdb_iter_next(iter, err);
    }
    return rc;
}

static int page_finish(struct scan_page *page, bool is_last, struct error *err)
{
    const struct cursor next = {.at_seq = page->scan->from.at_seq, .last_key = page->last_key};
    struct slice text;

    json_writer_end_array(&page->w);
    if (!is_last) {
        if (cursor_encode(&next, &page->scan->bounds, exchange_arena(page->x), &text) < 0) {
            return error_set_no_memory(err);
        }
        json_writer_key(&page->w, "next_cursor");
        json_writer_string(&page->w, text);
    }
    return reply_finish(&page->w, err);
}

static int scan_run(struct exchange *x, struct blockdb *db, struct error *err)
{
    AUTO(iter_free) struct blockdb_iter *iter = NULL;
    struct scan_request *scan = exchange_state(x);
    struct scan_page page = {.x = x, .scan = scan};
    uint64_t count = blockdb_seq_count(db);
    int rc;

    reply_begin(x, &page.w);
    if (count > 0 && scan->from.at_seq >= count) {
        scan->from.at_seq = count - 1;
    }
    if (count > 0) {
        json_writer_member_u64(&page.w, "at", scan->from.at_seq);
    }
    json_writer_key(&page.w, "entries");
    json_writer_begin_array(&page.w);
    rc = iter_open(db, scan, &iter, err);
    if (rc == BLOCKDB_OK) {
        rc = page_fill(&page, iter, err);
    }
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    if (page.is_not_text) {
        return reply_not_text_prepared(x, err);
    }
    return page_finish(&page, rc == BLOCKDB_ENOTFOUND, err);
}

void route_scan(struct exchange *x)
{
    struct scan_request *scan = exchange_state_new(x, sizeof(*scan));
    struct error err;
    int rc;

    if (scan == NULL) {
        exchange_error(x, error_set_no_memory(&err), &err);
        return;
    }
    *scan = (struct scan_request){.limit = PAGE_ENTRIES, .from = {.at_seq = BLOCKDB_SEQ_NONE}};
    rc = scan_parse(x, scan, &err);
    if (rc < 0) {
        exchange_error(x, rc, &err);
        return;
    }
    exchange_run(x, POOL_LONG, scan_run);
}
