/* SPDX-License-Identifier: Apache-2.0 */
/* Version lists of all kinds in memory, chains of them, and merged items, against plain arrays. */
#include "base/mem.h"
#include "store/item.h"
#include "table_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

/* after the four that it needs */
#include <cmocka.h>

#define SEQS_MAX 2000

struct seqs {
    uint64_t at[SEQS_MAX];
    size_t count;
};

/* Descending seqs below *top, which goes down with them. */
static void random_seqs(struct rng *r, size_t count, uint64_t *top, struct seqs *out)
{
    size_t i;

    for (i = 0; i < count; i++) {
        *top -= 1 + rng_below(r, 300);
        out->at[out->count++] = *top;
    }
}

static void encode_deltas(const uint64_t *seqs, size_t count, uint64_t above, struct buf *out)
{
    size_t i;

    buf_reset(out);
    for (i = 0; i < count; i++) {
        assert_int_equal(buf_append_varint(out, above - seqs[i] - 1), 0);
        above = seqs[i];
    }
}

/* Walks the list from every kind of bound and compares with want. */
static void check_list(const struct version_list *list, const struct seqs *want, struct rng *r)
{
    unsigned n;

    assert_int_equal(list->count, want->count);
    for (n = 0; n < 20; n++) {
        AUTO(version_cursor_deinit) struct version_cursor c = {0};
        uint64_t before = n == 0 ? VERSIONS_ALL : want->at[0] + 5 - rng_below(r, want->at[0]);
        uint64_t seq = 0;
        size_t i = 0;

        assert_int_equal(version_cursor_init(&c, list, before, NULL), 0);
        while (i < want->count && before != VERSIONS_ALL && want->at[i] >= before) {
            i++;
        }
        assert_int_equal(version_list_find(list, before - 1, &seq, NULL),
                         i < want->count ? 0 : BLOCKDB_ENOTFOUND);
        if (i < want->count) {
            assert_int_equal(seq, want->at[i]);
        }
        while (i < want->count) {
            assert_int_equal(version_cursor_next(&c, &seq, NULL), 0);
            assert_int_equal(seq, want->at[i++]);
            if (i < want->count && rng_below(r, 50) == 0) { /* jump on */
                size_t to = i + rng_below(r, want->count - i);

                assert_int_equal(version_cursor_seek(&c, want->at[to] + 1, NULL), 0);
                i = to;
            }
        }
        assert_int_equal(version_cursor_next(&c, &seq, NULL), BLOCKDB_ENOTFOUND);
        assert_int_equal(version_cursor_next(&c, &seq, NULL), BLOCKDB_ENOTFOUND);
    }
}

static void plain_lists(void **state)
{
    static const size_t counts[] = {1, 2, 7, 100, SEQS_MAX};
    AUTO(buf_deinit) struct buf deltas = {0};
    struct rng r = rng_start();
    struct version_list list;
    size_t i;

    (void)state;
    list = version_list_of_array(NULL, 0);
    assert_int_equal(list.count, 0);
    list = version_list_of_deltas((struct slice){0}, 0, 9);
    assert_int_equal(list.count, 0);
    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct seqs seqs = {.count = 0};
        uint64_t top = 10000000;

        random_seqs(&r, counts[i], &top, &seqs);
        list = version_list_of_array(seqs.at, seqs.count);
        check_list(&list, &seqs, &r);
        encode_deltas(seqs.at, seqs.count, 10000000, &deltas);
        list = version_list_of_deltas(buf_slice(&deltas), seqs.count, 10000000);
        check_list(&list, &seqs, &r);
    }
}

static void damaged_deltas_are_found(void **state)
{
    static const uint8_t below_zero[] = {3, 9};
    static const uint8_t cut[] = {1, 0x80};
    struct error err = {0};
    uint64_t seq;
    struct version_list lists[] = {
        version_list_of_deltas(slice_of(below_zero, 2), 2, 10),
        version_list_of_deltas(slice_of(cut, 2), 2, 10),
        version_list_of_deltas(slice_of(cut, 1), 2, 10),
    };
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        AUTO(version_cursor_deinit) struct version_cursor c = {0};

        assert_int_equal(version_cursor_init(&c, &lists[i], VERSIONS_ALL, &err), 0);
        assert_int_equal(version_cursor_next(&c, &seq, &err), 0);
        assert_int_equal(version_cursor_next(&c, &seq, &err), BLOCKDB_ECORRUPT);
        assert_int_equal(version_list_find(&lists[i], 0, &seq, &err), BLOCKDB_ECORRUPT);
    }
}

/* The parts of some items of one key, newest first. */
struct parts {
    struct item items[8];
    struct seqs seqs[8];
    struct buf deltas[8];
    size_t count;
    struct seqs all; /* without the very first */
};

static void random_parts(struct rng *r, struct parts *p)
{
    uint64_t top = 100000000;
    size_t i;

    *p = (struct parts){.count = 1 + rng_below(r, 8)};
    for (i = 0; i < p->count; i++) {
        uint64_t seq = top -= 1 + rng_below(r, 9);

        p->items[i] = (struct item){.key = slice_of_text("k"), .seq = seq, .kind = 1};
        random_seqs(r, rng_below(r, 3) * rng_below(r, 40), &top, &p->seqs[i]);
        if (rng_below(r, 2) == 0) {
            p->items[i].older = version_list_of_array(p->seqs[i].at, p->seqs[i].count);
        } else {
            encode_deltas(p->seqs[i].at, p->seqs[i].count, seq, &p->deltas[i]);
            p->items[i].older = version_list_of_deltas(buf_slice(&p->deltas[i]), p->seqs[i].count,
                                                       seq);
        }
        if (i > 0) {
            p->all.at[p->all.count++] = seq;
        }
        memcpy(p->all.at + p->all.count, p->seqs[i].at, p->seqs[i].count * sizeof(uint64_t));
        p->all.count += p->seqs[i].count;
    }
}

static void parts_deinit(struct parts *p)
{
    size_t i;

    for (i = 0; i < 8; i++) {
        buf_deinit(&p->deltas[i]);
    }
}

static void merged_items_have_all_versions(void **state)
{
    AUTO(version_chain_deinit) struct version_chain chain = {0};
    AUTO(version_chain_deinit) struct version_chain outer = {0};
    struct rng r = rng_start();
    unsigned n;

    (void)state;
    for (n = 0; n < 200; n++) {
        struct parts p;
        struct item merged;
        size_t i;

        random_parts(&r, &p);
        merged = p.items[0];
        for (i = 1; i < p.count; i++) {
            assert_int_equal(item_merge(&merged, &p.items[i], &chain, &merged), 0);
        }
        assert_int_equal(merged.seq, p.items[0].seq);
        if (p.all.count > 0) {
            check_list(&merged.older, &p.all, &r);
        }
        /* A chain may be a part of another. */
        if (p.count > 1) {
            struct item top = {.key = slice_of_text("k"), .seq = 100000050, .kind = 2};
            struct item whole;

            assert_int_equal(item_merge(&top, &merged, &outer, &whole), 0);
            memmove(p.all.at + 1, p.all.at, p.all.count * sizeof(uint64_t));
            p.all.at[0] = merged.seq;
            p.all.count++;
            assert_int_equal(whole.kind, 2);
            check_list(&whole.older, &p.all, &r);
        }
        parts_deinit(&p);
    }
}

static bool fail_now(void *context)
{
    int *left = context;

    return (*left)-- == 0;
}

static void merging_survives_missing_memory(void **state)
{
    struct rng r = {.state = 5};
    struct parts p;
    int n;

    (void)state;
    do {
        random_parts(&r, &p);
        if (p.count < 8) {
            parts_deinit(&p);
        }
    } while (p.count < 8);
    for (n = 0; n < 3; n++) {
        AUTO(version_chain_deinit) struct version_chain chain = {0};
        struct item merged = p.items[0];
        int left = n;
        size_t i;

        mem_set_fail_hook(fail_now, &left);
        for (i = 1; i < p.count; i++) {
            struct item before = merged;
            int rc = item_merge(&merged, &p.items[i], &chain, &merged);

            if (rc < 0) {
                assert_int_equal(rc, BLOCKDB_ENOMEM);
                assert_memory_equal(&merged, &before, sizeof(merged));
                rc = item_merge(&merged, &p.items[i], &chain, &merged);
            }
            assert_int_equal(rc, 0);
        }
        mem_set_fail_hook(NULL, NULL);
        check_list(&merged.older, &p.all, &r);
    }
    parts_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lists),
        cmocka_unit_test(damaged_deltas_are_found),
        cmocka_unit_test(merged_items_have_all_versions),
        cmocka_unit_test(merging_survives_missing_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
