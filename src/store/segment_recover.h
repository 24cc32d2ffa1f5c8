/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery of the active segment: its index from the frame heads, and its end from what is whole.
 *
 * Threads: the opener.
 */
#pragma once

#include "store/segment_file.h"

/* Fills the index of an active segment just opened, and cuts what follows its last whole block
 * (unless the env is read-only). Blocks below trusted_seq are taken by their frame heads; of those
 * that reach beyond, everything is checked. Adds to *recovery. ECORRUPT: SEG-5. */
RESULT_MUST_BE_USED int segment_recover(struct segment *segment, uint64_t trusted_seq,
                                        struct segments_recovery *recovery, struct error *err);
