/* SPDX-License-Identifier: Apache-2.0 */
/* The request table answers repeats, forgets the oldest client, and survives encoding. */
#include "base/mem.h"
#include "engine/request_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void make_id(uint64_t n, uint8_t id[BLOCKDB_CLIENT_ID_LEN])
{
    memset(id, 0xa5, BLOCKDB_CLIENT_ID_LEN);
    put_le64(id, n);
}

static void record(struct request_table *table, uint64_t client, uint64_t request)
{
    uint8_t id[BLOCKDB_CLIENT_ID_LEN];
    struct request_answer answer = {
        .request = request, .first_seq = client * 1000 + request, .count = 2, .time_ms = 7};

    make_id(client, id);
    request_table_record(table, id, &answer);
}

static const struct request_answer *find(struct request_table *table, uint64_t client)
{
    uint8_t id[BLOCKDB_CLIENT_ID_LEN];

    make_id(client, id);
    return request_table_find(table, id);
}

static void test_last_answer_stays(void **state)
{
    struct request_table *table = request_table_new();

    (void)state;
    assert_null(find(table, 1));
    record(table, 1, 5);
    record(table, 1, 4); /* older: changes nothing */
    assert_int_equal(find(table, 1)->request, 5);
    record(table, 1, 6);
    assert_int_equal(find(table, 1)->first_seq, 1006);
    assert_int_equal(request_table_count(table), 1);
    request_table_free(table);
}

static void test_oldest_client_leaves(void **state)
{
    struct request_table *table = request_table_new();
    uint64_t i;

    (void)state;
    for (i = 0; i < REQUEST_CLIENTS_MAX; i++) {
        record(table, i, 1);
    }
    record(table, 0, 2); /* client 0 is the newest now, client 1 the oldest */
    record(table, REQUEST_CLIENTS_MAX, 1);
    assert_int_equal(request_table_count(table), REQUEST_CLIENTS_MAX);
    assert_null(find(table, 1));
    assert_int_equal(find(table, 0)->request, 2);
    assert_non_null(find(table, 2));
    assert_non_null(find(table, REQUEST_CLIENTS_MAX));
    request_table_free(table);
}

static void test_encoding_keeps_order(void **state)
{
    struct request_table *a = request_table_new();
    struct request_table *b = request_table_new();
    struct buf first = {0};
    struct buf second = {0};
    struct error err;
    uint64_t i;

    (void)state;
    for (i = 0; i < 100; i++) {
        record(a, i * 7 % 50, i + 1);
    }
    assert_int_equal(request_table_encode(a, &first), BLOCKDB_OK);
    assert_int_equal(request_table_decode(b, buf_slice(&first), &err), BLOCKDB_OK);
    assert_int_equal(request_table_encode(b, &second), BLOCKDB_OK);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    for (i = 0; i < first.len; i++) {
        assert_int_equal(request_table_decode(b, slice_of(first.data, i), &err), BLOCKDB_ECORRUPT);
    }
    buf_deinit(&first);
    buf_deinit(&second);
    request_table_free(a);
    request_table_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_answer_stays),
        cmocka_unit_test(test_oldest_client_leaves),
        cmocka_unit_test(test_encoding_keeps_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
