/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/front/front_line.h"

#include "base/error.h"
#include "bin/cli/environment.h"
#include "client/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define VARIABLE_PREFIX "BLOCKDB_"
#define VARIABLE_URL "BLOCKDB_URL="

/* Whether the environment says nothing but, perhaps, which server. */
static bool environment_is_plain(char *const *environment)
{
    char *const *e;

    for (e = environment; *e != NULL; e++) {
        if (strncmp(*e, VARIABLE_PREFIX, strlen(VARIABLE_PREFIX)) == 0 &&
            strncmp(*e, VARIABLE_URL, strlen(VARIABLE_URL)) != 0) {
            return false;
        }
    }
    return true;
}

/* Whether a server needs neither TLS nor a name looked up. */
static bool url_is_plain(const char *text)
{
    struct url url;
    struct error ignored;
    struct in_addr address;

    if (strchr(text, ',') != NULL || url_parse(slice_of_text(text), &url, &ignored) < 0 ||
        url.is_https) {
        return false;
    }
    return strcasecmp(url.host, "localhost") == 0 || inet_pton(AF_INET, url.host, &address) == 1;
}

static bool is_option(const char *word)
{
    return word[0] == '-';
}

/* Standard input and files have a sign of their own. */
static bool value_is_literal(const char *word)
{
    return !is_option(word) && word[0] != '@';
}

/* Reads the words from the command on. */
static bool words_read(struct front_line *line, int count, char *const *words)
{
    static const struct {
        const char *name;
        enum front_command command;
        int count;
    } rows[] = {{"put", FRONT_PUT, 3}, {"get", FRONT_GET, 2}, {"delete", FRONT_DELETE, 2}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (count == rows[i].count && strcmp(words[0], rows[i].name) == 0) {
            line->command = rows[i].command;
            line->key = words[1];
            line->value = count > 2 ? words[2] : NULL;
            return !is_option(line->key) && (line->value == NULL || value_is_literal(line->value));
        }
    }
    return false;
}

bool front_line_read(struct front_line *out, int argc, char *const *argv, char *const *environment)
{
    bool has_url = argc > 2 && strcmp(argv[1], "--url") == 0;
    int first = has_url ? 3 : 1;
    struct front_line line = {.url = has_url ? argv[2] : NULL};

    if (argc <= first || !words_read(&line, argc - first, argv + first) ||
        !environment_is_plain(environment)) {
        return false;
    }
    if (line.url == NULL) {
        line.url = environment_value(environment, "BLOCKDB_URL");
        line.url = line.url != NULL && line.url[0] != '\0' ? line.url : NULL;
    }
    if (line.url != NULL && !url_is_plain(line.url)) {
        return false;
    }
    *out = line;
    return true;
}
