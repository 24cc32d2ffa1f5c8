/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that grow: an array that the caller owns, its capacity beside it.
 *
 * Threads:   caller locks.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

/* Makes the array at *(void **)list, of *cap items, hold at least `needed`, doubling. ENOMEM leaves
 * both unchanged. Freed with mem_free(). */
RESULT_MUST_BE_USED int audit_grow(void *list, size_t *cap, size_t needed, size_t item_len);
