/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiler help, in one place.  GCC and Clang only: that includes mingw-w64. */
#pragma once

#include <stdio.h> /* mingw-w64 defines __MINGW_PRINTF_FORMAT here */
#include <stdlib.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#ifdef __MINGW_PRINTF_FORMAT
#define PRINTF_LIKE(fmt, args) __attribute__((format(__MINGW_PRINTF_FORMAT, fmt, args)))
#else
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#endif

/* Built with AddressSanitizer, which needs more memory, and looks at its own process. */
#if defined(__SANITIZE_ADDRESS__) /* GCC */
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature) /* Clang */
#define HAS_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define HAS_ADDRESS_SANITIZER 0
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Hands over what @p owns and leaves NULL behind, so that the cleanup of the
 * giver has nothing left to free. */
#define TAKE(p)                     \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

/* Writes the cleanup function for one owning pointer type. */
#define DEFINE_CLEANUP(fn, type, release) \
    static inline void fn(type *owned)    \
    {                                     \
        if (*owned)                       \
            release(*owned);              \
    }

/* For malloc'ed text and bytes: CLEANUP(free_cleanup) char *text = NULL; */
static inline void free_cleanup(void *owned)
{
    free(*(void **)owned);
}
