// SPDX-License-Identifier: Apache-2.0
//
// What the targets of folders share: checksums and digests made right again, what a refusal must
// say, and the auditor as a second hand.
#ifndef TAEL_TESTS_FUZZ_FOLDERS_H
#define TAEL_TESTS_FUZZ_FOLDERS_H

#include "fuzz.h"

#include "os/disk_copy.h"
#include "os/disk_memory.h"

// Makes digests, chain and checksums of the frames of a log right, as far as their sizes lead.
void fuzz_seal_log(u8 *bytes, u64 size);
// Makes the checksum of a checkpoint's head and the digest of its lists right, where they are.
void fuzz_seal_checkpoint(u8 *bytes, u64 size);
// Makes the checksums of pages of rows right.
void fuzz_seal_rows(u8 *bytes, u64 size);
// Makes the checksum of the file `backup` right.
void fuzz_seal_backup(u8 *bytes, u64 size);

// Fails unless a status that is not STATUS_OK is a refusal, with a message, and of damage names
// where it is.
void fuzz_refused(enum status status, const struct failure *failure);

// A disk's files but those of the index in a folder of the file system, which is removed when the
// process ends.
struct fuzz_mirror {
    struct disk_copy copy;
};
void fuzz_mirror_make(struct fuzz_mirror *mirror, struct disk_memory *disk);
// Makes a file, from its beginning on, these bytes, and as long as it is to be, in both.
void fuzz_mirror_put(const struct fuzz_mirror *mirror, struct disk_memory *disk, const char *name,
                     const u8 *bytes, u64 size, u64 file_size);

// Who calls a folder whole.
struct fuzz_verdict {
    bool by_server;
    bool by_auditor;
};
// Verifies a disk and audits its mirror. Each ends; what the audit says can be printed, and where
// the server's own hand finds damage the second one does not call the folder whole.
struct fuzz_verdict fuzz_two_hands(const struct fuzz_mirror *mirror, struct disk_memory *disk);

#endif
