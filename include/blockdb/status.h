/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes and the error object shared by every BlockDB library.
 *
 * A function that can fail returns 0 (BLOCKDB_OK) or one of the negative codes below; it never
 * returns a positive number. Where the cause may lie outside the process, the last parameter is a
 * `struct blockdb_error *` that receives the code and a sentence for a person. It may be NULL.
 *
 * Threads: immutable; an error object belongs to its caller.
 */
#ifndef BLOCKDB_STATUS_H
#define BLOCKDB_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* all that follows is public */

/* The numbers are part of the ABI: they are only ever added to. */
enum blockdb_status {
    BLOCKDB_OK = 0,
    BLOCKDB_ENOTFOUND = -1,  /* no such key, version, block or file */
    BLOCKDB_EINVAL = -2,     /* the caller passed something that can never work */
    BLOCKDB_ECONFLICT = -3,  /* a condition of a batch did not hold */
    BLOCKDB_ECORRUPT = -4,   /* bytes on disk are damaged: a checksum or structure is wrong */
    BLOCKDB_ETAMPERED = -5,  /* evidence does not match: hashes, chain or commitments are wrong */
    BLOCKDB_EIO = -6,        /* the operating system failed an I/O operation */
    BLOCKDB_ENOSPC = -7,     /* the disk or a quota is full */
    BLOCKDB_ENOMEM = -8,     /* memory could not be allocated; nothing changed */
    BLOCKDB_EBUSY = -9,      /* the directory is in use by another process */
    BLOCKDB_ETIMEDOUT = -10, /* a bounded wait ended */
    BLOCKDB_EREADONLY = -11, /* opened read-only, or made read-only by an earlier failed write */
    BLOCKDB_ELIMIT = -12,    /* a documented limit is exceeded */
    BLOCKDB_EVERSION = -13,  /* written by a newer or unknown version of the format */
    BLOCKDB_EFOREIGN = -14,  /* the directory or file belongs to something else */
    BLOCKDB_EEXIST = -15,    /* the target exists already */
    BLOCKDB_ECLOSED = -16,   /* the database is being closed */
    BLOCKDB_EREDACTED = -17, /* the value was erased; its proofs remain */
    BLOCKDB_ESTALE = -18,    /* a request number lower than the client's last one */
    BLOCKDB_ECANCELED = -19, /* the caller asked for the operation to stop */
    BLOCKDB_EUNSUPPORTED = -20, /* this build or platform cannot do it */
    BLOCKDB_EDENIED = -21,      /* permission is missing */
    BLOCKDB_EWOULDBLOCK = -22,  /* it would have to wait, and was asked not to; nothing changed */
};

#define BLOCKDB_ERROR_MESSAGE_MAX 1020

/* An error: its code and a message that names what failed, where, and what to do. */
struct blockdb_error {
    int code;
    char message[BLOCKDB_ERROR_MESSAGE_MAX];
};

/* Returns the short name of a code, for example "corrupt"; never NULL. The string is static. */
const char *blockdb_status_name(int code);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
