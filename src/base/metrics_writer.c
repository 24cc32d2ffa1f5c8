/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define NS_PER_S UINT64_C(1000000000)
#define NUMBER_BYTES 40

static const char *const type_names[] = {"counter", "gauge", "histogram"};

void metrics_begin(struct metrics_writer *w, enum metrics_format format, struct buf *out)
{
    *w = (struct metrics_writer){.format = format, .out = out};
    if (format == METRICS_JSON) {
        json_writer_init(&w->json, out);
        json_writer_begin_object(&w->json);
    }
}

static void end_family(struct metrics_writer *w)
{
    if (w->family != NULL && w->format == METRICS_JSON) {
        json_writer_end_array(&w->json);
        json_writer_end_object(&w->json);
    }
    w->family = NULL;
}

int metrics_finish(struct metrics_writer *w)
{
    end_family(w);
    if (w->format == METRICS_JSON) {
        json_writer_end_object(&w->json);
        return json_writer_finish(&w->json);
    }
    return w->status;
}

static void put_text(struct metrics_writer *w, const char *text)
{
    if (w->status == BLOCKDB_OK) {
        w->status = buf_append_slice(w->out, slice_of_text(text));
    }
}

void metrics_family(struct metrics_writer *w, enum metrics_type type, const char *name,
                    const char *help)
{
    end_family(w);
    w->family = name;
    w->type = type;
    if (w->format == METRICS_JSON) {
        json_writer_key(&w->json, name);
        json_writer_begin_object(&w->json);
        json_writer_member_text(&w->json, "type", type_names[type]);
        json_writer_member_text(&w->json, "help", help);
        json_writer_key(&w->json, "samples");
        json_writer_begin_array(&w->json);
        return;
    }
    put_text(w, "# HELP ");
    put_text(w, name);
    put_text(w, " ");
    put_text(w, help);
    put_text(w, "\n# TYPE ");
    put_text(w, name);
    put_text(w, " ");
    put_text(w, type_names[type]);
    put_text(w, "\n");
}

/* A label's value with backslash, quote and line feed escaped, as the format wants it. */
static void put_label_value(struct metrics_writer *w, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        char one[3] = {*at, '\0', '\0'};

        if (*at == '\\' || *at == '"' || *at == '\n') {
            one[0] = '\\';
            one[1] = *at == '\n' ? 'n' : *at;
        }
        put_text(w, one);
    }
}

static void put_labels(struct metrics_writer *w, const struct metrics_labels *labels)
{
    if (labels == NULL || labels->at[0].name == NULL) {
        return;
    }
    for (size_t i = 0; i < METRICS_LABELS_MAX && labels->at[i].name != NULL; i++) {
        put_text(w, i == 0 ? "{" : ",");
        put_text(w, labels->at[i].name);
        put_text(w, "=\"");
        put_label_value(w, labels->at[i].value);
        put_text(w, "\"");
    }
    put_text(w, "}");
}

static void put_sample(struct metrics_writer *w, const char *suffix,
                       const struct metrics_labels *labels, const char *number)
{
    ASSERT(w->family != NULL);
    put_text(w, w->family);
    put_text(w, suffix);
    put_labels(w, labels);
    put_text(w, " ");
    put_text(w, number);
    put_text(w, "\n");
}

/* The start of a sample's JSON object, up to its value. */
static void begin_json_sample(struct metrics_writer *w, const struct metrics_labels *labels)
{
    ASSERT(w->family != NULL);
    json_writer_begin_object(&w->json);
    if (labels != NULL && labels->at[0].name != NULL) {
        json_writer_key(&w->json, "labels");
        json_writer_begin_object(&w->json);
        for (size_t i = 0; i < METRICS_LABELS_MAX && labels->at[i].name != NULL; i++) {
            json_writer_member_text(&w->json, labels->at[i].name, labels->at[i].value);
        }
        json_writer_end_object(&w->json);
    }
}

/* A sample whose value is a number in a form that both formats know. */
static void write_number(struct metrics_writer *w, const struct metrics_labels *labels,
                         const char *number)
{
    if (w->format == METRICS_TEXT) {
        put_sample(w, "", labels, number);
        return;
    }
    begin_json_sample(w, labels);
    json_writer_key(&w->json, "value");
    json_writer_raw(&w->json, slice_of_text(number));
    json_writer_end_object(&w->json);
}

void metrics_u64(struct metrics_writer *w, const struct metrics_labels *labels, uint64_t value)
{
    char number[NUMBER_BYTES];

    (void)snprintf(number, sizeof(number), "%" PRIu64, value);
    write_number(w, labels, number);
}

void metrics_double(struct metrics_writer *w, const struct metrics_labels *labels, double value)
{
    char number[NUMBER_BYTES];

    if (!isfinite(value)) {
        (void)snprintf(number, sizeof(number), "%s", w->format == METRICS_JSON ? "null" : "NaN");
    } else {
        (void)snprintf(number, sizeof(number), "%.15g", value);
    }
    write_number(w, labels, number);
}

static void format_seconds(char out[NUMBER_BYTES], uint64_t value_ns)
{
    char *end;

    (void)snprintf(out, NUMBER_BYTES, "%" PRIu64 ".%09" PRIu64, value_ns / NS_PER_S,
                   value_ns % NS_PER_S);
    end = out + strlen(out);
    while (end[-1] == '0') {
        *--end = '\0';
    }
    if (end[-1] == '.') {
        end[-1] = '\0';
    }
}

void metrics_seconds(struct metrics_writer *w, const struct metrics_labels *labels,
                     uint64_t value_ns)
{
    char number[NUMBER_BYTES];

    format_seconds(number, value_ns);
    write_number(w, labels, number);
}

static void latency_text(struct metrics_writer *w, const struct metrics_labels *labels,
                         const struct latency_figures *figures)
{
    struct metrics_labels with_bound = labels != NULL ? *labels : (struct metrics_labels){0};
    char number[NUMBER_BYTES];
    char bound[NUMBER_BYTES];
    size_t at = 0;

    while (at < METRICS_LABELS_MAX && with_bound.at[at].name != NULL) {
        at++;
    }
    ASSERT(at < METRICS_LABELS_MAX);
    with_bound.at[at] = (struct metrics_label){"le", bound};
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        format_seconds(bound, latency_bound_ns(i));
        (void)snprintf(number, sizeof(number), "%" PRIu64, figures->cumulative[i]);
        put_sample(w, "_bucket", &with_bound, number);
    }
    (void)snprintf(bound, sizeof(bound), "+Inf");
    (void)snprintf(number, sizeof(number), "%" PRIu64, figures->count);
    put_sample(w, "_bucket", &with_bound, number);
    format_seconds(number, figures->sum_ns);
    put_sample(w, "_sum", labels, number);
    (void)snprintf(number, sizeof(number), "%" PRIu64, figures->count);
    put_sample(w, "_count", labels, number);
}

void metrics_latency(struct metrics_writer *w, const struct metrics_labels *labels,
                     const struct latency_figures *figures)
{
    char number[NUMBER_BYTES];

    if (w->format == METRICS_TEXT) {
        latency_text(w, labels, figures);
        return;
    }
    begin_json_sample(w, labels);
    json_writer_key(&w->json, "buckets");
    json_writer_begin_object(&w->json);
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        format_seconds(number, latency_bound_ns(i));
        json_writer_member_u64(&w->json, number, figures->cumulative[i]);
    }
    json_writer_end_object(&w->json);
    format_seconds(number, figures->sum_ns);
    json_writer_key(&w->json, "sum");
    json_writer_raw(&w->json, slice_of_text(number));
    json_writer_member_u64(&w->json, "count", figures->count);
    json_writer_end_object(&w->json);
}

void metrics_counter(struct metrics_writer *w, const char *name, const char *help, uint64_t value)
{
    metrics_family(w, METRICS_COUNTER, name, help);
    metrics_u64(w, NULL, value);
}

void metrics_gauge(struct metrics_writer *w, const char *name, const char *help, uint64_t value)
{
    metrics_family(w, METRICS_GAUGE, name, help);
    metrics_u64(w, NULL, value);
}
