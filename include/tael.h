// SPDX-License-Identifier: Apache-2.0
//
// libtael: a client of the tael port (docs/PROTOCOL.md, "The tael port"), for C11 and C++.
//
// A client has one connection, made anew by itself when it is lost, and many commands and questions
// in flight. It is driven one call at a time (tael_connect, tael_command, tael_ask), or from a loop
// without waiting (tael_submit_command, tael_submit_question, tael_step).
//
// Guarantees
//   1 A command is sent with the same bytes under the same id until it is answered, over as many
//     connections as it takes; the server applies an id once, and answers it again the same.
//   2 An answer is handed out only if its checksums hold and it answers something that is open: the
//     kind, the record and the id agree, and a command that is done has one reply a record.
//   3 What breaks the wire ends the connection, and another is tried, with growing pauses of up to
//     a second. A server of another version of the protocol, or of another log than before, or one
//     that turns the client away several times in a row, ends the client for good: TAEL_ERROR_ENDED
//     from then on, and tael_problem tells why.
//   4 "Too busy" and "storage is full" are tried again in the order of submission, one at a time
//     until one goes through, up to the deadline. Questions are not held up by commands that wait.
//   5 An order between commands that are in flight together holds unless the server tells one of
//     them to come again, or a connection is lost between them. Who needs it for certain waits for
//     the answer, or puts the records into one command.
//
// A deadline that passes does not tell whether a command was applied: it stays in flight, its id
// and its bytes are kept, and the caller waits on (tael_await, tael_wait_on) or gives it up
// (tael_give_up). To learn later what became of it, submit the same bytes under the same id.
//
// Memory: a MiB and about half a KiB for each request that may be open, taken by tael_open, and
// copies of answers that nobody has fetched yet; the bodies of requests stay the caller's and are
// not copied. Threads: a client is used by one thread
// at a time; different clients are independent. No signal is raised or handled.
//
// Numbers of several bytes are little-endian, as on the wire; so must the processor be.
#ifndef TAEL_H
#define TAEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAEL_PUBLIC __attribute__((visibility("default")))

// The largest body of a command or a question, in bytes.
#define TAEL_BODY_MAX 1048320u
// Records of a command begin at multiples of this, from its body's start.
#define TAEL_RECORD_ALIGNMENT 16u
// The most requests that a client may have open, and how many if nothing is said.
#define TAEL_OPEN_MAX     1024u
#define TAEL_OPEN_DEFAULT 64u
// As a timeout: there is none.
#define TAEL_FOREVER UINT64_MAX
// As the position of a question: at least what this client was told so far ("read your own
// writes").
#define TAEL_POSITION_SEEN UINT64_MAX

// An amount or an id of 128 bits.
struct tael_u128 {
    uint64_t low;
    uint64_t high;
};

// What became of a call.
enum tael_error {
    TAEL_OK = 0,
    TAEL_ERROR_TIMEOUT = 1,  // The deadline has passed; the request is still in flight.
    TAEL_ERROR_ENDED = 2,    // The client has ended for good.
    TAEL_ERROR_ARGUMENT = 3, // The call breaks its contract; nothing was done.
    TAEL_ERROR_MEMORY = 4,   // There is none.
    TAEL_ERROR_CROWDED = 5,  // As many requests are open as may be; nothing was done.
};

// What the server says of a command or a question. Anything but DONE is a refusal: nothing of it
// was applied (but see `maybe_applied`), and the answer's text says why.
enum tael_result {
    TAEL_RESULT_DONE = 0,
    TAEL_RESULT_FULL = 1,           // No space on the disk now.
    TAEL_RESULT_BUSY = 2,           // Too much is in flight, or the server stops.
    TAEL_RESULT_TABLE_FULL = 3,     // A table of the log is at its limit.
    TAEL_RESULT_UNKNOWN_RECORD = 4, // No module of this log knows the record.
    TAEL_RESULT_MALFORMED = 5,      // The body breaks the record's description.
    TAEL_RESULT_NOT_PERMITTED = 6,  // The principal may not.
    TAEL_RESULT_REUSED = 7,         // The command id was used with another content.
    TAEL_RESULT_OVERRIDDEN = 8,     // An operator made the command a refusal.
    TAEL_RESULT_EXPIRED = 9,        // Its time was over before it was applied.
    TAEL_RESULT_REFUSED = 10,       // Of a question: by the module; `replies[0]` tells why.
};

// What became of one record of a command that is done: 0, a refusal of the module's own from 1 to
// 199 (its reference lists them), or one of these.
enum tael_record_result {
    TAEL_RECORD_DONE = 0,
    TAEL_RECORD_POSTING_REFUSED = 200, // By the ledger: `posting` and `posting_result` tell.
    TAEL_RECORD_FULL = 201,            // A table of records or effects is full.
    TAEL_RECORD_EXISTS = 205,          // This very record was carried out before.
    TAEL_RECORD_EXISTS_WITH_DIFFERENT_CONTENT = 206, // Another one with its own id was.
    TAEL_RECORD_CONSTRAINT_BROKEN = 208, // `posting` is its number; the evidence is signed.
    TAEL_RECORD_IN_THE_FUTURE = 209,     // Of a question: the moment asked about has not come yet.
    TAEL_RECORD_SUB_LEDGER_BROKEN = 210, // Records would no longer sum to their control account.
};

// The reply to one record.
struct tael_reply {
    uint32_t result;  // enum tael_record_result, or the module's.
    uint32_t posting; // Which posting of its plan was refused, or which constraint is broken,
    uint32_t posting_result; // and why: a result of the ledger.
    uint32_t reserved;
    uint64_t position;            // Of the command in the log.
    uint64_t timestamp;           // Nanoseconds UTC; unique, growing.
    struct tael_u128 evidence[2]; // Of a refusal: the value, and the limit that it breaks.
};

// Raw accounts and transfers, those of plain clients: a command of these records, at most
// TAEL_RAW_MAX of them, is a batch, with the rules and the results of docs/LEDGER.md and
// tests/golden/ledger_reference.md. Chains of linked events end with the command.
#define TAEL_RECORD_ACCOUNT  0x0101u
#define TAEL_RECORD_TRANSFER 0x0102u
#define TAEL_RAW_MAX         8189u

struct tael_account {
    struct tael_u128 id; // Not 0 and not 2^128-1.
    struct tael_u128 debits_pending;
    struct tael_u128 debits_posted;
    struct tael_u128 credits_pending;
    struct tael_u128 credits_posted;
    struct tael_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t reserved; // Zero.
    uint32_t ledger;
    uint16_t code;
    uint16_t flags;
    uint64_t timestamp; // Zero but for imported ones: nanoseconds UTC.
};

struct tael_transfer {
    struct tael_u128 id; // Not 0 and not 2^128-1; takes effect once, for ever.
    struct tael_u128 debit_account_id;
    struct tael_u128 credit_account_id;
    struct tael_u128 amount;
    struct tael_u128 pending_id; // Of a post or a void.
    struct tael_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t timeout; // Seconds, of a hold; 0 never.
    uint32_t ledger;
    uint16_t code;
    uint16_t flags;
    uint64_t timestamp; // Zero but for imported ones: nanoseconds UTC.
};

// What became of one of them.
#define TAEL_CREATED 0xffffffffu
struct tael_create_result {
    uint64_t timestamp;
    uint32_t status; // TAEL_CREATED, or why not.
    uint32_t reserved;
};

// A command: `count` records of one kind, each at a multiple of TAEL_RECORD_ALIGNMENT from the
// body's start. They are decided one after the other, each by itself.
struct tael_command {
    struct tael_u128 id; // Not 0, and never used before: see tael_id.
    uint32_t record;     // The records' number in the schema,
    uint16_t version;    // and the version of their description.
    uint16_t reserved;   // Zero.
    uint32_t count;
    uint32_t body_size;
    const void *body;
    uint64_t expires_at; // Nanoseconds UTC from which it must not be applied; 0 never.
    uint64_t principal;  // In whose name (a delegation of the log permits it); 0: the client's own.
};

// A question: one record of kind query.
struct tael_question {
    uint32_t record;
    uint16_t version;
    uint16_t reserved; // Zero.
    uint32_t body_size;
    uint32_t limit; // Views of the answer at most; 0: as many as find room. Not of changes.
    const void *body;
    uint64_t position;  // What the answer must show at least; 0, or TAEL_POSITION_SEEN.
    uint8_t cursor[32]; // Zero, or that of the answer to go on from.
    uint64_t principal; // In whose name; 0: the client's own.
};

// An answer, or what there is in place of one.
struct tael_answer {
    uint64_t ticket; // Of the request.
    // TAEL_OK: it was answered, and the rest below is valid. TAEL_ERROR_TIMEOUT: its deadline has
    // passed; it stays open, and so does its ticket. TAEL_ERROR_ENDED: there will be none.
    enum tael_error error;
    // The request was sent, and this does not tell whether it was applied then. So it is after a
    // timeout, and after a refusal of a command whose first sending was lost without an answer.
    bool maybe_applied;
    bool has_more; // Of a question: ask again with `cursor`.
    enum tael_result result;
    uint32_t record;    // Of a question: the record that the views are of.
    uint32_t count;     // Replies or views in the body.
    uint32_t body_size; // Bytes.
    const void *body;   // Aligned to 16.
    // Of a command that is done: one a record. Of TAEL_RESULT_REFUSED: one. Else NULL.
    const struct tael_reply *replies;
    // Of one of raw accounts or transfers that is done: one a record, and no replies. Else NULL.
    const struct tael_create_result *results;
    const char *text;    // Of a refusal: why, for people; else "".
    uint64_t position;   // The state that it shows.
    uint64_t timestamp;  // Nanoseconds UTC.
    uint64_t latency_ns; // From the submission.
    uint8_t cursor[32];
};

// Called with an answer, from within tael_step and whatever else steps. What the answer points to
// is valid until the function returns. It may submit, wait on and give up; not step, wait, call or
// close.
typedef void tael_callback(void *context, const struct tael_answer *answer);

// Signs `size` bytes by the Ed25519 key of the principal (RFC 8032, 5.1.6), for those whose key is
// in a device or another process. Returns 0 when `signature` is written, anything else when it
// cannot be: the client ends then. Called when the server asks who the client is, at each
// connection, from within whatever steps; it should not take long, and may not call the library.
typedef int tael_sign(void *context, const void *message, size_t size, uint8_t signature[64]);

enum tael_option {
    TAEL_OPTION_NO_RETRY = 1, // FULL and BUSY are handed out like other refusals.
};

// All zero but the address is a good choice.
struct tael_options {
    const char *address;  // "HOST:PORT", "[IPV6]:PORT", "PORT" of 127.0.0.1, or "unix:PATH".
    uint64_t principal;   // Who to be; 0: whom the user of this process stands for there.
    const char *key_file; // Its secret key, a file of `tael key new`; it is read when the server
                          // asks, and what was read is wiped. NULL: none.
    tael_sign *sign;      // In place of a file. NULL: none.
    void *sign_context;   // Given to it.
    uint64_t timeout_ms;  // Where a call is given 0. 0: 30 s.
    uint64_t silence_ms;  // A connection on which nothing is heard for this long is lost; half
                          // of it without a word sends a ping. 0: 20 s.
    uint32_t open_max;    // Requests that may be open. 0: TAEL_OPEN_DEFAULT.
    uint32_t turned_away_max; // So many connections in a row that end before the client is let in
                              // end the client. 0: 5.
    uint32_t flags;           // enum tael_option.
    uint32_t reserved;        // Zero.
};

// What the server said of itself.
struct tael_server {
    struct tael_u128 log_id;
    uint64_t principal; // Who the client is.
    uint64_t position;  // When it was let in.
    uint64_t timestamp;
    uint32_t protocol;
    uint32_t in_flight_max; // More than these wait in the client.
};

// --- The change stream: what took effect, in the order in which it did ---

enum tael_changes_flag {
    TAEL_CHANGES_REFUSED = 1, // Refused events and records, too, and why.
};

// Which changes. Whoever goes on from the row of tael_changes_next sees each once, over connections
// and restarts of either side.
struct tael_changes {
    uint64_t row;     // From here on; 0 is the beginning of the log.
    uint32_t wait_ms; // When there is nothing: how long the answer waits for something; 60000 at
                      // most. Of a connection one such question waits at most: another one ends
                      // its waiting.
    uint32_t flags;   // enum tael_changes_flag.
    uint64_t reserved[2]; // Zero.
};

enum tael_change_kind {
    TAEL_CHANGE_ACCOUNT = 1,  // An account was made: the payload is it, with balances of 0.
    TAEL_CHANGE_TRANSFER = 2, // Posted at once: the payload is the transfer, of all kinds to 6.
    TAEL_CHANGE_HOLD = 3,     // Pending.
    TAEL_CHANGE_POST = 4,     // Releases the whole hold and posts the amount.
    TAEL_CHANGE_VOID = 5,     // Releases the hold.
    TAEL_CHANGE_EXPIRY = 6,   // Releases the hold; the payload is the pending transfer.
    TAEL_CHANGE_RECORD = 7,   // A record of a module's command: the payload is it.
    TAEL_CHANGE_EVIDENCE = 8, // Why the record before was refused: the value, the limit (each of
                              // 128 bits), the posting, why it was refused, 8 bytes.
};

// A change; its payload, `payload_size` bytes at a multiple of 16, follows it.
struct tael_change {
    uint64_t row;      // A later change has a greater one.
    uint64_t position; // Of its command in the log.
    uint64_t timestamp;
    uint64_t principal;          // Who asked; 0 is a plain client, or time.
    struct tael_u128 command_id; // Of a plain client's request its client.
    struct tael_u128 released;   // Of kinds 4 to 6: the whole amount of the hold.
    uint64_t held_row;           // Of those: the row of the hold; else UINT64_MAX.
    uint64_t cause_row;          // Of what a module made: the row of its record; else UINT64_MAX.
    uint32_t record;             // Number of the payload's record.
    uint32_t index;              // Among the events or records of its command, from 0.
    uint8_t kind;                // enum tael_change_kind.
    uint8_t result;              // 0: it took effect; else the refusal.
    uint16_t reserved;           // Zero.
    uint32_t payload_size;       // Bytes.
};

struct tael_client;

// --- The client's life ---

// Makes a client and begins to connect; looks the host up, once, which may take the resolver's
// time. The options are copied. NULL only when there is no memory: a client whose address is none,
// or has no place, is ended, and tael_problem tells why.
TAEL_PUBLIC struct tael_client *tael_open(const struct tael_options *options);
// Waits until the server lets the client in. TAEL_OK, TAEL_ERROR_TIMEOUT (it goes on trying, call
// again), TAEL_ERROR_ENDED. Not needed: requests may be submitted at once.
TAEL_PUBLIC enum tael_error tael_connect(struct tael_client *client, uint64_t timeout_ms);
// Ends the connection and frees the client. Nobody is called back; commands that were in flight may
// be applied or not. NULL is allowed. Not from a callback.
TAEL_PUBLIC void tael_close(struct tael_client *client);

// What went wrong last: why the connection was lost, or why a call failed; "" when nothing has. The
// text is for people, and valid until the next call with the client.
TAEL_PUBLIC const char *tael_problem(const struct tael_client *client);
// A few words on an error or a result; never NULL.
TAEL_PUBLIC const char *tael_error_text(enum tael_error error);
TAEL_PUBLIC const char *tael_result_text(enum tael_result result);
// Whether the client is let in now.
TAEL_PUBLIC bool tael_is_connected(const struct tael_client *client);
// What the server said when it last let the client in; false when it never did.
TAEL_PUBLIC bool tael_server(const struct tael_client *client, struct tael_server *out);
// The highest position that the client was told, by answers and when it was let in.
TAEL_PUBLIC uint64_t tael_position(const struct tael_client *client);
// A new id: milliseconds UTC in the 48 high bits, then random bits. Never 0; each is greater than
// the ones before from this client, and two clients give the same with a chance below 2^-79.
TAEL_PUBLIC struct tael_u128 tael_id(struct tael_client *client);

// --- One call at a time ---

// Submits a command and waits for its answer. TAEL_OK: `answer` is it, a refusal too.
// TAEL_ERROR_TIMEOUT: the command stays in flight, and its body must stay; go on with
// `answer->ticket` and tael_await or tael_give_up. Otherwise as tael_submit_command, and nothing is
// open. `answer` is always written; what it points to is valid until the next call that steps, or
// tael_close. `timeout_ms` 0: that of the options.
TAEL_PUBLIC enum tael_error tael_command(struct tael_client *client,
                                         const struct tael_command *command, uint64_t timeout_ms,
                                         struct tael_answer *answer);
// The same with a question. One that timed out is best given up and asked anew.
TAEL_PUBLIC enum tael_error tael_ask(struct tael_client *client,
                                     const struct tael_question *question, uint64_t timeout_ms,
                                     struct tael_answer *answer);
// Waits (on) for a request that was submitted without a callback. Results as those of
// tael_command; TAEL_ERROR_ARGUMENT when there is no such request. `timeout_ms` 0 does not wait.
// Once the result is not TAEL_ERROR_TIMEOUT the request is closed.
TAEL_PUBLIC enum tael_error tael_await(struct tael_client *client, uint64_t ticket,
                                       uint64_t timeout_ms, struct tael_answer *answer);

// --- Many at once ---

// Submits a command and returns; it is sent by the next step, or by what steps. Its fields are
// copied; its body is the caller's and must stay as it is until the answer (or tael_give_up).
// `timeout_ms` (0: that of the options) is until its deadline, when `callback` is called with
// TAEL_ERROR_TIMEOUT, and later again with the answer. Without a callback (NULL) the answer is
// fetched by tael_await; until then its body is kept. `ticket` may be NULL.
// TAEL_ERROR_ARGUMENT: an id of 0, no record, a body of more than TAEL_BODY_MAX bytes, a reserved
// field; TAEL_ERROR_CROWDED; TAEL_ERROR_ENDED. Then nothing is open and nobody will be called.
TAEL_PUBLIC enum tael_error tael_submit_command(struct tael_client *client,
                                                const struct tael_command *command,
                                                uint64_t timeout_ms, tael_callback *callback,
                                                void *context, uint64_t *ticket);
// The same with a question.
TAEL_PUBLIC enum tael_error tael_submit_question(struct tael_client *client,
                                                 const struct tael_question *question,
                                                 uint64_t timeout_ms, tael_callback *callback,
                                                 void *context, uint64_t *ticket);
// Asks for a page of changes and waits for it, up to `changes->wait_ms` and `timeout_ms`. It shows
// at least what this client was told so far. Results and `answer` as those of tael_ask.
TAEL_PUBLIC enum tael_error tael_changes(struct tael_client *client,
                                         const struct tael_changes *changes, uint64_t timeout_ms,
                                         struct tael_answer *answer);
// The same without waiting, as tael_submit_question; `changes` must stay as it is until the answer.
TAEL_PUBLIC enum tael_error tael_submit_changes(struct tael_client *client,
                                                const struct tael_changes *changes,
                                                uint64_t timeout_ms, tael_callback *callback,
                                                void *context, uint64_t *ticket);
// The change behind `before` in such an answer, the first one of NULL; NULL behind the last, and
// where the body breaks its description. Valid as long as the answer.
TAEL_PUBLIC const struct tael_change *tael_change_next(const struct tael_answer *answer,
                                                       const struct tael_change *before);
// The row to go on from, and the one at which history ended when the answer was made: when they are
// equal, there was nothing more.
TAEL_PUBLIC uint64_t tael_changes_next(const struct tael_answer *answer);
TAEL_PUBLIC uint64_t tael_changes_end(const struct tael_answer *answer);
// Sets the deadline of an open request anew, from now (0: as the options say).
// TAEL_ERROR_ARGUMENT: there is no such request.
TAEL_PUBLIC enum tael_error tael_wait_on(struct tael_client *client, uint64_t ticket,
                                         uint64_t timeout_ms);
// Closes a request without an answer: nobody is called back, an answer that still comes is passed
// over, and the body is the caller's again. `maybe_applied` (or NULL) tells whether it was sent, so
// that it may be or become applied. What was sent keeps its place among `open_max` until its
// answer comes or the connection ends. If a part of it is just being sent, the connection is ended
// and made anew. TAEL_ERROR_ARGUMENT: there is no such request.
TAEL_PUBLIC enum tael_error tael_give_up(struct tael_client *client, uint64_t ticket,
                                         bool *maybe_applied);
// Requests that are open: without an answer, or with one that was not fetched.
TAEL_PUBLIC uint32_t tael_open_count(const struct tael_client *client);

// Connects, sends, receives, calls back and keeps time, as far as it goes without waiting. TAEL_OK
// whether or not there was progress; TAEL_ERROR_ENDED when the client has ended, after everybody
// was called back.
TAEL_PUBLIC enum tael_error tael_step(struct tael_client *client);
// Waits until a step is due, or until the time is over, and steps. `timeout_ms` 0 does not wait.
TAEL_PUBLIC enum tael_error tael_wait(struct tael_client *client, uint64_t timeout_ms);
// What to wait for with poll(2) before the next step: the descriptor (-1 when there is none now; it
// changes with the connection) and POLLIN, POLLOUT.
TAEL_PUBLIC int tael_fd(const struct tael_client *client);
TAEL_PUBLIC short tael_events(const struct tael_client *client);
// When a step is due even if nothing happens, by the clock that tael_now reads; UINT64_MAX never.
TAEL_PUBLIC uint64_t tael_wake_at(const struct tael_client *client);
// Nanoseconds of CLOCK_BOOTTIME.
TAEL_PUBLIC uint64_t tael_now(void);

#ifdef __cplusplus
}
#endif

#endif
