/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the Redis protocol: whole and cut into pieces they are the same, every argument lies
 * in what was sent, and no reply to any of them has a line that the client wrote.
 */
#include "base/assert.h"
#include "server/principal.h"
#include "server/resp/resp_command.h"
#include "server/resp/resp_glob.h"
#include "server/resp/resp_parser.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct resp_parser_limits limits = {
    .args_max = 64, .bulk_max = 512, .inline_max = 256, .command_max = 1024};

/* What a parser made of the input, as one number and as counts. */
struct result {
    uint64_t digest;
    size_t commands;
    size_t used;
    bool refused;
};

static void digest_add(struct result *r, struct slice bytes)
{
    r->digest = r->digest * 1099511628211u + bytes.len;
    for (size_t i = 0; i < bytes.len; i++) {
        r->digest = (r->digest ^ bytes.data[i]) * 1099511628211u;
    }
}

/* An error about it is one line. */
static void check_refusal(struct slice name)
{
    struct buf out = {0};
    struct resp_writer w = resp_writer_of(&out, 2);

    resp_refuse_unknown(&w, name);
    ASSERT(w.failed || (out.len > 2 && out.data[out.len - 1] == '\n'));
    for (size_t i = 0; !w.failed && i + 2 < out.len; i++) {
        ASSERT(out.data[i] >= ' ' && out.data[i] != 0x7f);
    }
    buf_deinit(&out);
}

static void check_command(const struct resp_args *args)
{
    const struct resp_command *command = resp_command_find(args->items[0]);
    struct resp_keys keys;
    struct error err;

    if (command == NULL) {
        check_refusal(args->items[0]);
        return;
    }
    keys = resp_command_keys(command, args->count);
    ASSERT(keys.count == 0 || (keys.first < keys.end && keys.end <= args->count) ||
           !resp_command_takes(command, args->count));
    if (resp_command_takes(command, args->count)) {
        ASSERT(resp_command_check(command, principal_everyone(), args->items, args->count, &err) ==
               BLOCKDB_OK);
    }
    if (args->count > 2) {
        (void)resp_glob_matches(args->items[1], args->items[2]); /* ends, within its bytes */
    }
}

/* Parses in pieces of `piece` bytes more each time. */
static struct result parse(const uint8_t *data, size_t size, size_t piece, bool checks)
{
    struct result r = {0};
    struct resp_parser p = {0};
    struct resp_args args = {0};
    size_t shown = 0;

    while (shown < size && !r.refused) {
        enum resp_parsed parsed;

        shown = size - shown > piece ? shown + piece : size;
        do {
            size_t used = 0;

            parsed = resp_parser_next(&p, &limits, slice_of(data + r.used, shown - r.used), &args,
                                      &used);
            r.refused = parsed == RESP_PARSED_REFUSED;
            ASSERT(used <= shown - r.used);
            r.used += used;
            if (parsed == RESP_PARSED_COMMAND) {
                ASSERT(args.count > 0 && args.count <= limits.args_max);
                r.commands++;
                for (size_t i = 0; i < args.count; i++) {
                    digest_add(&r, args.items[i]);
                }
                if (checks) {
                    check_command(&args);
                }
            }
        } while (parsed == RESP_PARSED_COMMAND || parsed == RESP_PARSED_EMPTY);
    }
    resp_parser_deinit(&p);
    resp_args_deinit(&args);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result whole = parse(data, size, size + 1, true);
    struct result bytes = parse(data, size, 1, false);
    struct result pieces = parse(data, size, 7, false);

    ASSERT(whole.digest == bytes.digest && whole.commands == bytes.commands);
    ASSERT(whole.used == bytes.used && whole.refused == bytes.refused);
    ASSERT(whole.digest == pieces.digest && whole.refused == pieces.refused);
    return 0;
}
