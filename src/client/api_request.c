/* SPDX-License-Identifier: Apache-2.0 */
/* Any request. */
#include "base/mem.h"
#include "client/ask.h"
#include "client/shape.h"

#include <stdio.h>
#include <string.h>

#define JSON_TYPE "application/json"

/* A method must be static for an ask, and only these mean anything to a server of ours. */
static const char *known_method(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    size_t i;

    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i], method) == 0) {
            return methods[i];
        }
    }
    return NULL;
}

/* Whether text can stand in a head: what is visible, and spaces where they may be. */
static bool is_line(const char *text, bool with_spaces)
{
    if (text == NULL || text[0] == '\0') {
        return text == NULL;
    }
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text == 0x7F || (*text == ' ' && !with_spaces)) {
            return false;
        }
    }
    return true;
}

static int request_check(const struct blockdb_client_request *request, struct error *err)
{
    if (known_method(request->method) == NULL) {
        return error_set(err, BLOCKDB_EINVAL, "the method '%.32s' is not known", request->method);
    }
    if (request->target == NULL || request->target[0] != '/' || !is_line(request->target, false)) {
        return error_set(err, BLOCKDB_EINVAL,
                         "a request's target begins with '/' and is percent-encoded");
    }
    if (!is_line(request->accept, true) || !is_line(request->content_type, true)) {
        return error_set(err, BLOCKDB_EINVAL, "a header has a character that may not be there");
    }
    return BLOCKDB_OK;
}

int blockdb_client_request(struct blockdb_client *client,
                           const struct blockdb_client_request *request,
                           struct blockdb_client_answer *answer, struct error *err)
{
    struct slice body = slice_of(request->body, request->body_len);
    AUTO(ask_end) struct ask ask = {0};
    int rc = request_check(request, err);

    if (rc == BLOCKDB_OK) {
        rc = ask_begin(&ask, client, known_method(request->method), err);
    }
    if (rc < 0) {
        return rc;
    }
    ask.repeatable = ask.repeatable || request->repeatable;
    ask.accept = request->accept;
    ask_path(&ask, request->target);
    if (request->body != NULL) {
        ask.content_type = request->content_type != NULL ? request->content_type : JSON_TYPE;
        ask.body = &body;
    }
    rc = ask_run_any(&ask, err);
    if (rc == BLOCKDB_OK) {
        answer->status = ask.slot->answer.status;
        (void)snprintf(answer->content_type, sizeof(answer->content_type), "%s",
                       ask.slot->answer.content_type);
        shape_give(&ask.slot->answer.body, &answer->body);
    }
    return rc;
}

void blockdb_client_answer_deinit(struct blockdb_client_answer *answer)
{
    blockdb_client_value_deinit(&answer->body);
    *answer = (struct blockdb_client_answer){0};
}
