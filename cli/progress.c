/* progress.c: see the header. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SHOW_EVERY_S 0.5

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool progress_note(progress *p, const char *stage, size_t len, size_t done, size_t total)
{
    len = len < sizeof p->stage ? len : sizeof p->stage - 1;
    bool is_same = p->has_begun && strlen(p->stage) == len && memcmp(p->stage, stage, len) == 0 && p->total == total &&
                   done >= p->done;
    bool is_news = !is_same || done != p->done;
    if (!is_same) {
        *p = (progress){.began = now_s(), .first = done, .total = total, .has_begun = true};
        memcpy(p->stage, stage, len);
    }
    p->done = done;
    return is_news;
}

double progress_seconds_left(const progress *p)
{
    if (p->total == 0 || p->done > p->total)
        return -1;
    size_t left = p->total - p->done, made = p->done - p->first;
    return made ? (now_s() - p->began) / (double)made * (double)left : left ? -1 : 0;
}

bool progress_is_due(progress *p)
{
    double now = now_s();
    bool due = !p->has_shown || now - p->shown > SHOW_EVERY_S;
    if (due) {
        p->has_shown = true;
        p->shown = now;
    }
    return due;
}

void progress_show_line(const progress *p, long n_failed)
{
    double left = progress_seconds_left(p);
    fprintf(stderr, "%s %zu", p->stage, p->done);
    if (p->total)
        fprintf(stderr, "/%zu", p->total);
    if (n_failed >= 0)
        fprintf(stderr, ", %ld failed", n_failed);
    if (left >= 0) {
        unsigned long s = (unsigned long)(left + 0.5);
        fprintf(stderr, ", %lu:%02lu:%02lu left", s / 3600, s / 60 % 60, s % 60);
    }
}

void progress_show_json(const progress *p, long n_failed)
{
    double left = progress_seconds_left(p);
    fprintf(stderr, "{\"stage\":");
    progress_put_string(p->stage, strlen(p->stage));
    fprintf(stderr, ",\"done\":%zu,\"total\":%zu", p->done, p->total);
    if (n_failed >= 0)
        fprintf(stderr, ",\"failed\":%ld", n_failed);
    if (left < 0)
        fprintf(stderr, ",\"seconds_left\":null}\n");
    else
        fprintf(stderr, ",\"seconds_left\":%.1f}\n", left);
}

void progress_put_string(const char *s, size_t len)
{
    fputc('"', stderr);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\')
            fprintf(stderr, "\\%c", c);
        else if (c < 0x20)
            fprintf(stderr, "\\u%04x", c);
        else
            fputc(c, stderr);
    }
    fputc('"', stderr);
}
