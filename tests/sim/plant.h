// SPDX-License-Identifier: Apache-2.0
//
// Planted bugs: what a world of modules must find. Each is done to the machines of the world from
// outside, behind what they decided, and is nowhere in the program: as if its code had the bug.
#ifndef TAEL_SIM_PLANT_H
#define TAEL_SIM_PLANT_H

#include "machine/recovery.h"

enum plant_bug {
    PLANT_NONE,
    PLANT_HALF,      // An entry debits one unit more than it credits.
    PLANT_LIMIT,     // An account goes one unit beyond its limit.
    PLANT_FORGOTTEN, // A start forgets that the last commands were carried out.
    PLANT_UNWRITTEN, // A frame is answered that is not in the log.
    PLANT_STARTS,    // A decision looks at how often the process was started.
    PLANT_SILENT,    // A refusal tells no value.
    PLANT_CONTROL,   // The end of a job posts one unit too much.
    PLANT_OWNER,     // Nobody asks whose an account is.
    PLANT_CELL,      // A cell forgets what is held.
    PLANT_SLICE,     // A start does a slice of a job that was done already.
    PLANT_REPLY,     // A refusal is told as another one.
    PLANT_ASTRAY,    // An entry debits another account than it says.
    PLANT_NAME,      // A new name names something else.
    PLANT_KEY,       // A principal's key is said to be of another command.
    PLANT_SENT,      // What was sent is posted with one unit too much.
    PLANT_ROW,       // History has another amount than was posted.
    PLANT_TREE,      // A start takes up another tree of outcomes than there was.
    PLANT_BUFFERED,  // Writes of the log are not durable when they return.
    PLANT_UNSYNCED,  // A sync of rows, of the tree and of index files does nothing.
    PLANT_EARLY,     // A checkpoint has its name before its pages are durable.
    PLANT_BUGS,
};

// What it is called on the command line, which check is meant to find it, and what it is.
struct plant_description {
    const char *name;
    const char *found_by;
    const char *doc;
};
extern const struct plant_description plants[PLANT_BUGS];
// PLANT_NONE when there is none of this name.
enum plant_bug plant_find(const char *name);

// At the beginning of a world: what is asked of its disk goes another way.
void plant_disk(enum plant_bug bug, struct disk *disk);
// Before a machine applies a frame: changes what it sees of the frame's commands.
void plant_before(enum plant_bug bug, struct frame_command *commands, u32 count);
// Behind it: sets that back, and changes what the machine made of it; replies, where there are any.
void plant_after(enum plant_bug bug, struct machine *machine, struct frame_command *commands,
                 u32 count, const struct applied_frame *applied);
// Behind the decision of a frame by a machine that has been started so often.
void plant_started(enum plant_bug bug, struct machine *machine, u64 starts);
// Behind a start, when the state was found right. `scratch` has room for what a tick may leave.
void plant_recovered(enum plant_bug bug, struct node *node, struct applied_frame *scratch);

#endif
