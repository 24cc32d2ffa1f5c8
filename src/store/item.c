/* SPDX-License-Identifier: Apache-2.0 */
#include "store/item.h"

int item_merge(const struct item *newer, const struct item *older, struct version_chain *chain,
               struct item *out_merged)
{
    bool continues = newer->older.count > 0 && newer->older.source == chain;
    struct version_chain before = *chain;
    int rc = BLOCKDB_OK;

    if (!continues) {
        version_chain_reset(chain);
        rc = version_chain_append_list(chain, &newer->older);
    }
    if (rc == BLOCKDB_OK) {
        rc = version_chain_append_seq(chain, older->seq);
    }
    if (rc == BLOCKDB_OK) {
        rc = version_chain_append_list(chain, &older->older);
    }
    if (rc < 0) {
        if (continues) { /* the list of `newer` must stay as it was */
            chain->count = before.count;
            chain->seq_count = before.seq_count;
        }
        return rc;
    }
    *out_merged = *newer;
    out_merged->older = version_chain_list(chain);
    return BLOCKDB_OK;
}
