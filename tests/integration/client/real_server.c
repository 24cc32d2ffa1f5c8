/* SPDX-License-Identifier: Apache-2.0 */
#include "real_server.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATHS 8
#define STEP_NS 10000000L
#define STEPS_MAX 6000 /* a minute */
#define COMMAND_BYTES 1024

const char *real_program(const char *path)
{
    char *absolute = realpath(path, NULL);

    if (absolute == NULL) {
        fail_msg("%s: there is no such program", path);
    }
    return absolute;
}

void real_server_init(struct real_server *s, const char *program)
{
    *s = (struct real_server){.program = program};
    (void)snprintf(s->folder, sizeof(s->folder), "/tmp/blockdb-client-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
}

const char *real_path(const struct real_server *s, const char *name)
{
    static char paths[PATHS][REAL_PATH_BYTES];
    static unsigned next;
    char *path = paths[next++ % PATHS];

    (void)snprintf(path, REAL_PATH_BYTES, "%s/%s", s->folder, name);
    return path;
}

void real_write(const struct real_server *s, const char *name, const char *text)
{
    FILE *f = fopen(real_path(s, name), "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

void real_run(const struct real_server *s, const char *command, char out[REAL_TEXT_BYTES])
{
    char whole[COMMAND_BYTES];
    size_t len = 0;
    char text[REAL_TEXT_BYTES];
    FILE *f;

    assert_true(snprintf(whole, sizeof(whole), "cd %s && %s", s->folder, command) <
                (int)sizeof(whole));
    f = popen(whole, "re");
    assert_non_null(f);
    len = fread(text, 1, sizeof(text) - 1, f);
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (pclose(f) != 0) {
        fail_msg("%s: %s", command, text);
    }
    if (out != NULL) {
        memcpy(out, text, sizeof(text));
    }
}

static void show_log(const struct real_server *s)
{
    char text[4096];
    FILE *f = fopen(real_path(s, "log"), "re");
    size_t len = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;

    (void)fprintf(stderr, "%.*s\n", (int)len, text);
    if (f != NULL) {
        (void)fclose(f);
    }
}

static void run_program(const struct real_server *s)
{
    char port[16];
    char data[REAL_PATH_BYTES];
    char ports[REAL_PATH_BYTES];

    (void)snprintf(port, sizeof(port), "%u", s->port);
    (void)snprintf(data, sizeof(data), "%s/data", s->folder);
    (void)snprintf(ports, sizeof(ports), "%s/ports", s->folder);
    if (freopen(real_path(s, "log"), "a", stderr) != NULL) {
        (void)execl(s->program, s->program, "--config", s->config, "--data-dir", data,
                    "--port-file", ports, "--port", port, (char *)NULL);
    }
    _exit(127);
}

static void pause_shortly(void)
{
    const struct timespec step = {.tv_nsec = STEP_NS};

    (void)nanosleep(&step, NULL);
}

static void wait_for_port(struct real_server *s)
{
    unsigned step;

    for (step = 0; step < STEPS_MAX; step++) {
        FILE *f = fopen(real_path(s, "ports"), "re");
        int found = f != NULL ? fscanf(f, "%u", &s->port) : 0;

        if (f != NULL) {
            (void)fclose(f);
        }
        if (found == 1) {
            return;
        }
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            break;
        }
        pause_shortly();
    }
    show_log(s);
    fail_msg("the server did not start");
}

void real_server_start(struct real_server *s, const char *scheme, const char *config)
{
    (void)snprintf(s->config, sizeof(s->config), "%s/server.toml", s->folder);
    real_write(s, "server.toml", config);
    (void)unlink(real_path(s, "ports"));
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        run_program(s);
    }
    wait_for_port(s);
    (void)snprintf(s->url, sizeof(s->url), "%s://%s:%u", scheme,
                   strcmp(scheme, "https") == 0 ? "localhost" : "127.0.0.1", s->port);
}

void real_server_stop(struct real_server *s, int number)
{
    if (s->pid > 0) {
        assert_int_equal(kill(s->pid, number), 0);
        assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
        s->pid = 0;
    }
}

void real_server_deinit(struct real_server *s)
{
    real_server_stop(s, SIGKILL);
    real_run(s, "cd / && rm -rf \"$OLDPWD\"", NULL);
}

struct blockdb_client_options real_options(const char *urls)
{
    struct blockdb_client_options o = BLOCKDB_CLIENT_OPTIONS_INIT;

    o.urls = urls;
    o.retry_delay_ms = 5;
    o.retry_delay_max_ms = 100;
    return o;
}

struct blockdb_client *real_client(const struct blockdb_client_options *options)
{
    struct blockdb_client *client = NULL;
    struct blockdb_error err;

    EXPECT(0, blockdb_client_new(options, &client, &err), &err);
    return client;
}

void real_expect(int rc, int wanted, const struct blockdb_error *err, const char *file, int line)
{
    if (rc != wanted) {
        fail_msg("%s:%d: %s instead of %s: %s", file, line, blockdb_status_name(rc),
                 blockdb_status_name(wanted), rc != 0 ? err->message : "");
    }
}

unsigned real_versions(struct blockdb_client *client, const char *key)
{
    struct blockdb_client_history *history = NULL;
    struct blockdb_error err;
    unsigned count = 0;
    int rc;

    rc = blockdb_client_history_new(client, key, strlen(key), NULL, &history, &err);
    EXPECT(0, rc, &err);
    while ((rc = blockdb_client_history_next(history, &err)) == 0) {
        count++;
    }
    EXPECT(BLOCKDB_ENOTFOUND, rc, &err);
    blockdb_client_history_free(history);
    return count;
}
