/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of writes: there and back, and texts that are none. */
#include "bin/cli/write_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_there_and_back(void **state)
{
    struct write_id id = {.client_id = {0x01, 0xfe}, .request = UINT64_MAX};
    struct write_id back;
    struct error err;
    char text[WRITE_ID_TEXT_BYTES];

    (void)state;
    write_id_format(text, &id);
    assert_string_equal(text, "01fe0000000000000000000000000000:18446744073709551615");
    assert_int_equal(strlen(text), WRITE_ID_TEXT_BYTES - 1);
    assert_int_equal(write_id_parse(text, &back, &err), BLOCKDB_OK);
    assert_memory_equal(back.client_id, id.client_id, sizeof(id.client_id));
    assert_int_equal(back.request, id.request);
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "1",
        "01fe0000000000000000000000000000",
        "01fe0000000000000000000000000000:",
        "01fe0000000000000000000000000000:x",
        "01fe0000000000000000000000000000:-1",
        "01fe0000000000000000000000000000:18446744073709551616",
        "01fe000000000000000000000000000:1",
        "01fe0000000000000000000000000000 1",
        "01fe000000000000000000000000000g:1",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct write_id id = {.request = 5};
        struct error err;

        assert_int_equal(write_id_parse(texts[i], &id, &err), BLOCKDB_EINVAL);
        assert_int_equal(id.request, 5);
        assert_non_null(strstr(err.message, "--request"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
