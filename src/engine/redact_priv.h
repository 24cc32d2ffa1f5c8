/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside redaction: the list of what is pending, and erasing.
 *
 * Threads: the one that is busy (struct redactions), unless said otherwise.
 */
#pragma once

#include "engine/redact.h"

#include <blockdb/evidence.h>

#define REDACT_STEPS 6 /* of erasing, for progress */
/* Orders that may wait for something in the way of erasing, such as a damaged table. */
#define REDACT_PENDING_MAX 65536

/* Waits until nobody else redacts, and shuts others out until redact_become_idle(). */
void redact_become_busy(struct blockdb *db);
void redact_become_idle(struct blockdb *db);

/* Takes list, which may be empty or NULL, in place of the one that is pending. */
void redact_set_pending(struct blockdb *db, struct redaction_list *list);
/* A copy of list (may be NULL) with count pairs more, which ascend by target; a pair takes the
 * place of one with its target. NULL when out of memory. */
struct redaction_list *redact_list_with(const struct redaction_list *list,
                                        const struct redaction_pair *pairs, size_t count);

/* REDACT-2. redact_begin_erasing() waits for those who hold off; ECANCELED. */
RESULT_MUST_BE_USED int redact_begin_erasing(struct blockdb *db,
                                             const struct blockdb_redact_options *options,
                                             struct error *err);
void redact_end_erasing(struct blockdb *db);

/* Tells progress, if somebody wants to know; ECANCELED. */
RESULT_MUST_BE_USED int redact_progress(const struct blockdb_redact_options *options,
                                        unsigned steps_done, struct error *err);

/* Erases all that is pending, and takes it off the list. On failure it stays pending. */
RESULT_MUST_BE_USED int redact_erase(struct blockdb *db,
                                     const struct blockdb_redact_options *options,
                                     struct error *err);
