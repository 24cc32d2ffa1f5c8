/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/progress.h"

#include "base/text.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ULL
#define DRAW_NS (NS_PER_S / 5)
#define LINE_NS (10 * NS_PER_S)
#define FIRST_NS (NS_PER_S / 2) /* work that is done by then needs no bar */
#define BAR_CELLS 24

void progress_init(struct progress *p, struct os *os, const char *what, bool terminal)
{
    *p = (struct progress){.os = os, .what = what, .terminal = terminal};
    p->start_ns = os_monotonic_ns(os);
    p->shown_ns = terminal ? p->start_ns + FIRST_NS - DRAW_NS : p->start_ns;
}

void amount_format(char *out, unsigned out_cap, const char *unit, uint64_t amount)
{
    char size[TEXT_SIZE_BYTES];

    if (strcmp(unit, "bytes") == 0) {
        text_format_size_short(size, amount);
        (void)snprintf(out, out_cap, "%s", size);
    } else {
        (void)snprintf(out, out_cap, "%" PRIu64 " %s", amount, unit);
    }
}

static void left_format(char *out, size_t cap, uint64_t left_s)
{
    if (left_s >= 3600) {
        (void)snprintf(out, cap, ", %" PRIu64 " h %02" PRIu64 " min left", left_s / 3600,
                       left_s / 60 % 60);
    } else if (left_s >= 60) {
        (void)snprintf(out, cap, ", %" PRIu64 " min %02" PRIu64 " s left", left_s / 60,
                       left_s % 60);
    } else {
        (void)snprintf(out, cap, ", %" PRIu64 " s left", left_s);
    }
}

void progress_format(char out[PROGRESS_TEXT_MAX], const char *unit, uint64_t done, uint64_t total,
                     uint64_t elapsed_ns)
{
    double seconds = (double)elapsed_ns / (double)NS_PER_S;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    char done_text[48];
    char of_text[56] = "";
    char rate_text[48];
    char left_text[48] = "";

    amount_format(done_text, sizeof(done_text), unit, done);
    amount_format(rate_text, sizeof(rate_text), unit, (uint64_t)rate);
    if (total > 0) {
        char total_text[48];

        amount_format(total_text, sizeof(total_text), unit, total);
        (void)snprintf(of_text, sizeof(of_text), " of %s", total_text);
    }
    if (total > done && rate > 0) {
        left_format(left_text, sizeof(left_text), (uint64_t)((double)(total - done) / rate));
    }
    (void)snprintf(out, PROGRESS_TEXT_MAX, "%s%s, %s/s%s", done_text, of_text, rate_text,
                   left_text);
}

static void draw_bar(const struct progress *p, const char *text, uint64_t done, uint64_t total)
{
    char cells[BAR_CELLS + 1] = "";
    unsigned full = 0;

    if (total == 0) {
        (void)fprintf(stderr, "\r\x1b[K%s: %s", p->what, text);
        return;
    }
    if (done > total) {
        done = total;
    }
    full = (unsigned)((double)done / (double)total * BAR_CELLS);
    memset(cells, '#', full);
    memset(cells + full, '.', BAR_CELLS - full);
    (void)fprintf(stderr, "\r\x1b[K%s: [%s] %3u%% %s", p->what, cells,
                  (unsigned)((double)done * 100 / (double)total), text);
}

void progress_update(struct progress *p, const char *unit, uint64_t done, uint64_t total)
{
    uint64_t now = os_monotonic_ns(p->os);
    char text[PROGRESS_TEXT_MAX];

    if (now < p->shown_ns + (p->terminal ? DRAW_NS : LINE_NS)) {
        return;
    }
    p->shown_ns = now;
    progress_format(text, unit, done, total, now - p->start_ns);
    if (p->terminal) {
        draw_bar(p, text, done, total);
        p->drawn = true;
    } else {
        (void)fprintf(stderr, "%s: %s\n", p->what, text);
    }
    (void)fflush(stderr);
}

void progress_finish(struct progress *p)
{
    if (p->drawn) {
        (void)fputs("\r\x1b[K", stderr);
        (void)fflush(stderr);
        p->drawn = false;
    }
}

bool progress_cb(void *progress, const char *unit, uint64_t done, uint64_t total)
{
    progress_update(progress, unit, done, total);
    return !signals_stop_asked();
}
