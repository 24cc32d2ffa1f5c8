/* SPDX-License-Identifier: Apache-2.0 */
#include "wal_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t payload_byte(uint64_t first_seq, size_t i)
{
    return (uint8_t)((first_seq * 31 + i * 7 + (i >> 8)) | 1);
}

void wal_fixture_init(struct wal_fixture *f, struct os *os, const char *dir)
{
    memset(f, 0, sizeof(*f));
    f->os = os;
    assert_true(strlen(dir) < sizeof(f->dir));
    strcpy(f->dir, dir);
    memset(f->ledger_id, 0x5a, sizeof(f->ledger_id));
    assert_int_equal(wal_create_dir(os, f->dir, f->ledger_id, &f->err), 0);
    f->options.os = os;
    f->options.dir = f->dir;
    memcpy(f->options.ledger_id, f->ledger_id, sizeof(f->ledger_id));
    f->options.segment_bytes = WAL_SEGMENT_BYTES_MIN;
}

void wal_fixture_init_real(struct wal_fixture *f)
{
    char dir[] = "/tmp/blockdb-wal-XXXXXX";

    assert_non_null(mkdtemp(dir));
    wal_fixture_init(f, os_real(), dir);
}

void wal_fixture_init_memory(struct wal_fixture *f)
{
    struct os_crash *disk = os_crash_new(1);

    assert_non_null(disk);
    wal_fixture_init(f, os_crash_os(disk), "/wal");
    f->disk = disk;
}

void wal_fixture_kill(struct wal_fixture *f)
{
    struct os_crash *copy = NULL;
    int rc;

    assert_int_equal(os_crash_copy(f->disk, &copy), 0);
    rc = wal_close(f->wal, NULL, NULL); /* on the disk that is thrown away */
    (void)rc;
    f->wal = NULL;
    os_crash_free(f->disk);
    f->disk = copy;
    f->os = os_crash_os(copy);
    f->options.os = f->os;
}

struct removal {
    struct wal_fixture *f;
};

static int remove_one(void *context, const char *name, bool is_dir)
{
    struct removal *r = context;
    char path[512];

    assert_false(is_dir);
    snprintf(path, sizeof(path), "%s/%s", r->f->dir, name);
    return os_unlink(r->f->os, path, NULL);
}

void wal_fixture_deinit(struct wal_fixture *f)
{
    struct removal r = {.f = f};
    int rc = wal_close(f->wal, NULL, NULL);

    (void)rc; /* the wal may have failed on purpose */
    f->wal = NULL;
    if (f->disk != NULL) {
        os_crash_free(f->disk);
        return;
    }
    assert_int_equal(os_list(f->os, f->dir, remove_one, &r, &f->err), 0);
    assert_int_equal(os_rmdir(f->os, f->dir, &f->err), 0);
}

static int see(void *context, uint64_t first_seq, uint64_t end_seq, struct slice payload,
               struct error *err)
{
    struct wal_seen *seen = context;
    size_t i;

    (void)err;
    if (seen->frames > 0) {
        assert_int_equal(first_seq, seen->end_seq);
    } else {
        seen->first_seq = first_seq;
    }
    for (i = 0; i < payload.len; i++) {
        assert_int_equal(payload.data[i], payload_byte(first_seq, i));
    }
    seen->end_seq = end_seq;
    seen->frames++;
    return BLOCKDB_OK;
}

int wal_fixture_open(struct wal_fixture *f, struct wal_seen *seen)
{
    struct wal_seen ignored;
    int rc;

    seen = seen != NULL ? seen : &ignored;
    *seen = (struct wal_seen){0};
    f->options.visit = see;
    f->options.visit_context = seen;
    rc = wal_open(&f->options, &f->recovery, &f->wal, &f->err);
    if (rc == 0) {
        f->seq = f->recovery.end_seq;
        f->position = f->recovery.end_position;
    }
    return rc;
}

int wal_fixture_close(struct wal_fixture *f)
{
    struct wal_end_mark mark = {0};
    int rc = wal_close(f->wal, &mark, &f->err);

    f->wal = NULL;
    if (rc == 0) {
        f->options.end_mark = mark;
    }
    return rc;
}

int wal_fixture_append(struct wal_fixture *f, uint64_t count, size_t payload_len)
{
    AUTO(mem_free_ptr) uint8_t *payload = malloc(payload_len + 1);
    struct slice parts[2];
    struct wal_frame frame = {
        .parts = parts, .part_count = 2, .first_seq = f->seq, .end_seq = f->seq + count};
    size_t i;
    int rc;

    for (i = 0; i < payload_len; i++) {
        payload[i] = payload_byte(f->seq, i);
    }
    parts[0] = slice_of(payload, payload_len / 3);
    parts[1] = slice_of(payload + payload_len / 3, payload_len - payload_len / 3);
    rc = wal_append(f->wal, &frame, &f->position, &f->err);
    if (rc == 0) {
        f->seq += count;
    }
    return rc;
}

void wal_fixture_fill(struct wal_fixture *f, size_t n, size_t payload_len)
{
    size_t i;

    for (i = 0; i < n; i++) {
        assert_int_equal(wal_fixture_append(f, 1 + i % 3, payload_len), 0);
    }
}

void test_read_file(struct os *os, const char *path, struct buf *out)
{
    buf_reset(out);
    assert_int_equal(os_read_file(os, path, 64 << 20, out, NULL), 0);
}

void test_write_file(struct os *os, const char *path, struct slice content)
{
    struct os_file *file = NULL;

    assert_int_equal(os_open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, NULL), 0);
    assert_int_equal(file_pwrite(file, content.data, content.len, 0, NULL), 0);
    assert_int_equal(file_sync(file, NULL), 0);
    file_close(file);
}

void test_flip(struct os *os, const char *path, uint64_t offset, uint8_t mask)
{
    struct os_file *file = NULL;
    uint8_t byte;

    assert_int_equal(os_open(os, path, OS_READ | OS_WRITE, &file, NULL), 0);
    assert_int_equal(file_pread_full(file, &byte, 1, offset, NULL), 0);
    byte ^= mask;
    assert_int_equal(file_pwrite(file, &byte, 1, offset, NULL), 0);
    file_close(file);
}

struct finding {
    const char *suffix;
    size_t skip;
    size_t count;
    char name[256];
};

static int find_one(void *context, const char *name, bool is_dir)
{
    struct finding *fi = context;
    size_t len = strlen(name);
    size_t suffix_len = strlen(fi->suffix);

    (void)is_dir;
    if (len >= suffix_len && strcmp(name + len - suffix_len, fi->suffix) == 0) {
        if (fi->count == fi->skip) {
            snprintf(fi->name, sizeof(fi->name), "%s", name);
        }
        fi->count++;
    }
    return 0;
}

bool test_find_file(struct wal_fixture *f, const char *suffix, size_t n, char out_path[512])
{
    struct finding fi = {.suffix = suffix, .skip = n};

    assert_int_equal(os_list(f->os, f->dir, find_one, &fi, NULL), 0);
    if (fi.count <= n) {
        return false;
    }
    snprintf(out_path, 512, "%s/%s", f->dir, fi.name);
    return true;
}

size_t test_count_files(struct wal_fixture *f, const char *suffix)
{
    struct finding fi = {.suffix = suffix, .skip = SIZE_MAX};

    assert_int_equal(os_list(f->os, f->dir, find_one, &fi, NULL), 0);
    return fi.count;
}
