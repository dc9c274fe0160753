// SPDX-License-Identifier: Apache-2.0
//
// The records of a data folder as structs, written from docs/FORMAT.md alone.
//
// Nothing here is included from wal, ledger or machine: that the auditor has its own reading of the
// page is its point. Every size and the offsets that the page names are asserted.
#ifndef TAEL_AUDIT_FORMAT_H
#define TAEL_AUDIT_FORMAT_H

#include "base/base.h"
#include "base/sha256.h"

#define AUDIT_LOG_FILE_SIZE     (64 * MIB)
#define AUDIT_LOG_FILES_MAX     262144u
#define AUDIT_LOG_FILES_AHEAD   3u // Of the one that is written to.
#define AUDIT_FRAME_SIZE_MAX    (4 * MIB)
#define AUDIT_CHUNK_SIZE        (64 * KIB) // Of a body, for its digest.
#define AUDIT_COMMANDS_MAX      255u
#define AUDIT_OUTCOME_LAG_MAX   64u
#define AUDIT_PAGE_ROWS         63u
#define AUDIT_ROWS_FILE_PAGES   65536u
#define AUDIT_EVENT_SIZE        128u
#define AUDIT_SNAPSHOT_POSTINGS 32u
#define AUDIT_LEAF_SIZE         54u
#define AUDIT_EXPIRIES_MAX      8189u // Of one tick.
#define AUDIT_OVERRIDES_MAX     64u
#define AUDIT_TIMESTAMP_MAX     ((1ull << 63) - 1)

#define AUDIT_FRAME_MAGIC       0x454d415246454154ull // TAEFRAME
#define AUDIT_ROWS_MAGIC        0x53574f524c454154ull // TAELROWS
#define AUDIT_CHECKPOINT_MAGIC  0x544e4f504b434854ull // THCKPONT
#define AUDIT_BACKUP_MAGIC      0x554b434142454154ull // TAEBACKU
#define AUDIT_FRAME_FORMAT      1u
#define AUDIT_BACKUP_FORMAT     1u
#define AUDIT_CHECKPOINT_FORMAT 6u

enum {
    AUDIT_FRAME_SEAL = 1,
    AUDIT_FRAME_GENESIS = 2,
    AUDIT_FRAME_ROTATE = 4,
    AUDIT_FRAME_OWNER = 8,
    AUDIT_FRAME_FLAGS = 15,
};

struct audit_header {
    u128 checksum; // Of what follows.
    u64 magic;
    u32 format;
    u32 size_of_header;
    u128 log_id;
    u64 epoch;
    u64 sequence;
    u64 position;
    u64 timestamp;
    u64 place;
    u32 command_count;
    u32 flags;
    u64 body_size;
    struct digest body_digest;
    struct digest previous;
    struct digest outcome_root;
    u64 outcome_sequence;
    u8 reserved[48];
};
static_assert(sizeof(struct audit_header) == 256, "FORMAT.md, 2");
static_assert(offsetof(struct audit_header, outcome_root) == 168, "FORMAT.md, 2");

enum {
    AUDIT_COMMAND_GENESIS = 1,
    AUDIT_COMMAND_TICK = 2,
    AUDIT_COMMAND_REGISTER = 3,
    AUDIT_COMMAND_COMPAT = 4,
    AUDIT_COMMAND_OVERRIDE = 5,
    AUDIT_COMMAND_MODULES = 256, // From here on.
    AUDIT_COMMAND_RAW_ACCOUNTS = 0x101,
    AUDIT_COMMAND_RAW_TRANSFERS = 0x102,
    AUDIT_COMMAND_PRINCIPAL_OPEN = 0x501, // The bodies of these begin with the principal, u64.
    AUDIT_COMMAND_PRINCIPAL_CLOSE = 0x503,
    AUDIT_COMMAND_PRINCIPAL_REOPEN = 0x504,
    AUDIT_COMMAND_DELEGATE = 0x507,     // delegate, for whom, expires_at u64,
    AUDIT_COMMAND_DELEGATE_END = 0x508, // delegate, for whom.
    AUDIT_COMMAND_DISARM = 0x909,       // Why u32, and whether the log is a copy u8.
};

// The numbers of modules are the high bytes of their records and of the ids of their tables.
enum {
    AUDIT_MODULE_ENTITY = 0x02,
    AUDIT_MODULE_BOOK = 0x03,
    AUDIT_MODULE_ENTRY = 0x04,
    AUDIT_MODULE_PRINCIPAL = 0x05,
    AUDIT_MODULE_CONSTRAINT = 0x06,
    AUDIT_MODULE_NAME = 0x07,
    AUDIT_MODULE_JOB = 0x08,
    AUDIT_MODULE_EFFECT = 0x09,
    AUDIT_MODULE_IMPORT = 0x0a,
    AUDIT_MODULE_ACCRUAL = 0x7e,
    AUDIT_MODULE_SAMPLE = 0x7f,
};

struct audit_command {
    u16 record;
    u16 version;
    u32 flags;
    u32 body_size;
    u32 body_offset;
    u32 count;
    u32 operation;
    u64 principal;
    u64 through;
    u64 session;
    u128 command_id;
    u128 request_checksum;
    u32 request;
    u32 signature_scheme;
    u64 correlation;
    u64 expires_at;
    u8 signature[64];
    u32 release;
    u8 reserved[84];
};
static_assert(sizeof(struct audit_command) == 256, "FORMAT.md, 2");
static_assert(offsetof(struct audit_command, release) == 168, "FORMAT.md, 2");

#define AUDIT_THROUGH_DELEGATE 3u // Whose principal is the session.

#define AUDIT_GENESIS_TESTS 1u // A flag: a log made for tests.

struct audit_genesis {
    u64 hash_key[4];
    u128 cluster;
    u64 created_at;
    u32 accounts_max;
    u32 holds_max;
    u32 flags;
    u8 reserved[60];
};
static_assert(sizeof(struct audit_genesis) == 128, "FORMAT.md, 2");

enum {
    AUDIT_ROW_PADDING = 0,
    AUDIT_ROW_ACCOUNT = 1,
    AUDIT_ROW_TRANSFER = 2,
    AUDIT_ROW_EXPIRY = 3,
    AUDIT_ROW_DEBITS = 4,
    AUDIT_ROW_CREDITS = 5,
    AUDIT_ROW_RECORD = 6,
    AUDIT_ROW_POSTING = 7,
    AUDIT_ROW_EVIDENCE = 8,
};

#define AUDIT_CREATED         255u
#define AUDIT_CHAIN_OPEN      2u // The refusal of what ends a batch within a chain.
#define AUDIT_DISTANCE_FAR    U32_MAX
#define AUDIT_POSTING_FLAGS   0x3fffu // Of a posting, the transfer's.
#define AUDIT_POSTING_REFERS  0x8000u
#define AUDIT_REFERENCES_SIZE 48u

struct audit_row {
    u128 id;
    u128 amount;
    u64 timestamp;
    u32 debit_row;
    u32 credit_row;
    u16 flags;
    u16 code;
    u8 kind;
    u8 result;
    u16 place_high;
    u32 place_low;
    u32 pending_distance;
};
static_assert(sizeof(struct audit_row) == 64, "FORMAT.md, 3");
static_assert(offsetof(struct audit_row, place_high) == AUDIT_LEAF_SIZE, "FORMAT.md, 3");

// Where in the log the event of a row is.
static inline u64 audit_row_place(const struct audit_row *row)
{
    return ((u64)row->place_high << 32 | row->place_low) * 16;
}

struct audit_rows_page {
    u128 checksum; // Of what follows.
    u64 magic;
    u64 first_row;
    u8 reserved[32];
    struct audit_row rows[AUDIT_PAGE_ROWS];
};
static_assert(sizeof(struct audit_rows_page) == PAGE_SIZE, "FORMAT.md, 4");

// The wire's account and transfer (docs/PROTOCOL.md), 128 bytes each.
enum {
    AUDIT_ACCOUNT_LINKED = 1 << 0,
    AUDIT_ACCOUNT_DEBITS_LIMITED = 1 << 1,
    AUDIT_ACCOUNT_CREDITS_LIMITED = 1 << 2,
    AUDIT_ACCOUNT_HISTORY = 1 << 3,
    AUDIT_ACCOUNT_IMPORTED = 1 << 4,
    AUDIT_ACCOUNT_CLOSED = 1 << 5,
    AUDIT_ACCOUNT_FLAGS = (1 << 6) - 1,
};

struct audit_account_record {
    u128 id;
    u128 debits_pending;
    u128 debits_posted;
    u128 credits_pending;
    u128 credits_posted;
    u128 user_data_128;
    u64 user_data_64;
    u32 user_data_32;
    u16 postings; // In a checkpoint: since the last snapshot. Zero on the wire, like the class.
    u16 owner_class;
    u32 ledger;
    u16 code;
    u16 flags;
    u64 timestamp;
};
static_assert(sizeof(struct audit_account_record) == 128, "the wire's account");

#define AUDIT_CLASS_MASK 0x7fffu // The bit above says that the account is in a cell.

enum {
    AUDIT_TRANSFER_LINKED = 1 << 0,
    AUDIT_TRANSFER_PENDING = 1 << 1,
    AUDIT_TRANSFER_POST = 1 << 2,
    AUDIT_TRANSFER_VOID = 1 << 3,
    AUDIT_TRANSFER_BALANCING_DEBIT = 1 << 4,
    AUDIT_TRANSFER_BALANCING_CREDIT = 1 << 5,
    AUDIT_TRANSFER_CLOSING_DEBIT = 1 << 6,
    AUDIT_TRANSFER_CLOSING_CREDIT = 1 << 7,
    AUDIT_TRANSFER_IMPORTED = 1 << 8,
    AUDIT_TRANSFER_FLAGS = (1 << 9) - 1,
};

struct audit_transfer_record {
    u128 id;
    u128 debit_account_id;
    u128 credit_account_id;
    u128 amount;
    u128 pending_id;
    u128 user_data_128;
    u64 user_data_64;
    u32 user_data_32;
    u32 timeout;
    u32 ledger;
    u16 code;
    u16 flags;
    u64 timestamp;
};
static_assert(sizeof(struct audit_transfer_record) == 128, "the wire's transfer");

// With which the record of a posting begins when the row says so.
struct audit_references {
    u128 id;
    u128 order_id;
    u64 scenario;
    u32 purpose;
    i32 day;
};
static_assert(sizeof(struct audit_references) == AUDIT_REFERENCES_SIZE, "FORMAT.md, 3");

enum {
    AUDIT_TABLE_ACCOUNTS = 0,
    AUDIT_TABLE_HOLDS = 1,
    AUDIT_TABLE_CONTROLS = 10,
    AUDIT_TABLE_JOBS = AUDIT_MODULE_JOB << 8,
    AUDIT_TABLE_LOANS = AUDIT_MODULE_ACCRUAL << 8,
    AUDIT_TABLE_GROUPS = AUDIT_TABLE_LOANS + 1,
    AUDIT_TABLES_MAX = 192,
    AUDIT_HEAD_PAGES = 4, // Of a checkpoint.
};

struct audit_hold_record {
    u128 id;
    u128 amount;
    u128 user_data_128;
    u64 user_data_64;
    u64 timestamp;
    u64 expires_at;
    u64 row;
    u32 user_data_32;
    u32 debit_row;
    u32 credit_row;
    u32 next_free;
    u16 code;
    u16 flags;
    u32 open;
    u8 reserved[24];
};
static_assert(sizeof(struct audit_hold_record) == 128, "FORMAT.md, 6");

struct audit_control_record {
    i128 sum;
    i128 staged;
    u64 scale;
    u32 account_row;
    u32 job;
    u16 module;
    u8 sub_ledger;
    u8 is_credit;
    u8 reserved[12];
};
static_assert(sizeof(struct audit_control_record) == 64, "FORMAT.md, 6");

// What a job staged counts when it is committed; while it is open it is what will be added.
#define AUDIT_JOB_COMMITTED 4u // A status; below it the job is open, above it nothing counts.

struct audit_job_record {
    u8 head[154];
    u8 status;
    u8 rest[101];
};
static_assert(sizeof(struct audit_job_record) == 256, "FORMAT.md, 6");

struct audit_loan_record {
    u128 id;
    u128 principal;
    u128 accrued;
    u128 staged;
    u64 remainders[2];
    u32 rate[2];
    u32 group_row;
    i32 through[2];
    u32 staged_by; // Number of a job, from 1; 0: none.
    u8 reserved[24];
};
static_assert(sizeof(struct audit_loan_record) == 128, "FORMAT.md, 6");

// The sub-ledgers of a group of loans, by their numbers.
enum { AUDIT_SUB_PRINCIPAL, AUDIT_SUB_FUNDING, AUDIT_SUB_INTEREST, AUDIT_SUB_COUNT };

struct audit_group_record {
    u128 id;
    u32 product;
    u32 entity;
    u32 account_rows[4]; // Of the sub-ledgers, and of income.
    u32 controls[AUDIT_SUB_COUNT];
    u8 reserved[12];
};
static_assert(sizeof(struct audit_group_record) == 64, "FORMAT.md, 6");

struct audit_table {
    u32 id;
    u32 zero;
    u64 record_count;
    u64 page_count;
    u64 page_first;
    struct digest root;
};

// --- the tree of outcomes ---

#define AUDIT_TREE_MAGIC      0x454552544c454154ull
#define AUDIT_TREE_LEVEL      6u
#define AUDIT_TREE_LEAVES     (1u << AUDIT_TREE_LEVEL)
#define AUDIT_TREE_FILE_PAGES 65536u

struct audit_tree_leaf {
    struct digest root;
    u64 end_row;
    u64 place;
};
static_assert(sizeof(struct audit_tree_leaf) == 48, "FORMAT.md, 4");

struct audit_tree_page {
    u128 checksum; // Of what follows.
    u64 magic;
    u64 number;
    u64 first_row;
    u8 reserved[24];
    struct digest nodes[30];
    struct audit_tree_leaf leaves[AUDIT_TREE_LEAVES];
};
static_assert(sizeof(struct audit_tree_page) == 4096, "FORMAT.md, 4");

// --- the checkpoint's head ---

struct audit_checkpoint_head {
    u128 checksum; // Of what follows.
    u64 magic;
    u32 format;
    u32 segment_count;
    u64 position;
    u64 timestamp;
    u128 log_id;
    u64 epoch;
    u64 sequence;
    u64 place;
    struct digest previous;
    u8 zero[8];
    u64 account_timestamp_max;
    u64 transfer_timestamp_max;
    u64 account_count;
    u64 hold_count;
    u32 hold_free;
    u32 ledger_zero;
    u64 machine_state;
    u8 genesis[128];
    u64 next_row;
    u64 overrides[64];
    u32 override_count;
    u32 table_count;
    struct merkle_range outcomes;
    struct audit_table tables[AUDIT_TABLES_MAX];
    u64 lists_page; // Of the segments, and behind them of the tree's leaves in no full page.
    u64 digests_page;
    struct digest lists_digest;
    struct digest state;
    u64 outcomes_row;
};
static_assert(sizeof(struct audit_checkpoint_head) == 15264, "FORMAT.md, 6");
static_assert(offsetof(struct audit_checkpoint_head, account_timestamp_max) == 128, "6");
static_assert(offsetof(struct audit_checkpoint_head, next_row) == 304, "FORMAT.md, 6");
static_assert(offsetof(struct audit_checkpoint_head, outcomes) == 832, "FORMAT.md, 6");
static_assert(offsetof(struct audit_checkpoint_head, tables) == 2888, "FORMAT.md, 6");
static_assert(offsetof(struct audit_checkpoint_head, state) == 15224, "FORMAT.md, 6");

// --- the file `backup` ---

// A place between two frames; all zero: in front of the first.
struct audit_mark {
    u128 log_id; // Of the last frame, as its epoch.
    u64 epoch;
    u64 sequence;           // Of the next frame.
    u64 place;              // Behind the last frame.
    u64 place_last;         // Of the last frame.
    u64 position;           // Of the last command.
    u64 timestamp;          // Of the last frame.
    struct digest previous; // Hash of its header.
};
static_assert(sizeof(struct audit_mark) == 96, "FORMAT.md, 8");

struct audit_backup_file {
    u128 checksum; // Of what follows.
    u64 magic;
    u32 format;
    u32 zero;
    struct audit_mark end;
    struct audit_mark copied;
    u64 next_row;
    u64 finished_at;
    u64 tree_pages;
    u8 reserved[8];
};
static_assert(sizeof(struct audit_backup_file) == 256, "FORMAT.md, 8");
static_assert(offsetof(struct audit_backup_file, end) == 32, "FORMAT.md, 8");
static_assert(offsetof(struct audit_backup_file, copied) == 128, "FORMAT.md, 8");
static_assert(offsetof(struct audit_backup_file, next_row) == 224, "FORMAT.md, 8");
static_assert(offsetof(struct audit_backup_file, tree_pages) == 240, "FORMAT.md, 8");

#endif
