/* SPDX-License-Identifier: Apache-2.0 */
#include <blockdb/blockdb.h>
#include <blockdb/version.h>

const char *blockdb_version(void)
{
    return BLOCKDB_VERSION;
}
