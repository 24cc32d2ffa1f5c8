/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/command.h"

#include "base/text.h"
#include "bin/cli/args.h"

#include <string.h>

#define NAMES_MAX 40
#define REQUEST_HELP                                                                               \
    "the write's identity, 32 hexadecimal digits and a growing number: who repeats the last one "  \
    "gets its answer again, and nothing is appended"

const struct option_spec global_options[] = {
    {.name = "data-dir", .value = "DIR", .help = "open the database in DIR"},
    {.name = "config",
     .value = "PATH",
     .help = "read a configuration file, or the *.toml files of a directory",
     .repeatable = true},
    {.name = "set",
     .value = "KEY=VALUE",
     .help = "set one key of the configuration, [database] unless KEY is section.key",
     .repeatable = true},
    {.name = "wait",
     .value = "DURATION",
     .help = "how long to wait for a database that another process has open (30s)"},
    {.name = "forget-pin",
     .help = "accept another history of the log than was seen before, and remember this one"},
    {.name = "no-pin", .help = "neither compare with the head seen before nor remember this one"},
    {.name = "output",
     .letter = 'o',
     .value = "table|json|jsonl|raw",
     .help = "form of the output"},
    {.name = "json", .help = "the same as -o json"},
    {.name = "url",
     .value = "URL",
     .help = "talk to a server, or the nodes of a cluster (http://127.0.0.1:8080)",
     .repeatable = true},
    {.name = "profile",
     .value = "NAME",
     .help = "server and credentials from this table of blockdb/profiles.toml (default)"},
    {.name = "token-file", .value = "FILE", .help = "show the server the token in FILE"},
    {.name = "user",
     .value = "NAME",
     .help = "log in as NAME, with the password in BLOCKDB_PASSWORD"},
    {.name = "cacert", .value = "FILE", .help = "trust the certificates in FILE, not the system's"},
    {.name = "cert", .value = "FILE", .help = "show the server this certificate"},
    {.name = "cert-key", .value = "FILE", .help = "its key, where it is not in the same file"},
    {.name = "insecure", .help = "accept any certificate of a server: for tests"},
    {.name = "print-default-config", .help = "print a configuration file with all defaults"},
    {.name = "help", .letter = 'h', .help = "print help, also of one command"},
    {.name = "version", .help = "print the version"},
    {0},
};

static const struct option_spec no_options[] = {{0}};

static const struct option_spec put_options[] = {
    {.name = "base64", .help = "VALUE is base64"},
    {.name = "literal", .help = "take VALUE as it is, even when it is - or begins with @"},
    {.name = "if-absent", .help = "fail (exit code 4) when KEY has a value"},
    {.name = "durability",
     .value = "none|interval|group|always",
     .help = "when the write counts as done (wal_sync_mode)"},
    {.name = "request", .value = "ID:N", .help = REQUEST_HELP},
    {0},
};

static const struct command put_command = {
    .name = "put",
    .arguments = "KEY VALUE|-|@FILE",
    .summary = "append a version of a key",
    .help = "VALUE - reads standard input, @FILE reads a file. Earlier versions stay readable "
            "(history, get --at). Prints the number of the new entry.",
    .options = put_options,
    .arguments_min = 2,
    .arguments_max = 2,
    .open = COMMAND_OPEN_CREATE,
    .run = cmd_put,
};

static const struct option_spec get_options[] = {
    {.name = "base64", .help = "print the value as base64"},
    {.name = "at", .value = "SEQ", .help = "as of entry SEQ, inclusive"},
    {.name = "as-of",
     .value = "TIME",
     .help = "as of a time: RFC 3339, or milliseconds since 1970"},
    {.name = "verify",
     .help = "check the evidence of the entry first; a server must prove it to --key"},
    {.name = "key",
     .value = "VKEY",
     .help = "with --verify: a verifier key of the server's log, as keygen prints it",
     .repeatable = true},
    {0},
};

static const struct command get_command = {
    .name = "get",
    .arguments = "KEY",
    .summary = "print the value of a key",
    .help = "Prints the bytes of the value as they are, with a line feed only on a terminal. "
            "Exit code 3 when the key has no value, 1 when the value was redacted.",
    .options = get_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_READ,
    .prints_raw = true,
    .checks_damage = true,
    .run = cmd_get,
};

static const struct option_spec delete_options[] = {
    {.name = "durability",
     .value = "none|interval|group|always",
     .help = "when the write counts as done (wal_sync_mode)"},
    {.name = "request", .value = "ID:N", .help = REQUEST_HELP},
    {0},
};

static const struct command delete_command = {
    .name = "delete",
    .arguments = "KEY",
    .summary = "append a deletion of a key",
    .help = "The key's history stays. Prints the number of the new entry.",
    .options = delete_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_WRITE,
    .run = cmd_delete,
};

static const struct option_spec redact_options[] = {
    {.name = "seq",
     .value = "N",
     .help = "number of the entry whose value is erased; may be repeated; required without --all",
     .repeatable = true},
    {.name = "all", .help = "erase the values of all versions of KEY"},
    {.name = "reason", .value = "TEXT", .help = "why; public, and in the log for ever; required"},
    {.name = "reason-code",
     .value = "person|legal|retention|error|other",
     .help = "why, in a word: the person asked, a legal order, retention ended, recorded in error"},
    {.name = "authority", .value = "TEXT", .help = "what allows it, such as a case number"},
    {.name = "yes", .help = "do not ask, on a terminal, whether this is meant"},
    {0},
};

static const struct command redact_command = {
    .name = "redact",
    .arguments = "KEY",
    .summary = "erase values of a key",
    .help =
        "Appends an entry for each version that is named, and erases values and salts from every "
        "file of the database before it returns; each file is written anew once, however many "
        "they are. The versions, their places in the log and all "
        "proofs stay; reads tell that they were redacted. Backups are not reached, see "
        "docs/operate/redaction.md. Prints the numbers of the entry that was redacted and of the "
        "one that says so, of several how many and the first new one; redacting again "
        "appends nothing and finishes what was interrupted.",
    .options = redact_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_WRITE,
    .run = cmd_redact,
};

static const struct option_spec history_options[] = {
    {.name = "limit", .value = "N", .help = "at most N versions"},
    {0},
};

static const struct command history_command = {
    .name = "history",
    .arguments = "KEY",
    .summary = "list the versions of a key, newest first",
    .help = "Deletions are versions, too. Exit code 3 when the key never existed.",
    .options = history_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_READ,
    .run = cmd_history,
};

static const struct option_spec scan_options[] = {
    {.name = "start", .value = "KEY", .help = "first key, inclusive"},
    {.name = "end", .value = "KEY", .help = "where to end, exclusive"},
    {.name = "limit", .value = "N", .help = "at most N keys"},
    {.name = "reverse", .help = "from the last key down"},
    {.name = "keys-only", .help = "print no values; with -o raw a key a line"},
    {.name = "at", .value = "SEQ", .help = "as of entry SEQ, inclusive"},
    {.name = "as-of",
     .value = "TIME",
     .help = "as of a time: RFC 3339, or milliseconds since 1970"},
    {0},
};

static const struct command scan_command = {
    .name = "scan",
    .arguments = "[PREFIX]",
    .summary = "list keys and values in the order of keys",
    .help = "",
    .options = scan_options,
    .arguments_max = 1,
    .open = COMMAND_OPEN_READ,
    .run = cmd_scan,
};

static const struct option_spec batch_options[] = {
    {.name = "durability",
     .value = "none|interval|group|always",
     .help = "when the write counts as done (wal_sync_mode)"},
    {0},
};

static const struct command batch_command = {
    .name = "batch",
    .arguments = "FILE|-",
    .summary = "apply puts and deletes together or not at all",
    .help =
        "FILE has one JSON object a line: {\"type\":\"put\",\"key\":\"k\",\"value\":\"v\"} or "
        "{\"type\":\"delete\",\"key\":\"k\"}. With \"encoding\":\"base64\" key and value are "
        "base64. A put with \"if_absent\":true fails the batch (exit code 4) when the key has a "
        "value. seq and time, as printed by export, are ignored.",
    .options = batch_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_CREATE,
    .run = cmd_batch,
};

static const struct option_spec import_options[] = {
    {.name = "format",
     .value = "jsonl|csv|lines",
     .help = "form of FILE; else by its name: .csv, .tsv and .txt (lines), all others jsonl"},
    {.name = "key-field", .value = "FIELD", .help = "the field or column that holds the key"},
    {.name = "durability",
     .value = "none|interval|group|always",
     .help = "when a write counts as done (wal_sync_mode)"},
    {0},
};

static const struct command import_command = {
    .name = "import",
    .arguments = "FILE|-",
    .summary = "put everything in a file, in large batches",
    .help = "jsonl: what export and batch use; with --key-field any objects, each stored as the "
            "value of its field FIELD. csv: RFC 4180 with a header; the key is column FIELD or the "
            "first, the value is the other column, or a JSON object of all other columns. lines: "
            "key, tab, value. What stands before a bad line is imported when its number is told.",
    .options = import_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_CREATE,
    .run = cmd_import,
};

static const struct option_spec export_options[] = {
    {.name = "format", .value = "jsonl|csv", .help = "form of the output (jsonl)"},
    {.name = "at", .value = "SEQ", .help = "as of entry SEQ, inclusive"},
    {.name = "as-of",
     .value = "TIME",
     .help = "as of a time: RFC 3339, or milliseconds since 1970"},
    {0},
};

static const struct command export_command = {
    .name = "export",
    .arguments = "[PREFIX]",
    .summary = "write keys and values in a form that import reads",
    .help = "",
    .options = export_options,
    .arguments_max = 1,
    .open = COMMAND_OPEN_READ,
    .run = cmd_export,
};

static const struct command stats_command = {
    .name = "stats",
    .arguments = "",
    .summary = "print sizes, positions and counters",
    .help = "",
    .options = no_options,
    .open = COMMAND_OPEN_READ,
    .run = cmd_stats,
};

static const struct option_spec compact_options[] = {
    {.name = "no-wait", .help = "only start it"},
    {0},
};

static const struct command compact_command = {
    .name = "compact",
    .arguments = "",
    .summary = "merge tables",
    .help = "Cheap when there is nothing to gain.",
    .options = compact_options,
    .open = COMMAND_OPEN_WRITE,
    .run = cmd_compact,
};

static const struct command flush_command = {
    .name = "flush",
    .arguments = "",
    .summary = "write the memtable to a table",
    .help = "",
    .options = no_options,
    .open = COMMAND_OPEN_WRITE,
    .run = cmd_flush,
};

static const struct option_spec verify_options[] = {
    {.name = "from", .value = "SEQ", .help = "first entry (0)"},
    {.name = "to", .value = "SEQ", .help = "last entry, inclusive (the newest)"},
    {.name = "sample", .value = "PERCENT", .help = "check only so many of the blocks"},
    {.name = "threads", .value = "N", .help = "threads to use (one a processor)"},
    {0},
};

static const struct command verify_command = {
    .name = "verify",
    .arguments = "",
    .summary = "recompute all evidence from the stored bytes",
    .help = "Values against their commitments, leaves, block roots, the chain of headers, the "
            "tree, and the tables against the ledger. Exit code 5 when something does not match; "
            "the message names file and place.",
    .options = verify_options,
    .open = COMMAND_OPEN_READ,
    .checks_damage = true,
    .run = cmd_verify,
};

static const struct option_spec blocks_options[] = {
    {.name = "from", .value = "HEIGHT", .help = "first block (the newest ones)"},
    {.name = "limit", .value = "N", .help = "at most N blocks (20)"},
    {0},
};

static const struct command blocks_command = {
    .name = "blocks",
    .arguments = "",
    .summary = "list sealed blocks",
    .help = "",
    .options = blocks_options,
    .open = COMMAND_OPEN_READ,
    .run = cmd_blocks,
};

static const struct command block_command = {
    .name = "block",
    .arguments = "HEIGHT",
    .summary = "print the header of a block",
    .help = "",
    .options = no_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_READ,
    .run = cmd_block,
};

static const struct option_spec audit_options[] = {
    {.name = "state", .value = "FILE", .help = "what was verified so far; made by the first audit"},
    {.name = "log",
     .value = "PLACE",
     .help =
         "audit the log at a URL or in a directory, as export-log makes it, instead of a database"},
    {.name = "key", .value = "VKEY", .help = "the log's verifier key, as keygen prints it"},
    {.name = "policy",
     .value = "FILE",
     .help = "logs and witnesses that must have signed (C2SP tlog-policy)"},
    {.name = "full", .help = "read all entries again, not only the new ones"},
    {.name = "threads", .value = "N", .help = "threads to use (one a processor)"},
    {.name = "no-map", .help = "do not recompute the map of newest versions"},
    {.name = "no-values", .help = "do not recompute values from --data-dir"},
    {0},
};

static const struct command audit_command = {
    .name = "audit",
    .arguments = "",
    .summary = "follow a log, and prove that it only grew",
    .help =
        "Checks the signature of the newest head, that it continues the head in FILE, and every "
        "entry since: tiles, bundles, blocks, batches, the map of newest versions (170 bytes of "
        "memory a key), and the values in --data-dir. Exit code 5 when something does not hold; "
        "the message names the first wrong entry, block, file and offset. A log that "
        "contradicts FILE leaves the evidence in FILE.fork-TIME.",
    .options = audit_options,
    .open = COMMAND_OPEN_READ,
    .only_local = "the log of a server is audited with --log URL",
    .instead = "log",
    .checks_damage = true,
    .run = cmd_audit,
};

static const struct option_spec keygen_options[] = {
    {.name = "origin", .value = "NAME", .help = "name of the log, or of the witness"},
    {.name = "out", .value = "FILE", .help = "where to write the key (signing.key)"},
    {.name = "witness", .help = "make the key of a witness, which cosigns heads of others"},
    {0},
};

static const struct command keygen_command = {
    .name = "keygen",
    .arguments = "",
    .summary = "make a key that signs heads",
    .help = "Writes a new file that only its owner may read, and prints the verifier key, which is "
            "public. Name the file in the option signing_key_file of [ledger]. For a rotation "
            "append the new key to the old file, and remove the old one later.",
    .options = keygen_options,
    .open = COMMAND_OPEN_NONE,
    .run = cmd_keygen,
};

static const struct option_spec checkpoint_options[] = {
    {.name = "no-sign", .help = "print the newest signed head and sign nothing"},
    {.name = "cosigned",
     .help = "of a server: print the newest head that its witnesses cosigned, and sign nothing"},
    {.name = "no-witness", .help = "do not show the head to the witnesses of the policy"},
    {.name = "witness-timeout",
     .value = "DURATION",
     .help = "how long to wait for all witnesses together (10s)"},
    {0},
};

static const struct command checkpoint_command = {
    .name = "checkpoint",
    .arguments = "",
    .summary = "sign what is new and print the signed head",
    .help = "A note in the form of C2SP tlog-checkpoint. Needs the option signing_key_file or "
            "signer_command of [ledger]. With witness_policy_file the head is shown to the "
            "witnesses of the policy, and their cosignatures are kept with it; the database is "
            "closed meanwhile, so that nobody waits for them. Exit code 1 when the quorum is not "
            "met, 5 when a witness has seen another log, or a longer one; the head is signed and "
            "printed all the same.",
    .options = checkpoint_options,
    .open = COMMAND_OPEN_WRITE,
    .run = cmd_checkpoint,
};

static const struct option_spec prove_options[] = {
    {.name = "seq", .value = "SEQ", .help = "prove entry SEQ, whatever its key"},
    {.name = "no-value", .help = "do not disclose the value"},
    {.name = "range",
     .value = "OFFSET:LEN",
     .help = "disclose only these bytes of a value over 64 KiB, widened to chunks of 16 KiB"},
    {.name = "block", .help = "with --seq: also prove the block, and the place in it"},
    {.name = "history", .help = "with KEY: also show all its versions, and that there are no more"},
    {.name = "file",
     .letter = 'o',
     .value = "FILE",
     .help = "write the proof to FILE instead of standard output"},
    {0},
};

static const struct command prove_command = {
    .name = "prove",
    .arguments = "KEY | --seq SEQ",
    .summary = "write a proof that anyone can check with the log's key",
    .help =
        "Of KEY: its newest version, or that it has none; needs proof_map = true in [ledger]. Of "
        "an "
        "entry: that it is in the log, with its value. verify-proof checks the file without this "
        "database. A head is signed when none covers what is proven, so a key must be configured "
        "(keygen). A redacted value is proven by its redaction.",
    .options = prove_options,
    .arguments_max = 1,
    .open = COMMAND_OPEN_WRITE,
    .prints_raw = true,
    .checks_damage = true,
    .run = cmd_prove,
};

static const struct option_spec export_log_options[] = {
    {.name = "threads", .value = "N", .help = "threads to use (one a processor, at most 8)"},
    {0},
};

static const struct command export_log_command = {
    .name = "export-log",
    .arguments = "DIR",
    .summary = "write the log as static files that any web server can serve",
    .help =
        "The layout is that of C2SP tlog-tiles: checkpoint, tile/LEVEL/N, tile/entries/N. Values "
        "are "
        "not in it. Repeated, it adds what is new, also after an interruption; the checkpoint is "
        "replaced last. Exit code 5 when DIR has a longer or another history of this log. A head "
        "is signed, so a key must be configured (keygen).",
    .options = export_log_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_WRITE,
    .only_local = "a server shows the same files below its own URL, at /checkpoint and /tile",
    .checks_damage = true,
    .run = cmd_export_log,
};

static const struct option_spec witness_options[] = {
    {.name = "key-file",
     .value = "FILE",
     .help = "the witness's key, as keygen --witness makes it"},
    {.name = "dir", .value = "DIR", .help = "where to keep the newest head of each log"},
    {.name = "listen", .value = "ADDR:PORT", .help = "where to listen (127.0.0.1:8090)"},
    {.name = "prefix", .value = "PATH", .help = "what all paths begin with, such as /witness"},
    {.name = "log",
     .value = "VKEY",
     .help = "the verifier key of a log to witness",
     .repeatable = true},
    {.name = "policy", .value = "FILE", .help = "witness the logs of a policy (C2SP tlog-policy)"},
    {0},
};

static const struct command witness_command = {
    .name = "witness",
    .arguments = "",
    .summary = "cosign the heads of other logs, as a server",
    .help = "Speaks C2SP tlog-witness. A head is cosigned only when it is proven to continue the "
            "one that was cosigned before, and only after it is stored. Prints the URL and the "
            "verifier key, which the policies of logs and verifiers need, and runs until it is "
            "interrupted. DIR must never be put back from a backup.",
    .options = witness_options,
    .open = COMMAND_OPEN_NONE,
    .run = cmd_witness,
};

static const struct command backup_command = {
    .name = "backup",
    .arguments = "DIR",
    .summary = "copy the database into a new directory",
    .help =
        "DIR must not exist or be empty. The copy opens by itself, with --no-pin once it is older "
        "than what was seen of the log; restore takes it.",
    .options = no_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_WRITE,
    .run = cmd_backup,
};

static const struct option_spec restore_options[] = {
    {.name = "to", .value = "NEWDIR", .help = "the directory to make; must not exist or be empty"},
    {0},
};

static const struct command restore_command = {
    .name = "restore",
    .arguments = "DIR",
    .summary = "make a database from a backup",
    .help = "Checks the backup, and records in the new database that it continues from one. "
            "Needs no --data-dir.",
    .options = restore_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_NONE,
    .checks_damage = true,
    .run = cmd_restore,
};

static const struct command inspect_command = {
    .name = "inspect",
    .arguments = "wal|sst|manifest|segment FILE",
    .summary = "print what a file of the database holds",
    .help = "For people who look into a damaged database. Opens no database and changes nothing.",
    .options = no_options,
    .arguments_min = 2,
    .arguments_max = 2,
    .open = COMMAND_OPEN_NONE,
    .run = cmd_inspect,
};

static const struct command shell_command = {
    .name = "shell",
    .arguments = "",
    .summary = "read commands from the terminal or standard input",
    .help = "The default on a terminal. \\timing shows how long each command takes, \\q ends.",
    .options = no_options,
    .open = COMMAND_OPEN_CREATE,
    .run = cmd_shell,
};

static const struct command help_command = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "print help",
    .help = "",
    .options = no_options,
    .arguments_max = 1,
    .open = COMMAND_OPEN_NONE,
    .run = cmd_help,
};

static const struct command generate_command = {
    .name = "generate",
    .arguments = "bash|zsh|fish|man|reference|config-reference",
    .summary = "print completions, the man page and the reference",
    .help = "",
    .options = no_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_NONE,
    .hidden = true,
    .run = cmd_generate,
};

static const struct option_spec verify_proof_options[] = {
    {.name = "key",
     .value = "VKEY",
     .help = "a verifier key of the log, as keygen prints it; one of several must have signed",
     .repeatable = true},
    {.name = "policy",
     .value = "FILE",
     .help = "logs and witnesses that must have signed (C2SP tlog-policy)"},
    {.name = "origin", .value = "NAME", .help = "name of the log, where it is not that of its key"},
    {.name = "expect-key", .value = "KEY", .help = "refuse a proof of another key"},
    {.name = "expect-value",
     .value = "VALUE",
     .help = "refuse a proof of another value; @FILE reads a file"},
    {.name = "expect-seq", .value = "SEQ", .help = "refuse a proof of another entry"},
    {.name = "expect-newest",
     .help = "refuse a proof that does not tell the newest version, or absence, of its key"},
    {.name = "value-out",
     .value = "FILE",
     .help = "write the proven value, or the proven part of it, to FILE"},
    {0},
};

static const struct command verify_proof_command = {
    .name = "verify-proof",
    .arguments = "FILE|-",
    .summary = "check a proof file; needs no database",
    .help = "Checks what prove wrote against the log's public key alone, and prints what is "
            "proven: the entry, its value, its block, whether it is the newest version of its key, "
            "all versions, a redaction. Exit code 5 when anything in the file does not hold, or is "
            "not what was expected. A proof is a statement about one signed head; a later entry "
            "may have replaced what it shows.",
    .options = verify_proof_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .open = COMMAND_OPEN_NONE,
    .checks_damage = true,
    .run = cmd_verify_proof,
};

const struct command *const command_table[] = {
    &put_command,          &get_command,
    &delete_command,       &history_command,
    &scan_command,         &batch_command,
    &import_command,       &export_command,
    &stats_command,        &compact_command,
    &flush_command,        &verify_command,
    &blocks_command,       &block_command,
    &audit_command,        &keygen_command,
    &checkpoint_command,   &witness_command,
    &verify_proof_command, &prove_command,
    &export_log_command,   &backup_command,
    &restore_command,      &inspect_command,
    &redact_command,       &watch_command,
    &cluster_command,      &user_command,
    &token_command,        &role_command,
    &shell_command,        &help_command,
    &generate_command,     NULL,
};

/* Commands that scripts written for BlockDB may use and this build does not have. */
static const char *const server_commands[] = {
    "txn",
    "tune",
    "doctor",
};

enum command_open command_open_of(const struct args *args)
{
    const struct command *command = args->command;

    return command->open_for != NULL ? command->open_for(args) : command->open;
}

const struct command *command_find(const char *name)
{
    size_t i;

    for (i = 0; command_table[i] != NULL; i++) {
        if (strcmp(command_table[i]->name, name) == 0) {
            return command_table[i];
        }
    }
    return NULL;
}

int command_unknown(const char *name, struct error *err)
{
    const char *names[NAMES_MAX];
    const char *nearest;
    size_t count = 0;
    size_t i;

    for (i = 0; i < sizeof(server_commands) / sizeof(server_commands[0]); i++) {
        if (strcmp(server_commands[i], name) == 0) {
            return error_set(err, BLOCKDB_EINVAL, "this build has no command '%s' yet", name);
        }
    }
    for (i = 0; command_table[i] != NULL && count < NAMES_MAX; i++) {
        if (!command_table[i]->hidden) {
            names[count++] = command_table[i]->name;
        }
    }
    nearest = text_nearest(name, names, count);
    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL, "unknown command '%.64s': did you mean '%s'?", name,
                         nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "unknown command '%.64s': blockdb-cli --help lists the commands", name);
}

const struct option_spec *option_find(const struct option_spec *options, const char *name,
                                      size_t len)
{
    for (; options->name != NULL; options++) {
        if (strlen(options->name) == len && memcmp(options->name, name, len) == 0) {
            return options;
        }
    }
    return NULL;
}

const struct option_spec *option_find_letter(const struct option_spec *options, char letter)
{
    for (; options->name != NULL; options++) {
        if (options->letter == letter) {
            return options;
        }
    }
    return NULL;
}
