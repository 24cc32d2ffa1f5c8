/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/open.h"

#include "base/mem.h"
#include "base/units.h"
#include "bin/cli/cli.h"
#include "bin/cli/signals.h"
#include "config/config.h"
#include "engine/heads.h"
#include "os/os.h"

#include <blockdb/client.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL
#define WAIT_DEFAULT_MS 30000
#define WAIT_MAX_MS 86400000
#define WAIT_STEP_MIN_NS NS_PER_MS
#define WAIT_STEP_MAX_NS (50 * NS_PER_MS)
#define WAIT_TELL_NS NS_PER_S

static int apply_set(struct cli *cli, const char *assignment, struct error *err)
{
    const char *equals = strchr(assignment, '=');
    AUTO(mem_free_ptr) char *name = NULL;
    int rc;

    if (equals == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --set: '%.64s' must be KEY=VALUE, such as "
                         "memtable_size_limit=128MiB",
                         assignment);
    }
    name = mem_strdup(assignment);
    if (name == NULL) {
        return error_set_no_memory(err);
    }
    name[equals - assignment] = '\0';
    rc = config_set(cli->config, name, equals + 1, err);
    return rc < 0 ? error_wrap(err, rc, "option --set") : rc;
}

int cli_configure(struct cli *cli, char *const *environment, struct error *err)
{
    const char *value;
    unsigned n;
    int rc;

    for (n = 0; (value = args_value_at(&cli->args, "config", n)) != NULL; n++) {
        rc = config_apply_path(cli->config, cli->os, value, err);
        if (rc < 0) {
            return rc;
        }
    }
    rc = config_apply_environment(cli->config, environment, err);
    for (n = 0; rc == BLOCKDB_OK && (value = args_value_at(&cli->args, "set", n)) != NULL; n++) {
        rc = apply_set(cli, value, err);
    }
    value = args_value(&cli->args, "data-dir");
    if (rc == BLOCKDB_OK && value != NULL) {
        rc = config_set(cli->config, "database.data_dir", value, err);
    }
    return rc;
}

static unsigned open_flags(const struct args *args)
{
    switch (command_open_of(args)) {
    case COMMAND_OPEN_READ:
        /* get --verify waits until its entry is sealed, and somebody must seal it. */
        return args->command->run == cmd_get && args_has(args, "verify") ? 0
                                                                         : BLOCKDB_OPEN_READ_ONLY;
    case COMMAND_OPEN_CREATE:
        return BLOCKDB_OPEN_CREATE;
    case COMMAND_OPEN_WRITE:
        return args->command->run == cmd_checkpoint && args_has(args, "no-sign")
                   ? BLOCKDB_OPEN_READ_ONLY
                   : 0;
    case COMMAND_OPEN_NONE:
        break;
    }
    return 0;
}

static int wait_limit(struct cli *cli, uint64_t *out_ns, struct error *err)
{
    const char *text = args_value(&cli->args, "wait");

    uint64_t wait_ms = WAIT_DEFAULT_MS;
    int rc = text != NULL ? duration_parse(text, &wait_ms, err) : BLOCKDB_OK;

    if (rc < 0) {
        return error_wrap(err, rc, "option --wait");
    }
    if (wait_ms > WAIT_MAX_MS) {
        return error_set(err, BLOCKDB_EINVAL, "option --wait: at most 24h");
    }
    *out_ns = wait_ms * NS_PER_MS;
    return BLOCKDB_OK;
}

/* The next pause of a process that waits: longer each time, and different between processes. */
static uint64_t next_pause(uint64_t pause_ns)
{
    uint64_t jitter = (uint64_t)getpid() * 7919 % (pause_ns / 4 + 1);
    uint64_t next = pause_ns + pause_ns / 2 + jitter;

    return next < WAIT_STEP_MAX_NS ? next : WAIT_STEP_MAX_NS - jitter % (WAIT_STEP_MAX_NS / 4);
}

/* What the database has to tell, as a note of this program. */
static void tell(void *arg, enum blockdb_event_level level, const char *area, const char *message)
{
    message_event(arg, level == BLOCKDB_EVENT_WARNING ? LOGGER_WARNING : LOGGER_INFO, area,
                  message);
}

static int open_and_wait(struct cli *cli, const char *dir, uint64_t limit_ns, struct error *err)
{
    unsigned flags = open_flags(&cli->args);
    uint64_t start = os_monotonic_ns(cli->os);
    uint64_t pause = WAIT_STEP_MIN_NS;
    bool told = false;

    while (true) {
        int rc = blockdb_open(dir, config_database(cli->config), flags, &cli->db, err);
        uint64_t waited = os_monotonic_ns(cli->os) - start;

        if (rc != BLOCKDB_EBUSY) {
            return rc;
        }
        if (waited >= limit_ns) {
            return error_wrap(err, rc, "gave up after waiting %llu s",
                              (unsigned long long)(waited / NS_PER_S));
        }
        if (signals_stop_asked()) {
            return error_set(err, BLOCKDB_ECANCELED, "interrupted while waiting for the database");
        }
        if (!told && waited >= WAIT_TELL_NS) {
            message_note(&cli->messages, LOGGER_WARNING, "waiting: %s", err->message);
            told = true;
        }
        os_sleep_ns(cli->os, pause);
        pause = next_pause(pause);
    }
}

/* ---- Pins ---------------------------------------------------------------------------------- */

static int database_root_at(void *context, uint64_t size, struct hash *out, struct error *err)
{
    return heads_root_at(context, size, out, err);
}

/* A server cannot be asked for a root that counts; but it can prove that its head continues one. */
struct server_log {
    struct cli *cli;
    const struct blockdb_head *head;
};

static int server_root_at(void *context, uint64_t size, struct hash *out, struct error *err)
{
    const struct server_log *log = context;
    const struct hash *kept = &log->cli->pin.kept.root;
    struct blockdb_consistency claim = {.old_size = size,
                                        .new_size = log->head->size,
                                        .old_root = kept->bytes,
                                        .new_root = log->head->root};
    struct blockdb_proof proof = {0};
    int rc = blockdb_client_prove_consistency(source_client(log->cli->source), size,
                                              log->head->size, &proof, err);

    if (rc < 0) {
        return rc;
    }
    if (blockdb_verify_consistency(&claim, proof.hashes[0], proof.count) < 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "'%s' shows another history of the log '%s' than was seen before: its "
                         "head of %llu entries does not continue the one of %llu entries in '%s'; "
                         "if you know why it is so, accept what is there now with --forget-pin",
                         log->cli->open_name, log->cli->pin.origin,
                         (unsigned long long)log->head->size, (unsigned long long)size,
                         log->cli->pin.path);
    }
    *out = *kept;
    return BLOCKDB_OK;
}

static bool wants_pin(const struct cli *cli)
{
    char *const *e;

    for (e = cli->environment; *e != NULL; e++) {
        if (strcmp(*e, "BLOCKDB_PIN=off") == 0) {
            return false;
        }
    }
    return !args_has(&cli->args, "no-pin");
}

/* A server is compared with its pin by the commands that are about evidence: a request more would
 * double the cost of a put. */
static bool is_about_evidence(const struct cli *cli)
{
    const struct command *command = cli->args.command;

    if (command->run == cmd_get) {
        return args_has(&cli->args, "verify");
    }
    return command->checks_damage || command->run == cmd_checkpoint;
}

static int check_pin(struct cli *cli, struct error *err)
{
    struct source_identity identity;
    struct blockdb_head head;
    struct server_log server = {.cli = cli, .head = &head};
    struct pin_log log = {.name = cli->open_name};
    int rc;

    if (!wants_pin(cli) || (cli->db == NULL && !is_about_evidence(cli))) {
        return BLOCKDB_OK;
    }
    rc = cli->source->ops->identity(cli->source, &identity, err);
    if (rc == BLOCKDB_OK) {
        rc = cli->source->ops->head_get(cli->source, &head, err);
    }
    if (rc < 0) {
        return rc;
    }
    log.root_at = cli->db != NULL ? database_root_at : server_root_at;
    log.context = cli->db != NULL ? (void *)cli->db : &server;
    log.head.size = head.size;
    memcpy(log.head.root.bytes, head.root, BLOCKDB_HASH_LEN);
    if (pin_init(&cli->pin, cli->os, &cli->messages, cli->environment, identity.origin) < 0) {
        return error_set_no_memory(err);
    }
    rc = pin_check(&cli->pin, &log, args_has(&cli->args, "forget-pin"), err);
    if (rc == BLOCKDB_OK && cli->db == NULL && head.size > 0) {
        pin_keep(&cli->pin, &log.head);
    }
    return rc;
}

int cli_close(struct cli *cli, struct error *err)
{
    int rc = cli->source->ops->close(cli->source, err);

    cli->source = NULL;
    cli->db = NULL;
    pin_deinit(&cli->pin);
    return rc;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static int open_directory(struct cli *cli, struct error *err)
{
    const char *dir = config_get(cli->config, "database.data_dir");
    struct error ignored;
    uint64_t limit_ns = 0;
    int rc = wait_limit(cli, &limit_ns, err);

    if (rc < 0) {
        return rc;
    }
    config_set_event_cb(cli->config, tell, &cli->messages);
    rc = open_and_wait(cli, dir, limit_ns, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        /* Not "not found", which scripts take for a missing key. */
        return error_set(
            err, BLOCKDB_EFOREIGN,
            "there is no database in '%s': check --data-dir; put, batch, import, shell "
            "and user add create one",
            dir);
    }
    if (rc < 0) {
        return rc;
    }
    rc = source_of_database(cli, cli->db, dir, &cli->source, err);
    if (rc < 0) {
        IGNORE_RESULT(
            blockdb_close(cli->db, &ignored)); /* the shortage of memory is what to tell */
        cli->db = NULL;
        return rc;
    }
    cli->open_name = dir;
    message_note(&cli->messages, LOGGER_INFO, "%s: opened '%s'", cli->args.command->name, dir);
    return BLOCKDB_OK;
}

/* What has no meaning without a directory is told, and not passed over. */
static int open_server(struct cli *cli, struct error *err)
{
    const struct command *command = cli->args.command;
    int rc;

    if (command->only_local != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "%s needs --data-dir DIR: %s", command->name,
                         command->only_local);
    }
    rc = source_of_server(cli, &cli->source, err);
    if (rc == BLOCKDB_OK) {
        cli->open_name = cli->source->name;
    }
    return rc;
}

int cli_open(struct cli *cli, struct error *err)
{
    bool has_directory = config_is_set(cli->config, "database.data_dir");
    struct error own;
    struct error *to = err != NULL ? err : &own;
    int rc;

    if (args_has(&cli->args, "url") && args_has(&cli->args, "data-dir")) {
        return error_set(to, BLOCKDB_EINVAL, "options --url and --data-dir exclude each other");
    }
    if (has_directory && !args_has(&cli->args, "url")) {
        rc = open_directory(cli, to);
    } else {
        rc = open_server(cli, to);
    }
    return rc < 0 ? rc : check_pin(cli, to);
}
