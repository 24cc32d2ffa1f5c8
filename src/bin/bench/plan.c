/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/plan.h"

#include "base/text.h"
#include "base/units.h"
#include "bin/bench/targets.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024ULL * 1024)
#define VALUE_LEN_MAX (1ULL * 1024 * 1024)
#define CACHE_DEFAULT (1024 * MIB)
#define WRITE_BUFFER_DEFAULT (64 * MIB)
#define ROUNDS_MAX 99

#define WORKLOADS_RUN                                                                              \
    "fillseq,fillrandom,fillbatch,fillsync,overwrite,readrandom,readmissing,readhot,seekrandom,"   \
    "readwhilewriting,history,asof,verify,reopen,recover"
#define WORKLOADS_REMOTE                                                                           \
    "fillrandom:10,fillpipe:10,overwrite:10,readrandom:10,readpipe:10,seekrandom,ycsb-a:10,"       \
    "ycsb-b:10,ycsb-c:10,ycsb-d:10,ycsb-e:10,ycsb-f:10"
#define NUM_EMBEDDED 1000000
#define NUM_REMOTE 20000
#define RATE_MAX 100000000
#define WORKLOADS_COMPARE                                                                          \
    "fillseq,fillsync:1,fillsync:16,fillbatchsync,fillbatch,fillrandom,readrandom,readrandom:2,"   \
    "readmissing,readhot,seekrandom,overwrite,readwhilewriting"

enum option_kind {
    OPTION_SWITCH,
    OPTION_TEXT,
    OPTION_NUMBER,
    OPTION_SIZE,
    OPTION_DURATION,
    OPTION_SET,
    OPTION_ENGINES,
    OPTION_WORKLOADS,
    OPTION_DURABILITY,
    OPTION_OUTPUT,
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset; /* of the field in struct plan, where the kind has one */
    uint64_t min;
    uint64_t max;
    const char *argument;
    const char *help; /* NULL: not shown */
};

#define FIELD(name) offsetof(struct plan, name)

static const struct option options[] = {
    {"--workloads", OPTION_WORKLOADS, 0, 0, 0, "A,B:THREADS,..",
     "what to run, in this order; default: a choice that fits the engines"},
    {"--num", OPTION_NUMBER, FIELD(num), 1, DATASET_NUM_MAX, "N",
     "keys; default 1000000, 20000 for servers"},
    {"--reads", OPTION_NUMBER, FIELD(reads), 1, UINT64_MAX / 2, "N",
     "reads, a tenth of them scans; default: as many as keys"},
    {"--threads", OPTION_NUMBER, FIELD(threads), 1, PLAN_THREADS_MAX, "N",
     "threads of each workload that names no number; default 1. With a server each has a "
     "connection"},
    {"--key-size", OPTION_NUMBER, FIELD(key_len), DATASET_KEY_LEN_MIN, DATASET_KEY_LEN_MAX, "BYTES",
     "default 16"},
    {"--value-size", OPTION_SIZE, FIELD(value_len), 0, VALUE_LEN_MAX, "SIZE", "default 100"},
    {"--batch", OPTION_NUMBER, FIELD(batch), 1, PLAN_BATCH_MAX, "N",
     "entries of a batch; default 100"},
    {"--pipeline", OPTION_NUMBER, FIELD(pipeline), 1, PLAN_BATCH_MAX, "N",
     "commands sent at once by fillpipe and readpipe; default 16"},
    {"--duration", OPTION_DURATION, FIELD(duration_ms), 1, 86400000, "TIME",
     "end each workload after this time, such as 10s, if not before"},
    {"--rate", OPTION_NUMBER, FIELD(rate), 1, RATE_MAX, "N",
     "open loop: so many operations a second are due, whether or not those before have ended, and "
     "a latency counts from when its operation was due"},
    {"--durability", OPTION_DURABILITY, FIELD(durability), 0, 0, "none|interval|group|always",
     "of writes; default none, for servers their own; 'sync' workloads use group unless it is "
     "always. Peers know only "
     "synced (group, always) and not"},
    {"--seed", OPTION_NUMBER, FIELD(seed), 0, UINT64_MAX, "N", "of keys and values; default 1"},
    {"--cache", OPTION_SIZE, FIELD(cache_bytes), 0, 1ULL << 40, "SIZE",
     "block cache; default 1GiB. Engines that map files use the page cache instead"},
    {"--write-buffer", OPTION_SIZE, FIELD(write_buffer_bytes), 64 * 1024, 1ULL << 36, "SIZE",
     "memtable; default 64MiB"},
    {"--bloom-bits", OPTION_NUMBER, FIELD(bloom_bits), 0, 32, "N",
     "filter bits a key, 0 for none; default 10"},
    {"--compression", OPTION_TEXT, FIELD(compression), 0, 0, "none|snappy|lz4|zstd",
     "default lz4, snappy in a comparison, for LevelDB has no other"},
    {"--set", OPTION_SET, 0, 0, 0, "NAME=VALUE",
     "any key of [database] or [ledger], of a server any key; may be repeated"},
    {"--engines", OPTION_ENGINES, 0, 0, 0, "A,B,..",
     "default: blockdb; in a comparison all that are built in"},
    {"--server", OPTION_SWITCH, FIELD(own_server), 0, 0, "",
     "measure a blockdb-server, started for it with a new database: --engines http,redis. --set is "
     "for the server"},
    {"--server-program", OPTION_TEXT, FIELD(server), 0, 0, "PROGRAM",
     "which one; default: blockdb-server beside this program"},
    {"--url", OPTION_TEXT, FIELD(url), 0, 0, "URL",
     "measure a server that runs already, by HTTP; needs --allow-live"},
    {"--redis", OPTION_TEXT, FIELD(redis), 0, 0, "HOST:PORT",
     "the same by the Redis protocol; also a server of Redis"},
    {"--allow-live", OPTION_SWITCH, FIELD(allow_live), 0, 0, "",
     "write to that server. A ledger keeps what is written for ever. Keys begin with "
     "blockdb-bench/"},
    {"--token-file", OPTION_TEXT, FIELD(token_file), 0, 0, "FILE",
     "holds the token for that server"},
    {"--rounds", OPTION_NUMBER, FIELD(rounds), 1, ROUNDS_MAX, "N",
     "how often all is repeated; default 1, 3 in a comparison"},
    {"--db", OPTION_TEXT, FIELD(db), 0, 0, "DIR",
     "where databases are made, in a new directory; default: $TMPDIR or /tmp"},
    {"--keep", OPTION_SWITCH, FIELD(keep), 0, 0, "", "leave the databases of the last round"},
    {"--histogram", OPTION_TEXT, FIELD(histogram), 0, 0, "FILE",
     "write the distributions of latencies to a file, in the form of HdrHistogram"},
    {"-o", OPTION_OUTPUT, FIELD(json), 0, 0, "json|table", "how to print; default table"},
    {"--json", OPTION_SWITCH, FIELD(json), 0, 0, "", "print JSON instead of tables"},
    {"--json-file", OPTION_TEXT, FIELD(json_file), 0, 0, "FILE",
     "write JSON to a file besides what is printed"},
    {"--help", OPTION_SWITCH, FIELD(help), 0, 0, "", "print this"},
    {"--version", OPTION_SWITCH, FIELD(version), 0, 0, "", "print the version"},
    {"--crash-child", OPTION_TEXT, FIELD(crash_child), 0, 0, "", NULL},
    {"--crash-engine", OPTION_ENGINES, 0, 0, 0, "", NULL},
};

static const struct {
    const char *name;
    enum blockdb_durability durability;
} durabilities[] = {
    {"none", BLOCKDB_DURABILITY_NONE},
    {"interval", BLOCKDB_DURABILITY_INTERVAL},
    {"group", BLOCKDB_DURABILITY_GROUP},
    {"always", BLOCKDB_DURABILITY_ALWAYS},
};

const char *durability_name(enum blockdb_durability durability)
{
    size_t i;

    for (i = 0; i < sizeof(durabilities) / sizeof(durabilities[0]); i++) {
        if (durabilities[i].durability == durability) {
            return durabilities[i].name;
        }
    }
    return "default";
}

static int set_durability(struct plan *plan, const char *value, struct error *err)
{
    size_t i;

    for (i = 0; i < sizeof(durabilities) / sizeof(durabilities[0]); i++) {
        if (strcmp(durabilities[i].name, value) == 0) {
            plan->durability = durabilities[i].durability;
            plan->has_durability = true;
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "--durability '%s' must be none, interval, group or always", value);
}

/* Calls add for each of the words that commas separate. */
static int each_word(struct plan *plan, const char *list,
                     int (*add)(struct plan *plan, const char *word, size_t len, struct error *err),
                     struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == 0) {
        size_t len = strcspn(list, ",");

        rc = add(plan, list, len, err);
        if (list[len] == '\0') {
            break;
        }
        list += len + 1;
    }
    return rc;
}

static int add_engine(struct plan *plan, const char *word, size_t len, struct error *err)
{
    char name[32] = "";
    unsigned i;
    int rc;

    memcpy(name, word, len < sizeof(name) - 1 ? len : sizeof(name) - 1);
    if (plan->engine_count == PLAN_ENGINES_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "--engines: at most %u", PLAN_ENGINES_MAX);
    }
    rc = bench_engine_find(name, &plan->engines[plan->engine_count], err);
    if (rc < 0) {
        return rc;
    }
    for (i = 0; i < plan->engine_count; i++) {
        if (plan->engines[i] == plan->engines[plan->engine_count]) {
            return error_set(err, BLOCKDB_EINVAL, "--engines: '%s' stands there twice", name);
        }
    }
    plan->engine_count++;
    return BLOCKDB_OK;
}

/* "name" or "name:threads"; 0 threads stands for --threads. */
static int add_workload(struct plan *plan, const char *word, size_t len, struct error *err)
{
    const char *colon = memchr(word, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - word) : len;
    struct plan_item *item = &plan->items[plan->item_count];
    uint64_t threads = 0;
    char number[24] = "";
    int rc;

    if (plan->item_count == PLAN_WORKLOADS_MAX) {
        return error_set(err, BLOCKDB_EINVAL, "--workloads: at most %u", PLAN_WORKLOADS_MAX);
    }
    rc = workload_find(word, name_len, &item->workload, err);
    if (rc < 0) {
        return rc;
    }
    if (colon != NULL) {
        size_t digits = len - name_len - 1;

        memcpy(number, colon + 1, digits < sizeof(number) - 1 ? digits : sizeof(number) - 1);
        rc = number_parse(number, &threads, err);
        if (rc == 0 && (threads == 0 || threads > PLAN_THREADS_MAX)) {
            rc = error_set(err, BLOCKDB_EINVAL, "threads must be 1 to %u", PLAN_THREADS_MAX);
        }
        if (rc < 0) {
            return error_wrap(err, rc, "--workloads: '%.*s'", (int)len, word);
        }
    }
    item->threads = (unsigned)threads;
    plan->item_count++;
    return BLOCKDB_OK;
}

static int set_number(struct plan *plan, const struct option *option, const char *value,
                      struct error *err)
{
    uint64_t number = 0;
    int rc = option->kind == OPTION_SIZE       ? size_parse(value, &number, err)
             : option->kind == OPTION_DURATION ? duration_parse(value, &number, err)
                                               : number_parse(value, &number, err);

    if (rc < 0) {
        return error_wrap(err, rc, "%s", option->name);
    }
    if (number < option->min || number > option->max) {
        return error_set(err, BLOCKDB_EINVAL, "%s %s is not within %" PRIu64 " to %" PRIu64,
                         option->name, value, option->min, option->max);
    }
    memcpy((char *)plan + option->offset, &number, sizeof(number));
    return BLOCKDB_OK;
}

static int set_output(struct plan *plan, const char *value, struct error *err)
{
    plan->json = strcmp(value, "json") == 0;
    return plan->json || strcmp(value, "table") == 0
               ? BLOCKDB_OK
               : error_set(err, BLOCKDB_EINVAL, "-o '%s' must be json or table", value);
}

static int set_value(struct plan *plan, const struct option *option, char *value, struct error *err)
{
    switch (option->kind) {
    case OPTION_SWITCH:
        break;
    case OPTION_TEXT:
        memcpy((char *)plan + option->offset, &value, sizeof(value));
        break;
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION:
        return set_number(plan, option, value, err);
    case OPTION_SET:
        if (plan->set_count == PLAN_SETS_MAX) {
            return error_set(err, BLOCKDB_EINVAL, "--set: at most %u times", PLAN_SETS_MAX);
        }
        plan->set[plan->set_count++] = value;
        break;
    case OPTION_ENGINES:
        plan->engine_count = 0;
        return each_word(plan, value, add_engine, err);
    case OPTION_WORKLOADS:
        plan->item_count = 0;
        return each_word(plan, value, add_workload, err);
    case OPTION_DURABILITY:
        return set_durability(plan, value, err);
    case OPTION_OUTPUT:
        return set_output(plan, value, err);
    }
    return BLOCKDB_OK;
}

static const struct option *find_option(const char *word, size_t len)
{
    size_t i;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strlen(options[i].name) == len && memcmp(options[i].name, word, len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static int unknown_option(const char *word, struct error *err)
{
    const char *names[sizeof(options) / sizeof(options[0])];
    size_t count = 0;
    size_t i;
    const char *near;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (options[i].help != NULL) {
            names[count++] = options[i].name;
        }
    }
    near = text_nearest(word, names, count);
    if (near != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown option '%s', did you mean '%s'?", word,
                         near);
    }
    return error_set(err, BLOCKDB_EINVAL, "unknown option '%s'; see --help", word);
}

/* Takes the word at argv[*at] and its value, and moves on. */
static int take_option(struct plan *plan, char *const *argv, int *at, struct error *err)
{
    char *word = argv[*at];
    size_t len = strcspn(word, "=");
    const struct option *option = find_option(word, len);
    char *value = word[len] == '=' ? word + len + 1 : NULL;

    if (option == NULL) {
        return unknown_option(word, err);
    }
    (*at)++;
    if (option->kind == OPTION_SWITCH) {
        bool on = true;

        if (value != NULL) {
            return error_set(err, BLOCKDB_EINVAL, "%s takes no value", option->name);
        }
        memcpy((char *)plan + option->offset, &on, sizeof(on));
        return BLOCKDB_OK;
    }
    if (value == NULL) {
        value = argv[*at];
        if (value == NULL) {
            return error_set(err, BLOCKDB_EINVAL, "%s needs a value: %s", option->name,
                             option->argument);
        }
        (*at)++;
    }
    return set_value(plan, option, value, err);
}

static int check_compression(const struct plan *plan, struct error *err)
{
    static const char *const known[] = {"none", "snappy", "lz4", "zstd"};
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(plan->compression, known[i]) == 0) {
            return BLOCKDB_OK;
        }
    }
    return error_set(err, BLOCKDB_EINVAL, "--compression '%s' must be none, snappy, lz4 or zstd",
                     plan->compression);
}

static void use_engine(struct plan *plan, const struct bench_engine *engine)
{
    if (plan->engine_count < PLAN_ENGINES_MAX) {
        plan->engines[plan->engine_count++] = engine;
    }
}

/* The engines when none was named: those of the servers named, else BlockDB in this process, and
 * all others in this process for a comparison. */
static void choose_engines(struct plan *plan)
{
    size_t count;
    const struct bench_engine *const *built = bench_engine_table(&count);
    size_t i;

    if (plan->url != NULL || plan->own_server || plan->targets) {
        use_engine(plan, &bench_engine_http);
    }
    if (plan->redis != NULL || (plan->own_server && !plan->targets)) {
        use_engine(plan, &bench_engine_redis);
    }
    if (plan->engine_count > 0) {
        return;
    }
    for (i = 0; i < count; i++) {
        if (built[i] == &bench_engine_blockdb || (plan->compare && !built[i]->is_remote)) {
            use_engine(plan, built[i]);
        }
    }
}

static bool is_remote(const struct plan *plan)
{
    unsigned i;

    for (i = 0; i < plan->engine_count; i++) {
        if (plan->engines[i]->is_remote) {
            return true;
        }
    }
    return false;
}

/* What concerns servers. */
static int check_servers(const struct plan *plan, struct error *err)
{
    if ((plan->url != NULL || plan->redis != NULL) && !plan->allow_live) {
        return error_set(err, BLOCKDB_EINVAL,
                         "this would write to '%s', and a ledger keeps what is written for ever: "
                         "add --allow-live to do so, or use --server for a server and a database "
                         "of its own",
                         plan->url != NULL ? plan->url : plan->redis);
    }
    if (plan->redis != NULL && plan->has_durability) {
        return error_set(err, BLOCKDB_EINVAL,
                         "--redis and --durability do not go together: the Redis protocol cannot "
                         "ask for it, the server decides");
    }
    if (plan->targets && (plan->engine_count != 1 || plan->engines[0] != &bench_engine_http)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "targets measures one server by HTTP: leave out --engines and --redis");
    }
    if (plan->server != NULL && plan->server[0] == '\0') {
        return error_set(err, BLOCKDB_EINVAL, "--server-program is empty");
    }
    return BLOCKDB_OK;
}

/* Values that differ between this process and servers. */
static void choose_defaults(struct plan *plan)
{
    bool remote = is_remote(plan);

    if (plan->num == 0) {
        plan->num = remote ? NUM_REMOTE : NUM_EMBEDDED;
    }
    if (!plan->has_durability) {
        plan->durability = remote ? BLOCKDB_DURABILITY_DEFAULT : BLOCKDB_DURABILITY_NONE;
    }
}

/* What was left open and what does not go together. */
static int complete(struct plan *plan, struct error *err)
{
    unsigned i;
    int rc;

    if (plan->engine_count == 0) {
        choose_engines(plan);
    }
    rc = check_servers(plan, err);
    if (rc < 0) {
        return rc;
    }
    choose_defaults(plan);
    if (plan->compare && plan->engine_count < 2 && plan->crash_child == NULL) {
        return error_set(err, BLOCKDB_EUNSUPPORTED,
                         "compare: there is nothing to compare with, no other engine is built in; "
                         "install librocksdb-dev, libleveldb-dev, liblmdb-dev or libsqlite3-dev "
                         "and build again");
    }
    if (plan->item_count == 0) {
        rc = each_word(plan,
                       is_remote(plan) ? WORKLOADS_REMOTE
                       : plan->compare ? WORKLOADS_COMPARE
                                       : WORKLOADS_RUN,
                       add_workload, err);
    }
    for (i = 0; i < plan->item_count; i++) {
        if (plan->items[i].threads == 0) {
            plan->items[i].threads = (unsigned)plan->threads;
        }
    }
    if (plan->reads == 0) {
        plan->reads = plan->num;
    }
    if (plan->rounds == 0) {
        plan->rounds = plan->compare ? 3 : 1;
    }
    if (plan->compression == NULL) {
        plan->compression = plan->compare ? "snappy" : "lz4";
    }
    return rc < 0 ? rc : check_compression(plan, err);
}

int plan_parse(struct plan *plan, int argc, char *const *argv, struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    int at = 1;

    *plan = (struct plan){
        .db = tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp",
        .threads = 1,
        .key_len = 16,
        .value_len = 100,
        .batch = 100,
        .pipeline = 16,
        .seed = 1,
        .cache_bytes = CACHE_DEFAULT,
        .write_buffer_bytes = WRITE_BUFFER_DEFAULT,
        .bloom_bits = 10,
        .argv = argv,
    };
    if (argc > 1 && strcmp(argv[1], "compare") == 0) {
        plan->compare = true;
        at++;
    } else if (argc > 1 && strcmp(argv[1], "targets") == 0) {
        plan->targets = true;
        plan->value_len = TARGETS_VALUE_LEN;
        plan->duration_ms = TARGETS_DURATION_MS;
        at++;
    } else if (argc > 1 && strcmp(argv[1], "run") == 0) {
        at++;
    }
    while (at < argc) {
        int rc;

        if (argv[at][0] != '-') {
            return error_set(
                err, BLOCKDB_EINVAL,
                "unexpected argument '%s'; the command is run, compare or targets, options "
                "start with --",
                argv[at]);
        }
        rc = take_option(plan, argv, &at, err);
        if (rc < 0) {
            return rc;
        }
    }
    return plan->help || plan->version ? BLOCKDB_OK : complete(plan, err);
}

void plan_print_help(void)
{
    const struct bench_engine *const *engines;
    const struct workload *workloads;
    size_t count;
    size_t i;

    (void)puts(
        "Usage: blockdb-bench [run] [OPTIONS]\n"
        "       blockdb-bench compare [OPTIONS]\n"
        "       blockdb-bench targets [OPTIONS]\n"
        "\n"
        "Measures the embedded engine, or a server (--server, --url, --redis). 'compare' runs\n"
        "the same workloads on other engines in turns and prints medians and ratios.\n"
        "'targets' measures a server against the targets of a single node and prints PASS\n"
        "or FAIL. Every value that is read is compared with what was written.\n"
        "\n"
        "Options");
    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (options[i].help != NULL) {
            (void)printf("  %s %s\n      %s\n", options[i].name, options[i].argument,
                         options[i].help);
        }
    }
    (void)puts("\nWorkloads");
    workloads = workload_table(&count);
    for (i = 0; i < count; i++) {
        (void)printf("  %-18s%s\n", workloads[i].name, workloads[i].help);
    }
    (void)puts("\nEngines in this build");
    engines = bench_engine_table(&count);
    for (i = 0; i < count; i++) {
        (void)printf("  %-18s%s\n", engines[i]->name, engines[i]->title);
    }
    (void)puts(
        "\nExit codes: 0 done, 1 failed or a target was missed, 2 wrong usage, 130 interrupted.");
}
