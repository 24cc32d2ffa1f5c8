/* SPDX-License-Identifier: Apache-2.0 */
/* Tables written by the first version of the format stay readable, and are still written the same.
 */
#include "base/mem.h"
#include "table_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* after the four that it needs */
#include <cmocka.h>

#define KEYS 60
#define OLDER_MAX 6000
#define VALUE_LEN 40

/* The item with number i, told by a rule; uses the caller's memory. */
struct rule {
    char key[32];
    uint8_t value[VALUE_LEN];
    uint64_t older[OLDER_MAX];
    struct item item;
};

static void item_of_rule(unsigned i, struct rule *out)
{
    size_t older_count = i == 7 ? OLDER_MAX : i % 4 == 0 ? 3 : i % 5 == 0 ? 20 : 0;
    bool put = i % 9 != 8;
    size_t j;

    (void)snprintf(out->key, sizeof(out->key), "account/%03u%s", i / 2, i % 2 == 0 ? "" : "/name");
    memset(out->value, 'a' + (int)(i % 26), VALUE_LEN);
    for (j = 0; j < older_count; j++) {
        out->older[j] = 1000000 + i - 1 - j * (1 + i % 3 * 100);
    }
    out->item = (struct item){.key = slice_of_text(out->key),
                              .seq = 1000000 + i,
                              .time_ms = 1700000000000 + i * 1000,
                              .kind = put ? BLOCKDB_KIND_PUT : BLOCKDB_KIND_DELETE,
                              .value_len = put ? VALUE_LEN : 0,
                              .value_inline = put && i % 6 != 5,
                              .value = slice_of(out->value, VALUE_LEN),
                              .older = version_list_of_array(out->older, older_count)};
}

static int compare_with_rule(void *arg, const struct item *item, struct error *err)
{
    unsigned *i = arg;
    struct rule rule;

    (void)err;
    item_of_rule((*i)++, &rule);
    check_item(item, &rule.item);
    return 0;
}

static void golden_path(enum codec codec, char *out, size_t len)
{
    (void)snprintf(out, len, "%s/table-1-%s.sst", GOLDEN_DIR, codec_name(codec));
}

static void build_by_rule(struct env *env, enum codec codec, const char *path)
{
    struct table_facts facts = {0};
    struct table_builder *b = NULL;
    struct error err = {0};
    struct rule rule;
    unsigned i;

    env->build.codec = codec;
    env->build.path = path;
    env->build.keys_max = KEYS;
    env->build.page_bytes = 600;
    env->build.index_bytes = 200;
    assert_int_equal(table_builder_new(&env->build, &b, &err), 0);
    for (i = 0; i < KEYS; i++) {
        item_of_rule(i, &rule);
        assert_int_equal(table_builder_add(b, &rule.item, &err), 0);
    }
    assert_int_equal(table_builder_finish(b, &facts, &err), 0);
    table_facts_deinit(&facts);
}

static void check_golden(struct env *env, const char *path)
{
    struct table *table = NULL;
    struct error err = {0};
    unsigned i = 0;

    if (table_open(&env->open, path, ENV_FILE_NUMBER, &table, &err) < 0 ||
        table_verify(table, compare_with_rule, &i, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(i, KEYS);
    table_unref(table);
}

static void golden_tables_stay_readable(void **state)
{
    unsigned codec;

    (void)state;
    for (codec = 0; codec < CODEC_COUNT; codec++) {
        char path[512];
        struct env env;

        env_init(&env, 1 << 20);
        golden_path((enum codec)codec, path, sizeof(path));
        if (getenv("WRITE_GOLDEN") != NULL) { /* for a new version of the format only */
            (void)unlink(path);
            build_by_rule(&env, (enum codec)codec, path);
        }
        check_golden(&env, path);
        env_deinit(&env);
    }
}

/* Compressed pages depend on the version of a library, the rest of the format does not. */
static void the_same_items_make_the_same_bytes(void **state)
{
    AUTO(buf_deinit) struct buf golden = {0};
    AUTO(buf_deinit) struct buf built = {0};
    struct error err = {0};
    char path[512];
    struct env env;

    (void)state;
    env_init(&env, 1 << 20);
    golden_path(CODEC_NONE, path, sizeof(path));
    build_by_rule(&env, CODEC_NONE, env.path);
    assert_int_equal(os_read_file(os_real(), path, 1 << 20, &golden, &err), 0);
    assert_int_equal(os_read_file(os_real(), env.path, 1 << 20, &built, &err), 0);
    assert_true(slice_equal(buf_slice(&golden), buf_slice(&built)));
    env_deinit(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_tables_stay_readable),
        cmocka_unit_test(the_same_items_make_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
