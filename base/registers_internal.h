/* registers_internal.h: for vectors, and loops over arrays of them, that are to be registers. */
#ifndef TSR_REGISTERS_INTERNAL_H
#define TSR_REGISTERS_INTERNAL_H

/* Before a loop of a constant count, at most 12: all of it at once. Else GCC keeps such a loop where its body is large, and with it
 * the array in memory. */
#if defined(__clang__)
#define IN_REGISTERS _Pragma("unroll")
#elif defined(__GNUC__)
#define IN_REGISTERS _Pragma("GCC unroll 12")
#else
#define IN_REGISTERS
#endif

/* A vector is made here, and is in a register now: it isn't read again from memory as an operand, nor put off into a tree of sums. */
#if defined(__aarch64__)
#define HOLD(x) __asm__("" : "+w"(x))
#else
#define HOLD(x) __asm__("" : "+v"(x))
#endif

/* What p points to is read from memory after this too: else the compiler keeps it in registers that others need more. */
#define READ_AGAIN(p) __asm__("" : "+r"(p))

#endif
