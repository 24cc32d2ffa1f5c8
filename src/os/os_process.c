/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os_process.h"

#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELL "/bin/sh"
#define READ_BYTES 4096
#define NS_PER_MS 1000000ULL
#define POLL_MS_MAX 1000
/* How often it is looked whether a process that closed its output has ended. */
#define WAIT_NS (2 * NS_PER_MS)

extern char **environ;

struct process {
    const struct process_options *options;
    int input_fd;
    int read_fd;
    int write_fd;
    pid_t pid;
    uint64_t deadline_ns;
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void process_deinit(struct process *p)
{
    close_fd(&p->input_fd);
    close_fd(&p->read_fd);
    close_fd(&p->write_fd);
}

/* A file in memory instead of a pipe: nobody has to feed it, and nobody gets SIGPIPE. */
static int make_input(struct process *p, struct error *err)
{
    struct slice left = p->options->input;

    p->input_fd = memfd_create("blockdb-input", MFD_CLOEXEC);
    if (p->input_fd < 0) {
        return error_set_errno(err, errno, "cannot make the input of a command");
    }
    while (left.len > 0) {
        ssize_t n = write(p->input_fd, left.data, left.len);

        if (n < 0 && errno != EINTR) {
            return error_set_errno(err, errno, "cannot write the input of a command");
        }
        if (n > 0) {
            left = slice_of(left.data + n, left.len - (size_t)n);
        }
    }
    if (lseek(p->input_fd, 0, SEEK_SET) < 0) {
        return error_set_errno(err, errno, "cannot rewind the input of a command");
    }
    return BLOCKDB_OK;
}

static int make_output(struct process *p, struct error *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        return error_set_errno(err, errno, "cannot make a pipe for a command");
    }
    p->read_fd = fds[0];
    p->write_fd = fds[1];
    /* The command expects an output that waits. */
    if (fcntl(p->write_fd, F_SETFL, 0) < 0) {
        return error_set_errno(err, errno, "cannot set up a pipe for a command");
    }
    return BLOCKDB_OK;
}

/* Signals as a program expects them, and a group of its own. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    int rc;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    rc = posix_spawnattr_setpgroup(attributes, 0);
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(attributes, &none);
    rc = rc != 0 ? rc : posix_spawnattr_setsigdefault(attributes, &all);
    return rc != 0 ? rc
                   : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP |
                                                              POSIX_SPAWN_SETSIGMASK |
                                                              POSIX_SPAWN_SETSIGDEF);
}

static int start(struct process *p, struct error *err)
{
    static char shell[] = SHELL;
    static char flag[] = "-c";
    AUTO(mem_free_ptr) char *command = mem_strdup(p->options->command);
    char *const arguments[] = {shell, flag, command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc;

    if (command == NULL || posix_spawn_file_actions_init(&actions) != 0) {
        return error_set_no_memory(err);
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return error_set_no_memory(err);
    }
    rc = posix_spawn_file_actions_adddup2(&actions, p->input_fd, STDIN_FILENO);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&actions, p->write_fd, STDOUT_FILENO);
    rc = rc != 0 ? rc : set_attributes(&attributes);
    rc = rc != 0 ? rc : posix_spawn(&p->pid, SHELL, &actions, &attributes, arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    close_fd(&p->write_fd);
    if (rc != 0) {
        return error_set_errno(err, rc, "cannot run '%.200s'", p->options->command);
    }
    return BLOCKDB_OK;
}

static int timed_out(const struct process *p, struct error *err)
{
    return error_set(err, BLOCKDB_ETIMEDOUT, "'%.200s' took too long and was ended",
                     p->options->command);
}

/* Waits until there is something to read; 0, ETIMEDOUT or EIO. */
static int wait_readable(struct process *p, struct error *err)
{
    struct pollfd poll_fd = {.fd = p->read_fd, .events = POLLIN};
    int n;

    do {
        uint64_t now_ns = os_monotonic_ns(os_real());
        uint64_t left_ms = now_ns < p->deadline_ns ? (p->deadline_ns - now_ns) / NS_PER_MS + 1 : 0;

        if (left_ms == 0) {
            return timed_out(p, err);
        }
        n = poll(&poll_fd, 1, (int)(left_ms < POLL_MS_MAX ? left_ms : POLL_MS_MAX));
    } while (n == 0 || (n < 0 && errno == EINTR));
    return n < 0 ? error_set_errno(err, errno, "cannot wait for a command") : BLOCKDB_OK;
}

/* Reads until the command closes its output. */
static int read_output(struct process *p, struct buf *out, struct error *err)
{
    size_t start = out->len;

    for (;;) {
        uint8_t bytes[READ_BYTES];
        ssize_t n;
        int rc = wait_readable(p, err);

        if (rc < 0) {
            return rc;
        }
        n = read(p->read_fd, bytes, sizeof(bytes));
        if (n == 0) {
            return BLOCKDB_OK;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return error_set_errno(err, errno, "cannot read what a command prints");
        }
        if (n > 0 && out->len - start + (size_t)n > p->options->output_max) {
            return error_set(err, BLOCKDB_ELIMIT, "'%.200s' prints more than %zu bytes",
                             p->options->command, p->options->output_max);
        }
        if (n > 0 && buf_append(out, bytes, (size_t)n) < 0) {
            return error_set_no_memory(err);
        }
    }
}

/* Waits for the end of the command, which may come after that of its output. */
static int wait_end(struct process *p, int *out_status, struct error *err)
{
    for (;;) {
        pid_t pid = waitpid(p->pid, out_status, WNOHANG);

        if (pid == p->pid) {
            return BLOCKDB_OK;
        }
        if (pid < 0 && errno != EINTR) {
            return error_set_errno(err, errno, "cannot wait for '%.200s'", p->options->command);
        }
        if (os_monotonic_ns(os_real()) >= p->deadline_ns) {
            return timed_out(p, err);
        }
        os_sleep_ns(os_real(), WAIT_NS);
    }
}

/* PROC-1. */
static void end_group(struct process *p)
{
    int status;

    (void)kill(-p->pid, SIGKILL); /* it may be gone already */
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
        /* once more */
    }
}

static int check_status(const struct process *p, int status, struct error *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return BLOCKDB_OK;
    }
    if (WIFEXITED(status)) {
        return error_set(err, BLOCKDB_EIO, "'%.200s' failed with exit code %d", p->options->command,
                         WEXITSTATUS(status));
    }
    return error_set(err, BLOCKDB_EIO, "'%.200s' was ended by signal %d", p->options->command,
                     WTERMSIG(status));
}

int process_run(const struct process_options *options, struct buf *out, struct error *err)
{
    AUTO(process_deinit)
    struct process p = {.options = options, .input_fd = -1, .read_fd = -1, .write_fd = -1};
    int status = 0;
    int rc = make_input(&p, err);

    if (rc == BLOCKDB_OK) {
        rc = make_output(&p, err);
    }
    p.deadline_ns = os_monotonic_ns(os_real()) + options->timeout_ms * NS_PER_MS;
    if (rc == BLOCKDB_OK) {
        rc = start(&p, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = read_output(&p, out, err);
    if (rc == BLOCKDB_OK) {
        rc = wait_end(&p, &status, err);
    }
    if (rc < 0) {
        end_group(&p);
        return rc;
    }
    return check_status(&p, status, err);
}
