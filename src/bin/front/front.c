/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/front/front.h"

#include "base/mem.h"
#include "bin/cli/environment.h"
#include "bin/cli/out.h"
#include "bin/cli/write_id.h"
#include "bin/front/front_line.h"
#include "bin/front/whole.h"
#include "os/os.h"

#include <blockdb/client.h>
#include <blockdb/version.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void client_free_ptr(struct blockdb_client **client)
{
    blockdb_client_free(*client);
}

/* People get colours and line ends, and do not notice a millisecond. */
static bool is_person_there(void)
{
    return isatty(STDOUT_FILENO) == 1 || isatty(STDERR_FILENO) == 1;
}

/* Whether a profile may say which server, and as whom. */
static bool has_profiles(struct os *os, char *const *environment)
{
    AUTO(mem_free_ptr) char *path = NULL;
    struct os_stat stat;
    struct error ignored;

    if (environment_profiles_path(environment, &path) < 0) {
        return true;
    }
    return path != NULL && os_stat_path(os, path, &stat, &ignored) != BLOCKDB_ENOTFOUND;
}

/* One attempt: what a second one would need is the whole program's business. */
static int client_make(const struct front_line *line, const struct write_id *id,
                       struct blockdb_client **out, struct error *err)
{
    struct blockdb_client_options options = BLOCKDB_CLIENT_OPTIONS_INIT;

    options.urls = line->url; /* NULL: the usual one */
    options.max_connections = 1;
    options.retry_attempts = 0;
    options.client_id = id->client_id;
    options.user_agent = "blockdb-cli/" BLOCKDB_VERSION;
    return blockdb_client_new(&options, out, err);
}

static int run_write(struct blockdb_client *client, const struct front_line *line,
                     const struct write_id *id, struct out *out, struct error *err)
{
    struct blockdb_write_options options = BLOCKDB_WRITE_OPTIONS_INIT;
    struct blockdb_write_result result;
    int rc;

    options.client_id = id->client_id;
    options.request = id->request;
    rc = line->command == FRONT_DELETE
             ? blockdb_client_delete(client, line->key, strlen(line->key), &options, &result, err)
             : blockdb_client_put(client, line->key, strlen(line->key), line->value,
                                  strlen(line->value), &options, &result, err);
    if (rc == BLOCKDB_OK) {
        out_format(out, "seq %" PRIu64 "\n", result.first_seq);
    }
    return rc;
}

static int run_get(struct blockdb_client *client, const struct front_line *line, struct out *out,
                   struct error *err)
{
    struct blockdb_read_options options = BLOCKDB_READ_OPTIONS_INIT;
    struct blockdb_value value = {0};
    int rc = blockdb_client_get(client, line->key, strlen(line->key), &options, &value, err);

    if (rc == BLOCKDB_OK) {
        out_bytes(out, value.data, value.len);
    }
    blockdb_client_value_deinit(&value);
    return rc;
}

/* Does what the line says and collects what is to be printed. */
static int run_line(const struct front_line *line, const struct write_id *id, struct out *out,
                    struct error *err)
{
    AUTO(client_free_ptr) struct blockdb_client *client = NULL;
    int rc = client_make(line, id, &client, err);

    if (rc == BLOCKDB_OK) {
        rc = line->command == FRONT_GET ? run_get(client, line, out, err)
                                        : run_write(client, line, id, out, err);
    }
    return rc < 0 ? rc : out->status;
}

/* Prints what was collected; the exit code. */
static int print(const struct front_line *line, struct out *out)
{
    static const char *const names[] = {
        [FRONT_PUT] = "put", [FRONT_GET] = "get", [FRONT_DELETE] = "delete"};
    struct error err;

    if (out_finish(out, &err) == BLOCKDB_OK) {
        return EXIT_SUCCESS;
    }
    (void)fprintf(stderr, "blockdb-cli: %s: %s\n", names[line->command], err.message);
    return EXIT_FAILURE;
}

int front_main(int argc, char *const *argv, char *const *environment)
{
    AUTO(out_deinit) struct out out;
    struct os *os = os_real();
    struct write_id id = {.request = 1};
    struct front_line line;
    struct error err;

    out_init(&out, STDOUT_FILENO);
    if (!front_line_read(&line, argc, argv, environment) || is_person_there() ||
        (line.url == NULL && has_profiles(os, environment)) ||
        os_random(os, id.client_id, sizeof(id.client_id), &err) < 0) {
        return whole_start(argv, NULL, environment);
    }
    if (run_line(&line, &id, &out, &err) < 0) {
        return whole_start(argv, line.command == FRONT_GET ? NULL : &id, environment);
    }
    return print(&line, &out);
}
