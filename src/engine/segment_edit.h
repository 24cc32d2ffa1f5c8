/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledger segments as the manifest keeps them, and back.
 *
 * Threads: pure functions.
 */
#pragma once

#include "store/manifest_state.h"
#include "store/segment.h"

struct manifest_segment segment_to_manifest(const struct segment_info *info);
struct segment_info segment_of_manifest(const struct manifest_segment *segment);
