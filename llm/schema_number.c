/* schema_number.c: numbers between bounds and in steps, as digits.
 *
 * A bound is the decimal that its shortest text spells. Digits are written from the left; as long as they are those of a
 * bound they are tight to it, then free. A step is held to by the remainder of the digits so far. Numbers without bounds
 * and steps may have an exponent. Lengths are limited, so that no number goes on for ever. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema_internal.h"
#include "tsr_alloc.h"

enum {
    WHOLE_DIGITS = 18,    /* so that every integer fits 64 bits */
    FRACTION_DIGITS = 17, /* more say nothing about a double */
    STEP_MOST = 10000,
    STEP_DIGITS_MOST = 40,
    STATES_MOST = 1 << 18
};

/* ---- decimals ---- */

size_t tsri_number_text(char out[40], const tsr_json *number)
{
    int64_t whole;
    double x = 0;
    if (tsr_json_to_i64(number, &whole))
        return (size_t)snprintf(out, 40, "%lld", (long long)whole);
    tsr_json_to_double(number, &x);
    if (x == floor(x) && fabs(x) < 1e18)
        return (size_t)snprintf(out, 40, "%lld", (long long)x);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            break;
    }
    return strlen(out);
}

/* Digits behind the point of d moved by `shift` places; what is left of them is whole. */
static void put_digits(tsri_decimal *d, const char *digits, size_t n, long point)
{
    for (size_t i = 0; i < n; i++) {
        long place = point - 1 - (long)i; /* of tens */
        uint8_t v = (uint8_t)(digits[i] - '0');
        if (place >= 0 && place < TSRI_DIGITS_MOST)
            d->whole[point - 1 - place] = v;
        else if (place < 0 && -place <= TSRI_DIGITS_MOST)
            d->fraction[-place - 1] = v;
    }
    d->n_whole = point > 0 ? (size_t)(point < TSRI_DIGITS_MOST ? point : TSRI_DIGITS_MOST) : 0;
    long behind = (long)n - point;
    d->n_fraction = behind > 0 ? (size_t)(behind < TSRI_DIGITS_MOST ? behind : TSRI_DIGITS_MOST) : 0;
}

void tsri_decimal_read(tsri_decimal *d, const tsr_json *number)
{
    char text[40], digits[40];
    size_t n = 0;
    long point = -1, exponent = 0;
    memset(d, 0, sizeof *d);
    tsri_number_text(text, number);
    const char *p = text;
    d->negative = *p == '-';
    for (p += d->negative; *p && *p != 'e'; p++) {
        if (*p == '.')
            point = (long)n;
        else
            digits[n++] = *p;
    }
    if (*p == 'e')
        exponent = strtol(p + 1, NULL, 10);
    point = (point < 0 ? (long)n : point) + exponent;
    put_digits(d, digits, n, point);
    while (d->n_fraction && d->fraction[d->n_fraction - 1] == 0)
        d->n_fraction--;
    size_t zeros = 0;
    while (zeros < d->n_whole && d->whole[zeros] == 0)
        zeros++;
    memmove(d->whole, d->whole + zeros, d->n_whole - zeros);
    d->n_whole -= zeros;
    if (d->n_whole == 0 && d->n_fraction == 0)
        d->negative = false;
}

static int compare_sizes(const tsri_decimal *a, const tsri_decimal *b)
{
    if (a->n_whole != b->n_whole)
        return a->n_whole < b->n_whole ? -1 : 1;
    int c = memcmp(a->whole, b->whole, a->n_whole);
    if (c)
        return c;
    size_t n = a->n_fraction < b->n_fraction ? a->n_fraction : b->n_fraction;
    c = memcmp(a->fraction, b->fraction, n);
    return c ? c : (a->n_fraction > n) - (b->n_fraction > n);
}

int tsri_decimal_compare(const tsri_decimal *a, const tsri_decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int c = compare_sizes(a, b);
    return a->negative ? -c : c;
}

bool tsri_decimal_is_whole(const tsri_decimal *d)
{
    return d->n_fraction == 0;
}

bool tsri_step_read(const tsr_json *multiple, uint32_t *step, size_t *digits)
{
    tsri_decimal d;
    uint64_t x = 0;
    tsri_decimal_read(&d, multiple);
    if (d.n_fraction > STEP_DIGITS_MOST)
        return false;
    for (size_t i = 0; i < d.n_whole + d.n_fraction; i++) {
        x = 10 * x + (i < d.n_whole ? d.whole[i] : d.fraction[i - d.n_whole]);
        if (x > STEP_MOST)
            return false;
    }
    *step = (uint32_t)x;
    *digits = d.n_fraction;
    return x > 0;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

bool tsri_step_join(uint32_t *step, size_t *digits, uint32_t other, size_t other_digits)
{
    uint64_t a = *step, b = other;
    size_t most = *digits > other_digits ? *digits : other_digits;
    for (size_t i = *digits; i < most && a <= STEP_MOST; i++)
        a *= 10;
    for (size_t i = other_digits; i < most && b <= STEP_MOST; i++)
        b *= 10;
    if (a > STEP_MOST || b > STEP_MOST || a / common_divisor(a, b) * b > STEP_MOST)
        return false;
    *step = (uint32_t)(a / common_divisor(a, b) * b);
    *digits = most;
    return true;
}

/* The remainder once the value is written with all digits of the step; `more` of them are still zeros. */
static uint32_t remainder_behind(uint32_t r, size_t more, uint32_t step)
{
    for (size_t i = 0; i < more; i++)
        r = (uint32_t)((uint64_t)r * 10 % step);
    return r;
}

bool tsri_number_fits(const tsri_number_goal *goal, const tsri_decimal *x)
{
    int low = goal->has_min ? tsri_decimal_compare(x, &goal->min) : 1;
    int high = goal->has_max ? tsri_decimal_compare(x, &goal->max) : -1;
    uint32_t r = 0;
    if (low < 0 || (low == 0 && goal->over_min) || high > 0 || (high == 0 && goal->under_max))
        return false;
    if (goal->whole && x->n_fraction)
        return false;
    if (!goal->step)
        return true;
    if (x->n_fraction > goal->step_digits)
        return false;
    for (size_t i = 0; i < x->n_whole + x->n_fraction; i++)
        r = (r * 10 + (i < x->n_whole ? x->whole[i] : x->fraction[i - x->n_whole])) % goal->step;
    return remainder_behind(r, goal->step_digits - x->n_fraction, goal->step) == 0;
}

/* ---- writing: numbers of one sign, by their size ---- */

typedef struct digits {
    tsr_grammar *g;
    const tsri_decimal *low, *high; /* high NULL: none */
    bool over, under; /* the bound itself is out */
    bool whole;
    uint32_t step; /* 1: any */
    size_t step_digits, fraction_most, whole_most;
    uint32_t *states; /* TSRI_NONE: not made. [places][4][step] */
    uint32_t to;
} digits;

/* Where digits are: `left` whole ones are still to come; or the point is behind us and `behind` digits are written. */
typedef struct position {
    size_t left, behind;
    bool fraction;
    bool tight_low, tight_high;
    uint32_t remainder;
} position;

static uint32_t write_from(digits *d, position p);

static uint8_t bound_digit(const tsri_decimal *b, const position *p)
{
    if (p->fraction)
        return p->behind < b->n_fraction ? b->fraction[p->behind] : 0;
    return b->n_whole ? b->whole[b->n_whole - p->left] : 0; /* zero has the one digit 0 */
}

static bool can_end(const digits *d, const position *p)
{
    size_t behind = p->fraction ? p->behind : 0;
    if (p->left || (p->fraction && behind == 0))
        return false;
    if (p->tight_low && (behind < d->low->n_fraction || d->over))
        return false; /* smaller than the bound, or the bound itself */
    if (p->tight_high && behind >= d->high->n_fraction && d->under)
        return false;
    return d->step == 1 || remainder_behind(p->remainder, d->step_digits - behind, d->step) == 0;
}

static void write_digit(digits *d, uint32_t state, const position *p, uint8_t digit)
{
    position next = *p;
    uint8_t low = p->tight_low ? bound_digit(d->low, p) : 0, high = p->tight_high ? bound_digit(d->high, p) : 9;
    if (digit < low || digit > high)
        return;
    next.tight_low = p->tight_low && digit == low;
    next.tight_high = p->tight_high && digit == high;
    next.remainder = (p->remainder * 10 + digit) % d->step;
    if (p->fraction)
        next.behind++;
    else
        next.left--;
    tsri_net_bytes(d->g, state, (uint8_t)('0' + digit), (uint8_t)('0' + digit), write_from(d, next));
}

static uint32_t *slot_of(const digits *d, const position *p)
{
    size_t place = p->fraction ? d->whole_most + 1 + p->behind : p->left;
    size_t tight = (p->tight_low ? 1u : 0u) + (p->tight_high ? 2u : 0u);
    return &d->states[(place * 4 + tight) * d->step + p->remainder];
}

/* Recursion is as deep as a number is long. */
static uint32_t write_from(digits *d, position p)
{
    uint32_t *slot = slot_of(d, &p);
    if (*slot != TSRI_NONE || d->g->status != TSR_OK)
        return *slot;
    uint32_t state = *slot = tsri_net_state(d->g);
    if (can_end(d, &p))
        tsri_net_empty(d->g, state, d->to);
    bool digits_come = p.fraction ? p.behind < d->fraction_most : p.left > 0;
    for (uint8_t i = 0; i <= 9 && digits_come; i++)
        write_digit(d, state, &p, i);
    if (!p.fraction && p.left == 0 && !d->whole && d->fraction_most) {
        position next = p;
        next.fraction = true;
        tsri_net_bytes(d->g, state, '.', '.', write_from(d, next));
    }
    return state;
}

/* Numbers with n whole digits, the first of them no zero unless it stands alone. */
static void write_length(digits *d, size_t n, uint32_t from)
{
    size_t low = d->low->n_whole ? d->low->n_whole : 1, high = d->high && d->high->n_whole ? d->high->n_whole : 1;
    position p = {.left = n, .tight_low = n == low, .tight_high = d->high && n == high};
    for (uint8_t i = n > 1; i <= 9; i++)
        write_digit(d, from, &p, i);
}

/* Sizes from low to high; the sign is written. */
static void write_sizes(tsr_grammar *g, const tsri_number_goal *goal, const tsri_decimal *low, bool over,
                        const tsri_decimal *high, bool under, uint32_t from, uint32_t to)
{
    digits d = {.g = g, .low = low, .high = high, .over = over, .under = under, .whole = goal->whole,
                .step = goal->step ? goal->step : 1, .step_digits = goal->step ? goal->step_digits : 0, .to = to};
    size_t least = low->n_whole ? low->n_whole : 1;
    size_t most = low->n_whole >= WHOLE_DIGITS ? low->n_whole + 1 : WHOLE_DIGITS;
    if (high && high->n_whole > most)
        d.high = NULL; /* none of the numbers that we write reaches it */
    if (d.high)
        most = high->n_whole ? high->n_whole : 1;
    d.whole_most = most;
    d.fraction_most = goal->step ? goal->step_digits : FRACTION_DIGITS;
    if (!goal->step && low->n_fraction + 1 > d.fraction_most)
        d.fraction_most = low->n_fraction + 1;
    if (!goal->step && d.high && d.high->n_fraction + 1 > d.fraction_most)
        d.fraction_most = d.high->n_fraction + 1;
    size_t n = (d.whole_most + d.fraction_most + 3) * 4 * d.step;
    if (n > STATES_MOST) {
        tsri_net_fail(g, TSR_ERR_LIMIT, "bounds and step of a number together are too large");
        return;
    }
    g->status = tsr_alloc_array(&d.states, n, sizeof *d.states, "a number", g->err);
    if (g->status != TSR_OK)
        return;
    memset(d.states, 0xFF, n * sizeof *d.states);
    for (size_t len = least; len <= most && g->status == TSR_OK; len++)
        write_length(&d, len, from);
    tsr_free(d.states);
}

static void write_free(tsr_grammar *g, bool whole, uint32_t from, uint32_t to)
{
    uint32_t digit = tsri_net_rule(g, NULL, 0, TSRI_NONE), sign = tsri_net_state(g), more = tsri_net_state(g);
    uint32_t int_end = tsri_net_state(g), point = tsri_net_state(g), exp = tsri_net_state(g), exp_sign = tsri_net_state(g);
    uint32_t frac_end = tsri_net_state(g);
    if (g->status != TSR_OK)
        return;
    tsri_net_bytes(g, g->rules[digit].start, '0', '9', g->rules[digit].end);
    tsri_net_bytes(g, from, '-', '-', sign);
    tsri_net_bytes(g, from, '0', '0', int_end);
    tsri_net_bytes(g, from, '1', '9', more);
    tsri_net_bytes(g, sign, '1', '9', more);
    tsri_net_repeat(g, more, digit, 0, WHOLE_DIGITS - 1, int_end);
    tsri_net_empty(g, int_end, to);
    if (whole)
        return;
    uint32_t minus_zero = tsri_net_state(g);
    tsri_net_bytes(g, sign, '0', '0', minus_zero); /* -0.5, and no bare -0 */
    tsri_net_bytes(g, minus_zero, '.', '.', point);
    tsri_net_bytes(g, int_end, '.', '.', point);
    tsri_net_repeat(g, point, digit, 1, FRACTION_DIGITS, frac_end);
    tsri_net_empty(g, frac_end, to);
    tsri_net_bytes(g, frac_end, 'e', 'e', exp);
    tsri_net_bytes(g, frac_end, 'E', 'E', exp);
    tsri_net_bytes(g, int_end, 'e', 'e', exp);
    tsri_net_bytes(g, int_end, 'E', 'E', exp);
    tsri_net_empty(g, exp, exp_sign);
    tsri_net_bytes(g, exp, '+', '+', exp_sign);
    tsri_net_bytes(g, exp, '-', '-', exp_sign);
    tsri_net_repeat(g, exp_sign, digit, 1, 2, to);
}

void tsri_number_write(tsr_grammar *g, const tsri_number_goal *goal, uint32_t from, uint32_t to)
{
    static const tsri_decimal zero = {0};
    const tsri_decimal *min = goal->has_min ? &goal->min : NULL, *max = goal->has_max ? &goal->max : NULL;
    if (!min && !max && !goal->step) {
        write_free(g, goal->whole, from, to);
        return;
    }
    bool min_above = min && !min->negative; /* zero counts as above */
    if (!max || !max->negative)
        write_sizes(g, goal, min_above ? min : &zero, min_above && goal->over_min, max, goal->under_max, from, to);
    if (min_above)
        return;
    uint32_t sign = tsri_net_state(g);
    tsri_net_bytes(g, from, '-', '-', sign);
    bool max_below = max && max->negative; /* sizes are above that of max, or above zero */
    write_sizes(g, goal, max_below ? max : &zero, max_below ? goal->under_max : true, min, goal->over_min, sign, to);
}
