/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows a signed head to the witnesses of [ledger] witness_policy_file, and attaches what they
 * cosign.
 *
 * The database is open only for what needs it: while the witnesses are waited for it is closed
 * (outside of a shell), so that other processes can write meanwhile. Witnesses are asked in rounds:
 * one that tells another size than was guessed is asked again in the next, with the proof from
 * there.
 *
 * WITS-1  A witness that is missing holds up nobody but this command, and that for a bounded time.
 * WITS-2  Cosignatures are attached as they come: what a failure ends later stays attached.
 *
 * Threads: one thread; the client starts others of its own.
 */
#pragma once

#include "base/error.h"

#include <blockdb/blockdb.h>
#include <stdbool.h>

struct cli;

/* Whether a policy is configured and the command line does not say otherwise. */
bool witnesses_wanted(const struct cli *cli);

/* Shows *note, the newest signed head, to the witnesses, unless they have cosigned it already.
 * previous is the newest head before it was signed, or empty. *note is replaced by the head with
 * what was attached, also when this fails: EIO: the quorum of the policy is not met; ETAMPERED: a
 * witness has seen another log, or a longer one; EINVAL: the policy is malformed. Witnesses that
 * fail are told of as warnings. On failure the database may be closed. */
RESULT_MUST_BE_USED int witnesses_ask(struct cli *cli, const struct blockdb_value *previous,
                                      struct blockdb_value *note, struct error *err);
