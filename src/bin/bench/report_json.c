/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"
#include "bin/bench/report.h"

#include <sys/utsname.h>

static void number(struct json_writer *w, const char *key, double value)
{
    json_writer_key(w, key);
    json_writer_double(w, value);
}

static void write_plan(struct json_writer *w, const struct report *report)
{
    const struct plan *plan = report->plan;
    struct utsname system;
    unsigned i;

    json_writer_member_text(w, "version", blockdb_version());
    json_writer_key(w, "time");
    json_writer_time(w, report->time_ms);
    if (uname(&system) == 0) {
        json_writer_member_text(w, "system", system.sysname);
        json_writer_member_text(w, "release", system.release);
        json_writer_member_text(w, "machine", system.machine);
    }
    json_writer_member_u64(w, "num", plan->num);
    json_writer_member_u64(w, "reads", plan->reads);
    json_writer_member_u64(w, "key_size", plan->key_len);
    json_writer_member_u64(w, "value_size", plan->value_len);
    json_writer_member_u64(w, "batch", plan->batch);
    json_writer_member_u64(w, "pipeline", plan->pipeline);
    json_writer_member_u64(w, "seed", plan->seed);
    json_writer_member_u64(w, "duration_ms", plan->duration_ms);
    json_writer_member_u64(w, "rounds", plan->rounds);
    json_writer_member_u64(w, "cache", plan->cache_bytes);
    json_writer_member_u64(w, "write_buffer", plan->write_buffer_bytes);
    json_writer_member_u64(w, "rate", plan->rate);
    json_writer_member_u64(w, "bloom_bits", plan->bloom_bits);
    json_writer_member_text(w, "compression", plan->compression);
    json_writer_member_text(w, "durability", durability_name(plan->durability));
    json_writer_key(w, "set");
    json_writer_begin_array(w);
    for (i = 0; i < plan->set_count; i++) {
        json_writer_text(w, plan->set[i]);
    }
    json_writer_end_array(w);
}

static void write_row(struct json_writer *w, const struct result *r)
{
    json_writer_member_text(w, "workload", r->workload->name);
    if (r->part[0] != '\0') {
        json_writer_member_text(w, "part", r->part);
    }
    json_writer_member_u64(w, "threads", r->threads);
}

static void write_latency(struct json_writer *w, const struct latency *latency)
{
    json_writer_key(w, "latency_ns");
    json_writer_begin_object(w);
    json_writer_member_u64(w, "p50", latency->p50_ns);
    json_writer_member_u64(w, "p90", latency->p90_ns);
    json_writer_member_u64(w, "p99", latency->p99_ns);
    json_writer_member_u64(w, "p99.9", latency->p999_ns);
    json_writer_member_u64(w, "p99.99", latency->p9999_ns);
    json_writer_member_u64(w, "max", latency->max_ns);
    number(w, "mean", latency->mean_ns);
    json_writer_end_object(w);
}

static void write_disk(struct json_writer *w, const struct result *r)
{
    json_writer_key(w, "disk_bytes");
    json_writer_begin_object(w);
    json_writer_member_u64(w, "total", r->disk.total);
    if (!r->engine->is_peer) {
        json_writer_member_u64(w, "wal", r->disk.wal);
        json_writer_member_u64(w, "ledger", r->disk.ledger);
        json_writer_member_u64(w, "tables", r->disk.tables);
        json_writer_member_u64(w, "tiles", r->disk.tiles);
    }
    json_writer_end_object(w);
}

static void write_stats(struct json_writer *w, const struct blockdb_stats *s)
{
    json_writer_key(w, "stats");
    json_writer_begin_object(w);
    json_writer_member_u64(w, "commit_groups", s->commit_groups);
    json_writer_member_u64(w, "wal_syncs", s->wal_syncs);
    json_writer_member_u64(w, "wal_bytes_written", s->wal_bytes_written);
    json_writer_member_u64(w, "ledger_bytes_written", s->ledger_bytes_written);
    json_writer_member_u64(w, "table_bytes_written", s->table_bytes_written);
    json_writer_member_u64(w, "user_bytes_written", s->user_bytes_written);
    json_writer_member_u64(w, "flushes", s->flushes);
    json_writer_member_u64(w, "merges", s->merges);
    json_writer_member_u64(w, "merge_bytes_read", s->merge_bytes_read);
    json_writer_member_u64(w, "merge_bytes_written", s->merge_bytes_written);
    json_writer_member_u64(w, "stall_ns", s->stall_ns);
    json_writer_member_u64(w, "slow_down_ns", s->slow_down_ns);
    json_writer_member_u64(w, "block_cache_hits", s->block_cache_hits);
    json_writer_member_u64(w, "block_cache_misses", s->block_cache_misses);
    json_writer_member_u64(w, "index_cache_hits", s->index_cache_hits);
    json_writer_member_u64(w, "index_cache_misses", s->index_cache_misses);
    json_writer_member_u64(w, "filter_checks", s->filter_checks);
    json_writer_member_u64(w, "filter_negatives", s->filter_negatives);
    json_writer_member_u64(w, "filter_false_positives", s->filter_false_positives);
    json_writer_member_u64(w, "memtable_hits", s->memtable_hits);
    json_writer_member_u64(w, "table_hits", s->table_hits);
    json_writer_member_u64(w, "ledger_reads", s->ledger_reads);
    json_writer_member_u64(w, "table_count", s->table_count);
    json_writer_end_object(w);
}

static void write_result(struct json_writer *w, const struct result *r)
{
    json_writer_begin_object(w);
    json_writer_member_text(w, "engine", r->engine->name);
    write_row(w, r);
    json_writer_member_u64(w, "round", r->round);
    json_writer_member_u64(w, "ops", r->ops);
    json_writer_member_u64(w, "entries", r->entries);
    json_writer_member_u64(w, "user_bytes", r->user_bytes);
    json_writer_member_u64(w, "elapsed_ns", r->elapsed_ns);
    number(w, "ops_per_s", result_ops_per_s(r));
    write_latency(w, &r->latency);
    if (r->rate > 0) {
        number(w, "rate", r->rate);
        json_writer_member_u64(w, "late", r->late);
        json_writer_member_u64(w, "missed", r->missed);
    }
    if (r->part[0] == '\0') {
        json_writer_member_u64(w, "cpu_ns", r->cpu_ns);
        json_writer_member_u64(w, "settle_ns", r->settle_ns);
        json_writer_member_u64(w, "settle_cpu_ns", r->settle_cpu_ns);
        json_writer_member_u64(w, "written_bytes", r->written_bytes);
        number(w, "write_amplification", result_write_amplification(r));
        json_writer_member_u64(w, "peak_memory_bytes", r->peak_bytes);
        number(w, "others_cores", r->others_cores);
        write_disk(w, r);
    }
    if (r->has_stats) {
        write_stats(w, &r->stats);
    }
    json_writer_end_object(w);
}

static void write_summary(struct json_writer *w, const struct report *report,
                          const struct result *row)
{
    unsigned i;

    json_writer_begin_object(w);
    write_row(w, row);
    json_writer_key(w, "engines");
    json_writer_begin_object(w);
    for (i = 0; i < report->plan->engine_count; i++) {
        struct summary s;

        results_summarise(report->results, row, report->plan->engines[i], &s);
        if (s.rounds == 0) {
            continue;
        }
        json_writer_key(w, report->plan->engines[i]->name);
        json_writer_begin_object(w);
        json_writer_member_u64(w, "rounds", s.rounds);
        number(w, "ops_per_s", s.ops_per_s);
        number(w, "min_ops_per_s", s.min_ops_per_s);
        number(w, "max_ops_per_s", s.max_ops_per_s);
        number(w, "p50_ns", s.p50_ns);
        number(w, "p99_ns", s.p99_ns);
        number(w, "p99.9_ns", s.p999_ns);
        number(w, "cpu_ns_per_op", s.cpu_ns_per_op);
        number(w, "write_amplification", s.write_amplification);
        number(w, "disk_bytes", s.disk_bytes);
        number(w, "peak_memory_bytes", s.peak_bytes);
        number(w, "others_cores", s.others_cores);
        json_writer_end_object(w);
    }
    json_writer_end_object(w);
    json_writer_end_object(w);
}

void report_print_json(struct out *out, const struct report *report)
{
    const struct results *results = report->results;
    struct json_writer w;
    size_t i;

    json_writer_init(&w, &out->pending);
    json_writer_begin_object(&w);
    write_plan(&w, report);
    json_writer_key(&w, "medians");
    json_writer_begin_array(&w);
    for (i = 0; i < results->count; i++) {
        if (results_starts_row(results, i)) {
            write_summary(&w, report, &results->items[i]);
        }
    }
    json_writer_end_array(&w);
    json_writer_key(&w, "results");
    json_writer_begin_array(&w);
    for (i = 0; i < results->count; i++) {
        write_result(&w, &results->items[i]);
    }
    json_writer_end_array(&w);
    json_writer_end_object(&w);
    out_note(out, json_writer_finish(&w));
    out_text(out, "\n");
}
