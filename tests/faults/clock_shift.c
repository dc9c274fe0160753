// SPDX-License-Identifier: Apache-2.0
//
// A wall clock that a test sets: a library that is loaded before all others (LD_PRELOAD) and adds
// an offset to CLOCK_REALTIME. The offset is nanoseconds in the file TAEL_CLOCK_FILE, which both
// processes map, so it can be changed while the program runs. All other clocks are the kernel's.
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000

static const volatile int64_t *offset;

// Before the program begins; what cannot be mapped leaves the clock as it is.
__attribute__((constructor)) static void clock_open(void)
{
    const char *path = getenv("TAEL_CLOCK_FILE");
    const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    (void)close(file);
    if (memory != MAP_FAILED) offset = memory;
}

// The C library's function, as the program finds it.
int clock_gettime(clockid_t clock, struct timespec *now)
{
    const long result = syscall(SYS_clock_gettime, clock, now);
    if (result != 0 || clock != CLOCK_REALTIME || offset == NULL) return (int)result;
    const int64_t all = (int64_t)now->tv_sec * NS_PER_SECOND + now->tv_nsec + *offset;
    now->tv_sec = all / NS_PER_SECOND;
    now->tv_nsec = all % NS_PER_SECOND;
    return 0;
}
