/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocols that blockdb-server speaks.
 *
 * Threads: immutable.
 */
#pragma once

struct conn_protocol;

const struct conn_protocol *faces_http(void);
const struct conn_protocol *faces_resp(void);
