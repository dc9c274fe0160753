// SPDX-License-Identifier: Apache-2.0
//
// Threads, locks, clocks and memory of the simulated process.
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_ASAN 1
#endif
#endif
#ifdef HOST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

// What a turn costs, at most: the clocks must not stand still while threads hand work on.
#define TURN_NS_MAX (20 * NS_PER_US)
// How long a thread is held back at most, and after how many turns one is, on average.
#define HELD_NS_MAX (100 * NS_PER_MS)
#define HELD_TURNS  3000u

struct host_memory {
    void *memory; // NULL: free.
    size_t size;
};

static const char *const count_names[] = {
    [HOST_TURNS] = "turns",
    [HOST_TURNS_TAKEN] = "turns-taken-away",
    [HOST_LOCK_WAITS] = "waits-for-locks",
    [HOST_SPURIOUS] = "spurious-wakings",
    [HOST_TIMEOUTS] = "timed-waits-ended",
    [HOST_CLOCK_FORTH] = "clock-set-forwards",
    [HOST_CLOCK_BACK] = "clock-set-back",
    [HOST_SUSPENDED] = "suspended",
    [HOST_HELD] = "threads-held-back",
};
static_assert(ARRAY_COUNT(count_names) == HOST_COUNT_KINDS, "each count has a name");

const char *host_count_name(enum host_count kind)
{
    return count_names[kind];
}

void host_init(struct host *host, u64 seed, u64 wall)
{
    *host = (struct host){.running = -1, .steady = NS_PER_S};
    random_init(&host->random, seed);
    host->wall_apart = (i64)(wall - host->steady);
    host->preempt_percent = (u32)random_below(&host->random, 40);
    host->is_unfair = random_chance(&host->random, 70);
}

void host_free(struct host *host)
{
    host_kill(host);
    free(host->memory);
    host->memory = NULL;
}

// --- changing stacks -----------------------------------------------------------------------------

// The sanitizer must know on which stack the program is.
static void leave_begin(void **fake, const void *stack, size_t size)
{
#ifdef HOST_ASAN
    __sanitizer_start_switch_fiber(fake, stack, size);
#else
    (void)fake;
    (void)stack;
    (void)size;
#endif
}

static void leave_end(void *fake, const void **stack, size_t *size)
{
#ifdef HOST_ASAN
    __sanitizer_finish_switch_fiber(fake, stack, size);
#else
    (void)fake;
    (void)stack;
    (void)size;
#endif
}

static struct host_thread *current(struct host *host)
{
    assert(host->running >= 0);
    return &host->threads[host->running];
}

// Gives the turn back to the world; returns when this thread has the next one.
static void turn_end(struct host *host)
{
    struct host_thread *thread = current(host);
    leave_begin(&thread->fake_stack, host->world_stack, host->world_stack_size);
    (void)swapcontext(&thread->at, &host->world);
    leave_end(thread->fake_stack, NULL, NULL);
}

static void thread_main(unsigned high, unsigned low)
{
    struct host_thread *thread = (void *)(uintptr_t)((u64)high << 32 | low);
    struct host *host = thread->host;
    const void *stack = NULL;
    leave_end(NULL, &stack, &host->world_stack_size);
    host->world_stack = (void *)(uintptr_t)stack;
    (void)thread->run(thread->context);
    thread->wait = HOST_ENDED;
    turn_end(host);
    abort(); // Nobody gives a turn to a thread that has ended.
}

static void thread_free(struct host_thread *thread)
{
    struct host *host = thread->host;
    if (thread->stack != NULL) {
        host_abroad_begin(host);
        (void)munmap(thread->stack - PAGE_SIZE, PAGE_SIZE + HOST_STACK_SIZE);
        host_abroad_end(host);
    }
    *thread = (struct host_thread){0};
}

// By itself: the compiler takes getcontext for a function that may return twice.
static void thread_prepare(struct host_thread *thread)
{
    (void)getcontext(&thread->at);
    thread->at.uc_stack.ss_sp = thread->stack;
    thread->at.uc_stack.ss_size = HOST_STACK_SIZE;
    thread->at.uc_link = NULL;
    makecontext(&thread->at, (void (*)(void))(uintptr_t)thread_main, 2,
                (unsigned)((u64)(uintptr_t)thread >> 32), (unsigned)(u64)(uintptr_t)thread);
}

static u32 place_free(const struct host *host)
{
    u32 place = 0;
    while (host->threads[place].wait != HOST_NOT_THERE) place++;
    assert(place < HOST_THREADS_MAX);
    return place;
}

u32 host_thread_start(struct host *host, void *(*run)(void *context), void *context)
{
    const u32 place = place_free(host);
    struct host_thread *thread = &host->threads[place];
    host_abroad_begin(host); // The stack is the machine's.
    u8 *stack = mmap(NULL, PAGE_SIZE + HOST_STACK_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, PAGE_SIZE, PROT_NONE) != 0) abort();
    host_abroad_end(host);
    stack += PAGE_SIZE; // Below it lies a page that nobody may touch.
    *thread = (struct host_thread){.host = host,
                                   .wait = HOST_READY,
                                   .run = run,
                                   .context = context,
                                   .stack = stack,
                                   .until = U64_MAX};
    thread_prepare(thread);
    host->thread_count = MAX(host->thread_count, place + 1);
    return place;
}

void host_start(struct host *host, void *(*run)(void *context), void *context)
{
    assert(host->thread_count == 0 && host->running == -1);
    host->is_dead = false;
    (void)host_thread_start(host, run, context);
}

static bool lock_is_held(const struct host *host, const void *lock)
{
    for (u32 i = 0; i < host->lock_count; i++) {
        if (host->locks[i].lock == lock) return true;
    }
    return false;
}

// Whether a thread could go on now.
static bool can_go_on(const struct host *host, const struct host_thread *thread)
{
    switch (thread->wait) {
    case HOST_NOT_THERE:
    case HOST_ENDED: return false;
    case HOST_READY: return true;
    case HOST_LOCK: return !lock_is_held(host, thread->on);
    case HOST_CONDITION:
    case HOST_SLEEP: return host->steady >= thread->until;
    case HOST_POLL: return host->steady >= thread->until || thread->polled(thread->poll_context);
    case HOST_JOIN: return host->threads[thread->joined].wait == HOST_ENDED;
    }
    return false;
}

static bool is_held(const struct host *host, u32 thread)
{
    return thread == host->held && host->steady < host->held_until;
}

static void hold_back(struct host *host)
{
    if (!host->is_unfair || random_below(&host->random, HELD_TURNS) != 0) return;
    host->held = (u32)random_below(&host->random, host->thread_count);
    host->held_until = host->steady + random_below(&host->random, HELD_NS_MAX);
    host->counts[HOST_HELD]++;
}

bool host_turn(struct host *host)
{
    u32 able[HOST_THREADS_MAX];
    u32 count = 0;
    if (!host_lives(host)) return false;
    for (u32 i = 0; i < host->thread_count; i++) {
        if (is_held(host, i)) continue;
        if (can_go_on(host, &host->threads[i])) able[count++] = i;
    }
    if (count == 0) return false;
    hold_back(host);
    const u32 chosen = able[random_below(&host->random, count)];
    struct host_thread *thread = &host->threads[chosen];
    host->counts[HOST_TURNS]++;
    host->steady += random_below(&host->random, TURN_NS_MAX);
    host->running = (i32)chosen;
    thread->is_timed_out = thread->wait == HOST_CONDITION;
    thread->wait = HOST_READY;
    leave_begin(&host->world_fake_stack, thread->stack, HOST_STACK_SIZE);
    (void)swapcontext(&host->world, &thread->at);
    leave_end(host->world_fake_stack, NULL, NULL);
    host->running = -1;
    return true;
}

u64 host_wake_at(const struct host *host)
{
    u64 wake = host->held_until > host->steady ? host->held_until : U64_MAX;
    for (u32 i = 0; i < host->thread_count; i++) {
        const struct host_thread *thread = &host->threads[i];
        const bool is_timed = thread->wait == HOST_CONDITION || thread->wait == HOST_SLEEP ||
                              thread->wait == HOST_POLL;
        if (is_timed && !is_held(host, i)) wake = MIN(wake, thread->until);
    }
    return wake;
}

void host_advance(struct host *host, u64 steady)
{
    host->steady = MAX(host->steady, steady);
}

bool host_lives(const struct host *host)
{
    return host->thread_count > 0 && !host->is_dead;
}

// --- the end -------------------------------------------------------------------------------------

static void memory_give_back(struct host *host)
{
    for (u32 i = 0; i < host->memory_room; i++) {
        struct host_memory *memory = &host->memory[i];
        if (memory->memory == NULL) continue;
        if (memory->size > 0) (void)munmap(memory->memory, memory->size);
        else free(memory->memory);
        *memory = (struct host_memory){0};
    }
    host->memory_count = 0;
}

void host_kill(struct host *host)
{
    assert(host->running == -1);
    for (u32 i = 0; i < host->thread_count; i++) thread_free(&host->threads[i]);
    host->thread_count = 0;
    host->lock_count = 0;
    host->abroad = 0;
    memory_give_back(host);
}

void host_die(struct host *host)
{
    host->is_dead = true;
    current(host)->wait = HOST_ENDED;
    turn_end(host);
    abort();
}

// --- turns ---------------------------------------------------------------------------------------

bool host_is_at_home(const struct host *host)
{
    return host->running >= 0 && host->abroad == 0;
}

void host_abroad_begin(struct host *host)
{
    host->abroad++;
}

void host_abroad_end(struct host *host)
{
    assert(host->abroad > 0);
    host->abroad--;
}

void host_point(struct host *host)
{
    if (!random_chance(&host->random, host->preempt_percent)) return;
    host->counts[HOST_TURNS_TAKEN]++;
    turn_end(host);
}

void host_sleep(struct host *host, u64 nanoseconds)
{
    struct host_thread *thread = current(host);
    thread->wait = HOST_SLEEP;
    thread->until = host->steady + nanoseconds;
    turn_end(host);
}

bool host_poll(struct host *host, bool (*ready)(void *context), void *context, u64 until)
{
    struct host_thread *thread = current(host);
    host_point(host);
    if (ready(context)) return true;
    thread->wait = HOST_POLL;
    thread->until = until;
    thread->polled = ready;
    thread->poll_context = context;
    turn_end(host);
    return ready(context);
}

void host_thread_join(struct host *host, u32 joined)
{
    struct host_thread *thread = current(host);
    assert(joined < host->thread_count);
    if (host->threads[joined].wait != HOST_ENDED) {
        thread->wait = HOST_JOIN;
        thread->joined = joined;
        turn_end(host);
    }
    thread_free(&host->threads[joined]);
}

// --- locks ---------------------------------------------------------------------------------------

static void lock_take(struct host *host, const void *lock)
{
    struct host_thread *thread = current(host);
    while (lock_is_held(host, lock)) {
        host->counts[HOST_LOCK_WAITS]++;
        thread->wait = HOST_LOCK;
        thread->on = lock;
        turn_end(host);
    }
    assert(host->lock_count < HOST_LOCKS_MAX);
    host->locks[host->lock_count++] = (struct host_lock){.lock = lock, .owner = (u32)host->running};
}

static void lock_give(struct host *host, const void *lock)
{
    for (u32 i = 0; i < host->lock_count; i++) {
        if (host->locks[i].lock != lock) continue;
        assert(host->locks[i].owner == (u32)host->running);
        host->locks[i] = host->locks[--host->lock_count];
        return;
    }
    abort(); // A lock that nobody holds is given back.
}

void host_lock(struct host *host, const void *lock)
{
    if (host->abroad == 0) host_point(host);
    lock_take(host, lock);
}

void host_unlock(struct host *host, const void *lock)
{
    lock_give(host, lock);
    if (host->abroad == 0) host_point(host);
}

bool host_condition_wait(struct host *host, const void *condition, const void *lock, u64 until)
{
    struct host_thread *thread = current(host);
    lock_give(host, lock);
    thread->wait = HOST_CONDITION;
    thread->on = condition;
    thread->until = until;
    turn_end(host);
    const bool is_timed_out = thread->is_timed_out && host->steady >= until;
    host->counts[HOST_TIMEOUTS] += is_timed_out;
    lock_take(host, lock);
    return !is_timed_out;
}

void host_condition_wake(struct host *host, const void *condition)
{
    if (host->is_forgetful && random_below(&host->random, 50) == 0) return;
    for (u32 i = 0; i < host->thread_count; i++) {
        struct host_thread *thread = &host->threads[i];
        if (thread->wait != HOST_CONDITION) continue;
        if (thread->on == condition) {
            thread->wait = HOST_READY;
        } else if (random_below(&host->random, 200) == 0) {
            // A condition may wake whom nobody woke (POSIX, pthread_cond_wait).
            thread->wait = HOST_READY;
            host->counts[HOST_SPURIOUS]++;
        }
    }
}

// --- memory --------------------------------------------------------------------------------------

static struct host_memory *memory_place(struct host *host, const void *memory)
{
    u64 at = ((u64)(uintptr_t)memory >> 4) * 0x9e3779b97f4a7c15 >> 32;
    for (;; at++) {
        struct host_memory *place = &host->memory[at & (host->memory_room - 1)];
        if (place->memory == memory || place->memory == NULL) return place;
    }
}

static void memory_grow(struct host *host)
{
    struct host_memory *old = host->memory;
    const u32 room = host->memory_room;
    host->memory_room = room == 0 ? 4096 : 2 * room;
    host->memory = calloc(host->memory_room, sizeof *host->memory);
    if (host->memory == NULL) abort();
    for (u32 i = 0; i < room; i++) {
        if (old[i].memory != NULL) *memory_place(host, old[i].memory) = old[i];
    }
    free(old);
}

static void memory_put(struct host *host, void *memory, size_t size)
{
    if (2 * (host->memory_count + 1) > host->memory_room) {
        host_abroad_begin(host);
        memory_grow(host);
        host_abroad_end(host);
    }
    struct host_memory *place = memory_place(host, memory);
    assert(place->memory == NULL);
    *place = (struct host_memory){.memory = memory, .size = size};
    host->memory_count++;
}

// Takes it out of the table; returns its size, U64_MAX when it is not there.
static u64 memory_remove(struct host *host, const void *memory)
{
    struct host_memory *place = host->memory_room == 0 ? NULL : memory_place(host, memory);
    if (place == NULL || place->memory == NULL) return U64_MAX;
    const u64 size = place->size;
    host->memory_count--;
    // What was pushed on by it moves up (Knuth, The Art of Computer Programming 3, 6.4, R).
    const u32 mask = host->memory_room - 1;
    u32 at = (u32)(place - host->memory);
    *place = (struct host_memory){0};
    while (host->memory[at = (at + 1) & mask].memory != NULL) {
        const struct host_memory moved = host->memory[at];
        host->memory[at] = (struct host_memory){0};
        *memory_place(host, moved.memory) = moved;
    }
    return size;
}

void host_memory_taken(struct host *host, void *memory, size_t size)
{
    if (memory == NULL) return;
    size = (size_t)align_up(size, PAGE_SIZE);
    memory_put(host, memory, size);
    if (size == 0) return;
    host->mapped = memory;
    host->mapped_size = size;
}

void host_memory_given(struct host *host, const void *memory)
{
    if (memory != NULL) (void)memory_remove(host, memory);
}

void host_memory_unmapped(struct host *host, const void *memory, size_t size)
{
    u8 *const begin = (u8 *)(uintptr_t)memory;
    size = (size_t)align_up(size, PAGE_SIZE);
    if (host->mapped != NULL && begin > host->mapped &&
        begin + size == host->mapped + host->mapped_size) {
        host->mapped_size -= size; // Its end.
        (void)memory_remove(host, host->mapped);
        memory_put(host, host->mapped, host->mapped_size);
        return;
    }
    const u64 whole = memory_remove(host, memory);
    assert(whole != U64_MAX);
    if (whole == size) return;
    host->mapped = begin + size; // Its beginning.
    host->mapped_size = (size_t)whole - size;
    memory_put(host, host->mapped, host->mapped_size);
}
