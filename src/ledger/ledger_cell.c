// SPDX-License-Identifier: Apache-2.0
//
// Cells: the sums over accounts, and which accounts are in which.
//
// The sums are kept by differences modulo 2^128, so what is taken back by the opposite difference
// is exactly what was there before. G5 keeps them small enough to be read as signed numbers.
#include "ledger/ledger_internal.h"

enum status cells_init(struct ledger *ledger, const struct ledger_limits *limits,
                       struct failure *failure)
{
    enum status status = table_init(&ledger->sidecars, sizeof(struct account_sidecar),
                                    limits->accounts_max, failure);
    if (status == STATUS_OK) {
        status = table_init(&ledger->cells, sizeof(struct ledger_cell), LEDGER_CELLS_MAX, failure);
    }
    if (status == STATUS_OK) status = index_init(&ledger->sidecar_index, 0, failure);
    return status;
}

void cells_free(struct ledger *ledger)
{
    table_free(&ledger->sidecars);
    table_free(&ledger->cells);
    index_free(&ledger->sidecar_index);
}

// --- records by row ------------------------------------------------------------------------------

static struct ledger_cell *cell_at(const struct ledger *ledger, u32 row)
{
    assert(row < ledger->cells.count);
    return (struct ledger_cell *)(void *)ledger->cells.memory + row;
}

const struct ledger_cell *ledger_cell(const struct ledger *ledger, u32 row)
{
    return cell_at(ledger, row);
}

static struct account_sidecar *sidecar_at(const struct ledger *ledger, u32 row)
{
    assert(row < ledger->sidecars.count);
    return (struct account_sidecar *)(void *)ledger->sidecars.memory + row;
}

static u64 sidecar_hash(const struct ledger *ledger, u32 account_row)
{
    return hash_u64(&ledger->history->key, account_row, 0);
}

// The row of an account's sidecar, or ROW_NONE.
static u32 sidecar_find(const struct ledger *ledger, u32 account_row)
{
    struct index_cursor cursor;
    for (u32 row = index_first(&ledger->sidecar_index, sidecar_hash(ledger, account_row), &cursor);
         row != 0; row = index_next(&cursor)) {
        if (sidecar_at(ledger, row - 1)->account_row == account_row) return row - 1;
    }
    return ROW_NONE;
}

const struct account_sidecar *ledger_sidecar(const struct ledger *ledger, u32 account_row)
{
    const u32 row = sidecar_find(ledger, account_row);
    return row == ROW_NONE ? NULL : sidecar_at(ledger, row);
}

enum status sidecar_take(struct ledger *ledger, u32 account_row, struct account_sidecar **out,
                         struct failure *failure)
{
    u32 row = sidecar_find(ledger, account_row);
    enum status status = STATUS_OK;
    if (row == ROW_NONE) {
        assert(ledger->sidecars.count < ledger->sidecars.capacity); // One an account at most.
        row = (u32)ledger->sidecars.count++;
        table_touch(&ledger->sidecars, row);
        *sidecar_at(ledger, row) = (struct account_sidecar){.account_row = account_row};
        status =
            index_insert(&ledger->sidecar_index, sidecar_hash(ledger, account_row), row, failure);
    }
    table_touch(&ledger->sidecars, row);
    *out = sidecar_at(ledger, row);
    return status;
}

enum status cells_load(struct ledger *ledger, struct failure *failure)
{
    for (u32 row = 0; row < ledger->sidecars.count; row++) {
        const u64 hash = sidecar_hash(ledger, sidecar_at(ledger, row)->account_row);
        const enum status status = index_insert(&ledger->sidecar_index, hash, row, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

// --- postings ------------------------------------------------------------------------------------

static const struct account_sidecar *sidecar_of_cells(const struct ledger *ledger, u32 account_row)
{
    if (!account_has_cells(account_at(ledger, account_row))) return NULL;
    const struct account_sidecar *sidecar = ledger_sidecar(ledger, account_row);
    assert(sidecar != NULL && sidecar->cell_count > 0); // G3
    return sidecar;
}

static void cell_move(struct ledger *ledger, u32 row, const struct cell_change *change)
{
    struct ledger_cell *cell = cell_touch(ledger, row);
    cell->posted = (i128)((u128)cell->posted + change->posted);
    cell->debits_pending += change->debits_pending;
    cell->credits_pending += change->credits_pending;
    constraints_move(ledger, cell, change);
}

static void cells_move(struct ledger *ledger, const struct account_sidecar *sidecar,
                       const struct cell_change *change)
{
    for (u32 i = 0; i < sidecar->cell_count; i++) cell_move(ledger, sidecar->cells[i], change);
}

static bool is_within(i128 value, u128 magnitude_max)
{
    const u128 magnitude = value < 0 ? -(u128)value : (u128)value;
    return magnitude <= magnitude_max;
}

// The first rule that a cell of the debited or credited account breaks (G5).
static enum create_transfer_result cells_check(const struct ledger *ledger,
                                               const struct account_sidecar *sidecar, bool is_debit,
                                               const struct cell_posting *posting)
{
    for (u32 i = 0; i < sidecar->cell_count; i++) {
        const struct ledger_cell *cell = cell_at(ledger, sidecar->cells[i]);
        const u128 pending = is_debit ? cell->debits_pending : cell->credits_pending;
        if (posting->held > cell->sum_max - pending) { // What is pending is within by G5.
            return is_debit ? CREATE_TRANSFER_OVERFLOWS_DEBITS_PENDING
                            : CREATE_TRANSFER_OVERFLOWS_CREDITS_PENDING;
        }
        // An amount that is more than from one end to the other is not added at all.
        const bool is_huge = posting->posted > 2 * cell->sum_max;
        const i128 posted = is_huge ? 0 : (i128)posting->posted;
        const i128 after = is_debit ? cell->posted + posted : cell->posted - posted;
        if (is_huge || !is_within(after, cell->sum_max)) {
            return is_debit ? CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED
                            : CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED;
        }
    }
    return CREATE_TRANSFER_CREATED;
}

enum create_transfer_result cells_post(struct ledger *ledger, const struct cell_posting *posting)
{
    const struct account_sidecar *debit = sidecar_of_cells(ledger, posting->debit_row);
    const struct account_sidecar *credit = sidecar_of_cells(ledger, posting->credit_row);
    enum create_transfer_result result = CREATE_TRANSFER_CREATED;
    if (debit != NULL) result = cells_check(ledger, debit, true, posting);
    if (result == CREATE_TRANSFER_CREATED && credit != NULL) {
        result = cells_check(ledger, credit, false, posting);
    }
    if (result != CREATE_TRANSFER_CREATED) return result;
    const u128 pending = posting->held - posting->released;
    if (debit != NULL) {
        cells_move(ledger, debit,
                   &(struct cell_change){.posted = posting->posted, .debits_pending = pending});
    }
    if (credit != NULL) {
        cells_move(ledger, credit,
                   &(struct cell_change){.posted = -posting->posted, .credits_pending = pending});
    }
    return CREATE_TRANSFER_CREATED;
}

static struct cell_change change_of(const struct account *from, const struct account *to)
{
    return (struct cell_change){
        .posted =
            (to->debits_posted - to->credits_posted) - (from->debits_posted - from->credits_posted),
        .debits_pending = to->debits_pending - from->debits_pending,
        .credits_pending = to->credits_pending - from->credits_pending,
    };
}

void cells_take_back(struct ledger *ledger, u32 account_row, const struct account *before,
                     const struct account *now)
{
    const struct cell_change change = change_of(now, before);
    const struct account_sidecar *sidecar = sidecar_of_cells(ledger, account_row);
    assert(sidecar != NULL && account_has_cells(before));
    cells_move(ledger, sidecar, &change);
}

// --- changes of what is in a cell ----------------------------------------------------------------

u32 cell_open(struct ledger *ledger, u32 number)
{
    assert(ledger->cells.count < ledger->cells.capacity);
    const u32 row = (u32)ledger->cells.count++;
    table_touch(&ledger->cells, row);
    *cell_at(ledger, row) = (struct ledger_cell){.sum_max = LEDGER_MEASURE_MAX, .number = number};
    return row;
}

struct cell_change cell_change_of_member(const struct ledger *ledger, u32 account_row,
                                         bool is_added)
{
    const struct account nothing = {0};
    const struct account *account = account_at(ledger, account_row);
    return is_added ? change_of(&nothing, account) : change_of(account, &nothing);
}

enum status cell_add(struct ledger *ledger, u32 cell, u32 account_row, struct failure *failure)
{
    struct account_sidecar *sidecar = NULL;
    const enum status status = sidecar_take(ledger, account_row, &sidecar, failure);
    if (status != STATUS_OK) return status;
    assert(sidecar->cell_count < LEDGER_ACCOUNT_CELLS_MAX);
    assert(account_class(account_at(ledger, account_row)) != 0);
    sidecar->cells[sidecar->cell_count++] = cell;
    table_touch(&ledger->accounts, account_row);
    account_set_has_cells(account_at(ledger, account_row), true);
    const struct cell_change change = cell_change_of_member(ledger, account_row, true);
    cell_move(ledger, cell, &change);
    cell_at(ledger, cell)->account_count++;
    return STATUS_OK;
}

void cell_remove(struct ledger *ledger, u32 cell, u32 account_row)
{
    const u32 row = sidecar_find(ledger, account_row);
    assert(row != ROW_NONE);
    struct account_sidecar *sidecar = sidecar_at(ledger, row);
    u32 place = 0;
    while (place < sidecar->cell_count && sidecar->cells[place] != cell) place++;
    assert(place < sidecar->cell_count);
    table_touch(&ledger->sidecars, row);
    sidecar->cell_count--;
    for (u32 i = place; i < sidecar->cell_count; i++) sidecar->cells[i] = sidecar->cells[i + 1];
    sidecar->cells[sidecar->cell_count] = 0;
    const struct cell_change change = cell_change_of_member(ledger, account_row, false);
    cell_move(ledger, cell, &change);
    cell_at(ledger, cell)->account_count--;
    if (sidecar->cell_count > 0) return;
    table_touch(&ledger->accounts, account_row);
    account_set_has_cells(account_at(ledger, account_row), false);
}

bool ledger_cell_has(const struct ledger *ledger, u32 cell, u32 account_row)
{
    const struct account_sidecar *sidecar = ledger_sidecar(ledger, account_row);
    for (u32 i = 0; sidecar != NULL && i < sidecar->cell_count; i++) {
        if (sidecar->cells[i] == cell) return true;
    }
    return false;
}

bool ledger_cell_takes(const struct ledger *ledger, u32 cell_row, u32 account_row, bool is_added)
{
    const struct ledger_cell *cell = cell_at(ledger, cell_row);
    const struct account *account = account_at(ledger, account_row);
    const bool is_debit = account->debits_posted > account->credits_posted;
    const u128 magnitude = is_debit ? account->debits_posted - account->credits_posted
                                    : account->credits_posted - account->debits_posted;
    if (magnitude > 2 * cell->sum_max)
        return false; // So is what is left of it, whatever was there.
    const i128 posted = is_debit == is_added ? (i128)magnitude : -(i128)magnitude;
    if (!is_within(cell->posted + posted, cell->sum_max)) return false;
    if (!is_added) return true;
    return account->debits_pending <= cell->sum_max - cell->debits_pending &&
           account->credits_pending <= cell->sum_max - cell->credits_pending;
}

bool cell_fits(const struct ledger_cell *cell, u128 sum_max)
{
    return is_within(cell->posted, sum_max) && cell->debits_pending <= sum_max &&
           cell->credits_pending <= sum_max;
}

struct ledger_cell *cell_touch(struct ledger *ledger, u32 row)
{
    table_touch(&ledger->cells, row);
    return cell_at(ledger, row);
}
