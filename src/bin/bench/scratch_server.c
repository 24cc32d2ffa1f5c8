/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/scratch_server.h"

#include "base/mem.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_NAME "blockdb-server"
#define PATH_BYTES 4096
#define SERVER_EXIT_USAGE 2 /* docs/operate/server.md */
#define LINE_BYTES 512
#define WORDS_MAX 160
#define POLL_NS 5000000ULL
#define READY_POLLS 12000 /* a minute: a database may have to be recovered */
#define STOP_POLLS 12000

/* What the arguments of the server borrow. */
struct command {
    char program[PATH_BYTES];
    char data[PATH_BYTES];
    char ports[PATH_BYTES];
    char log[PATH_BYTES];
    char mode[64];
    const char *words[WORDS_MAX + 1];
    unsigned count;
};

static void add(struct command *c, const char *word)
{
    if (c->count < WORDS_MAX) {
        c->words[c->count++] = word;
    }
}

/* The program beside this one. */
static int find_beside(char out[PATH_BYTES], struct error *err)
{
    ssize_t len = readlink("/proc/self/exe", out, PATH_BYTES - sizeof(PROGRAM_NAME) - 1);
    char *slash;

    if (len < 0) {
        return error_set_errno(err, errno,
                               "cannot find out where this program is; name the server "
                               "with --server-program");
    }
    out[len] = '\0';
    slash = strrchr(out, '/');
    memcpy(slash != NULL ? slash + 1 : out, PROGRAM_NAME, sizeof(PROGRAM_NAME));
    return BLOCKDB_OK;
}

static int make_command(struct command *c, const struct scratch_server_options *options,
                        struct error *err)
{
    unsigned i;
    int rc = BLOCKDB_OK;

    (void)snprintf(c->program, PATH_BYTES, "%s", options->program != NULL ? options->program : "");
    if (options->program == NULL) {
        rc = find_beside(c->program, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (access(c->program, X_OK) != 0) {
        return error_set_errno(err, errno,
                               "there is no server '%s' to start; name one with "
                               "--server-program, or a running one with --url",
                               c->program);
    }
    (void)snprintf(c->data, PATH_BYTES, "%s/data", options->dir);
    (void)snprintf(c->ports, PATH_BYTES, "%s/ports", options->dir);
    (void)snprintf(c->log, PATH_BYTES, "%s/server.log", options->dir);
    add(c, c->program);
    add(c, "--data-dir");
    add(c, c->data);
    add(c, "--port-file");
    add(c, c->ports);
    add(c, "--host=127.0.0.1");
    add(c, "--port=0");
    if (options->wal_sync_mode != NULL) {
        (void)snprintf(c->mode, sizeof(c->mode), "--set=wal_sync_mode=%s", options->wal_sync_mode);
        add(c, c->mode);
    }
    for (i = 0; i < options->set_count; i++) {
        add(c, "--set");
        add(c, options->set[i]);
    }
    return BLOCKDB_OK;
}

/* Starts the process with its output in the log. */
static int spawn(const struct command *c, pid_t *out_pid, struct error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    FILE *log = fopen(c->log, "ae");
    int rc;

    if (log == NULL) {
        return error_set_errno(err, errno, "cannot write '%s'", c->log);
    }
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, fileno(log), STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, fileno(log), STDERR_FILENO);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    rc = posix_spawn(out_pid, c->program, &actions, &attributes, (char *const *)(uintptr_t)c->words,
                     environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    (void)fclose(log);
    return rc != 0 ? error_set_errno(err, rc, "cannot start '%s'", c->program) : BLOCKDB_OK;
}

/* Whether the two ports stand in the file; it appears complete. */
static bool read_ports(const char *path, struct scratch_server *server)
{
    FILE *f = fopen(path, "re");
    bool has_both = false;

    if (f != NULL) {
        has_both = fscanf(f, "%" SCNu16 " %" SCNu16, &server->port, &server->redis_port) == 2;
        (void)fclose(f);
    }
    return has_both;
}

/* status is of waitpid(): a server that refuses its options was given wrong ones here. */
static int tell_end(const char *log, int status, struct error *err)
{
    bool is_usage = WIFEXITED(status) && WEXITSTATUS(status) == SERVER_EXIT_USAGE;
    FILE *f = fopen(log, "re");
    char line[LINE_BYTES];
    char last[LINE_BYTES] = "it said nothing";

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        memcpy(last, line, sizeof(last));
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return error_set(err, is_usage ? BLOCKDB_EINVAL : BLOCKDB_EIO,
                     "the server ended before it was ready: %s", last);
}

static int wait_until_ready(struct scratch_server *server, const struct command *c,
                            struct error *err)
{
    unsigned i;

    for (i = 0; i < READY_POLLS; i++) {
        int status;

        if (read_ports(c->ports, server)) {
            return BLOCKDB_OK;
        }
        if (waitpid((pid_t)server->process, &status, WNOHANG) > 0) {
            server->process = 0;
            return tell_end(c->log, status, err);
        }
        if (signals_stop_asked()) {
            return error_set(err, BLOCKDB_ECANCELED, "stopped");
        }
        os_sleep_ns(server->os, POLL_NS);
    }
    return error_set(err, BLOCKDB_ETIMEDOUT,
                     "the server is not ready after a minute; its log is "
                     "'%s'",
                     c->log);
}

int scratch_server_start(struct scratch_server *server, struct os *os,
                         const struct scratch_server_options *options, struct error *err)
{
    AUTO(mem_free_ptr) struct command *c = mem_calloc(1, sizeof(*c));
    struct error ignored; /* the first failure is told */
    pid_t pid = 0;
    int rc;

    *server = (struct scratch_server){.os = os};
    if (c == NULL) {
        return error_set_no_memory(err);
    }
    rc = make_command(c, options, err);
    if (rc == BLOCKDB_OK) {
        IGNORE_RESULT(os_unlink(os, c->ports, &ignored)); /* of a server that was here before */
        rc = spawn(c, &pid, err);
    }
    if (rc < 0) {
        return rc;
    }
    server->process = pid;
    rc = wait_until_ready(server, c, err);
    if (rc < 0) {
        IGNORE_RESULT(scratch_server_stop(server, &ignored));
    }
    return rc;
}

int scratch_server_stop(struct scratch_server *server, struct error *err)
{
    pid_t pid = (pid_t)server->process;
    int status = 0;
    unsigned i;

    server->process = 0;
    if (pid == 0) {
        return BLOCKDB_OK;
    }
    (void)kill(pid, SIGINT);
    for (i = 0; i < STOP_POLLS; i++) {
        pid_t ended = waitpid(pid, &status, WNOHANG);

        if (ended != 0) {
            bool is_well = ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;

            return is_well ? BLOCKDB_OK
                           : error_set(err, BLOCKDB_EIO,
                                       "the server failed; run again with --keep "
                                       "and read server.log");
        }
        os_sleep_ns(server->os, POLL_NS);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return error_set(err, BLOCKDB_EIO, "the server did not stop within a minute and was killed");
}
