/* SPDX-License-Identifier: Apache-2.0 */
#include "store/keyed_page.h"

#include "base/assert.h"

#define HEAD_BYTES KEYED_PAGE_HEAD_BYTES
#define RESTART_BYTES KEYED_PAGE_RESTART_BYTES
#define FETCH_LINE_BYTES 64
#define FETCH_BYTES_MAX 1024 /* more outstanding misses than this only wait in line */

/* ---- Views ---------------------------------------------------------------------------------- */

struct keyed_page keyed_page_of(struct slice raw)
{
    struct keyed_page page = {
        .entry_count = get_le32(raw.data),
        .restart_count = get_le32(raw.data + 4),
        .prefix_len = get_le32(raw.data + 8),
        .link_count = get_le32(raw.data + 12),
        .base_seq = get_le64(raw.data + 16),
        .base_time = get_le64(raw.data + 24),
        .prefix = raw.data + KEYED_PAGE_HEADER_BYTES,
        .end = raw.data + raw.len,
    };

    page.heads = page.prefix + keyed_page_prefix_room(page.prefix_len);
    page.links = page.heads + (size_t)page.restart_count * HEAD_BYTES;
    page.restarts = page.links + (size_t)page.link_count * TABLE_HANDLE_BYTES;
    page.entries = page.restarts + (size_t)page.restart_count * RESTART_BYTES;
    return page;
}

struct table_handle keyed_page_link(const struct keyed_page *page, uint32_t i)
{
    const uint8_t *link = page->links + (size_t)i * TABLE_HANDLE_BYTES;

    DASSERT(i < page->link_count);
    return (struct table_handle){.offset = get_le64(link), .len = get_le32(link + 8)};
}

static inline const uint8_t *restart_at(const struct keyed_page *page, uint32_t i)
{
    return page->entries + get_le32(page->restarts + (size_t)i * RESTART_BYTES);
}

static inline struct keyed_entry entry_at(const uint8_t *at)
{
    struct keyed_entry entry;
    uint32_t body_len;

    if (((at[0] | at[1] | at[2]) & 0x80) == 0) { /* nearly always: three short numbers */
        entry.shared = at[0];
        entry.unshared = at[1];
        body_len = at[2];
        at += 3;
    } else {
        entry.shared = (uint32_t)trusted_varint(&at);
        entry.unshared = (uint32_t)trusted_varint(&at);
        body_len = (uint32_t)trusted_varint(&at);
    }
    entry.suffix = at;
    entry.body = slice_of(at + entry.unshared, body_len);
    return entry;
}

static inline const uint8_t *entry_end(const struct keyed_entry *entry)
{
    return entry->body.data + entry->body.len;
}

static inline struct slice restart_key(const struct keyed_page *page, uint32_t i)
{
    struct keyed_entry entry = entry_at(restart_at(page, i));

    return slice_of(entry.suffix, entry.unshared);
}

uint64_t keyed_page_head(struct slice key, size_t prefix_len)
{
    size_t left = key.len > prefix_len ? key.len - prefix_len : 0;
    uint8_t bytes[HEAD_BYTES] = {0};

    if (left >= HEAD_BYTES) {
        return get_be64(key.data + prefix_len);
    }
    if (left > 0) {
        memcpy(bytes, key.data + prefix_len, left);
    }
    return get_be64(bytes);
}

/* ---- Checks of bytes from outside ----------------------------------------------------------- */

struct entry_check {
    struct reader r;
    const uint8_t *entries;
    uint32_t restart; /* how many restart points were met */
    uint64_t key_len; /* of the entry before */
};

/* Checks the next entry; stores whether it may stand where it does. */
static bool check_entry(struct entry_check *c, const struct keyed_page *page,
                        keyed_body_good_fn body_good)
{
    size_t offset = (size_t)(c->r.at - c->entries);
    bool restarts = c->restart < page->restart_count &&
                    get_le32(page->restarts + (size_t)c->restart * RESTART_BYTES) == offset;
    uint64_t shared = reader_varint(&c->r);
    uint64_t unshared = reader_varint(&c->r);
    uint64_t body_len = reader_varint(&c->r);
    struct slice body;

    (void)reader_bytes(&c->r, unshared);
    body = reader_bytes(&c->r, body_len);
    if (!reader_ok(&c->r) || shared > c->key_len || unshared > BLOCKDB_KEY_MAX ||
        shared + unshared < 1 || shared + unshared > BLOCKDB_KEY_MAX) {
        return false;
    }
    c->key_len = shared + unshared;
    if (restarts) {
        c->restart++;
        if (shared != 0 || c->key_len < page->prefix_len) {
            return false;
        }
    }
    return body_good(page, body);
}

static bool frame_good(struct slice raw, bool index)
{
    struct reader r = reader_of(raw);
    uint64_t entries = reader_le32(&r);
    uint64_t restarts = reader_le32(&r);
    uint64_t prefix_len = reader_le32(&r);
    uint64_t links = reader_le32(&r);
    uint64_t base_seq = reader_le64(&r);
    uint64_t base_time = reader_le64(&r);

    if (!reader_ok(&r) || entries < 1 || restarts < 1 || restarts > entries ||
        prefix_len > BLOCKDB_KEY_MAX) {
        return false;
    }
    if (index && (restarts != entries || links != 0 || base_seq != 0 || base_time != 0)) {
        return false;
    }
    (void)reader_bytes(&r, keyed_page_prefix_room(prefix_len));
    (void)reader_bytes(&r, restarts * HEAD_BYTES);
    (void)reader_bytes(&r, links * TABLE_HANDLE_BYTES);
    (void)reader_bytes(&r, restarts * RESTART_BYTES);
    return reader_ok(&r);
}

int keyed_page_check(struct slice raw, bool index, keyed_body_good_fn body_good)
{
    struct entry_check c = {0};
    struct keyed_page page;
    uint32_t i;

    if (!frame_good(raw, index)) {
        return BLOCKDB_ECORRUPT;
    }
    page = keyed_page_of(raw);
    if (get_le32(page.restarts) != 0) {
        return BLOCKDB_ECORRUPT;
    }
    c.entries = page.entries;
    c.r = reader_of(slice_of(page.entries, (size_t)(page.end - page.entries)));
    for (i = 0; i < page.entry_count; i++) {
        if (!check_entry(&c, &page, body_good)) {
            return BLOCKDB_ECORRUPT;
        }
    }
    return reader_done(&c.r) && c.restart == page.restart_count ? BLOCKDB_OK : BLOCKDB_ECORRUPT;
}

size_t keyed_page_common_len(struct slice a, struct slice b)
{
    size_t max = a.len < b.len ? a.len : b.len;
    size_t len = 0;

    while (len < max && a.data[len] == b.data[len]) {
        len++;
    }
    return len;
}

static bool restart_good(const struct keyed_page *page, uint32_t i)
{
    struct slice key = restart_key(page, i);

    return get_le64(page->heads + (size_t)i * HEAD_BYTES) ==
               keyed_page_head(key, page->prefix_len) &&
           slice_has_prefix(key, slice_of(page->prefix, page->prefix_len));
}

static bool padding_good(const struct keyed_page *page)
{
    const uint8_t *at;

    for (at = page->prefix + page->prefix_len; at < page->heads; at++) {
        if (*at != 0) {
            return false;
        }
    }
    return true;
}

int keyed_page_check_order(struct slice raw)
{
    struct keyed_page page = keyed_page_of(raw);
    uint8_t before[BLOCKDB_KEY_MAX];
    size_t before_len = 0;
    const uint8_t *at = page.entries;
    uint32_t restart = 0;

    while (at < page.end) {
        struct keyed_entry entry = entry_at(at);
        struct slice rest = slice_of(before + entry.shared, before_len - entry.shared);
        struct slice suffix = slice_of(entry.suffix, entry.unshared);
        bool restarts = restart < page.restart_count && restart_at(&page, restart) == at;

        if (slice_compare(rest, suffix) >= 0) {
            return BLOCKDB_ECORRUPT;
        }
        if (restarts ? !restart_good(&page, restart) : keyed_page_common_len(rest, suffix) > 0) {
            return BLOCKDB_ECORRUPT;
        }
        restart += restarts;
        memcpy(before + entry.shared, entry.suffix, entry.unshared);
        before_len = entry.shared + entry.unshared;
        at = entry_end(&entry);
    }
    return padding_good(&page) && slice_has_prefix(slice_of(before, before_len),
                                                   slice_of(page.prefix, page.prefix_len))
               ? BLOCKDB_OK
               : BLOCKDB_ECORRUPT;
}

/* ---- Searching ------------------------------------------------------------------------------ */

/* Fetches what a search is about to read, all at once: misses that wait for each other cost more
 * than all the rest of a lookup. */
static inline void fetch(const uint8_t *from, const uint8_t *to)
{
    const uint8_t *limit = from + FETCH_BYTES_MAX;

    for (to = to < limit ? to : limit; from < to; from += FETCH_LINE_BYTES) {
        __builtin_prefetch(from);
    }
}

/* How many of n ascending heads are below `head`; n >= 1. Without branches that depend on keys. */
static uint32_t heads_below(const uint8_t *heads, uint32_t n, uint64_t head)
{
    uint32_t base = 0;

    while (n > 1) {
        uint32_t half = n / 2;

        base += get_le64(heads + (size_t)(base + half - 1) * HEAD_BYTES) < head ? half : 0;
        n -= half;
    }
    return base + (get_le64(heads + (size_t)base * HEAD_BYTES) < head ? 1 : 0);
}

/* Narrows [low, high), restart points whose heads equal key's, down to the rank of key. */
static uint32_t rank_equal_heads(const struct keyed_page *page, struct slice key, bool or_equal,
                                 uint32_t low)
{
    uint64_t head = keyed_page_head(key, page->prefix_len);
    uint32_t high = head == UINT64_MAX ? page->restart_count
                                       : heads_below(page->heads, page->restart_count, head + 1);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(restart_key(page, middle), key);

        if (order < 0 || (order == 0 && or_equal)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t keyed_page_rank(const struct keyed_page *page, struct slice key, bool or_equal)
{
    uint64_t head;
    uint32_t rank;

    if (page->prefix_len > 0) {
        struct slice prefix = slice_of(page->prefix, page->prefix_len);
        size_t len = key.len < prefix.len ? key.len : prefix.len;
        int order = len > 0 ? memcmp(key.data, prefix.data, len) : 0;

        if (order != 0) {
            return order < 0 ? 0 : page->restart_count;
        }
        if (key.len < prefix.len) {
            return 0;
        }
    }
    fetch(page->heads + FETCH_LINE_BYTES, page->links);
    head = keyed_page_head(key, page->prefix_len);
    rank = heads_below(page->heads, page->restart_count, head);
    if (rank < page->restart_count && get_le64(page->heads + (size_t)rank * HEAD_BYTES) == head) {
        return rank_equal_heads(page, key, or_equal, rank);
    }
    return rank;
}

bool keyed_page_find(const struct keyed_page *page, struct slice key, struct slice *out_body)
{
    uint32_t rank = keyed_page_rank(page, key, true);
    const uint8_t *at;
    const uint8_t *end;
    size_t matched = 0; /* bytes that key shares with the entry before, which is below key */

    if (rank == 0) {
        return false;
    }
    at = restart_at(page, rank - 1);
    end = rank < page->restart_count ? restart_at(page, rank) : page->end;
    fetch(at, end);
    while (at < end) {
        struct keyed_entry entry = entry_at(at);

        if (entry.shared < matched) {
            return false; /* it differs from the one before where key does not, so it is above */
        }
        if (entry.shared == matched) {
            struct slice rest = slice_of(key.data + matched, key.len - matched);
            struct slice suffix = slice_of(entry.suffix, entry.unshared);
            size_t common = keyed_page_common_len(rest, suffix);

            if (common == rest.len) {
                *out_body = entry.body;
                return common == suffix.len;
            }
            if (common < suffix.len && suffix.data[common] > rest.data[common]) {
                return false;
            }
            matched += common;
        }
        at = entry_end(&entry);
    }
    return false;
}

/* ---- Index pages ---------------------------------------------------------------------------- */

struct slice keyed_page_key_at(const struct keyed_page *page, uint32_t i)
{
    DASSERT(i < page->entry_count);
    return restart_key(page, i);
}

struct table_handle keyed_page_handle_at(const struct keyed_page *page, uint32_t i)
{
    struct keyed_entry entry = entry_at(restart_at(page, i));
    const uint8_t *at = entry.body.data;
    struct table_handle handle;

    DASSERT(i < page->entry_count);
    handle.offset = trusted_varint(&at);
    handle.len = (uint32_t)trusted_varint(&at);
    return handle;
}

bool keyed_page_handle_good(const struct keyed_page *page, struct slice body)
{
    struct reader r = reader_of(body);

    (void)page;
    (void)reader_varint(&r);
    return reader_varint(&r) <= TABLE_PAGE_STORED_MAX && reader_done(&r);
}

/* ---- Iterating ------------------------------------------------------------------------------ */

void keyed_iter_init(struct keyed_iter *it, struct slice raw)
{
    it->page = keyed_page_of(raw);
    it->at = NULL;
    it->key_len = 0;
}

/* Takes the entry at `at`, whose predecessor is in it->key as far as it is shared. */
static void load(struct keyed_iter *it, const uint8_t *at)
{
    struct keyed_entry entry;

    if (at >= it->page.end) {
        it->at = NULL;
        return;
    }
    entry = entry_at(at);
    memcpy(it->key + entry.shared, entry.suffix, entry.unshared);
    it->key_len = entry.shared + entry.unshared;
    it->body = entry.body;
    it->at = at;
    if (it->restart + 1 < it->page.restart_count && at == restart_at(&it->page, it->restart + 1)) {
        it->restart++;
    }
}

static const uint8_t *next_of(const struct keyed_iter *it)
{
    return it->body.data + it->body.len;
}

static void load_restart(struct keyed_iter *it, uint32_t i)
{
    it->restart = i;
    load(it, restart_at(&it->page, i));
}

/* Goes on to the last entry that begins before `end`; stands before it. */
static void forward_to(struct keyed_iter *it, const uint8_t *end)
{
    while (next_of(it) < end) {
        load(it, next_of(it));
    }
}

void keyed_iter_first(struct keyed_iter *it)
{
    load_restart(it, 0);
}

void keyed_iter_last(struct keyed_iter *it)
{
    load_restart(it, it->page.restart_count - 1);
    forward_to(it, it->page.end);
}

void keyed_iter_seek(struct keyed_iter *it, struct slice key)
{
    uint32_t rank = keyed_page_rank(&it->page, key, false);

    load_restart(it, rank > 0 ? rank - 1 : 0);
    while (it->at != NULL && slice_compare(keyed_iter_key(it), key) < 0) {
        load(it, next_of(it));
    }
}

void keyed_iter_seek_before(struct keyed_iter *it, struct slice key)
{
    uint32_t rank = keyed_page_rank(&it->page, key, false);
    const uint8_t *last;

    if (rank == 0) {
        it->at = NULL;
        return;
    }
    load_restart(it, rank - 1);
    do {
        last = it->at;
        load(it, next_of(it));
    } while (it->at != NULL && slice_compare(keyed_iter_key(it), key) < 0);
    load_restart(it, rank - 1);
    while (it->at != last) {
        load(it, next_of(it));
    }
}

void keyed_iter_next(struct keyed_iter *it)
{
    load(it, next_of(it));
}

void keyed_iter_prev(struct keyed_iter *it)
{
    const uint8_t *at = it->at;
    uint32_t group = it->restart;

    if (at == it->page.entries) {
        it->at = NULL;
        return;
    }
    if (at == restart_at(&it->page, group)) {
        group--;
    }
    load_restart(it, group);
    forward_to(it, at);
}
