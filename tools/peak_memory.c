/* peak_memory: run a command and tell how much memory of its own it had at once.
 *
 * usage: peak_memory REPORT LIMIT_MB COMMAND...
 *
 * "Of its own" is RssAnon + RssShmem of /proc/PID/status, asked every two milliseconds: pages of mapped
 * files, which the kernel can drop and read again, don't count. REPORT receives one line,
 * "own MB, mapped MB, seconds". Exit status: the command's; 1 when it passed LIMIT_MB. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long field_kb(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

static void look(const char *path, long *own_kb, long *mapped_kb)
{
    char text[8192];
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    long own = field_kb(text, "RssAnon:") + field_kb(text, "RssShmem:"), mapped = field_kb(text, "RssFile:");
    if (own > *own_kb)
        *own_kb = own;
    if (mapped > *mapped_kb)
        *mapped_kb = mapped;
}

int main(int argc, char **argv)
{
    char path[64];
    long own_kb = 0, mapped_kb = 0;
    int status = 0;
    struct timespec t0, t1, nap = {0, 2000000};
    if (argc < 4) {
        fprintf(stderr, "usage: peak_memory REPORT LIMIT_MB COMMAND...\n");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &t0);
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[3], argv + 3);
        perror(argv[3]);
        _exit(127);
    }
    if (pid < 0) {
        perror("fork");
        return 75;
    }
    snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    for (;;) {
        pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid || (done < 0 && errno != EINTR))
            break;
        look(path, &own_kb, &mapped_kb);
        nanosleep(&nap, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    FILE *f = fopen(argv[1], "w");
    if (!f || fprintf(f, "%ld %ld %.1f\n", own_kb / 1024, mapped_kb / 1024,
                      (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec)) < 0 || fclose(f) != 0) {
        perror(argv[1]);
        return 74;
    }
    if (!WIFEXITED(status))
        return 128 + (WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    if (WEXITSTATUS(status) == 0 && own_kb / 1024 > strtol(argv[2], NULL, 10)) {
        fprintf(stderr, "peak_memory: %ld MB of its own, more than %s\n", own_kb / 1024, argv[2]);
        return 1;
    }
    return WEXITSTATUS(status);
}
