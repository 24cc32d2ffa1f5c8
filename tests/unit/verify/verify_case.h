/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs blockdb_verify_proof_file() over a buffer, with what most tests want.
 *
 * Threads: one thread.
 */
#pragma once

#include "proof_sample.h"

#include <blockdb/verify.h>
#include <stdlib.h>

struct verify_case {
    struct blockdb_trust trust;
    struct blockdb_expectations expect;
    struct blockdb_proof_report report;
    struct blockdb_error err;
    const char *keys[2];
    uint8_t *scratch;
    size_t scratch_len;
};

static inline void case_init(struct verify_case *c, const struct sample *s)
{
    *c = (struct verify_case){.trust = BLOCKDB_TRUST_INIT,
                              .expect = BLOCKDB_EXPECTATIONS_INIT,
                              .report = BLOCKDB_PROOF_REPORT_INIT,
                              .scratch_len = 1 << 20};
    c->scratch = malloc(c->scratch_len);
    if (c->scratch == NULL) {
        abort();
    }
    c->keys[0] = s->vkey;
    c->trust.key_count = 1;
}

static inline void case_deinit(struct verify_case *c)
{
    free(c->scratch);
}

static inline int case_verify(struct verify_case *c, struct slice text)
{
    struct blockdb_proof_file file = {text.data, text.len, c->scratch, c->scratch_len};

    c->trust.keys = c->keys;
    c->report = (struct blockdb_proof_report)BLOCKDB_PROOF_REPORT_INIT;
    c->err.message[0] = '\0';
    return blockdb_verify_proof_file(&file, &c->trust, &c->expect, &c->report, &c->err);
}
