/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_worker.h"

#include "base/mem.h"
#include "server/resp/resp_gather.h"
#include "server/resp/resp_op.h"
#include "server/server.h"

#include <stddef.h>

#define WORKER_OF(member_pointer, member)                                                          \
    ((struct resp_worker *)(void *)((char *)(member_pointer)-offsetof(struct resp_worker, member)))

static void worker_free(struct loop_local *local)
{
    struct resp_worker *w = WORKER_OF(local, local);

    resp_gather_free_all(w);
    resp_op_free_spares(w);
    resp_args_deinit(&w->args);
    mem_free(w);
}

static void commit(struct loop_task *task)
{
    resp_gather_turn_ended(WORKER_OF(task, commit));
}

static void retry(struct loop_timer *timer)
{
    resp_gather_turn_ended(WORKER_OF(timer, retry));
}

/* With write_once a batch fails as a whole when one key exists, and `always` promises each write a
 * sync of its own. */
static bool may_gather(const struct blockdb *db)
{
    const char *write_once = blockdb_option_in_force(db, "write_once");
    const char *mode = blockdb_option_in_force(db, "wal_sync_mode");

    return write_once != NULL && strcmp(write_once, "false") == 0 && mode != NULL &&
           strcmp(mode, "always") != 0;
}

int resp_worker_new(const struct resp_worker_options *options, struct resp_worker **out)
{
    struct resp_worker *w = mem_calloc(1, sizeof(*w));

    if (w == NULL) {
        return BLOCKDB_ENOMEM;
    }
    w->local.free = worker_free;
    w->loop = options->loop;
    w->dispatch = options->dispatch;
    w->os = options->os;
    w->server = options->server;
    w->gathers = may_gather(dispatch_db(options->dispatch));
    w->commit.run = commit;
    w->retry.fire = retry;
    loop_set_local(w->loop, &w->local);
    *out = w;
    return BLOCKDB_OK;
}

struct resp_worker *resp_worker_of(const struct conn *c)
{
    struct loop_local *local = loop_local(conn_loop(c));
    struct server *server = conn_server(c);
    struct resp_worker *w = NULL;

    if (local != NULL) {
        return WORKER_OF(local, local);
    }
    if (server != NULL) {
        IGNORE_RESULT(
            resp_worker_new(&(struct resp_worker_options){.loop = conn_loop(c),
                                                          .dispatch = server_dispatch(server),
                                                          .os = server_os(server),
                                                          .server = server},
                            &w)); /* w stays NULL */
    }
    return w;
}
