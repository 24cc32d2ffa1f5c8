/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blockdb-server as a program, on a free port, in a folder of its own under /tmp.
 *
 * Each function ends the test when it fails, with what the server logged.
 *
 * Threads: one thread, but url, which any may read while the server runs.
 */
#pragma once

#include <blockdb/client.h>
#include <sys/types.h>

#define REAL_PATH_BYTES 128
#define REAL_TEXT_BYTES 256

struct real_server {
    const char *program;
    char folder[64]; /* the server's files, and those of the test; removed at the end */
    char config[REAL_PATH_BYTES];
    char url[REAL_PATH_BYTES]; /* "http://127.0.0.1:port" */
    unsigned port;
    pid_t pid; /* 0: not running */
};

/* The absolute path of a program, for tests that change the folder; kept until the process ends. */
const char *real_program(const char *path);

/* Makes the folder. */
void real_server_init(struct real_server *s, const char *program);
/* Starts with the text of a configuration; scheme is "http" or "https", which is asked for
 * "localhost" then. Started again, it has the same port. */
void real_server_start(struct real_server *s, const char *scheme, const char *config);
/* Ends it by a signal. Fine when it does not run. */
void real_server_stop(struct real_server *s, int number);
/* Stops it, and removes the folder. */
void real_server_deinit(struct real_server *s);

/* The path of a file in the folder: a static text for each of a few calls. */
const char *real_path(const struct real_server *s, const char *name);
void real_write(const struct real_server *s, const char *name, const char *text);
/* Runs a command of the shell in the folder; what it prints goes to out, if that is not NULL. */
void real_run(const struct real_server *s, const char *command, char out[REAL_TEXT_BYTES]);

/* Options with short pauses, and patience. */
struct blockdb_client_options real_options(const char *urls);
struct blockdb_client *real_client(const struct blockdb_client_options *options);
/* Ends the test unless rc is `wanted`. */
void real_expect(int rc, int wanted, const struct blockdb_error *err, const char *file, int line);
#define EXPECT(wanted, call, err) real_expect((call), (wanted), (err), __FILE__, __LINE__)
/* Versions of a key that the server has. */
unsigned real_versions(struct blockdb_client *client, const char *key);
