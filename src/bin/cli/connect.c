/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/connect.h"

#include "base/mem.h"
#include "base/text.h"
#include "bin/cli/cli.h"
#include "bin/cli/environment.h"
#include "bin/cli/secret_input.h"
#include "client/credentials.h"
#include "client/url.h"
#include "os/os.h"
#include "shim/toml.h"

#include <blockdb/client.h>
#include <blockdb/version.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define URL_DEFAULT "http://127.0.0.1:8080"
#define PROFILE_DEFAULT "default"
#define PROFILES_BYTES_MAX ((size_t)1 << 20)
#define MODE_OTHERS 077

/* What is known of the server so far; texts are owned. In the order of profile_keys. */
enum setting {
    SETTING_URL,
    SETTING_TOKEN,
    SETTING_TOKEN_FILE,
    SETTING_USER,
    SETTING_PASSWORD,
    SETTING_PASSWORD_FILE,
    SETTING_CACERT,
    SETTING_CERT,
    SETTING_KEY,
    SETTING_COUNT,
};

struct settings {
    char *texts[SETTING_COUNT];
    bool insecure;
    bool has_token, has_user, has_cert; /* before the profile was read */
    const char *profile;                /* the table looked for; borrowed */
    const char *path;                   /* of the file, for messages; borrowed */
    bool is_found;                      /* the table is there */
};

static const char *const setting_names[SETTING_COUNT] = {
    "url", "token", "token_file", "user", "password", "password_file", "cacert", "cert", "key",
};

static void settings_deinit(struct settings *s)
{
    size_t i;

    for (i = 0; i < SETTING_COUNT; i++) {
        if (s->texts[i] != NULL) {
            explicit_bzero(s->texts[i], strlen(s->texts[i]));
        }
        mem_free(s->texts[i]);
    }
}

/* Sets what is not set yet. */
static int settings_default(struct settings *s, enum setting which, const char *text,
                            struct error *err)
{
    if (text == NULL || text[0] == '\0' || s->texts[which] != NULL) {
        return BLOCKDB_OK;
    }
    s->texts[which] = mem_strdup(text);
    return s->texts[which] != NULL ? BLOCKDB_OK : error_set_no_memory(err);
}

/* ---- Options and environment ----------------------------------------------------------------- */

static int from_options(struct settings *s, const struct cli *cli, struct error *err)
{
    static const struct {
        enum setting which;
        const char *option;
    } rows[] = {
        {SETTING_TOKEN_FILE, "token-file"}, {SETTING_USER, "user"},
        {SETTING_CACERT, "cacert"},         {SETTING_CERT, "cert"},
        {SETTING_KEY, "cert-key"},
    };
    AUTO(buf_deinit) struct buf urls = {0};
    const char *url;
    unsigned n;
    size_t i;
    int rc = BLOCKDB_OK;

    if (args_has(&cli->args, "token-file") && args_has(&cli->args, "user")) {
        return error_set(err, BLOCKDB_EINVAL, "options --token-file and --user exclude each other");
    }
    for (n = 0; (url = args_value_at(&cli->args, "url", n)) != NULL; n++) {
        if (buf_appendf(&urls, n > 0 ? ",%s" : "%s", url) < 0) {
            return error_set_no_memory(err);
        }
    }
    if (n > 0) {
        rc = buf_append_u8(&urls, '\0') < 0
                 ? error_set_no_memory(err)
                 : settings_default(s, SETTING_URL, (const char *)urls.data, err);
    }
    for (i = 0; rc == BLOCKDB_OK && i < sizeof(rows) / sizeof(rows[0]); i++) {
        rc = settings_default(s, rows[i].which, args_value(&cli->args, rows[i].option), err);
    }
    s->insecure = args_has(&cli->args, "insecure");
    return rc;
}

static int from_environment(struct settings *s, const struct cli *cli, struct error *err)
{
    bool has_credentials = s->texts[SETTING_TOKEN_FILE] != NULL || s->texts[SETTING_USER] != NULL;
    int rc = settings_default(s, SETTING_URL, environment_value(cli->environment, "BLOCKDB_URL"),
                              err);

    if (rc == BLOCKDB_OK && !has_credentials) {
        rc = settings_default(s, SETTING_TOKEN,
                              environment_value(cli->environment, "BLOCKDB_TOKEN"), err);
    }
    if (rc == BLOCKDB_OK && !has_credentials && s->texts[SETTING_TOKEN] == NULL) {
        rc = settings_default(s, SETTING_TOKEN_FILE,
                              environment_value(cli->environment, "BLOCKDB_TOKEN_FILE"), err);
    }
    if (rc == BLOCKDB_OK && s->texts[SETTING_USER] != NULL) {
        rc = settings_default(s, SETTING_PASSWORD,
                              environment_value(cli->environment, "BLOCKDB_PASSWORD"), err);
    }
    return rc;
}

/* ---- Profiles -------------------------------------------------------------------------------- */

static int unknown_key(const struct settings *s, const struct toml_item *item, struct error *err)
{
    const char *nearest = text_nearest(item->key, setting_names, SETTING_COUNT);

    if (nearest != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "%s, line %u: unknown key '%.64s': did you mean '%s'?", s->path,
                         item->line, item->key, nearest);
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "%s, line %u: unknown key '%.64s': there are url, token, token_file, user, "
                     "password, password_file, cacert, cert, key and insecure",
                     s->path, item->line, item->key);
}

/* Whether a profile's setting belongs to another way to say who we are than the one that options or
 * the environment chose. */
static bool is_superseded(const struct settings *s, enum setting which)
{
    switch (which) {
    case SETTING_TOKEN:
    case SETTING_TOKEN_FILE:
        return s->has_token || s->has_user;
    case SETTING_USER:
    case SETTING_PASSWORD:
    case SETTING_PASSWORD_FILE:
        return s->has_token;
    case SETTING_KEY:
        return s->has_cert;
    case SETTING_URL:
    case SETTING_CACERT:
    case SETTING_CERT:
    case SETTING_COUNT:
        break;
    }
    return false;
}

/* A toml_visit_fn. */
static int take_item(void *context, const struct toml_item *item, struct error *err)
{
    struct settings *s = context;
    size_t i;

    if (item->table[0] == '\0' && item->type == TOML_TABLE) {
        s->is_found = s->is_found || strcmp(item->key, s->profile) == 0;
        return BLOCKDB_OK;
    }
    if (strcmp(item->table, s->profile) != 0) {
        return BLOCKDB_OK;
    }
    s->is_found = true;
    if (strcmp(item->key, "insecure") == 0 && item->type == TOML_BOOLEAN) {
        s->insecure = s->insecure || item->boolean;
        return BLOCKDB_OK;
    }
    for (i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(item->key, setting_names[i]) == 0) {
            break;
        }
    }
    if (i == SETTING_COUNT) {
        return unknown_key(s, item, err);
    }
    if (item->type != TOML_STRING) {
        return error_set(err, BLOCKDB_EINVAL, "%s, line %u: '%s' must be a text, not %s", s->path,
                         item->line, item->key, toml_type_name(item->type));
    }
    return is_superseded(s, (enum setting)i)
               ? BLOCKDB_OK
               : settings_default(s, (enum setting)i, item->text, err);
}

static int check_mode(const struct settings *s, const struct os_stat *stat, struct error *err)
{
    bool has_secret = s->texts[SETTING_TOKEN] != NULL || s->texts[SETTING_PASSWORD] != NULL;

    if (has_secret && (stat->mode & MODE_OTHERS) != 0) {
        return error_set(err, BLOCKDB_EDENIED,
                         "'%s' holds a secret and others may read it: chmod 600 it", s->path);
    }
    return BLOCKDB_OK;
}

static int read_profile(struct settings *s, struct cli *cli, bool is_named, struct error *err)
{
    AUTO(buf_deinit) struct buf text = {0};
    struct os_stat stat;
    int rc = os_stat_path(cli->os, s->path, &stat, err);

    if (rc == BLOCKDB_ENOTFOUND && !is_named) {
        return BLOCKDB_OK;
    }
    if (rc == BLOCKDB_OK) {
        rc = os_read_file(cli->os, s->path, PROFILES_BYTES_MAX, &text, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = toml_walk(buf_slice(&text), s->path, take_item, s, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_mode(s, &stat, err);
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.cap);
    }
    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc;
    }
    if (is_named && !s->is_found) {
        return error_set(err, BLOCKDB_EINVAL, "there is no profile '%.64s' in %s", s->profile,
                         s->path);
    }
    return BLOCKDB_OK;
}

static int from_profile(struct settings *s, struct cli *cli, struct error *err)
{
    AUTO(mem_free_ptr) char *path = NULL;
    const char *name = args_value(&cli->args, "profile");
    int rc;

    name = name != NULL ? name : environment_value(cli->environment, "BLOCKDB_PROFILE");
    if (name == NULL && s->texts[SETTING_URL] != NULL) {
        return BLOCKDB_OK; /* a default profile is for its own server */
    }
    if (environment_profiles_path(cli->environment, &path) < 0) {
        return error_set_no_memory(err);
    }
    if (path == NULL) {
        return name == NULL ? BLOCKDB_OK
                            : error_set(err, BLOCKDB_EINVAL,
                                        "profiles are looked for in $XDG_CONFIG_HOME/blockdb or "
                                        "$HOME/.config/blockdb, and neither variable is a path");
    }
    s->profile = name != NULL ? name : PROFILE_DEFAULT;
    s->path = path;
    s->has_token = s->texts[SETTING_TOKEN] != NULL || s->texts[SETTING_TOKEN_FILE] != NULL;
    s->has_user = s->texts[SETTING_USER] != NULL;
    s->has_cert = s->texts[SETTING_CERT] != NULL;
    rc = read_profile(s, cli, name != NULL, err);
    s->path = NULL;
    return rc;
}

/* ---- The client ------------------------------------------------------------------------------ */

/* A user without a password is asked for it, where a person sits. */
static int ask_password(struct settings *s, struct error *err)
{
    AUTO(secret_input_deinit) struct buf password = {0};
    int rc;

    if (s->texts[SETTING_USER] == NULL || s->texts[SETTING_PASSWORD] != NULL ||
        s->texts[SETTING_PASSWORD_FILE] != NULL) {
        return BLOCKDB_OK;
    }
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        return error_set(err, BLOCKDB_EINVAL,
                         "user '%.64s' needs a password: set BLOCKDB_PASSWORD, or password_file in "
                         "a profile",
                         s->texts[SETTING_USER]);
    }
    rc = secret_input_ask("Password of", s->texts[SETTING_USER], &password, err);
    if (rc == BLOCKDB_OK && buf_append_u8(&password, '\0') < 0) {
        rc = error_set_no_memory(err);
    }
    return rc < 0 ? rc : settings_default(s, SETTING_PASSWORD, (const char *)password.data, err);
}

/* Credentials and certificates; borrows from s. */
static struct blockdb_client_options options_of(const struct settings *s)
{
    struct blockdb_client_options options = BLOCKDB_CLIENT_OPTIONS_INIT;
    bool has_token = s->texts[SETTING_TOKEN] != NULL || s->texts[SETTING_TOKEN_FILE] != NULL;

    options.urls = s->texts[SETTING_URL] != NULL ? s->texts[SETTING_URL] : URL_DEFAULT;
    if (has_token && s->texts[SETTING_USER] == NULL) {
        options.token = s->texts[SETTING_TOKEN];
        options.token_file = s->texts[SETTING_TOKEN_FILE];
    }
    options.user = s->texts[SETTING_USER];
    options.password = s->texts[SETTING_PASSWORD];
    options.password_file = s->texts[SETTING_PASSWORD_FILE];
    options.ca_file = s->texts[SETTING_CACERT];
    options.cert_file = s->texts[SETTING_CERT];
    options.key_file = s->texts[SETTING_KEY];
    options.insecure = s->insecure;
    return options;
}

/* Everything that is known, options before the environment before a profile. */
static int gather(struct settings *s, struct cli *cli, struct error *err)
{
    int rc = from_options(s, cli, err);

    if (rc == BLOCKDB_OK) {
        rc = from_environment(s, cli, err);
    }
    return rc < 0 ? rc : from_profile(s, cli, err);
}

int connect_client(struct cli *cli, struct blockdb_client **out, struct buf *url, struct error *err)
{
    AUTO(settings_deinit) struct settings settings = {0};
    struct blockdb_client_options options;
    int rc = gather(&settings, cli, err);

    if (rc == BLOCKDB_OK) {
        rc = ask_password(&settings, err);
    }
    if (rc < 0) {
        return rc;
    }
    options = options_of(&settings);
    options.max_connections = 4;
    options.user_agent = "blockdb-cli/" BLOCKDB_VERSION;
    if (buf_append(url, options.urls, strlen(options.urls) + 1) < 0) {
        return error_set_no_memory(err);
    }
    return blockdb_client_new(&options, out, err);
}

/* ---- Logs ------------------------------------------------------------------------------------ */

void log_access_deinit(struct log_access *access)
{
    mem_free(access->ca_file);
    mem_free(access->cert_file);
    mem_free(access->key_file);
    client_secret_deinit(&access->authorization);
    *access = (struct log_access){0};
}

/* The server of a URL, without what stands behind it. */
static bool server_of_url(struct slice text, struct url *out)
{
    const char *url = (const char *)text.data;
    const char *host = memmem(url, text.len, "://", 3);
    size_t len = host != NULL ? (size_t)(host - url) + 3 : text.len;

    while (len < text.len && strchr("/?#", url[len]) == NULL) {
        len++;
    }
    return url_parse(slice_of(url, len), out, NULL) == BLOCKDB_OK;
}

/* Whether the URLs, with commas between, name the server of a log. */
static bool name_server(const char *urls, const char *log)
{
    struct url wanted;
    struct url url;

    if (!server_of_url(slice_of_text(log), &wanted)) {
        return false;
    }
    while (*urls != '\0') {
        size_t len = strcspn(urls, ",");

        if (server_of_url(slice_of(urls, len), &url) && url_same_server(&url, &wanted)) {
            return true;
        }
        urls += len + (urls[len] == ',');
    }
    return false;
}

/* What options alone say: a password for --user is asked for as ever. */
static int only_options(struct settings *s, struct cli *cli, struct error *err)
{
    int rc = from_options(s, cli, err);

    if (rc == BLOCKDB_OK && s->texts[SETTING_USER] != NULL) {
        rc = settings_default(s, SETTING_PASSWORD,
                              environment_value(cli->environment, "BLOCKDB_PASSWORD"), err);
    }
    return rc;
}

/* Moves what is known to access. */
static int take_access(struct settings *s, struct cli *cli, const char *log,
                       struct log_access *access, struct error *err)
{
    struct blockdb_client_options options = options_of(s);
    bool has_files = options.ca_file != NULL || options.cert_file != NULL ||
                     options.key_file != NULL;
    int rc;

    if (has_files && strncasecmp(log, "https:", 6) != 0) {
        return error_set(err, BLOCKDB_EINVAL, "certificates are for https:// URLs only");
    }
    rc = client_credentials_line(&options, cli->os, &access->authorization, err);
    if (rc < 0) {
        return rc;
    }
    access->ca_file = s->texts[SETTING_CACERT];
    access->cert_file = s->texts[SETTING_CERT];
    access->key_file = s->texts[SETTING_KEY];
    s->texts[SETTING_CACERT] = s->texts[SETTING_CERT] = s->texts[SETTING_KEY] = NULL;
    access->http = (struct http_access){
        .ca_file = access->ca_file,
        .cert_file = access->cert_file,
        .key_file = access->key_file,
        .authorization = (const char *)access->authorization.data,
        .insecure = s->insecure,
    };
    return BLOCKDB_OK;
}

int connect_log(struct cli *cli, const char *url, struct log_access *out, struct error *err)
{
    AUTO(settings_deinit) struct settings all = {0};
    AUTO(settings_deinit) struct settings own = {0};
    bool is_for_it;
    int rc = gather(&all, cli, err);

    if (rc == BLOCKDB_OK) {
        rc = only_options(&own, cli, err);
    }
    if (rc < 0) {
        return rc;
    }
    is_for_it = args_has(&cli->args, "profile") || name_server(options_of(&all).urls, url);
    rc = ask_password(is_for_it ? &all : &own, err);
    return rc < 0 ? rc : take_access(is_for_it ? &all : &own, cli, url, out, err);
}
