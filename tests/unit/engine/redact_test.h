/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of redaction share: a database with a secret in it, and a search for its bytes in
 * every file of a disk.
 *
 * Threads: main thread of a test program.
 */
#pragma once

#include "engine/db.h"
#include "engine_fixture.h"
#include "os/os_crash.h"

#include <blockdb/evidence.h>

#define SECRET_MAX (200 * 1024)
#define SECRET_KEY "secret"

/* A value, its salt, and the leaf hash of its entry. */
struct secret {
    uint8_t value[SECRET_MAX];
    size_t len;
    uint8_t salt[SALT_LEN];
    uint64_t seq;
    struct hash leaf;
};

/* Puts random bytes under SECRET_KEY and learns their salt. */
void secret_put(struct secret *s, struct blockdb *db, size_t len, uint64_t seed);
/* Where a part of value or salt stands in a file below dir; 0: nowhere. Prints the places when
 * tell. */
unsigned secret_find(const struct secret *s, struct os_crash *disk, const char *dir, bool tell);
/* Redacts; the error code. */
int secret_redact(const struct secret *s, struct blockdb *db, struct error *err);
/* Checks that every kind of read tells that it is redacted, and that its leaf is as it was. */
void secret_check_hidden(const struct secret *s, struct blockdb *db);
/* Verifies everything; the number of redactions. */
uint64_t secret_verify(struct blockdb *db);
