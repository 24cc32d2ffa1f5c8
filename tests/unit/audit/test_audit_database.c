/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audits of an open database, by its public functions alone.
 */
#include "audit/audit.h"
#include "base/mem.h"
#include "os/os.h"
#include "unit/engine/engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Nothing here is about surviving a crash. */
static const struct fixture_option quick[] = {{"wal_sync_mode", "none"}, {NULL, NULL}};

struct world {
    char dir[64];
    char database[80];
    char state[80];
    struct blockdb *db;
    struct audit_options options;
    struct audit_report report;
    struct error error;
};

static void open_world(struct world *w)
{
    memset(w, 0, sizeof(*w));
    fixture_make_dir(w->dir);
    (void)snprintf(w->database, sizeof(w->database), "%s/db", w->dir);
    (void)snprintf(w->state, sizeof(w->state), "%s/state", w->dir);
    w->db = fixture_open(os_real(), w->database, quick, BLOCKDB_OPEN_CREATE);
    w->options = (struct audit_options){.os = os_real(), .state_path = w->state, .threads = 2};
}

static void close_world(struct world *w)
{
    audit_report_deinit(&w->report);
    fixture_close(w->db);
    fixture_remove_dir(w->dir);
}

static void fill(struct world *w, unsigned begin, unsigned end)
{
    for (unsigned i = begin; i < end; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "key %u", i % 100);
        fixture_put(w->db, key, &i, sizeof(i));
    }
    /* A closed database has sealed everything. */
    fixture_close(w->db);
    w->db = fixture_open(os_real(), w->database, quick, 0);
}

static int audit(struct world *w)
{
    struct audit_source *source = NULL;
    int rc = audit_source_of_database(w->db, w->database, &source, &w->error);

    if (rc < 0) {
        return rc;
    }
    audit_report_deinit(&w->report);
    w->report = (struct audit_report){0};
    w->options.source = source;
    rc = audit_run(&w->options, &w->report, &w->error);
    audit_source_free(source);
    return rc;
}

static void audit_well(struct world *w)
{
    int rc = audit(w);

    if (rc < 0) {
        print_error("%s\n", w->error.message);
    }
    assert_int_equal(rc, BLOCKDB_OK);
}

static void test_growth(void **state)
{
    struct blockdb_head head;
    struct world w;
    uint64_t before = 0;

    (void)state;
    open_world(&w);
    audit_well(&w); /* of nothing */
    assert_int_equal(w.report.size, 0);
    for (unsigned round = 0; round < 4; round++) {
        fill(&w, round * 700, round * 700 + 700);
        audit_well(&w);
        assert_int_equal(blockdb_head_get(w.db, &head, NULL), 0);
        assert_int_equal(w.report.size, head.size);
        assert_memory_equal(w.report.root.bytes, head.root, SHA256_LEN);
        assert_int_equal(w.report.from, before);
        assert_int_equal(w.report.counts.puts, (round + 1) * 700);
        assert_int_equal(w.report.trust, AUDIT_UNSIGNED);
        assert_true(w.report.values_checked);
        before = head.size;
    }
    w.options.is_full = true;
    w.options.without_values = true;
    audit_well(&w);
    assert_false(w.report.values_checked);
    assert_int_equal(w.report.entries, before);
    close_world(&w);
}

/* Who has a key wants a signature. */
static void test_key_without_signature(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    fill(&w, 0, 10);
    w.options.key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_int_equal(audit(&w), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(w.error.message, "no signed head"));
    close_world(&w);
}

static bool stop_at_values(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    (void)arg;
    (void)done;
    (void)total;
    return strcmp(unit, "values") != 0;
}

/* What is interrupted between entries and values has verified no head; the next audit does. */
static void test_interrupted_values(void **state)
{
    struct world w;
    int rc;

    (void)state;
    open_world(&w);
    fill(&w, 0, 2000);
    w.options.progress = stop_at_values;
    rc = audit(&w); /* or it was too quick for any progress */
    assert_true(rc == BLOCKDB_ECANCELED || rc == BLOCKDB_OK);
    w.options.progress = NULL;
    if (rc == BLOCKDB_ECANCELED) {
        audit_well(&w);
        assert_true(w.report.values_checked);
    }
    close_world(&w);
}

/* Two directories that were one: the state of the one refuses the other. */
static void test_fork(void **state)
{
    struct world w;
    char copy[80];

    (void)state;
    open_world(&w);
    (void)snprintf(copy, sizeof(copy), "%s/copy", w.dir);
    fill(&w, 0, 300);
    assert_int_equal(blockdb_backup(w.db, copy, NULL, NULL, NULL), 0);
    fill(&w, 300, 310);
    audit_well(&w);
    fixture_close(w.db);

    (void)snprintf(w.database, sizeof(w.database), "%s", copy);
    w.db = fixture_open(os_real(), w.database, quick, 0);
    assert_int_equal(audit(&w), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(w.error.message, "shorter"));
    assert_true(w.report.fork_path[0] != '\0');
    fill(&w, 1000, 1500);
    assert_int_equal(audit(&w), BLOCKDB_ETAMPERED);
    assert_non_null(strstr(w.error.message, "another than it was"));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_key_without_signature),
        cmocka_unit_test(test_interrupted_values),
        cmocka_unit_test(test_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
