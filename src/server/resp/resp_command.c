/* SPDX-License-Identifier: Apache-2.0 */
#include "server/resp/resp_command.h"

#include "base/suggest.h"
#include "base/text.h"
#include "server/principal.h"
#include "server/resp/resp_run.h"

#define NAME_BYTES_MAX 32

static const struct resp_command table[] = {
#include "server/resp/resp_command_table.inc"
};
#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

const struct resp_command *resp_command_table(size_t *out_count)
{
    *out_count = TABLE_COUNT;
    return table;
}

const char *resp_group_name(enum resp_group group)
{
    switch (group) {
    case RESP_GROUP_CONNECTION:
        return "connection";
    case RESP_GROUP_STRING:
        return "string";
    case RESP_GROUP_GENERIC:
        return "generic";
    case RESP_GROUP_TRANSACTIONS:
        return "transactions";
    case RESP_GROUP_SERVER:
        return "server";
    case RESP_GROUP_LEDGER:
        return "module";
    }
    return "";
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* The order of word, in any case, to a name. */
static int compare_word(struct slice word, const char *name)
{
    for (size_t i = 0; i < word.len; i++) {
        int order = (int)lower(word.data[i]) - (uint8_t)name[i];

        if (order != 0 || name[i] == '\0') {
            return order != 0 ? order : 1;
        }
    }
    return name[word.len] == '\0' ? 0 : -1;
}

bool resp_word_is(struct slice word, const char *name)
{
    return compare_word(word, name) == 0;
}

const struct resp_command *resp_command_find(struct slice name)
{
    size_t low = 0;
    size_t high = TABLE_COUNT;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_word(name, table[middle].name);

        if (order == 0) {
            return &table[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

bool resp_command_takes(const struct resp_command *command, size_t arg_count)
{
    return command->arity < 0 ? arg_count >= (size_t)-command->arity
                              : arg_count == (size_t)command->arity;
}

bool resp_command_reads(const struct resp_command *command, size_t arg_count)
{
    return (command->flags & RESP_READS) != 0 ||
           ((command->flags & RESP_READS_OPT) != 0 && arg_count > 3);
}

struct resp_keys resp_command_keys(const struct resp_command *command, size_t arg_count)
{
    struct resp_keys keys = {.first = (size_t)command->first_key, .step = 1};

    if (command->first_key == 0 || arg_count <= keys.first) {
        return keys;
    }
    keys.step = (size_t)command->key_step;
    keys.end = command->last_key < 0 ? arg_count : (size_t)command->last_key + 1;
    keys.count = (keys.end - keys.first + keys.step - 1) / keys.step;
    return keys;
}

int resp_command_check(const struct resp_command *command, const struct principal *p,
                       const struct slice *args, size_t arg_count, struct error *err)
{
    struct resp_keys keys = resp_command_keys(command, arg_count);

    if (command->rights == 0) {
        return BLOCKDB_OK;
    }
    if (keys.count == 0) {
        return principal_may(p, command->rights)
                   ? BLOCKDB_OK
                   : principal_deny(p, command->rights, slice_of(NULL, 0), err);
    }
    for (size_t i = keys.first; i < keys.end; i += keys.step) {
        if (!principal_may_key(p, command->rights, args[i])) {
            return principal_deny(p, command->rights, args[i], err);
        }
    }
    return BLOCKDB_OK;
}

/* ---- Names that are not in the table --------------------------------------------------------- */

/* Why commands of Redis are missing; names in lower case, separated by spaces. */
static const struct {
    const char *names;
    const char *reason;
} refusals[] = {
    {" expire expireat expiretime pexpire pexpireat pexpiretime persist ttl pttl ",
     "BlockDB is append-only: keys do not expire"},
    {" setex psetex ", "BlockDB is append-only: keys do not expire; SET writes the value"},
    {" getex ", "BlockDB is append-only: keys do not expire; GET reads the value"},
    {" flushall flushdb ",
     "BlockDB is append-only: DEL appends a deletion and the history stays; blockdb-cli redact "
     "erases values"},
    {" rename renamenx ",
     "BlockDB is append-only: what was written stays under its key; SET the value under the new "
     "one and DEL the old one, in MULTI and EXEC"},
    {" copy ",
     "a copy would begin a history of its own: GET the value and SET it under the new key"},
    {" move swapdb ", "there is one database, 0"},
    {" dump restore migrate ",
     "values are read by GET and written by SET; blockdb-cli export and import move many"},
    {" sort sort_ro ",
     "BlockDB has values of bytes only: there is nothing to sort; SCAN is in order"},
    {" object ",
     "values have no encoding that could be told; BLOCKDB.HISTORY tells the versions of a key"},
    {" randomkey ", "no key is drawn at random: SCAN and KEYS list keys in their order"},
    {" append setrange setbit bitop bitfield incr incrby incrbyfloat decr decrby pfadd pfmerge ",
     "BlockDB is append-only: values are replaced by new versions as a whole and not changed in "
     "part; read the value and SET the new one, with WATCH, MULTI and EXEC where others write, "
     "too"},
    {" lcs getbit bitcount bitpos bitfield_ro pfcount ",
     "BlockDB does not look into values: GET reads one and GETRANGE a part of it"},
    {" lpush rpush lpushx rpushx lpop rpop llen lrange lindex lset linsert lrem ltrim lmove blpop "
     "brpop blmove lmpop blmpop rpoplpush brpoplpush lpos sadd srem smembers sismember smismember "
     "scard spop srandmember smove sinter sintercard sunion sdiff sinterstore sunionstore "
     "sdiffstore "
     "sscan hset hget hmset hmget hgetall hdel hexists hlen hkeys hvals hincrby hincrbyfloat "
     "hsetnx "
     "hstrlen hscan hrandfield zadd zrem zrange zrangestore zrangebyscore zrevrange "
     "zrevrangebyscore "
     "zrangebylex zrevrangebylex zrank zrevrank zscore zmscore zcard zcount zlexcount zincrby "
     "zpopmin "
     "zpopmax bzpopmin bzpopmax zmpop bzmpop zinter zinterstore zintercard zunion zunionstore "
     "zdiff "
     "zdiffstore zscan zrandmember zremrangebyrank zremrangebyscore zremrangebylex xadd xread "
     "xrange "
     "xrevrange xlen xdel xtrim xgroup xreadgroup xack xclaim xautoclaim xpending xinfo xsetid "
     "geoadd "
     "geodist geohash geopos georadius georadiusbymember geosearch geosearchstore ",
     "BlockDB has values of bytes only: no lists, sets, hashes, sorted sets and streams"},
    {" subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe publish spublish "
     "pubsub ",
     "BlockDB has no channels; changes are watched by HTTP, at /api/v1/watch"},
    {" monitor ", "commands of others are not shown; /api/v1/watch shows what is written"},
    {" eval evalsha eval_ro evalsha_ro script fcall fcall_ro function ",
     "BlockDB runs no scripts; MULTI, EXEC and WATCH make changes atomic"},
    {" save bgsave bgrewriteaof lastsave ",
     "each write is durable as wal_sync_mode says: WAITAOF waits for that, and blockdb-cli backup "
     "makes copies"},
    {" shutdown ", "the server is stopped by its service manager, or by SIGTERM"},
    {" debug ", "there is nothing to debug from here: /stats and /metrics have the figures"},
    {" role ", "this server stands alone, as INFO replication says"},
    {" replicaof slaveof failover psync sync ", "this server stands alone: it has no replicas"},
    {" cluster asking readonly readwrite ",
     "this server is no Redis cluster; each connection may read and write what its rights allow"},
    {" module ", "BlockDB takes no modules"},
    {" acl ", "users and their roles are kept by blockdb-cli user; AUTH lets them in"},
    {" memory ", "figures of memory are in INFO memory, at /stats and at /metrics"},
    {" latency ", "latencies are histograms at /metrics"},
    {" slowlog ", "slow commands are lines of the server's log, as [logging] slow_request says"},
    {" lolwut ", "BlockDB draws nothing; INFO server tells its version"},
};

/* The name in lower case between spaces, as the lists have it; "" when it is too long. */
static void spaced_name(char out[NAME_BYTES_MAX + 3], struct slice name)
{
    out[0] = '\0';
    if (name.len == 0 || name.len > NAME_BYTES_MAX) {
        return;
    }
    out[0] = ' ';
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = lower(name.data[i]);

        if (c <= ' ' || c >= 0x7f) {
            out[0] = '\0';
            return;
        }
        out[i + 1] = (char)c;
    }
    out[name.len + 1] = ' ';
    out[name.len + 2] = '\0';
}

static const char *name_at(const void *context, size_t index)
{
    (void)context;
    return table[index].name;
}

void resp_refuse_unknown(struct resp_writer *out, struct slice name)
{
    char spaced[NAME_BYTES_MAX + 3];
    char shown[TEXT_SHOWN_BYTES];
    const char *nearest = NULL;

    text_show(shown, name);
    spaced_name(spaced, name);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]) && spaced[0] != '\0'; i++) {
        if (strstr(refusals[i].names, spaced) != NULL) {
            resp_write_error(out, "ERR", "unknown command '%s': %s", shown, refusals[i].reason);
            return;
        }
    }
    if (spaced[0] != '\0') {
        spaced[name.len + 1] = '\0';
        nearest = suggest_nearest(spaced + 1, TABLE_COUNT, name_at, NULL);
    }
    if (nearest != NULL) {
        resp_write_error(out, "ERR", "unknown command '%s'; did you mean '%s'?", shown, nearest);
    } else {
        resp_write_error(out, "ERR", "unknown command '%s'; COMMAND LIST tells which there are",
                         shown);
    }
}
