/* film_time.c: see the header. */
#include "film_time.h"

#include <math.h>
#include <stdio.h>

void tsri_film_time_write(char out[TSRI_FILM_TIME], double seconds, bool tenths)
{
    double most = 1e12, s = isfinite(seconds) && seconds > 0 ? seconds : 0;
    long long t = (long long)floor((s < most ? s : most) * 10 + 1e-6), whole = t / 10;
    int n = whole >= 3600 ? snprintf(out, TSRI_FILM_TIME, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60)
                          : snprintf(out, TSRI_FILM_TIME, "%02lld:%02lld", whole / 60, whole % 60);
    if (tenths && n > 0 && n < TSRI_FILM_TIME)
        snprintf(out + n, (size_t)(TSRI_FILM_TIME - n), ".%lld", t % 10);
}

static bool is_digit_at(const char *s, size_t len, size_t at)
{
    return at < len && s[at] >= '0' && s[at] <= '9';
}

/* At most `most` digits; gives how many. */
static size_t read_digits(const char *s, size_t len, size_t most, double *value)
{
    size_t n = 0;
    for (*value = 0; n < most && is_digit_at(s, len, n); n++)
        *value = *value * 10 + (s[n] - '0');
    return n;
}

static size_t read_fraction(const char *s, size_t len, double *value)
{
    double x;
    *value = 0;
    size_t n = len && s[0] == '.' ? read_digits(s + 1, len - 1, 6, &x) : 0;
    if (n)
        *value = x / pow(10, (double)n);
    return n ? n + 1 : 0;
}

size_t tsri_film_time_read(const char *s, size_t len, double *seconds)
{
    double part[3];
    size_t n_parts = 0, at = 0;
    while (n_parts < 3) {
        size_t n = read_digits(s + at, len - at, n_parts ? 2 : 5, &part[n_parts]);
        if (n == 0 || (n_parts && (n != 2 || part[n_parts] > 59)))
            return 0;
        at += n;
        n_parts++;
        if (at >= len || s[at] != ':' || !is_digit_at(s, len, at + 1))
            break;
        at += n_parts < 3;
    }
    if (n_parts < 2 || is_digit_at(s, len, at) || (at < len && s[at] == ':' && is_digit_at(s, len, at + 1)))
        return 0;
    double fraction, whole = n_parts == 3 ? (part[0] * 60 + part[1]) * 60 + part[2] : part[0] * 60 + part[1];
    at += read_fraction(s + at, len - at, &fraction);
    *seconds = whole + fraction;
    return at;
}
