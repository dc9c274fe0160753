// SPDX-License-Identifier: Apache-2.0
//
// Address space: what the system refuses is told, wherever the system puts it is good, and what is
// given back is found as zeroes.
//
// The program is linked so that mmap and munmap are those below (src/os/meson.build).
#include "os/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

#define ALIGNMENT (2 * MIB)

static struct {
    bool is_refused; // The next mmap.
    u64 place;       // The next mmap gives memory that is so far behind a multiple of 2 MiB.
    u64 held;        // Bytes of address space.
} memory;

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names.
void *__real_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset);
int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    if (memory.is_refused) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    const size_t more = size + 2 * ALIGNMENT;
    u8 *whole = __real_mmap64(address, more, protection, flags, file, offset);
    if (whole == MAP_FAILED) return MAP_FAILED;
    u8 *place = (u8 *)align_up((u64)(uintptr_t)whole, ALIGNMENT) + memory.place;
    assert_int_equal(__real_munmap(place + size, (size_t)(whole + more - (place + size))), 0);
    if (place > whole) assert_int_equal(__real_munmap(whole, (size_t)(place - whole)), 0);
    memory.held += size;
    return place;
}

int __wrap_munmap(void *address, size_t size)
{
    memory.held -= size;
    return __real_munmap(address, size);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

static void test_wherever_it_lies(void **state)
{
    static const u64 places[] = {0, PAGE_SIZE, ALIGNMENT - PAGE_SIZE};
    (void)state;
    for (u32 i = 0; i < 2 * ARRAY_COUNT(places); i++) {
        const u64 size = 3 * PAGE_SIZE;
        void *reserved = NULL;
        struct failure failure;
        memory.place = places[i / 2];
        assert_int_equal(memory_reserve(size - 1, i % 2 != 0, &reserved, &failure), STATUS_OK);
        assert_int_equal((uintptr_t)reserved % ALIGNMENT, 0);
        assert_int_equal(memory.held, size); // What was more than asked for was given back.
        u8 *bytes = reserved;
        assert_true(is_zero(bytes, size));
        memset(bytes, 7, size);
        memory_decommit(bytes, 0);
        assert_int_equal(bytes[0], 7);
        memory_decommit(bytes, PAGE_SIZE + 1);
        assert_true(is_zero(bytes, 2 * PAGE_SIZE));
        assert_int_equal(bytes[2 * PAGE_SIZE], 7);
        memory_release(reserved, size - 1);
        assert_int_equal(memory.held, 0);
    }
}

static void test_what_is_refused_is_told(void **state)
{
    void *reserved = &reserved;
    struct failure failure;
    (void)state;
    memory.is_refused = true;
    assert_int_equal(memory_reserve(5, false, &reserved, &failure), STATUS_FULL);
    memory.is_refused = false;
    assert_null(reserved);
    assert_string_equal(failure.message, "reserving 5 bytes of memory: Cannot allocate memory");
    memory_release(NULL, 5); // Nothing was had.
    assert_int_equal(memory.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wherever_it_lies),
        cmocka_unit_test(test_what_is_refused_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
