// SPDX-License-Identifier: Apache-2.0
//
// Address space by mmap.
#include "os/memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define HUGE_PAGE_SIZE (2 * MIB)

enum status memory_reserve(size_t size, bool huge, void **out, struct failure *failure)
{
    assert(size > 0);
    *out = NULL;
    // Over-reserve and trim, because mmap aligns to small pages only.
    size_t padded = align_up(size, PAGE_SIZE) + HUGE_PAGE_SIZE;
    u8 *raw = mmap(NULL, padded, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) {
        return failure_set_errno(failure, STATUS_FULL, errno, "reserving %zu bytes of memory",
                                 size);
    }
    u8 *aligned = (u8 *)align_up((u64)(uintptr_t)raw, HUGE_PAGE_SIZE);
    size_t head = (size_t)(aligned - raw);
    size_t tail = padded - head - align_up(size, PAGE_SIZE); // At least a page.
    if (head > 0) (void)munmap(raw, head);
    (void)munmap(aligned + align_up(size, PAGE_SIZE), tail);
    // Advice may be refused (huge pages off); the memory works all the same.
    if (huge) (void)madvise(aligned, align_up(size, PAGE_SIZE), MADV_HUGEPAGE);
    (void)madvise(aligned, align_up(size, PAGE_SIZE), MADV_DONTDUMP);
    *out = aligned;
    return STATUS_OK;
}

void memory_release(void *memory, size_t size)
{
    if (memory == NULL) return;
    int result = munmap(memory, align_up(size, PAGE_SIZE));
    assert(result == 0);
}

void memory_decommit(void *memory, size_t size)
{
    if (size == 0) return;
    int result = madvise(memory, align_up(size, PAGE_SIZE), MADV_DONTNEED);
    assert(result == 0);
}

u64 memory_major_faults(void)
{
    struct rusage usage;
    int result = getrusage(RUSAGE_THREAD, &usage);
    assert(result == 0);
    return (u64)usage.ru_majflt;
}
