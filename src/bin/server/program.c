/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/server/program.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "bin/server/flags.h"
#include "bin/server/program_priv.h"
#include "config/config.h"
#include "os/os.h"
#include "server/config_paths.h"
#include "server/faces.h"
#include "server/server.h"

#include <blockdb/blockdb.h>
#include <blockdb/version.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_CONFIG 2
#define NS_PER_MS 1000000ULL
#define MS_PER_SECOND 1000
#define OPEN_STEP_MS 250
#define OPEN_TELL_MS 5000
#define OPEN_EXTEND_US 60000000
#define STEP_MS 1000
#define FINISH_STEP_MS 20

/* ---- Logging ------------------------------------------------------------------------------- */

static uint64_t clock_ms(void *context)
{
    return os_now_ms(context);
}

/* What the database has to tell. That a recovery gets on is told to the service manager, too. */
static void on_event(void *arg, enum blockdb_event_level level, const char *area,
                     const char *message)
{
    struct program *p = arg;

    if (strcmp(area, "recovery") == 0 &&
        !atomic_load_explicit(&p->is_opened, memory_order_relaxed)) {
        notify_send(&p->notify, "STATUS=Recovering: %s\nEXTEND_TIMEOUT_USEC=%d", message,
                    OPEN_EXTEND_US);
    }
    logger_write(&p->logger, level == BLOCKDB_EVENT_WARNING ? LOGGER_WARNING : LOGGER_INFO, area,
                 "%s", message);
}

static int start_logging(struct program *p, struct error *err)
{
    struct config_logging logging = config_logging(p->config);
    struct logger_options options = {
        .level = logging.level,
        .format = logging.format,
        .sink = log_output_write,
        .sink_context = &p->output,
        .clock = clock_ms,
        .clock_context = p->os,
    };
    int rc = log_output_open(&p->output, logging.file, err);

    if (rc < 0) {
        return rc;
    }
    logger_init(&p->logger, &options);
    options.level = LOGGER_INFO;
    logger_init(&p->notices, &options);
    config_set_event_cb(p->config, on_event, p);
    return BLOCKDB_OK;
}

/* ---- Signals ------------------------------------------------------------------------------- */

static sigset_t signals_waited(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    return set;
}

/* From now on signals wait for program_wait(). Before any thread is started. */
static void take_signals(void)
{
    sigset_t set = signals_waited();

    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

int program_wait(uint64_t timeout_ms)
{
    const struct timespec timeout = {.tv_sec = (time_t)(timeout_ms / MS_PER_SECOND),
                                     .tv_nsec = (long)(timeout_ms % MS_PER_SECOND * NS_PER_MS)};
    sigset_t set = signals_waited();
    int number = sigtimedwait(&set, NULL, &timeout);

    return number > 0 ? number : 0;
}

/* ---- Opening ------------------------------------------------------------------------------- */

/* The database is opened beside the main thread, which hears signals meanwhile. */
static void open_main(void *arg)
{
    struct program *p = arg;
    const char *dir = config_get(p->config, "database.data_dir");

    p->open_status = blockdb_open(dir, config_database(p->config), BLOCKDB_OPEN_CREATE, &p->db,
                                  &p->open_error);
    atomic_store_explicit(&p->is_opened, true, memory_order_release);
}

/* A program that is told to stop before it serves has nothing to finish: the next opening recovers
 * from whatever point this one reached. */
static void leave_while_opening(struct program *p)
{
    logger_write(&p->notices, LOGGER_INFO, "server", "stopped while the database was being opened");
    _exit(EXIT_SUCCESS);
}

static int open_database(struct program *p, struct error *err)
{
    struct os_thread *thread;
    uint64_t start_ns = os_monotonic_ns(p->os);
    uint64_t told_ms = 0;
    int rc = os_thread_start(p->os, "open", open_main, p, &thread, err);

    if (rc < 0) {
        return rc;
    }
    while (!atomic_load_explicit(&p->is_opened, memory_order_acquire)) {
        uint64_t waited_ms = (os_monotonic_ns(p->os) - start_ns) / NS_PER_MS;
        int number = program_wait(waited_ms < OPEN_STEP_MS ? 1 : OPEN_STEP_MS);

        if (number == SIGTERM || number == SIGINT) {
            leave_while_opening(p);
        }
        if (waited_ms >= told_ms + OPEN_TELL_MS) {
            told_ms = waited_ms;
            notify_send(&p->notify,
                        "STATUS=Recovering the database, for %" PRIu64 " s\nEXTEND_TIMEOUT_USEC=%d",
                        waited_ms / MS_PER_SECOND, OPEN_EXTEND_US);
        }
    }
    os_thread_join(p->os, thread);
    if (p->open_status < 0) {
        *err = p->open_error;
    }
    return p->open_status;
}

/* ---- Start --------------------------------------------------------------------------------- */

static void tell_start(struct program *p)
{
    const struct server_config *config = server_config(p->server);
    const char *address;
    size_t i;
    unsigned n;

    for (i = 0; (address = server_address(p->server, i)) != NULL; i++) {
        logger_write(&p->notices, LOGGER_INFO, "server", "listening on %s", address);
    }
    for (n = 0; server_config_warning(config, n) != NULL; n++) {
        logger_write(&p->logger, LOGGER_WARNING, "server", "%s", server_config_warning(config, n));
    }
    logger_write(&p->notices, LOGGER_INFO, "server",
                 "blockdb-server %s is ready: pid %d, database '%s', %u workers, at most %u "
                 "connections, requests up to %zu bytes",
                 BLOCKDB_VERSION, (int)getpid(), config_get(p->config, "database.data_dir"),
                 config->worker_threads, config->max_connections, config->max_request_size);
    notify_send(&p->notify, "READY=1\nSTATUS=Serving on %s\nMAINPID=%d",
                server_address(p->server, 0), (int)getpid());
}

static int write_port_file(struct program *p, struct error *err)
{
    char text[32];

    if (p->flags.port_file == NULL) {
        return BLOCKDB_OK;
    }
    (void)snprintf(text, sizeof(text), "%u\n%u\n", server_http_port(p->server),
                   server_resp_port(p->server));
    return os_replace_file(p->os, p->flags.port_file, slice_of_text(text), err);
}

static int start_server(struct program *p, struct error *err)
{
    const struct faces_options faces = {
        .os = p->os, .db = p->db, .logger = &p->logger, .config = p->config};
    struct server_options options = {
        .os = p->os, .db = p->db, .config = p->config, .logger = &p->logger};
    int rc = faces_new(&faces, &p->faces, err);

    if (rc == BLOCKDB_OK) {
        options.http = faces_http(p->faces);
        options.resp = faces_resp(p->faces);
        rc = server_new(&options, &p->server, err);
    }
    if (rc == BLOCKDB_OK) {
        faces_attach(p->faces, p->server);
        rc = server_start(p->server, err);
    }
    if (rc < 0) {
        return rc;
    }
    tell_start(p);
    return write_port_file(p, err);
}

/* ---- Serving ------------------------------------------------------------------------------- */

static void reopen_logs(struct program *p)
{
    struct error err = {0};

    if (log_output_reopen(&p->output, &err) < 0 ||
        audit_log_reopen(server_audit(p->server), &err) < 0) {
        logger_write(&p->logger, LOGGER_ERROR, "server", "%s", err.message);
        return;
    }
    logger_write(&p->notices, LOGGER_INFO, "server", "log files are open anew");
}

/* Serves until a signal says stop; returns it. */
static int serve(struct program *p)
{
    uint64_t step_ms = p->notify.watchdog_ms > 0 && p->notify.watchdog_ms < STEP_MS
                           ? p->notify.watchdog_ms
                           : STEP_MS;

    while (true) {
        int number = program_wait(step_ms);

        if (number == SIGTERM || number == SIGINT) {
            return number;
        }
        if (number == SIGHUP) {
            program_reload(p);
        } else if (number == SIGUSR1) {
            reopen_logs(p);
        }
        program_watch(p);
    }
}

/* Waits; true when a signal said that there is no more time. */
static bool wait_or_hurry(uint64_t timeout_ms)
{
    int number = program_wait(timeout_ms);

    return number == SIGTERM || number == SIGINT;
}

/* From the signal to the last request. */
static void drain(struct program *p, int number)
{
    const struct server_config *config = server_config(p->server);
    uint64_t drain_ms = number == SIGTERM ? config->drain_time : 0;
    uint64_t end_ns;
    bool hurry = false;

    logger_write(&p->notices, LOGGER_INFO, "server",
                 "stopping on %s: health says 503 for %" PRIu64
                 " ms, then requests may take %" PRIu64 " ms; the same signal again stops at once",
                 number == SIGTERM ? "SIGTERM" : "SIGINT", drain_ms, config->drain_timeout);
    notify_send(&p->notify, "STOPPING=1\nSTATUS=Draining");
    server_drain(p->server);
    end_ns = os_monotonic_ns(p->os) + drain_ms * NS_PER_MS;
    while (!hurry && os_monotonic_ns(p->os) < end_ns) {
        uint64_t left_ms = (end_ns - os_monotonic_ns(p->os)) / NS_PER_MS;

        hurry = wait_or_hurry(left_ms < STEP_MS ? left_ms + 1 : STEP_MS);
        program_watch(p);
    }
    faces_stop(p->faces);
    server_finish(p->server);
    end_ns = os_monotonic_ns(p->os) + config->drain_timeout * NS_PER_MS;
    while (!hurry && server_stats(p->server).connections > 0 && os_monotonic_ns(p->os) < end_ns) {
        hurry = wait_or_hurry(FINISH_STEP_MS);
        program_watch(p);
    }
    server_stop(p->server, 0);
}

/* ---- The whole ----------------------------------------------------------------------------- */

static int stop(struct program *p, struct error *err)
{
    int rc = BLOCKDB_OK;

    if (p->server != NULL) {
        server_stop(p->server, 0);
    }
    faces_free(p->faces);
    server_free(p->server);
    p->faces = NULL;
    p->server = NULL;
    if (p->db != NULL) {
        notify_status(&p->notify, "Closing the database");
        rc = blockdb_close(p->db, err);
        p->db = NULL;
    }
    return rc;
}

static int run(struct program *p, struct error *err)
{
    struct error close_err = {0};
    int rc;
    int close_rc;

    notify_open(&p->notify, p->os);
    rc = config_paths_check(p->os, p->config, err);
    if (rc == BLOCKDB_OK) {
        rc = open_database(p, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = start_server(p, err);
    }
    if (rc == BLOCKDB_OK) {
        drain(p, serve(p));
    }
    close_rc = stop(p, &close_err);
    if (rc == BLOCKDB_OK && close_rc < 0) {
        *err = close_err;
        rc = close_rc;
    }
    if (rc == BLOCKDB_OK) {
        logger_write(&p->notices, LOGGER_INFO, "server", "stopped");
    }
    return rc;
}

static int exit_code(int rc)
{
    if (rc == BLOCKDB_OK) {
        return EXIT_SUCCESS;
    }
    return rc == BLOCKDB_EINVAL ? EXIT_CONFIG : EXIT_FAILURE;
}

static int report(int rc, const struct error *err)
{
    if (rc < 0) {
        (void)fprintf(stderr, "blockdb-server: %s\n", err->message);
    }
    return exit_code(rc);
}

static int serve_command(struct program *p, struct error *err)
{
    int rc = start_logging(p, err);

    if (rc < 0) {
        return report(rc, err);
    }
    rc = run(p, err);
    if (rc < 0) {
        logger_write(&p->logger, LOGGER_ERROR, "server", "%s", err->message);
        notify_send(&p->notify, "STATUS=%s\nERRNO=%d", err->message, EIO);
        if (p->output.path[0] != '\0') { /* whoever started it looks at standard error */
            (void)report(rc, err);
        }
    }
    notify_close(&p->notify);
    log_output_close(&p->output);
    return exit_code(rc);
}

static int print_config(const struct config *config)
{
    AUTO(buf_deinit) struct buf text = {0};
    int rc = config_print(config, &text);

    if (rc < 0 || fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) != 0) {
        (void)fprintf(stderr, "blockdb-server: cannot print the configuration\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int run_command(struct program *p, struct error *err)
{
    int rc;

    switch (p->flags.command) {
    case COMMAND_VERSION:
        (void)printf("blockdb-server %s\n", BLOCKDB_VERSION);
        return EXIT_SUCCESS;
    case COMMAND_HELP:
        (void)fputs(flags_help(), stdout);
        return EXIT_SUCCESS;
    case COMMAND_CHECK_CONFIG:
        rc = server_check_config(p->os, p->config, err);
        if (rc == BLOCKDB_OK) {
            (void)puts("the configuration is good");
        }
        return report(rc, err);
    case COMMAND_PRINT_CONFIG:
    case COMMAND_PRINT_DEFAULT_CONFIG:
        return print_config(p->config);
    case COMMAND_SERVE:
        break;
    }
    return serve_command(p, err);
}

static int configure(struct program *p, int argc, char **argv, struct error *err)
{
    static char *const nothing[] = {NULL};
    struct flags none = {0};
    int rc = flags_parse(&p->flags, argc - 1, argv + 1, err);

    if (rc < 0) {
        return rc;
    }
    if (p->flags.command == COMMAND_PRINT_DEFAULT_CONFIG || p->flags.command == COMMAND_HELP ||
        p->flags.command == COMMAND_VERSION) {
        return flags_configure(&none, p->os, nothing, &p->config, err);
    }
    return flags_configure(&p->flags, p->os, p->environment, &p->config, err);
}

int program_main(int argc, char **argv, char *const *environment)
{
    struct program p = {.os = os_real(), .environment = environment, .output = {.fd = -1}};
    struct error err = {0};
    int code;
    int rc;

    take_signals();
    rc = argc > 0 ? configure(&p, argc, argv, &err) : BLOCKDB_EINVAL;
    code = rc < 0 ? report(rc, &err) : run_command(&p, &err);
    config_free(p.config);
    return code;
}
