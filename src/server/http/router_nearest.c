/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pattern a path that matches none may have meant: the one with the least cost of turning one
 * into the other, segment by segment. A mistyped segment costs its edits; a parameter takes
 * anything for nothing.
 */
#include "base/suggest.h"
#include "server/http/router_priv.h"

#include <string.h>

#define GIVEN_MAX 16   /* segments of a path that are looked at */
#define PATTERN_MAX 12 /* as in router.c */
#define COST_MAX 4     /* what costs more is not near */

#define COST_LEFT_OUT 2       /* "/get/k" */
#define COST_LEFT_OUT_PARAM 1 /* "/api/v1/get" */
#define COST_TOO_MUCH 3       /* "/health/db" */
#define COST_TOO_MUCH_SLASH 1 /* "/health/" */
#define COST_FAR (COST_MAX + 1)

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits between two literal segments, if they are few for their length. */
static unsigned literal_cost(struct slice wanted, struct slice given)
{
    size_t edits_max = wanted.len / 3 > 0 ? wanted.len / 3 : 1;
    char wanted_text[SUGGEST_WORD_MAX + 1];
    char given_text[SUGGEST_WORD_MAX + 1];
    size_t edits;

    if (wanted.len < 2 || given.len < 2 || wanted.len > SUGGEST_WORD_MAX ||
        given.len > wanted.len + edits_max || wanted.len > given.len + edits_max ||
        given.len > SUGGEST_WORD_MAX) {
        return COST_FAR;
    }
    memcpy(wanted_text, wanted.data, wanted.len);
    wanted_text[wanted.len] = '\0';
    memcpy(given_text, given.data, given.len);
    given_text[given.len] = '\0';
    edits = suggest_distance(given_text, wanted_text);
    return edits <= edits_max ? (unsigned)edits : COST_FAR;
}

static unsigned replace_cost(struct slice wanted, struct slice given)
{
    if (route_segment_is_param(wanted)) {
        return given.len > 0 ? 0 : COST_LEFT_OUT_PARAM;
    }
    return slice_equal(wanted, given) ? 0 : literal_cost(wanted, given);
}

/* Of segment index of a pattern. Its last word is what a path is about. */
static unsigned left_out_cost(const struct slice *wanted, size_t index, size_t count)
{
    size_t i;

    if (route_segment_is_param(wanted[index])) {
        return COST_LEFT_OUT_PARAM;
    }
    for (i = index + 1; i < count; i++) {
        if (!route_segment_is_param(wanted[i])) {
            return COST_LEFT_OUT;
        }
    }
    return COST_FAR;
}

static unsigned too_much_cost(struct slice given)
{
    return given.len > 0 ? COST_TOO_MUCH : COST_TOO_MUCH_SLASH;
}

static size_t split(struct slice path, struct slice *out, size_t max)
{
    size_t count = 0;

    while (count < max && route_segment_take(&path, &out[count])) {
        count++;
    }
    return count;
}

/* The least cost of turning the given segments into those of a pattern: the edit distance, where
 * costs[j] is that of the first j segments of the pattern and the given ones so far. */
static unsigned pattern_cost(const char *pattern, const struct slice *given, size_t given_count)
{
    struct slice wanted[PATTERN_MAX];
    unsigned costs[PATTERN_MAX + 1] = {0};
    size_t count = split(slice_of_text(pattern), wanted, PATTERN_MAX);
    size_t i;
    size_t j;

    for (j = 0; j < count; j++) {
        costs[j + 1] = costs[j] + left_out_cost(wanted, j, count);
    }
    for (i = 0; i < given_count; i++) {
        unsigned diagonal = costs[0];

        costs[0] += too_much_cost(given[i]);
        for (j = 0; j < count; j++) {
            unsigned above = costs[j + 1];
            unsigned cost = diagonal + replace_cost(wanted[j], given[i]);

            cost = least(cost, costs[j] + left_out_cost(wanted, j, count));
            cost = least(cost,
                         above + (route_segment_is_rest(wanted[j]) ? 0 : too_much_cost(given[i])));
            diagonal = above;
            costs[j + 1] = cost;
        }
    }
    return costs[count];
}

const char *router_nearest(const struct router *r, struct slice path)
{
    struct slice given[GIVEN_MAX];
    size_t given_count = split(path, given, GIVEN_MAX);
    const char *nearest = NULL;
    unsigned nearest_cost = COST_FAR;
    size_t i;

    for (i = 0; i < router_route_count(r); i++) {
        const char *pattern = router_route(r, i)->pattern;
        unsigned cost = pattern_cost(pattern, given, given_count);

        if (cost < nearest_cost) {
            nearest = pattern;
            nearest_cost = cost;
        }
    }
    return nearest;
}
