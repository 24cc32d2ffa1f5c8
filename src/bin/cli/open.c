/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/open.h"

#include "base/mem.h"
#include "base/units.h"
#include "bin/cli/cli.h"
#include "bin/cli/signals.h"
#include "config/config.h"
#include "engine/heads.h"
#include "engine/open.h"
#include "os/os.h"

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

static int no_data_dir(struct error *err)
{
    return error_set(err, BLOCKDB_EINVAL,
                     "this build has no server to talk to: name the directory of a database, such "
                     "as blockdb-cli --data-dir ./blockdb_data stats");
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

static int root_at(void *context, uint64_t size, struct hash *out, struct error *err)
{
    return heads_root_at(context, size, out, err);
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

static int check_pin(struct cli *cli, struct error *err)
{
    struct blockdb_head head;
    struct pin_log log = {.name = cli->open_name, .root_at = root_at, .context = cli->db};
    int rc;

    if (!wants_pin(cli)) {
        return BLOCKDB_OK;
    }
    rc = blockdb_head_get(cli->db, &head, err);
    if (rc < 0) {
        return rc;
    }
    log.head.size = head.size;
    memcpy(log.head.root.bytes, head.root, BLOCKDB_HASH_LEN);
    if (pin_init(&cli->pin, cli->os, &cli->messages, cli->environment, blockdb_origin(cli->db)) <
        0) {
        return error_set_no_memory(err);
    }
    return pin_check(&cli->pin, &log, args_has(&cli->args, "forget-pin"), err);
}

int cli_close(struct cli *cli, struct error *err)
{
    struct pinned_head pinned = {.size = 0};
    struct blockdb_head head = {.size = 0};
    uint64_t signed_size = heads_signed_size(cli->db);
    int rc = db_close(cli->db, &head, err);

    cli->db = NULL;
    pinned.size = head.size;
    memcpy(pinned.root.bytes, head.root, BLOCKDB_HASH_LEN);
    pinned.is_signed = signed_size > 0 && signed_size == head.size;
    if (rc == BLOCKDB_OK && head.size > 0) {
        pin_keep(&cli->pin, &pinned);
    }
    pin_deinit(&cli->pin);
    return rc;
}

/* ---- Opening ------------------------------------------------------------------------------- */

int cli_open(struct cli *cli, struct error *err)
{
    const struct command *command = cli->args.command;
    const char *dir = config_get(cli->config, "database.data_dir");
    struct error own;
    struct error *to = err != NULL ? err : &own;
    uint64_t limit_ns = 0;
    int rc = wait_limit(cli, &limit_ns, to);

    if (rc < 0) {
        return rc;
    }
    if (args_has(&cli->args, "url") || !config_is_set(cli->config, "database.data_dir")) {
        return no_data_dir(to);
    }
    config_set_event_cb(cli->config, tell, &cli->messages);
    rc = open_and_wait(cli, dir, limit_ns, to);
    if (rc == BLOCKDB_ENOTFOUND) {
        /* Not "not found", which scripts take for a missing key. */
        return error_set(to, BLOCKDB_EFOREIGN,
                         "there is no database in '%s': check --data-dir; put, batch, import and "
                         "shell create one",
                         dir);
    }
    if (rc == BLOCKDB_OK) {
        cli->open_name = dir;
        message_note(&cli->messages, LOGGER_INFO, "%s: opened '%s'", command->name, dir);
        rc = check_pin(cli, to);
    }
    return rc;
}
