/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether evidence is made: salts, commitments, leaf hashes, the tree and its tiles.
 *
 * It is, but in a build with the option evidence=false, which exists for one purpose: to measure
 * what evidence costs (bench/run_evidence_cost). What such a build writes proves nothing and cannot
 * be verified; it says so in its version and cannot be installed. Blocks and their headers stay,
 * because they are also how values are stored.
 *
 * Threads: immutable.
 */
#pragma once

enum {
#ifdef BLOCKDB_WITHOUT_EVIDENCE
    WITH_EVIDENCE = 0,
#else
    WITH_EVIDENCE = 1,
#endif
};
