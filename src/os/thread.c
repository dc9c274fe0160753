// SPDX-License-Identifier: Apache-2.0
//
// Wishes of threads to the scheduler of Linux, and pauses.
#include "os/thread.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HURRY_SLICE_NS (100 * NS_PER_US)

// Linux from 6.12 takes a short slice as the wish to come before others with longer ones.
void thread_hurry(void)
{
    const struct {
        u32 size, policy;
        u64 flags;
        i32 nice;
        u32 priority;
        u64 runtime, deadline, period;
        u32 clamp_min, clamp_max;
    } attributes = {.size = 56, .policy = SCHED_OTHER, .runtime = HURRY_SLICE_NS};
    static_assert(sizeof attributes == 56, "struct sched_attr of Linux 5.3");
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void thread_give_way(int nice)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}

void thread_pause(u64 nanoseconds)
{
    assert(nanoseconds < NS_PER_S);
    const struct timespec time = {.tv_nsec = (long)nanoseconds};
    (void)nanosleep(&time, NULL); // A signal ends it early, which does no harm.
}
