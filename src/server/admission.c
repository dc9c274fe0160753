// SPDX-License-Identifier: Apache-2.0
//
// Judging hellos and proofs.
#include "server/admission.h"

// Of users that the kernel does not tell; they share a place.
#define USER_UNKNOWN ((uid_t)U32_MAX)

// Checked in place of a key that there is not, so that the work is the same (Q2): the base point of
// the curve (RFC 8032, 5.1), whose logarithm, 1, is no help, because what it says is not believed.
static const u8 decoy_key[SIGNATURE_KEY_SIZE] = {
    0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
};

// --- wrong proofs --------------------------------------------------------------------------------

static uid_t user_of(const struct admission_peer *peer)
{
    return peer->has_user ? peer->user : USER_UNKNOWN;
}

// Whether the user has sent as many wrong proofs as may be (Q4).
static bool has_enough(const struct admission_users *users, const struct admission_peer *peer,
                       u64 now)
{
    for (u32 i = 0; i < ADMISSION_USERS_MAX; i++) {
        if (users->items[i].wrong < ADMISSION_WRONG_MAX || users->items[i].user != user_of(peer)) {
            continue;
        }
        return now < users->items[i].since + ADMISSION_WRONG_WINDOW_NS;
    }
    return false;
}

// Counts one more. When all places are taken, that of whoever began first is given away.
static void wrong_note(struct admission_users *users, const struct admission_peer *peer, u64 now)
{
    u32 place = 0;
    for (u32 i = 0; i < ADMISSION_USERS_MAX; i++) {
        const bool is_own = users->items[i].wrong > 0 && users->items[i].user == user_of(peer);
        if (is_own && now < users->items[i].since + ADMISSION_WRONG_WINDOW_NS) {
            users->items[i].wrong++;
            return;
        }
        if (is_own) {
            place = i; // Its time is over: it is counted anew.
            break;
        }
        if (users->items[i].wrong == 0 && users->items[place].wrong > 0) place = i;
        else if (users->items[place].wrong > 0 &&
                 users->items[i].since < users->items[place].since) {
            place = i;
        }
    }
    users->items[place].since = now;
    users->items[place].wrong = 1;
    users->items[place].user = user_of(peer);
}

// --- who it is -----------------------------------------------------------------------------------

// Whether the record may let somebody in: open, and known to be so after any crash (Q5).
static bool is_open(const struct principal *principal, u64 position)
{
    return principal != NULL && principal->status == PRINCIPAL_OPEN &&
           principal->open_position <= position;
}

// Lets it in.
static void let_in(struct admission *admission, u64 principal_id, enum command_through through,
                   const struct principal *principal)
{
    const struct admission_peer peer = admission->peer;
    *admission = (struct admission){
        .state = ADMISSION_WELCOME,
        .through = through,
        .principal = principal_id,
        .open_position = principal == NULL ? 0 : principal->open_position,
        .key_position = principal == NULL ? 0 : principal->key_position,
        .peer = peer,
    };
}

// Whether the kernel's word is enough for who it says to be; then it is let in. Of users beside
// that of the server it counts on unix sockets only, where it is of the process that connected.
static bool user_let_in(struct admission *admission, const struct admission_facts *facts,
                        u64 claimed)
{
    const struct admission_peer *peer = &admission->peer;
    if (!peer->has_user) return false;
    if (peer->user == facts->own_user && (claimed == 0 || claimed == PRINCIPAL_OPERATOR)) {
        let_in(admission, PRINCIPAL_OPERATOR, COMMAND_THROUGH_USER, NULL);
        return true;
    }
    if (!peer->is_unix || peer->user == 0) return false;
    const struct principal *principal = principal_of_user(facts->context, peer->user);
    if (!is_open(principal, facts->position)) return false;
    if (claimed != 0 && claimed != principal->principal_id) return false;
    let_in(admission, (u64)principal->principal_id, COMMAND_THROUGH_USER, principal);
    return true;
}

const char *admission_hello(struct admission *admission, struct admission_users *users,
                            const struct admission_facts *facts, const struct admission_peer *peer,
                            const struct tael_hello *hello, const struct tael_challenge *fresh)
{
    if (admission->state != ADMISSION_STRANGER) return "said hello before";
    if (hello->reserved != 0) return "a reserved field of the hello is not zero";
    if (hello->protocol_max < TAEL_PROTOCOL) return "speaks no version that is spoken here";
    admission->peer = *peer;
    if (user_let_in(admission, facts, hello->principal)) return NULL;
    if (hello->principal == 0) return "the user at the other end is not known as a principal";
    if (has_enough(users, peer, facts->now)) return "too many wrong proofs; try again later";
    admission->state = ADMISSION_ASKED;
    admission->principal = hello->principal;
    admission->asked_at = facts->now;
    admission->challenge = *fresh;
    return NULL;
}

const char *admission_proof(struct admission *admission, struct admission_users *users,
                            const struct admission_facts *facts, const struct tael_proof *proof)
{
    assert(admission->state == ADMISSION_ASKED);
    const u64 claimed = admission->principal;
    const struct tael_statement statement =
        tael_statement_of(&admission->challenge, claimed, proof->nonce);
    const bool is_late = admission_is_late(admission, facts->now);
    admission->state = ADMISSION_STRANGER; // Q1
    if (is_late) return "the proof came too late";
    if (has_enough(users, &admission->peer, facts->now)) {
        return "too many wrong proofs; try again later";
    }
    const struct principal *principal = principal_record_find(facts->context, claimed);
    const bool has_key = is_open(principal, facts->position) && principal_has_key(principal) &&
                         principal->key_position <= facts->position;
    const bool is_right = signature_check(has_key ? principal->public_key : decoy_key, &statement,
                                          sizeof statement, proof->signature);
    if (!is_right || !has_key) { // Q2
        wrong_note(users, &admission->peer, facts->now);
        return "the proof is not that of an open principal's key";
    }
    let_in(admission, claimed, COMMAND_THROUGH_KEY, principal);
    return NULL;
}

const char *admission_place(u64 principal, const struct admission_count *count)
{
    static_assert(ADMISSION_SESSIONS_EACH == 64 && ADMISSION_SESSIONS_OTHERS == 160 &&
                      ADMISSION_SESSIONS_ALL == 224,
                  "as the texts have it");
    if (principal != PRINCIPAL_OPERATOR) {
        if (count->own >= ADMISSION_SESSIONS_EACH) {
            return "the principal has 64 connections, as many as one may";
        }
        if (count->others >= ADMISSION_SESSIONS_OTHERS) {
            return "all principals but 1 have 160 connections, as many as they may together";
        }
    }
    if (count->all < ADMISSION_SESSIONS_ALL) return NULL;
    return "there are 224 connections that were let in, as many as may be";
}

bool admission_stands(const struct admission *admission, const struct module_context *context)
{
    assert(admission->state == ADMISSION_WELCOME);
    if (admission->principal == PRINCIPAL_OPERATOR) return true;
    const struct principal *principal = principal_record_find(context, admission->principal);
    if (principal == NULL || principal->status != PRINCIPAL_OPEN) return false;
    if (principal->open_position != admission->open_position) return false;
    return admission->through != COMMAND_THROUGH_KEY ||
           principal->key_position == admission->key_position;
}
