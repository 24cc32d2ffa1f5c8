/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and durations as people write them: "64MiB", "1.5GiB", "150ms", "2h".
 *
 * A number without a unit is bytes, or milliseconds. Units of a thousand ("MB") are refused,
 * because half of those who write them mean 1024. Fractions must come to a whole number.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

/* Units B KiB MiB GiB TiB. EINVAL says what is accepted. */
RESULT_MUST_BE_USED int size_parse(const char *text, uint64_t *out_bytes, struct error *err);

/* Units ms s min h d. EINVAL says what is accepted. */
RESULT_MUST_BE_USED int duration_parse(const char *text, uint64_t *out_ms, struct error *err);

/* A decimal number of at most 64 bits, nothing around it. EINVAL says so. */
RESULT_MUST_BE_USED int number_parse(const char *text, uint64_t *out_number, struct error *err);
