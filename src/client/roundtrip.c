/* SPDX-License-Identifier: Apache-2.0 */
#include "client/roundtrip.h"

int roundtrip_receive(const struct roundtrip *r, uint64_t deadline_ns, struct error *err)
{
    struct answer *answer = r->answer;

    while (!answer_is_done(answer) && !(r->head_only && answer_has_head(answer))) {
        size_t room = 0;
        void *at = answer_room(answer, &room);
        size_t len = 0;
        int rc = at != NULL ? link_receive(r->link, at, room, &len, deadline_ns, err)
                            : error_set_no_memory(err);

        if (rc == BLOCKDB_OK) {
            rc = len > 0 ? answer_received(answer, len, err) : answer_ended(answer, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

int roundtrip_run(const struct roundtrip *r, uint64_t deadline_ns, struct error *err)
{
    struct error ignored;
    int sent = link_send(r->link, r->head, r->body, deadline_ns, err);

    if (sent == BLOCKDB_OK) {
        return roundtrip_receive(r, deadline_ns, err);
    }
    if (sent == BLOCKDB_ETIMEDOUT || sent == BLOCKDB_ENOMEM) {
        return sent;
    }
    return roundtrip_receive(r, deadline_ns, &ignored) < 0 ? sent : BLOCKDB_OK;
}
