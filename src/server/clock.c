// SPDX-License-Identifier: Apache-2.0
//
// The clock of frames.
#include "server/clock.h"

#include <time.h>

static u64 clock_reading(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

u64 clock_wall(void)
{
    return clock_reading(CLOCK_REALTIME);
}

u64 clock_steady(void)
{
    return clock_reading(CLOCK_BOOTTIME);
}

void frame_clock_start(struct frame_clock *clock, u64 wall, u64 steady, u64 last)
{
    *clock = (struct frame_clock){.time = MAX(wall, last), .steady = steady};
}

u64 frame_clock_read(struct frame_clock *clock, u64 wall, u64 steady)
{
    u64 passed = steady > clock->steady ? steady - clock->steady : 0;
    u64 time = clock->time + passed;
    clock->is_ahead = wall > time;
    clock->apart = clock->is_ahead ? wall - time : time - wall;
    clock->refused = clock->apart > CLOCK_STEER_MAX_NS;
    if (!clock->refused) {
        u64 steer = MIN(clock->apart, passed / CLOCK_STEER_RATE);
        time = clock->is_ahead ? time + steer : time - steer;
    }
    assert(time >= clock->time);
    clock->time = time;
    clock->steady += passed;
    return time;
}
