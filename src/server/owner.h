// SPDX-License-Identifier: Apache-2.0
//
// Whose a folder is: a file that a copy of the folder cannot have, so that a copy is found out
// before it executes effects (docs/EFFECTS.md, section 5).
//
// DIR/owner names its own inode and the moment at which its file system made it, the machine, the
// log, and a frame that the log had. A copied file has another inode and another moment; a log that
// was put back in place is shorter than it was.
//
// Not noticed: a clone of the whole file system or virtual machine with the same machine id, and a
// log that is put back in place as it was at the last start or later.
#ifndef TAEL_SERVER_OWNER_H
#define TAEL_SERVER_OWNER_H

#include "base/base.h"

// Why the folder is a copy, for people; NULL when it is the one that was written last.
// `sequence` is that of the next frame of its log.
const char *owner_differs(int folder_fd, u128 log_id, u64 sequence);
// Makes the folder the log's own as it is now; durable on return.
MUST_USE enum status owner_write(int folder_fd, u128 log_id, u64 sequence, struct failure *failure);

#endif
