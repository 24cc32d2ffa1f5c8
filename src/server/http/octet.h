/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Octets: which bytes may stand where in HTTP (RFC 9110 section 5.6, RFC 3986), as one table.
 *
 * Threads: immutable.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum octet_class {
    OCTET_TOKEN = 1 << 0,  /* names of methods and headers */
    OCTET_FIELD = 1 << 1,  /* values of headers: visible, space, tab, above 127 */
    OCTET_TARGET = 1 << 2, /* request targets: visible ASCII but what RFC 3986 leaves out */
    OCTET_HOST = 1 << 3,   /* names, addresses and ports */
    OCTET_ID = 1 << 4,     /* ids of requests: letters, digits, "-._~:+/=" */
    OCTET_DIGIT = 1 << 5,
    OCTET_HEX = 1 << 6,
};

extern const uint8_t octet_classes[256];

static inline bool octet_is(uint8_t byte, enum octet_class class)
{
    return (octet_classes[byte] & class) != 0;
}

/* Whether all bytes are of the class; true for none. */
static inline bool octet_all(struct slice bytes, enum octet_class class)
{
    unsigned all = (unsigned)class;

    for (size_t i = 0; i < bytes.len; i++) {
        all &= octet_classes[bytes.data[i]];
    }
    return all != 0;
}

/* The value of a hexadecimal digit, or -1. */
static inline int octet_hex(uint8_t byte)
{
    if (!octet_is(byte, OCTET_HEX)) {
        return -1;
    }
    return byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
}
