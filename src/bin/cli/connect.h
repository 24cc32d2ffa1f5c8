/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which server a run of the command line talks to, and as whom.
 *
 * The server is that of --url, else of BLOCKDB_URL, else of the profile, else
 * http://127.0.0.1:8080. A profile is a table of
 * ${XDG_CONFIG_HOME:-$HOME/.config}/blockdb/profiles.toml: the one that --profile or
 * BLOCKDB_PROFILE names, else "default" if there is one and no URL was given. Options go before
 * the environment, that before the profile.
 *
 * CONN-1  Secrets come from files, the environment or a terminal, never from the command line, and
 *         are in no message.
 * CONN-2  Without a profile nothing is read from disk: a put must start in a millisecond.
 *
 * Threads: one thread.
 * Format:  docs/operate/cli.md, "Servers"
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "client/http.h"

struct blockdb_client;
struct cli;

/* Makes the client; *url gets the server's URL with a zero behind it. EINVAL: what was given
 * cannot be; ENOTFOUND never; EDENIED: others may read a secret. */
RESULT_MUST_BE_USED int connect_client(struct cli *cli, struct blockdb_client **out,
                                       struct buf *url, struct error *err);

/* How the log at a URL is read. A zeroed one is empty. */
struct log_access {
    struct http_access http; /* points to what follows */
    char *ca_file, *cert_file, *key_file;
    struct buf authorization;
};

/* The same options, environment and profile for the reading of the log at url: what the environment
 * or a profile says counts only for the servers that it names, or where --profile asks for it; so
 * no token is shown to whom it is not for. Errors as connect_client(). */
RESULT_MUST_BE_USED int connect_log(struct cli *cli, const char *url, struct log_access *out,
                                    struct error *err);
void log_access_deinit(struct log_access *access);
