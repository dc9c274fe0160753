// SPDX-License-Identifier: Apache-2.0
//
// A simulated machine on which one process runs: its threads, locks and clocks, all from one seed.
//
// A thread is a stack of its own that goes on until it waits, or until the seed takes its turn
// away, which may be wherever it takes a lock, waits or uses the disk or a socket. One thread runs
// at a time, and which of those that can is the seed's choice. Time stands still while a thread
// runs, and leaps to what comes next when all of them wait.
//
// The process can be killed between any two turns: its threads never go on, its memory is given
// back, as an operating system does it. Memory counts as the process's when one of its threads
// asked for it, unless it is abroad (host_abroad).
//
// What the program asks of the system comes here by way of system.c.
#ifndef TAEL_SIM_HOST_H
#define TAEL_SIM_HOST_H

#include "base/random.h"

#include <pthread.h>
#include <ucontext.h>

#define HOST_THREADS_MAX 32u
#define HOST_LOCKS_MAX   64u
#define HOST_STACK_SIZE  MIB

enum host_count {
    HOST_TURNS,
    HOST_TURNS_TAKEN, // From a thread that could have gone on.
    HOST_LOCK_WAITS,
    HOST_SPURIOUS,    // Wakings of nobody.
    HOST_TIMEOUTS,    // Waits for a condition that ended by their time.
    HOST_CLOCK_FORTH, // The wall clock was set.
    HOST_CLOCK_BACK,
    HOST_SUSPENDED, // The machine slept.
    HOST_HELD,      // Threads that got no turn for a while.
    HOST_COUNT_KINDS,
};

enum host_wait {
    HOST_NOT_THERE,
    HOST_READY,
    HOST_LOCK,
    HOST_CONDITION,
    HOST_SLEEP,
    HOST_POLL,
    HOST_JOIN,
    HOST_ENDED, // Until it is joined.
};

struct host;

struct host_thread {
    struct host *host;
    enum host_wait wait;
    const void *on; // The lock or condition that it waits for.
    u64 until;      // By the steady clock; U64_MAX never.
    bool is_timed_out;
    u32 joined;                    // The thread that it waits for.
    bool (*polled)(void *context); // Whether what it polls has something.
    void *poll_context;
    void *(*run)(void *context);
    void *context;
    ucontext_t at;
    u8 *stack;
    void *fake_stack; // The address sanitizer's.
};

struct host_lock {
    const void *lock;
    u32 owner;
};

struct host {
    struct random random;
    struct host_thread threads[HOST_THREADS_MAX];
    u32 thread_count;                       // Places that were used.
    i32 running;                            // -1: the world.
    struct host_lock locks[HOST_LOCKS_MAX]; // That are held.
    u32 lock_count;
    u32 preempt_percent; // Of the places where a turn may end.
    bool is_unfair;      // Now and then a thread that could go on gets no turn
    u64 held_until;      // until then,
    u32 held;            // this one.
    u64 steady;
    i64 wall_apart; // Of the wall clock from the steady one.
    u32 abroad;
    bool is_dead;      // The process has asked for its end.
    bool is_forgetful; // A planted bug: now and then a condition wakes nobody.
    ucontext_t world;
    void *world_stack; // The address sanitizer's: bounds and fake stack.
    size_t world_stack_size;
    void *world_fake_stack;
    struct host_memory *memory; // What the process has, as a table.
    u32 memory_room;
    u32 memory_count;
    u8 *mapped; // The last map that was taken, whose end may be given back.
    size_t mapped_size;
    u64 counts[HOST_COUNT_KINDS];
};

// A machine without a process, on this day (nanoseconds UTC).
void host_init(struct host *host, u64 seed, u64 wall);
// Kills the process, if there is one.
void host_free(struct host *host);
// What is counted, in words.
const char *host_count_name(enum host_count kind);

// --- from the world ---

// Starts a process by its first thread. There must be none.
void host_start(struct host *host, void *(*run)(void *context), void *context);
// Gives one thread that can go on a turn. False when none can.
bool host_turn(struct host *host);
// When a thread that waits now goes on by its time; U64_MAX never.
u64 host_wake_at(const struct host *host);
// Time goes on to this.
void host_advance(struct host *host, u64 steady);
// Whether the process is there: it has threads, and has not asked for its end.
bool host_lives(const struct host *host);
// Ends the process where it stands. Its memory is given back; its sockets are the network's.
void host_kill(struct host *host);

// --- from the process ---

// Whether a thread of the process runs, and is not abroad.
bool host_is_at_home(const struct host *host);
// The thread that runs does the world's work in between: no turn ends, no memory is the process's.
void host_abroad_begin(struct host *host);
void host_abroad_end(struct host *host);
// A place where the turn may end.
void host_point(struct host *host);
// The thread goes on when so much time is over.
void host_sleep(struct host *host, u64 nanoseconds);
// Waits until `ready` holds, or until this time. Whether it holds.
bool host_poll(struct host *host, bool (*ready)(void *context), void *context, u64 until);
// The process asks for its end: does not return.
_Noreturn void host_die(struct host *host);

// Starts a thread; returns its number, by which it is joined.
u32 host_thread_start(struct host *host, void *(*run)(void *context), void *context);
// Waits until it has ended, and forgets it.
void host_thread_join(struct host *host, u32 thread);
// Takes a lock that nobody holds, or waits; a lock is what it is known by.
void host_lock(struct host *host, const void *lock);
void host_unlock(struct host *host, const void *lock);
// As pthread_cond_timedwait; false when the time was over.
bool host_condition_wait(struct host *host, const void *condition, const void *lock, u64 until);
// As pthread_cond_broadcast.
void host_condition_wake(struct host *host, const void *condition);

// Memory that the process has taken and given back. `size` is that of a map, 0 of the heap; of a
// map the beginning or the end may be given back first.
void host_memory_taken(struct host *host, void *memory, size_t size);
void host_memory_given(struct host *host, const void *memory);
void host_memory_unmapped(struct host *host, const void *memory, size_t size);

#endif
