/* run_program.c: fork, limits, exec; both outputs read through pipes until the program ends or has to
 * be killed. Between fork and exec only calls are made that are safe in a process with threads. */
#include "run_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tsr_alloc.h"
#include "tsr_clock.h"

enum { EXIT_NO_EXEC = 127, MAX_FD = 4096, FIRST_CAP = 1 << 16, POLL_MS = 5, NS_PER_MS = 1000000 };

/* ---- finding it ---- */

static bool is_program(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISREG(sb.st_mode) && access(path, X_OK) == 0;
}

tsr_status tsri_find_program(char **path, const char *name, const char *package, tsr_error *err)
{
    const char *dirs = getenv("PATH");
    *path = NULL;
    for (const char *at = dirs ? dirs : "/usr/bin:/bin"; *at;) {
        size_t len = strcspn(at, ":"), n = len + strlen(name) + 2;
        if (at[0] == '/') { /* never from the current folder */
            char *p = tsr_alloc(n);
            if (!p)
                return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the path of %s", name);
            snprintf(p, n, "%.*s/%s", (int)len, at, name);
            if (is_program(p)) {
                *path = p;
                return TSR_OK;
            }
            tsr_free(p);
        }
        at += len + (at[len] == ':');
    }
    return tsr_fail(err, TSR_ERR_UNSUPPORTED, "the program '%s' is needed and was not found (Debian: apt install %s)",
                    name, package);
}

/* ---- the child ---- */

static void set_limit(int what, uint64_t value)
{
    struct rlimit r;
    if (getrlimit(what, &r) != 0)
        return;
    rlim_t v = (rlim_t)value;
    if (r.rlim_max != RLIM_INFINITY && v > r.rlim_max)
        v = r.rlim_max;
    r.rlim_cur = r.rlim_max = v;
    setrlimit(what, &r);
}

static void close_others(void)
{
    for (int fd = TSRI_RUN_FD + 1; fd < MAX_FD; fd++)
        close(fd);
}

/* A written file would be cut at 0 bytes; that must be an error to the program, not its end. */
static void calm_signals(void)
{
    struct sigaction sa;
    sigset_t none;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &sa, NULL);
    sigaction(SIGCHLD, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &sa, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void run_child(const char *path, const char *const argv[], int fd, int out, int errors,
                      const tsri_run_limits *limits)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
    char *const *args, *const *envp;
    setpgid(0, 0);
    calm_signals();
    /* Out of the way first: the descriptors may themselves be 0 to 3. */
    out = fcntl(out, F_DUPFD, 16);
    errors = fcntl(errors, F_DUPFD, 16);
    fd = fcntl(fd, F_DUPFD, 16);
    int null = open("/dev/null", O_RDONLY);
    if (out < 0 || errors < 0 || fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(errors, 2) < 0 ||
        dup2(fd, TSRI_RUN_FD) < 0)
        _exit(EXIT_NO_EXEC);
    close_others();
    set_limit(RLIMIT_AS, limits->max_memory);
    set_limit(RLIMIT_CPU, limits->cpu_seconds);
    set_limit(RLIMIT_FSIZE, 0);
    set_limit(RLIMIT_CORE, 0);
    memcpy(&args, &argv, sizeof args); /* execve takes but does not change them */
    const char *const *e = env;
    memcpy(&envp, &e, sizeof envp);
    execve(path, args, envp);
    _exit(EXIT_NO_EXEC);
}

/* ---- the parent ---- */

typedef struct collector {
    tsri_run_result *r;
    size_t cap, errors_len;
    size_t max_output;
    const char *name;
} collector;

static tsr_status take_output(collector *c, int fd, bool *open, tsr_error *err)
{
    tsri_run_result *r = c->r;
    if (r->out_len == c->cap) {
        size_t cap = c->cap > c->max_output / 2 ? c->max_output + 1 : c->cap * 2;
        unsigned char *more = tsr_realloc(r->out, cap);
        if (!more)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the output of %s needs %zu bytes", c->name, cap);
        r->out = more;
        c->cap = cap;
    }
    ssize_t n = read(fd, r->out + r->out_len, c->cap - r->out_len);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return tsr_fail(err, TSR_ERR_IO, "%s: its output cannot be read (errno %d)", c->name, errno);
    if (n == 0)
        *open = false;
    if (n > 0)
        r->out_len += (size_t)n;
    if (r->out_len > c->max_output)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: wrote more than the limit of %zu bytes", c->name, c->max_output);
    return TSR_OK;
}

static void take_errors(collector *c, int fd, bool *open)
{
    char b[1024];
    ssize_t n = read(fd, b, sizeof b);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        *open = false;
    for (ssize_t i = 0; i < n && c->errors_len + 1 < sizeof c->r->errors; i++)
        c->r->errors[c->errors_len++] = b[i];
}

static tsr_status too_slow(const collector *c, unsigned timeout_ms, tsr_error *err)
{
    return tsr_fail(err, TSR_ERR_BUSY, "%s: took longer than the limit of %u ms", c->name, timeout_ms);
}

static tsr_status collect(collector *c, int out, int errors, int64_t deadline, unsigned timeout_ms, tsr_error *err)
{
    bool out_open = true, errors_open = true;
    while (out_open || errors_open) {
        struct pollfd p[2] = {{out_open ? out : -1, POLLIN, 0}, {errors_open ? errors : -1, POLLIN, 0}};
        int64_t left = (deadline - tsr_clock_ns()) / NS_PER_MS;
        if (left <= 0)
            return too_slow(c, timeout_ms, err);
        int n = poll(p, 2, left > 1000 ? 1000 : (int)left);
        if (n < 0 && errno != EINTR)
            return tsr_fail(err, TSR_ERR_IO, "%s: cannot be waited for (errno %d)", c->name, errno);
        if (n <= 0)
            continue;
        if (p[1].revents)
            take_errors(c, errors, &errors_open);
        if (p[0].revents) {
            tsr_status st = take_output(c, out, &out_open, err);
            if (st != TSR_OK)
                return st;
        }
    }
    return TSR_OK;
}

/* Its outputs are closed; it should be ending. */
static tsr_status wait_for_end(collector *c, pid_t pid, int64_t deadline, unsigned timeout_ms, int *how, bool *ended,
                               tsr_error *err)
{
    for (;;) {
        pid_t got = waitpid(pid, how, WNOHANG);
        if (got == pid) {
            *ended = true;
            return TSR_OK;
        }
        if (got < 0 && errno != EINTR) {
            *ended = true; /* someone else took it: its end is unknown */
            return tsr_fail(err, TSR_ERR_IO, "%s: its end was lost (errno %d)", c->name, errno);
        }
        if (tsr_clock_ns() >= deadline)
            return too_slow(c, timeout_ms, err);
        const struct timespec nap = {0, POLL_MS * (long)NS_PER_MS};
        nanosleep(&nap, NULL);
    }
}

static tsr_status make_pipe(int p[2], const char *name, tsr_error *err)
{
    if (pipe(p) != 0) {
        p[0] = p[1] = -1;
        return tsr_fail(err, TSR_ERR_IO, "%s: no pipe can be made (errno %d)", name, errno);
    }
    fcntl(p[0], F_SETFD, FD_CLOEXEC);
    fcntl(p[1], F_SETFD, FD_CLOEXEC);
    return TSR_OK;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static tsr_status judge(tsri_run_result *r, int how, const tsri_run_limits *limits, const char *name, tsr_error *err)
{
    r->exit_code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
    r->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    if (r->signal == SIGXCPU || (r->signal == SIGKILL && limits->cpu_seconds))
        return tsr_fail(err, TSR_ERR_BUSY, "%s: used more than %u s of processor time", name, limits->cpu_seconds);
    if (r->exit_code == EXIT_NO_EXEC)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: could not be started", name);
    return TSR_OK;
}

tsr_status tsri_run_program(tsri_run_result *r, const char *path, const char *const argv[], int fd,
                            const tsri_run_limits *limits, const char *name, tsr_error *err)
{
    int out[2] = {-1, -1}, errors[2] = {-1, -1}, how = 0;
    bool ended = false;
    pid_t pid = -1;
    int64_t deadline = tsr_clock_ns() + (int64_t)limits->timeout_ms * NS_PER_MS; /* as tsr_clock_ns */
    memset(r, 0, sizeof *r);
    collector c = {r, FIRST_CAP, 0, limits->max_output, name};
    r->out = tsr_alloc(FIRST_CAP);
    tsr_status st = r->out ? TSR_OK : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the output of %s", name);
    if (st == TSR_OK)
        st = make_pipe(out, name, err);
    if (st == TSR_OK)
        st = make_pipe(errors, name, err);
    if (st != TSR_OK)
        goto done;
    pid = fork();
    if (pid == 0)
        run_child(path, argv, fd, out[1], errors[1], limits);
    if (pid < 0) {
        st = tsr_fail(err, errno == ENOMEM ? TSR_ERR_NOMEM : TSR_ERR_BUSY, "%s: cannot be started (errno %d)", name,
                      errno);
        goto done;
    }
    setpgid(pid, pid); /* whoever of the two is first */
    close_fd(&out[1]);
    close_fd(&errors[1]);
    st = collect(&c, out[0], errors[0], deadline, limits->timeout_ms, err);
    if (st == TSR_OK)
        st = wait_for_end(&c, pid, deadline, limits->timeout_ms, &how, &ended, err);
    if (!ended) {
        kill(-pid, SIGKILL);
        while (waitpid(pid, &how, 0) < 0 && errno == EINTR) {
        }
    }
    if (st == TSR_OK)
        st = judge(r, how, limits, name, err);
done:
    close_fd(&out[0]);
    close_fd(&out[1]);
    close_fd(&errors[0]);
    close_fd(&errors[1]);
    if (st != TSR_OK) {
        tsr_free(r->out);
        r->out = NULL;
        r->out_len = 0;
    }
    return st;
}
