/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes for users, tokens, roles, and for asking who one is.
 *
 * Changes and lists need the right admin. A change is in force for all connections when its answer
 * is sent, and is told to the audit log with who made it.
 *
 * Threads: immutable.
 */
#pragma once

#include "server/http/router.h"

#include <stddef.h>

#define ROUTES_AUTH_COUNT 12

extern const struct route routes_auth[ROUTES_AUTH_COUNT];
