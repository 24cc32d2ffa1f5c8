/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signers elsewhere: a command signs, and only what the named key signed for this head is stored.
 * The command is this program itself: "NAME sign NUMBER" signs what it reads.
 */
#include "base/lines.h"
#include "base/mem.h"
#include "common/test_env.h"
#include "engine/db.h"
#include "engine/open.h"
#include "heads_test.h"
#include "ledger/config_entry.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COMMAND_MAX 600

static char program[300];

/* ---- The signer ------------------------------------------------------------------------------ */

static int sign_input(const char *number)
{
    AUTO(buf_deinit) struct buf line = {0};
    struct signing_key key = heads_test_key((uint8_t)atoi(number));
    uint8_t text[4096];
    size_t len = fread(text, 1, sizeof(text), stdin);
    struct error err;

    if (note_sign(&line, &key, slice_of(text, len), &err) < 0) {
        return EXIT_FAILURE;
    }
    signing_key_deinit(&key);
    return fwrite(line.data, 1, line.len, stdout) == line.len ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The verifier keys of the numbers in `digits`, with spaces between. */
static const char *keys_text(const char *digits)
{
    static char text[2000];
    size_t at = 0;

    for (; *digits != '\0'; digits++) {
        AUTO(buf_deinit) struct buf one = {0};
        struct signing_key key = heads_test_key((uint8_t)(*digits - '0'));
        struct verifier_key verifier = signing_key_verifier(&key);

        assert_int_equal(verifier_key_append(&one, &verifier), BLOCKDB_OK);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", at > 0 ? " " : "",
                               (int)one.len, (const char *)one.data);
        signing_key_deinit(&key);
    }
    return text;
}

/* ---- Databases ------------------------------------------------------------------------------- */

struct signer_case {
    const char *command; /* with a %s, or several, for "NAME sign" */
    const char *keys;    /* as keys_text() */
    bool with_key;       /* key 1 signs here, too */
};

static struct os_crash *disk;
static unsigned warnings;

static void count_warning(void *arg, enum blockdb_event_level level, const char *area,
                          const char *message)
{
    (void)arg;
    (void)message;
    if (level == BLOCKDB_EVENT_WARNING && strcmp(area, "heads") == 0) {
        warnings++;
    }
}

static int try_open(const struct signer_case *c, struct blockdb **out, struct error *err)
{
    static char command[COMMAND_MAX];
    const struct fixture_option list[] = {
        {"origin", ORIGIN},
        {"head_interval", "1h"},
        {"signer_command", command},
        {"signer_key", c->keys != NULL ? keys_text(c->keys) : ""},
        {c->with_key ? "signing_key_file" : NULL, KEY_PATH},
        {NULL, NULL},
    };
    struct blockdb_options *options;
    char *at = command;
    const char *from;
    int rc;

    for (from = c->command; *from != '\0'; from++) {
        if (strncmp(from, "SIGN", 4) == 0) {
            at += snprintf(at, sizeof(command) - (size_t)(at - command), "'%s' sign", program);
            from += 3;
        } else {
            *at++ = *from;
        }
    }
    *at = '\0';
    options = fixture_options(list);
    blockdb_options_set_event_cb(options, count_warning, NULL);
    rc = db_open(os_crash_os(disk), "/db", options, BLOCKDB_OPEN_CREATE, out, err);
    blockdb_options_free(options);
    return rc;
}

static struct blockdb *open_case(const struct signer_case *c)
{
    struct blockdb *db = NULL;
    struct error err;

    fixture_must(try_open(c, &db, &err), &err);
    return db;
}

static int set_up(void **state)
{
    (void)state;
    warnings = 0;
    disk = os_crash_new(world_seed);
    heads_test_write_keys(os_crash_os(disk), KEY_PATH, 1, 1);
    return disk != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    os_crash_free(disk);
    return 0;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void a_command_signs(void **state)
{
    static const struct signer_case alone = {"SIGN 7", "7", false};
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct blockdb *db = open_case(&alone);
    struct error err;

    (void)state;
    fixture_put(db, "a", "1", 1);
    fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
    assert_int_equal(heads_test_checkpoint(&note).size, 3); /* key, put, header */
    assert_true(heads_test_signed_by(&note, 7));
    assert_int_equal(warnings, 0);
    fixture_close(db);
}

static void both_sign(void **state)
{
    static const struct signer_case both = {"SIGN 7", "7", true};
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct blockdb *db = open_case(&both);
    struct error err;

    (void)state;
    fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
    assert_true(heads_test_signed_by(&note, 1) && heads_test_signed_by(&note, 7));
    fixture_close(db);
}

/* The items of the config entry seq that end in the key id of a number. */
static void assert_recorded(struct blockdb *db, uint64_t seq, uint8_t number, bool is_added)
{
    AUTO(blockdb_value_deinit) struct blockdb_value value = {0};
    struct signing_key key = heads_test_key(number);
    char name[64];
    struct reader items;
    struct error err;
    size_t count;
    bool found = false;

    (void)snprintf(name, sizeof(name), "signing_key/%08x", (unsigned)key.id);
    signing_key_deinit(&key);
    fixture_must(blockdb_get_entry(db, seq, NULL, &value, &err), &err);
    assert_int_equal(value.version.kind, BLOCKDB_KIND_CONFIG);
    assert_int_equal(config_entry_decode(slice_of(value.data, value.len), &items, &count), 0);
    for (; count > 0; count--) {
        struct config_item item = config_entry_next(&items);

        if (slice_equal(item.name, slice_of_text(name))) {
            assert_int_equal(item.value.len > 0, is_added);
            found = true;
        }
    }
    assert_true(found);
}

static void its_key_is_on_record(void **state)
{
    static const struct signer_case first = {"SIGN 7", "7", false};
    static const struct signer_case change[] = {
        {"SIGN 7", "78", false}, {"SIGN 8", "78", true}, {"SIGN 8", "8", true}};
    struct blockdb *db = open_case(&first);
    uint64_t acked;
    size_t i;

    (void)state;
    assert_recorded(db, 0, 7, true);
    acked = fixture_stats(db).acked_seq;
    fixture_close(db);
    db = open_case(&first);
    assert_int_equal(fixture_stats(db).acked_seq, acked + 1); /* the header of the first block */
    acked++;
    for (i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
        fixture_close(db);
        db = open_case(&change[i]);
        acked = fixture_stats(db).acked_seq - 1;
        assert_recorded(db, acked, i == 0 ? 8 : i == 1 ? 1 : 7, i < 2);
    }
    (void)fixture_verify(db);
    fixture_close(db);
}

static void bad_signers_are_refused(void **state)
{
    static const struct {
        struct signer_case options;
        const char *says;
    } cases[] = {
        {{"SIGN 7", NULL, false}, "needs the option signer_key"},
        {{"", "7", true}, "belongs to signer_command"},
        {{"SIGN 1", "1", true}, "twice"},
        {{"SIGN 7", "77", true}, "twice"},
        {{"SIGN 7", "56789", true}, "more than 4"},
    };
    struct error err;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct blockdb *db = NULL;

        assert_int_equal(try_open(&cases[i].options, &db, &err), BLOCKDB_EINVAL);
        if (strstr(err.message, cases[i].says) == NULL) {
            fail_msg("no '%s' in: %s", cases[i].says, err.message);
        }
    }
}

static const struct {
    const char *command;
    const char *says;
} bad_commands[] = {
    {"exit 1", "exit code 1"},
    {"true", "there is no signature line"},
    {"printf x", "line 1 does not end in a newline"},
    {"echo no signature", "line 1 is no signature line"},
    {"SIGN 8", "does not name"},
    {"echo | SIGN 7", "is not that of the key"},
    {"cat > /dev/null; printf 'other\\n1\\nAAAA\\n' | SIGN 7", "line 1"},
    {"SIGN 7 | tr -d '\\n'", "does not end in a newline"},
};

static void bad_lines_are_not_stored(void **state)
{
    size_t i;

    for (i = 0; i < sizeof(bad_commands) / sizeof(bad_commands[0]); i++) {
        struct signer_case both = {bad_commands[i].command, "7", true};
        struct signer_case alone = {bad_commands[i].command, "7", false};
        AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
        struct blockdb *db;
        struct error err;

        assert_int_equal(set_up(state), 0);
        db = open_case(&both);
        fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
        assert_true(heads_test_signed_by(&note, 1) && !heads_test_signed_by(&note, 7));
        assert_int_equal(fixture_stats(db).head_failures, 1);
        assert_int_equal(warnings, 1);
        fixture_put(db, "a", "1", 1);
        fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
        assert_int_equal(warnings, 1); /* told once */
        fixture_close(db);
        tear_down(state);

        assert_int_equal(set_up(state), 0);
        db = open_case(&alone);
        fixture_put(db, "a", "1", 1);
        assert_true(blockdb_checkpoint_sign(db, &note, &err) < 0);
        if (strstr(err.message, bad_commands[i].says) == NULL) {
            fail_msg("no '%s' in: %s", bad_commands[i].says, err.message);
        }
        assert_non_null(strstr(err.message, "signer_command"));
        assert_int_equal(warnings, 0); /* it is the answer */
        assert_int_equal(blockdb_checkpoint_get(db, &note, &err), BLOCKDB_ENOTFOUND);
        fixture_put(db, "a", "2", 1);
        fixture_close(db);
        if (i + 1 < sizeof(bad_commands) / sizeof(bad_commands[0])) {
            tear_down(state);
        }
    }
}

static void a_line_of_an_older_head_is_refused(void **state)
{
    char command[200];
    char dir[64];
    struct signer_case replay = {command, "7", false};
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    struct blockdb *db;
    struct error err;

    (void)state;
    fixture_make_dir(dir);
    (void)snprintf(command, sizeof(command), "test -f %s/line || SIGN 7 > %s/line; cat %s/line",
                   dir, dir, dir);
    db = open_case(&replay);
    fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
    assert_true(heads_test_signed_by(&note, 7));
    fixture_put(db, "a", "1", 1);
    assert_int_equal(blockdb_checkpoint_sign(db, &note, &err), BLOCKDB_EINVAL);
    assert_non_null(strstr(err.message, "is not stored"));
    fixture_close(db);
    fixture_remove_dir(dir);
}

/* Lets the n-th allocation of this thread fail. */
struct countdown {
    pthread_t thread;
    uint64_t left;
};

static bool fails(void *context)
{
    struct countdown *c = context;

    return pthread_equal(c->thread, pthread_self()) && c->left > 0 && --c->left == 0;
}

static void every_lack_of_memory_is_survived(void **state)
{
    static const struct signer_case alone = {"SIGN 7", "78", false};
    struct countdown c = {.thread = pthread_self()};
    uint64_t n = 0;
    int rc = BLOCKDB_ENOMEM;

    (void)state;
    mem_set_fail_hook(fails, &c);
    while (rc == BLOCKDB_ENOMEM) {
        AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
        struct blockdb *db = open_case(&alone);
        struct error err;

        n++;
        fixture_put(db, "a", "1", 1);
        fixture_must(blockdb_flush(db, &err), &err);
        c.left = n;
        rc = blockdb_checkpoint_sign(db, &note, &err);
        c.left = 0;
        if (rc < 0) {
            assert_int_equal(rc, BLOCKDB_ENOMEM);
            fixture_must(blockdb_checkpoint_sign(db, &note, &err), &err);
        }
        assert_true(heads_test_signed_by(&note, 7));
        fixture_close(db);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
    mem_set_fail_hook(NULL, NULL);
    assert_true(n > 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_command_signs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_sign, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_key_is_on_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_signers_are_refused, set_up, tear_down),
        cmocka_unit_test_teardown(bad_lines_are_not_stored, tear_down),
        cmocka_unit_test_setup_teardown(a_line_of_an_older_head_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_lack_of_memory_is_survived, set_up, tear_down),
    };
    ssize_t len;

    if (argc == 3 && strcmp(argv[1], "sign") == 0) {
        return sign_input(argv[2]);
    }
    len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    assert_true(len > 0);
    world_seed = test_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
