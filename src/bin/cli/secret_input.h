/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a password: from a file, a pipe, or a person, who does not see what is typed. Never from
 * the command line, which every user of the machine can read.
 *
 * Threads: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

struct cli;

/* Wipes and frees; for AUTO. */
void secret_input_deinit(struct buf *secret);

/* Appends a password, one line without its end: of the file of option --password-file, "-" being
 * standard input; else of standard input, on a terminal asking twice for what `name` shall have.
 * EDENIED: others can read the file; EINVAL: the two differ, or there was nothing; ECANCELED. */
RESULT_MUST_BE_USED int secret_input_password(struct cli *cli, const char *name, struct buf *out,
                                              struct error *err);
/* Appends the password that is to be replaced: of the file of option --old-password-file, else
 * asked for on the terminal. EINVAL: neither; else as above. */
RESULT_MUST_BE_USED int secret_input_old_password(struct cli *cli, struct buf *out,
                                                  struct error *err);
/* Asks once on the terminal, "PROMPT NAME: ", without showing what is typed. */
RESULT_MUST_BE_USED int secret_input_ask(const char *prompt, const char *name, struct buf *out,
                                         struct error *err);
