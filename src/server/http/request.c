/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/request.h"

#include "server/http/octet.h"

#include <string.h>
#include <strings.h>

static struct slice rest_of(struct slice s, size_t from)
{
    return slice_of(s.data + from, s.len - from);
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s = rest_of(s, 1);
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

bool http_equal_fold(struct slice a, const char *b)
{
    return a.len == strlen(b) && (a.len == 0 || strncasecmp((const char *)a.data, b, a.len) == 0);
}

/* ---- Where a head ends ----------------------------------------------------------------------- */

size_t http_empty_lines(struct slice bytes)
{
    size_t len = 0;

    while (bytes.len - len >= 2 && bytes.data[len] == '\r' && bytes.data[len + 1] == '\n') {
        len += 2;
    }
    return len;
}

/* Each line feed must follow a carriage return; the head ends where one of them does not, too, so
 * that it is refused at once. */
size_t http_head_len(struct slice bytes, size_t *searched)
{
    const uint8_t *end;
    const uint8_t *at;
    const uint8_t *found;

    if (bytes.len == 0) {
        return 0;
    }
    end = bytes.data + bytes.len;
    at = bytes.data + *searched;
    while (at < end && (found = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        size_t len = (size_t)(found - bytes.data) + 1;

        if (len < 2 || found[-1] != '\r' || (len >= 4 && found[-2] == '\n')) {
            return len;
        }
        at = found + 1;
    }
    *searched = bytes.len;
    return 0;
}

/* ---- Parsing --------------------------------------------------------------------------------- */

static bool refuse(struct http_refusal *out, int status, const char *message)
{
    *out = (struct http_refusal){.status = status, .message = message};
    return false;
}

/* Takes the next line of *rest, without its CR LF; false when it ends otherwise. */
static bool take_line(struct slice *rest, struct slice *out_line)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->len);
    size_t len;

    if (end == NULL) {
        return false;
    }
    len = (size_t)(end - rest->data);
    if (len == 0 || end[-1] != '\r') {
        return false;
    }
    *out_line = slice_of(rest->data, len - 1);
    *rest = rest_of(*rest, len + 1);
    return true;
}

static enum http_method method_of(struct slice name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } known[] = {
        {"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},     {"POST", HTTP_POST},
        {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_equal(name, slice_of_text(known[i].name))) {
            return known[i].method;
        }
    }
    return HTTP_METHOD_OTHER;
}

/* How long "http://" or "https://" at the start of target is; 0: it is not there. */
static size_t scheme_len_of(struct slice target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i]);

        if (target.len >= len && strncasecmp((const char *)target.data, schemes[i], len) == 0) {
            return len;
        }
    }
    return 0;
}

/* What stands behind the host and port at the start of rest: "/path?query". False: there is no
 * host, or it is malformed, or the path between it and a query is missing. */
static bool skip_authority(struct slice rest, struct slice *out_target)
{
    const uint8_t *slash = memchr(rest.data, '/', rest.len);
    struct slice host = slice_of(rest.data, slash != NULL ? (size_t)(slash - rest.data) : rest.len);

    if (host.len == 0 || !octet_all(host, OCTET_HOST)) {
        return false;
    }
    *out_target = slash != NULL ? rest_of(rest, host.len) : slice_of("/", 1);
    return true;
}

/* The origin form "/path?query", or the absolute form whose host is left to the header. */
static bool parse_target(struct slice target, struct http_request *r, struct http_refusal *refusal)
{
    const uint8_t *mark;
    size_t scheme_len;

    if (target.len > HTTP_TARGET_MAX) {
        return refuse(refusal, 414, "the request target is too long");
    }
    if (!octet_all(target, OCTET_TARGET)) {
        return refuse(refusal, 400, "the request target has a byte that must be percent-encoded");
    }
    scheme_len = scheme_len_of(target);
    if (scheme_len > 0 && !skip_authority(rest_of(target, scheme_len), &target)) {
        return refuse(refusal, 400, "the host of the request target is malformed");
    }
    if (target.len == 1 && target.data[0] == '*' && r->method == HTTP_OPTIONS) {
        r->path = target;
        return true;
    }
    if (target.len == 0 || target.data[0] != '/') {
        return refuse(refusal, 400, "the request target must start with a slash");
    }
    mark = memchr(target.data, '?', target.len);
    r->path = mark != NULL ? slice_of(target.data, (size_t)(mark - target.data)) : target;
    r->query = mark != NULL ? rest_of(target, r->path.len + 1) : slice_of(NULL, 0);
    return true;
}

static bool parse_version(struct slice version, struct http_request *r,
                          struct http_refusal *refusal)
{
    if (version.len != 8 || memcmp(version.data, "HTTP/", 5) != 0 ||
        !octet_is(version.data[5], OCTET_DIGIT) || version.data[6] != '.' ||
        !octet_is(version.data[7], OCTET_DIGIT)) {
        return refuse(refusal, 400, "the request line does not end with a version of HTTP");
    }
    if (version.data[5] != '1' || version.data[7] > '1') {
        return refuse(refusal, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    r->minor_version = (unsigned)(version.data[7] - '0');
    return true;
}

static bool parse_request_line(struct slice line, struct http_request *r,
                               struct http_refusal *refusal)
{
    const uint8_t *first = memchr(line.data, ' ', line.len);
    const uint8_t *last = memrchr(line.data, ' ', line.len);

    if (first == NULL || first == last) {
        return refuse(refusal, 400, "the request line is not 'method target version'");
    }
    r->method_name = slice_of(line.data, (size_t)(first - line.data));
    if (r->method_name.len == 0 || !octet_all(r->method_name, OCTET_TOKEN)) {
        return refuse(refusal, 400, "the request line does not start with a method");
    }
    r->method = method_of(r->method_name);
    return parse_version(rest_of(line, (size_t)(last - line.data) + 1), r, refusal) &&
           parse_target(slice_of(first + 1, (size_t)(last - first) - 1), r, refusal);
}

static bool parse_header_line(struct slice line, struct http_request *r,
                              struct http_refusal *refusal)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    struct http_header header;

    if (line.data[0] == ' ' || line.data[0] == '\t') {
        return refuse(refusal, 400, "folded header lines are not accepted");
    }
    if (colon == NULL) {
        return refuse(refusal, 400, "a header line has no colon");
    }
    header.name = slice_of(line.data, (size_t)(colon - line.data));
    header.value = trim(rest_of(line, header.name.len + 1));
    if (header.name.len == 0 || !octet_all(header.name, OCTET_TOKEN)) {
        return refuse(refusal, 400, "the name of a header is malformed");
    }
    if (!octet_all(header.value, OCTET_FIELD)) {
        return refuse(refusal, 400, "the value of a header has a control character");
    }
    if (r->header_count == HTTP_HEADERS_MAX) {
        return refuse(refusal, 431, "the request has too many headers");
    }
    r->headers[r->header_count++] = header;
    return true;
}

/* ---- What headers mean ----------------------------------------------------------------------- */

/* Of the headers that decide where a request ends and whom it is for: how many there are, and the
 * value of the last. */
struct framing {
    unsigned hosts;
    unsigned lengths;
    unsigned codings;
    struct slice host;
    struct slice length;
    struct slice coding;
    struct slice expect;
    bool says_close;
    bool says_keep_alive;
};

static void note_header(const struct http_header *h, struct framing *f)
{
    switch (h->name.len) {
    case 4:
        if (http_equal_fold(h->name, "host")) {
            f->hosts++;
            f->host = h->value;
        }
        return;
    case 6:
        if (http_equal_fold(h->name, "expect")) {
            f->expect = h->value;
        }
        return;
    case 10:
        if (http_equal_fold(h->name, "connection")) {
            f->says_close |= http_list_has(h->value, "close");
            f->says_keep_alive |= http_list_has(h->value, "keep-alive");
        }
        return;
    case 14:
        if (http_equal_fold(h->name, "content-length")) {
            f->lengths++;
            f->length = h->value;
        }
        return;
    case 17:
        if (http_equal_fold(h->name, "transfer-encoding")) {
            f->codings++;
            f->coding = h->value;
        }
        return;
    default:
        return;
    }
}

static bool judge_host(const struct http_request *r, const struct framing *f,
                       struct http_refusal *refusal)
{
    if (f->hosts > 1) {
        return refuse(refusal, 400, "the request has more than one Host header");
    }
    if (f->hosts == 0 && r->minor_version > 0) {
        return refuse(refusal, 400, "a request of HTTP/1.1 needs a Host header");
    }
    if (!octet_all(f->host, OCTET_HOST) || (f->host.len == 0 && r->minor_version > 0)) {
        return refuse(refusal, 400, "the Host header is malformed");
    }
    return true;
}

/* Where the body ends (RFC 9112, section 6.3), and nothing that could be read in two ways. */
static bool judge_body(struct http_request *r, const struct framing *f,
                       struct http_refusal *refusal)
{
    if (f->codings > 0) {
        if (f->lengths > 0) {
            return refuse(refusal, 400, "Content-Length and Transfer-Encoding exclude each other");
        }
        if (r->minor_version == 0) {
            return refuse(refusal, 400, "HTTP/1.0 knows no Transfer-Encoding");
        }
        if (f->codings > 1 || !http_equal_fold(f->coding, "chunked")) {
            return refuse(refusal, 501, "the only transfer coding is 'chunked'");
        }
        r->is_chunked = true;
        return true;
    }
    if (f->lengths == 0) {
        return true;
    }
    if (f->lengths > 1) {
        return refuse(refusal, 400, "the request has more than one Content-Length");
    }
    if (f->length.len == 0 || f->length.len > 18 || !octet_all(f->length, OCTET_DIGIT)) {
        return refuse(refusal, 400, "Content-Length is no number");
    }
    for (size_t i = 0; i < f->length.len; i++) {
        r->content_length = r->content_length * 10 + (uint64_t)(f->length.data[i] - '0');
    }
    return true;
}

static bool judge_headers(struct http_request *r, struct http_refusal *refusal)
{
    struct framing f = {0};

    for (size_t i = 0; i < r->header_count; i++) {
        note_header(&r->headers[i], &f);
    }
    if (!judge_host(r, &f, refusal) || !judge_body(r, &f, refusal)) {
        return false;
    }
    if (f.expect.len > 0 && r->minor_version > 0) {
        if (!http_equal_fold(f.expect, "100-continue")) {
            return refuse(refusal, 417, "the only expectation that is met is '100-continue'");
        }
        r->expects_continue = r->is_chunked || r->content_length > 0;
    }
    r->keep_alive = !f.says_close && (r->minor_version > 0 || f.says_keep_alive);
    return true;
}

bool http_request_parse(struct slice head, struct http_request *out,
                        struct http_refusal *out_refusal)
{
    struct slice rest = head;
    struct slice line;

    out->header_count = 0;
    out->is_chunked = false;
    out->content_length = 0;
    out->expects_continue = false;
    out->keep_alive = false;
    out->query = slice_of(NULL, 0);
    if (!take_line(&rest, &line)) {
        return refuse(out_refusal, 400, "a line does not end with CR LF");
    }
    if (!parse_request_line(line, out, out_refusal)) {
        return false;
    }
    for (;;) {
        if (!take_line(&rest, &line)) {
            return refuse(out_refusal, 400, "a line does not end with CR LF");
        }
        if (line.len == 0) {
            break;
        }
        if (!parse_header_line(line, out, out_refusal)) {
            return false;
        }
    }
    if (rest.len > 0) {
        return refuse(out_refusal, 400, "bytes stand behind the head");
    }
    return judge_headers(out, out_refusal);
}

/* ---- Looking things up ----------------------------------------------------------------------- */

static const struct http_header *find_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (http_equal_fold(r->headers[i].name, name)) {
            return &r->headers[i];
        }
    }
    return NULL;
}

struct slice http_request_header(const struct http_request *r, const char *name)
{
    const struct http_header *header = find_header(r, name);

    return header != NULL ? header->value : slice_of(NULL, 0);
}

bool http_request_has_header(const struct http_request *r, const char *name)
{
    return find_header(r, name) != NULL;
}

int http_percent_decode(struct slice text, bool plus_is_space, uint8_t *out, size_t *out_len)
{
    size_t used = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (c == '%') {
            if (text.len - i < 3 || octet_hex(text.data[i + 1]) < 0 ||
                octet_hex(text.data[i + 2]) < 0) {
                return BLOCKDB_EINVAL;
            }
            c = (uint8_t)(octet_hex(text.data[i + 1]) << 4 | octet_hex(text.data[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[used++] = c;
    }
    *out_len = used;
    return BLOCKDB_OK;
}

bool http_list_has(struct slice value, const char *token)
{
    while (value.len > 0) {
        const uint8_t *comma = memchr(value.data, ',', value.len);
        size_t len = comma != NULL ? (size_t)(comma - value.data) : value.len;

        if (http_equal_fold(trim(slice_of(value.data, len)), token)) {
            return true;
        }
        value = rest_of(value, comma != NULL ? len + 1 : len);
    }
    return false;
}
