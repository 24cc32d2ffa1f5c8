/* SPDX-License-Identifier: Apache-2.0 */
/* redact: erases the value of one version and says so in the log. */
#include "bin/cli/cli.h"
#include "bin/cli/input.h"

#include <blockdb/evidence.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Asks a person, who cannot take it back. Without one the options are the word. */
static int confirm(const char *key, uint64_t seq, struct error *err)
{
    char answer[8] = "";

    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        return BLOCKDB_OK;
    }
    (void)fprintf(stderr,
                  "The value of entry %" PRIu64 " of key '%.256s' will be erased for ever. "
                  "Type yes to go on: ",
                  seq, key);
    (void)fflush(stderr); /* a prompt that is not seen is answered by nobody */
    if (fgets(answer, sizeof(answer), stdin) == NULL || strcmp(answer, "yes\n") != 0) {
        return error_set(err, BLOCKDB_ECANCELED, "not confirmed; nothing was redacted");
    }
    return BLOCKDB_OK;
}

static void redact_print(struct cli *cli, uint64_t target_seq,
                         const struct blockdb_write_result *result)
{
    const struct field fields[] = {
        {.name = "seq", .type = FIELD_NUMBER, .number = result->first_seq},
        {.name = "target_seq", .type = FIELD_NUMBER, .number = target_seq},
        {.name = "time", .type = FIELD_TIME, .number = result->time_ms},
    };

    if (cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "entry %" PRIu64 " %s redacted by entry %" PRIu64 "\n", target_seq,
                   result->repeated ? "was already" : "is", result->first_seq);
    } else {
        fields_print(&cli->out, cli->format, fields, cli->format == OUTPUT_RAW ? 1 : 3);
    }
}

static bool show_progress(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    progress_update(arg, unit, done, total);
    return true; /* an interrupted erasing would have to be finished anyway */
}

static int redact_run(struct cli *cli, const char *key, uint64_t seq,
                      struct blockdb_write_result *out, struct error *err)
{
    struct blockdb_redact_options options = BLOCKDB_REDACT_OPTIONS_INIT;
    struct progress progress;
    int rc;

    options.reason = args_value(&cli->args, "reason");
    options.authority = args_value(&cli->args, "authority");
    if (args_has(&cli->args, "reason-code")) {
        options.reason_code = args_choice(&cli->args, "reason-code", 0) + 1;
    }
    cli_progress_init(cli, &progress);
    options.progress = show_progress;
    options.progress_arg = &progress;
    rc = blockdb_redact(cli->db, key, strlen(key), seq, &options, out, err);
    progress_finish(&progress);
    return rc;
}

int cmd_redact(struct cli *cli, struct error *err)
{
    const char *key = cli->args.positional[0];
    uint64_t seq = args_u64(&cli->args, "seq", BLOCKDB_SEQ_NONE);
    struct blockdb_write_result result;
    int rc = BLOCKDB_OK;

    if (seq == BLOCKDB_SEQ_NONE || !args_has(&cli->args, "reason")) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --%s is missing; history lists the versions of a key and their "
                         "numbers",
                         seq == BLOCKDB_SEQ_NONE ? "seq" : "reason");
    }
    if (!args_has(&cli->args, "yes")) {
        rc = confirm(key, seq, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = redact_run(cli, key, seq, &result, err);
    }
    if (rc == BLOCKDB_OK) {
        redact_print(cli, seq, &result);
    }
    return rc;
}
