/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed page: sorted keys with a body each; the layout of data pages and index pages.
 *
 * Keys are prefix-compressed in groups. Each group begins with a restart point, whose key stands
 * whole; beside it the page keeps the key's *head*, 8 bytes behind the prefix common to the page,
 * as a number. A search goes over the dense array of heads and looks at a key only where heads are
 * equal, then through one group.
 *
 * KPAGE-1  Everything but keyed_page_check() needs bytes that passed keyed_page_check() (they did,
 *          when they come from a cache or from table_page_*()), so it trusts lengths in them.
 * KPAGE-2  In a group each entry shares all bytes it can with the one before.
 *
 * Threads:   immutable; an iterator belongs to one thread.
 * Ownership: views and iterators borrow the bytes.
 * Format:    docs/format/table.md, "Keyed page"
 */
#pragma once

#include "base/bytes.h"
#include "store/table_format.h"

#include <stdbool.h>
#include <stdint.h>

#define KEYED_PAGE_HEADER_BYTES 32
#define KEYED_PAGE_HEAD_BYTES 8
#define KEYED_PAGE_RESTART_BYTES 4

/* Where the parts of a page are. */
struct keyed_page {
    const uint8_t *prefix;
    const uint8_t *heads;
    const uint8_t *links;
    const uint8_t *restarts;
    const uint8_t *entries;
    const uint8_t *end;
    uint32_t entry_count;
    uint32_t restart_count;
    uint32_t prefix_len;
    uint32_t link_count;
    uint64_t base_seq;
    uint64_t base_time;
};

/* One entry, decoded. */
struct keyed_entry {
    uint32_t shared;
    uint32_t unshared;
    const uint8_t *suffix; /* unshared bytes */
    struct slice body;     /* the next entry begins where it ends */
};

/* Judges the body of one entry, from outside. */
typedef bool (*keyed_body_good_fn)(const struct keyed_page *page, struct slice body);

/* Checks bytes from outside so far that nothing in them can lead out of them; `index` also asks for
 * what index pages promise. Keys are not compared. */
RESULT_MUST_BE_USED int keyed_page_check(struct slice raw, bool index,
                                         keyed_body_good_fn body_good);
/* Also compares: order of keys, shared lengths (KPAGE-2), heads, the common prefix. Bytes must have
 * passed keyed_page_check(). */
RESULT_MUST_BE_USED int keyed_page_check_order(struct slice raw);

struct keyed_page keyed_page_of(struct slice raw);
/* i < link_count. */
struct table_handle keyed_page_link(const struct keyed_page *page, uint32_t i);

/* How many restart points have a key < key, or <= key with or_equal. */
uint32_t keyed_page_rank(const struct keyed_page *page, struct slice key, bool or_equal);
/* The body of exactly this key. */
bool keyed_page_find(const struct keyed_page *page, struct slice key, struct slice *out_body);

/* Index pages: every entry is a restart point, i < entry_count. */
struct slice keyed_page_key_at(const struct keyed_page *page, uint32_t i);
struct table_handle keyed_page_handle_at(const struct keyed_page *page, uint32_t i);
bool keyed_page_handle_good(const struct keyed_page *page, struct slice body);

/* The room of a prefix in a page: its length rounded up to a multiple of 8. */
static inline size_t keyed_page_prefix_room(size_t prefix_len)
{
    return (prefix_len + 7) / 8 * 8;
}
/* The head of a key: its 8 bytes behind the prefix, as a number, missing ones zero. */
uint64_t keyed_page_head(struct slice key, size_t prefix_len);
/* How many bytes a and b have in common at their beginning. */
size_t keyed_page_common_len(struct slice a, struct slice b);

/* Decodes a number that was checked before, and moves *p behind it. */
static inline uint64_t trusted_varint(const uint8_t **p)
{
    const uint8_t *at = *p;
    uint64_t value = *at & 0x7f;
    unsigned shift = 7;

    while ((*at++ & 0x80) != 0) {
        value |= (uint64_t)(*at & 0x7f) << shift;
        shift += 7;
    }
    *p = at;
    return value;
}

/* Stands on one entry of a page, or on none. */
struct keyed_iter {
    struct keyed_page page;
    uint32_t restart;  /* the group of the entry */
    const uint8_t *at; /* the entry; NULL: on none */
    struct slice body;
    size_t key_len;
    uint8_t key[BLOCKDB_KEY_MAX];
};

void keyed_iter_init(struct keyed_iter *it, struct slice raw);
static inline bool keyed_iter_valid(const struct keyed_iter *it)
{
    return it->at != NULL;
}
static inline struct slice keyed_iter_key(const struct keyed_iter *it)
{
    return slice_of(it->key, it->key_len);
}
void keyed_iter_first(struct keyed_iter *it);
void keyed_iter_last(struct keyed_iter *it);
/* To the first key >= key. */
void keyed_iter_seek(struct keyed_iter *it, struct slice key);
/* To the last key < key. */
void keyed_iter_seek_before(struct keyed_iter *it, struct slice key);
/* Only when valid. */
void keyed_iter_next(struct keyed_iter *it);
void keyed_iter_prev(struct keyed_iter *it);
