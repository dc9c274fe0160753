// SPDX-License-Identifier: Apache-2.0
//
// The words every other file is written in: integer names, the three kinds of claim, status and
// failure, and checked arithmetic.
//
// Guarantees: no allocation, no system call except in `failure_*`'s formatting; every function is
// pure. Costs nothing at run time beyond what its name says.
#ifndef TAEL_BASE_BASE_H
#define TAEL_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

#define U128_MAX (~(u128)0)
#define U64_MAX  UINT64_MAX
#define U32_MAX  UINT32_MAX

#define KIB (1024ull)
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

#define PAGE_SIZE       4096ull
#define CACHE_LINE_SIZE 64ull

#define ARRAY_COUNT(array)               (sizeof(array) / sizeof((array)[0]))
#define MUST_USE                         __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first) __attribute__((format(printf, format_index, first)))
#define LIKELY(condition)                __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition)              __builtin_expect(!!(condition), 0)

// Three words for three claims. `assert`: proved, and the process dies if it is not so (on in
// release). `expect`: believed, and handled when it is not so. `maybe`: both happen, and tests
// show both; it documents and compiles to nothing.
#define expect(condition) LIKELY(condition)
#define maybe(condition)  ((void)sizeof(!!(condition)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

// Largest multiple of `alignment` that is at most `value`.
static inline u64 align_down(u64 value, u64 alignment)
{
    return value / alignment * alignment;
}
// Smallest multiple of `alignment` (a power of two) that is at least `value`.
static inline u64 align_up(u64 value, u64 alignment)
{
    assert((alignment & (alignment - 1)) == 0);
    return (value + alignment - 1) & ~(alignment - 1);
}

// Whether all bytes are zero.
static inline bool is_zero(const void *data, size_t size)
{
    // The first byte is zero and each of the others is as the one before it.
    const u8 *bytes = data;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

// Unaligned little-endian loads and stores; every supported processor is little-endian.
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tael's formats are little-endian and so must the processor be"
#endif
static inline u16 load_u16(const void *p)
{
    u16 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline u32 load_u32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline u64 load_u64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline u128 load_u128(const void *p)
{
    u128 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store_u16(void *p, u16 v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u32(void *p, u32 v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u64(void *p, u64 v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u128(void *p, u128 v)
{
    memcpy(p, &v, sizeof v);
}

// What the environment answered. Never used for a refusal (those are a module's result enum) nor
// for a bug (that is an assert). Every function that returns one also fills a `struct failure`.
enum status {
    STATUS_OK = 0,
    STATUS_IO,          // A system call failed in a way that nothing here can mend.
    STATUS_CORRUPT,     // Bytes that were written are not the bytes that were read.
    STATUS_FULL,        // No space, or a stated limit is reached; goes on when space returns.
    STATUS_BUSY,        // Somebody else holds it.
    STATUS_TIMEOUT,     // A deadline passed.
    STATUS_NOT_FOUND,   // A file or an address that must exist does not.
    STATUS_UNSUPPORTED, // A format version or a feature that this binary does not know.
    STATUS_INVALID,     // Input from outside that breaks a stated rule.
    STATUS_CANCELLED,   // Asked to stop.
};

// What failed, where, and what the operator can do; fixed size, no allocation, safe to copy.
struct failure {
    enum status status;
    int error_number; // errno, or 0.
    char message[480];
    char hint[240];
};

// Sets the failure. Returns `status`, so that a caller can `return failure_set(...)`.
enum status failure_set(struct failure *failure, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);
// As failure_set, for a caller that adds to the failure before it returns it.
void failure_note(struct failure *failure, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);
// As failure_set, with errno's text appended.
enum status failure_set_errno(struct failure *failure, enum status status, int error_number,
                              const char *format, ...) PRINTF_LIKE(4, 5);
// Prepends context ("opening the log: ...") on the way up. Keeps status and hint.
enum status failure_wrap(struct failure *failure, const char *format, ...) PRINTF_LIKE(2, 3);
// Sets what the operator can do about it.
void failure_hint(struct failure *failure, const char *format, ...) PRINTF_LIKE(2, 3);
const char *status_name(enum status status);

#endif
