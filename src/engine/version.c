/* SPDX-License-Identifier: Apache-2.0 */
#include "base/with_evidence.h"

#include <blockdb/blockdb.h>
#include <blockdb/version.h>

const char *blockdb_version(void)
{
    return WITH_EVIDENCE ? BLOCKDB_VERSION
                         : BLOCKDB_VERSION " WITHOUT EVIDENCE, FOR MEASUREMENTS ONLY";
}
