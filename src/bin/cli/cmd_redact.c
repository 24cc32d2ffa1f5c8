/* SPDX-License-Identifier: Apache-2.0 */
/* redact: erases the values of some versions of a key, or of all, and says so in the log. */
#include "base/mem.h"
#include "bin/cli/cli.h"
#include "bin/cli/input.h"

#include <blockdb/evidence.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The versions to redact. */
struct targets {
    struct blockdb_redact_target list[BLOCKDB_REDACT_MAX];
    size_t count;
};

static int add_target(struct targets *targets, const char *key, uint64_t seq, struct error *err)
{
    if (targets->count == BLOCKDB_REDACT_MAX) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "key '%.256s' has more than %d versions to redact; name some by --seq, "
                         "then repeat with others",
                         key, BLOCKDB_REDACT_MAX);
    }
    targets->list[targets->count++] = (struct blockdb_redact_target){key, strlen(key), seq};
    return BLOCKDB_OK;
}

/* All versions of the key that have a value. */
static int list_all(struct cli *cli, const char *key, struct targets *out, struct error *err)
{
    struct source_cursor *history = NULL;
    int rc = cli->source->ops->history_new(cli->source, slice_of_text(key), true, &history, err);

    while (rc == BLOCKDB_OK) {
        struct entry entry;

        rc = cli->source->ops->cursor_next(history, &entry, err);
        if (rc < 0) {
            break;
        }
        if (entry.version.kind == BLOCKDB_KIND_PUT && !entry.version.redacted) {
            rc = add_target(out, key, entry.version.seq, err);
        }
    }
    cli->source->ops->cursor_free(history);
    if (rc == BLOCKDB_ENOTFOUND && out->count == 0) {
        return error_set(err, BLOCKDB_ENOTFOUND,
                         "key '%.256s' has no version with a value that is not redacted", key);
    }
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc;
}

static int list_seqs(struct cli *cli, const char *key, struct targets *out, struct error *err)
{
    const char *text;
    unsigned n;
    int rc = BLOCKDB_OK;

    for (n = 0; rc == BLOCKDB_OK && (text = args_value_at(&cli->args, "seq", n)) != NULL; n++) {
        uint64_t seq = 0;

        rc = argument_number(text, "option --seq", &seq, err);
        if (rc == BLOCKDB_OK) {
            rc = add_target(out, key, seq, err);
        }
    }
    return rc;
}

/* Asks a person, who cannot take it back. Without one the options are the word. */
static int confirm(const char *key, const struct targets *targets, struct error *err)
{
    char answer[8] = "";

    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        return BLOCKDB_OK;
    }
    if (targets->count == 1) {
        (void)fprintf(stderr,
                      "The value of entry %" PRIu64 " of key '%.256s' will be erased for ever. ",
                      targets->list[0].seq, key);
    } else {
        (void)fprintf(stderr, "%zu values of key '%.256s' will be erased for ever. ",
                      targets->count, key);
    }
    (void)fprintf(stderr, "Type yes to go on: ");
    (void)fflush(stderr); /* a prompt that is not seen is answered by nobody */
    if (fgets(answer, sizeof(answer), stdin) == NULL || strcmp(answer, "yes\n") != 0) {
        return error_set(err, BLOCKDB_ECANCELED, "not confirmed; nothing was redacted");
    }
    return BLOCKDB_OK;
}

static void print_sentence(struct cli *cli, const struct targets *targets,
                           const struct blockdb_write_result *result)
{
    if (targets->count == 1) {
        out_format(&cli->out, "entry %" PRIu64 " %s redacted by entry %" PRIu64 "\n",
                   targets->list[0].seq, result->repeated ? "was already" : "is",
                   result->first_seq);
    } else if (result->repeated) {
        out_format(&cli->out, "%zu entries were already redacted\n", targets->count);
    } else {
        out_format(&cli->out,
                   "%zu entries are redacted, %" PRIu64 " of them now, from entry %" PRIu64 " on\n",
                   targets->count, result->count, result->first_seq);
    }
}

static void redact_print(struct cli *cli, const struct targets *targets,
                         const struct blockdb_write_result *result)
{
    const struct field fields[] = {
        {.name = "seq", .type = FIELD_NUMBER, .number = result->first_seq},
        {.name = "target_seq", .type = FIELD_NUMBER, .number = targets->list[0].seq},
        {.name = "time", .type = FIELD_TIME, .number = result->time_ms},
        {.name = "targets", .type = FIELD_NUMBER, .number = targets->count},
        {.name = "count", .type = FIELD_NUMBER, .number = result->repeated ? 0 : result->count},
    };

    if (cli->format == OUTPUT_TABLE) {
        print_sentence(cli, targets, result);
    } else {
        fields_print(&cli->out, cli->format, fields,
                     cli->format == OUTPUT_RAW ? 1 : sizeof(fields) / sizeof(fields[0]));
    }
}

static bool show_progress(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    progress_update(arg, unit, done, total);
    return true; /* an interrupted erasing would have to be finished anyway */
}

static int redact_run(struct cli *cli, const struct targets *targets,
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
    rc = cli->source->ops->redact(cli->source, targets->list, targets->count, &options, out, err);
    progress_finish(&progress);
    return rc;
}

static int redact(struct cli *cli, struct targets *targets, struct error *err)
{
    const char *key = cli->args.positional[0];
    struct blockdb_write_result result;
    int rc = args_has(&cli->args, "all") ? list_all(cli, key, targets, err)
                                         : list_seqs(cli, key, targets, err);

    if (rc == BLOCKDB_OK && !args_has(&cli->args, "yes")) {
        rc = confirm(key, targets, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = redact_run(cli, targets, &result, err);
    }
    if (rc == BLOCKDB_OK) {
        redact_print(cli, targets, &result);
    }
    return rc;
}

int cmd_redact(struct cli *cli, struct error *err)
{
    AUTO(mem_free_ptr) struct targets *targets = NULL;

    if (!args_has(&cli->args, "seq") && !args_has(&cli->args, "all")) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --seq is missing, or --all for all versions; history lists the "
                         "versions of a key and their numbers");
    }
    if (args_has(&cli->args, "seq") && args_has(&cli->args, "all")) {
        return error_set(err, BLOCKDB_EINVAL, "options --seq and --all exclude each other");
    }
    if (!args_has(&cli->args, "reason")) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --reason is missing: why the value is erased, which is public "
                         "and in the log for ever");
    }
    targets = mem_calloc(1, sizeof(*targets));
    return targets == NULL ? error_set_no_memory(err) : redact(cli, targets, err);
}
