// SPDX-License-Identifier: Apache-2.0
//
// The clock of frames: wall time that neither jumps nor stands still.
//
// Holds expire by the time in frames, so a wall clock that is set while the server runs must not
// expire everything at once, and one that is set back must not keep holds open for ever. The time
// of frames therefore advances by the machine's steady clock and is steered to the wall clock:
//
//   - A difference of up to ten minutes is made up, by at most an eighth of the time that passes.
//   - A greater one is not followed until an operator agrees, by starting anew; time goes on by the
//     steady clock. It is steered again when the wall clock comes back near.
//   - Starting anew is the operator's word: time begins at the wall clock, or behind the last
//     frame if that is later. (How far ahead a start may be is --clock-jump-max.)
//
// The steady clock is CLOCK_BOOTTIME: a machine that was suspended has not been set.
// Pure: readings are given by the caller, so tests drive it.
#ifndef TAEL_SERVER_CLOCK_H
#define TAEL_SERVER_CLOCK_H

#include "base/base.h"

#define CLOCK_STEER_MAX_NS (600 * NS_PER_S)
#define CLOCK_STEER_RATE   8u // Steered by at most one part in this of the time that passes.

struct frame_clock {
    u64 time;      // Of frames, nanoseconds UTC; never goes back.
    u64 steady;    // When it was that, by the steady clock.
    u64 apart;     // How far the wall clock was from it,
    bool is_ahead; // in which direction,
    bool refused;  // and whether that is too far to be followed.
};

// Readings in nanoseconds; the wall clock's UTC.
u64 clock_wall(void);
u64 clock_steady(void);

// Starts the clock behind the time `last` of the newest frame.
void frame_clock_start(struct frame_clock *clock, u64 wall, u64 steady, u64 last);
// The time of frames now.
u64 frame_clock_read(struct frame_clock *clock, u64 wall, u64 steady);

#endif
