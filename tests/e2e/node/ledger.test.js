// SPDX-License-Identifier: Apache-2.0
//
// Every operation of the official client, with results derived from the ledger's rules.
'use strict'

const { after, before, test } = require('node:test')
const assert = require('node:assert/strict')
const {
  AccountFilterFlags, AccountFlags, CreateAccountStatus, CreateTransferStatus, ErrorCodes,
  QueryFilterFlags, TransferFlags, amount_max: AMOUNT_MAX, id
} = require('tigerbeetle-node')
const { Server } = require('./server')
const {
  LEDGER, account, transfer, settlement, accountFilter, queryFilter, statuses, ids, range, until
} = require('./records')

const BATCH_MAX = 8189
const created = CreateTransferStatus.created
const server = new Server()
let client

before(async () => {
  await server.start()
  client = server.client()
})
after(() => server.end())

// Makes accounts with these flags. Returns their ids.
async function accountsMake (...flags) {
  const accounts = flags.map((flag) => account({ id: id(), flags: flag }))
  assert.deepEqual(statuses(await client.createAccounts(accounts)), flags.map(() => created))
  return ids(accounts)
}

// [debits pending, debits posted, credits pending, credits posted]
async function balances (account_id) {
  const [found] = await client.lookupAccounts([account_id])
  return [found.debits_pending, found.debits_posted, found.credits_pending, found.credits_posted]
}

// Creates transfers. Returns their statuses.
async function post (...transfers) {
  return statuses(await client.createTransfers(transfers))
}

test('accounts are created in order of time and found as they were sent', async () => {
  const sent = range(3).map((index) => account({
    id: id(),
    user_data_128: 2n ** 127n + BigInt(index),
    user_data_64: 2n ** 63n,
    user_data_32: 4294967295,
    code: 65535 - index,
    flags: AccountFlags.history
  }))
  const results = await client.createAccounts(sent)
  assert.deepEqual(statuses(results), [created, created, created])
  assert.ok(results[0].timestamp < results[1].timestamp)
  assert.ok(results[1].timestamp < results[2].timestamp)
  const found = await client.lookupAccounts([sent[2].id, id(), sent[0].id])
  assert.deepEqual(found, [
    { ...sent[2], timestamp: results[2].timestamp },
    { ...sent[0], timestamp: results[0].timestamp }
  ])
  // The same again, and the same id with something else.
  const again = await client.createAccounts([sent[0], { ...sent[0], code: 3 },
    { ...sent[0], flags: 0, code: 3 }])
  assert.deepEqual(statuses(again), [CreateAccountStatus.exists,
    CreateAccountStatus.exists_with_different_code, CreateAccountStatus.exists_with_different_flags])
  assert.equal(again[0].timestamp, results[0].timestamp)
})

test('rules of accounts are checked in their order', async () => {
  const limits = AccountFlags.debits_must_not_exceed_credits |
    AccountFlags.credits_must_not_exceed_debits
  const rows = [
    [{ timestamp: 1n, id: 0n }, 'timestamp_must_be_zero'],
    [{ reserved: 1, id: 0n }, 'reserved_field'],
    [{ flags: 1 << 15, id: 0n }, 'reserved_flag'],
    [{ id: 0n, ledger: 0 }, 'id_must_not_be_zero'],
    [{ id: AMOUNT_MAX, ledger: 0 }, 'id_must_not_be_int_max'],
    [{ flags: limits, debits_pending: 1n }, 'flags_are_mutually_exclusive'],
    [{ debits_pending: 1n, debits_posted: 1n }, 'debits_pending_must_be_zero'],
    [{ debits_posted: 1n, credits_pending: 1n }, 'debits_posted_must_be_zero'],
    [{ credits_pending: 1n, credits_posted: 1n }, 'credits_pending_must_be_zero'],
    [{ credits_posted: 1n, ledger: 0 }, 'credits_posted_must_be_zero'],
    [{ ledger: 0, code: 0 }, 'ledger_must_not_be_zero'],
    [{ code: 0 }, 'code_must_not_be_zero']
  ]
  const results = await client.createAccounts(rows.map(([fields]) =>
    account({ id: id(), ...fields })))
  assert.deepEqual(results.map((result) => CreateAccountStatus[result.status]),
    rows.map(([, name]) => name))
})

test('a transfer moves its amount, once', async () => {
  const [a, b] = await accountsMake(0, 0)
  const sent = transfer({
    id: id(), debit_account_id: a, credit_account_id: b, amount: 250n, user_data_64: 9n
  })
  const [result] = await client.createTransfers([sent])
  assert.equal(result.status, created)
  assert.deepEqual(await balances(a), [0n, 250n, 0n, 0n])
  assert.deepEqual(await balances(b), [0n, 0n, 0n, 250n])
  assert.deepEqual(await client.lookupTransfers([sent.id, id()]),
    [{ ...sent, timestamp: result.timestamp }])
  const [again] = await client.createTransfers([sent])
  assert.equal(again.status, CreateTransferStatus.exists)
  assert.equal(again.timestamp, result.timestamp)
  assert.deepEqual(await post({ ...sent, amount: 251n }),
    [CreateTransferStatus.exists_with_different_amount])
  assert.deepEqual(await balances(a), [0n, 250n, 0n, 0n])
})

test('rules of transfers are checked in their order', async () => {
  const [a, b] = await accountsMake(0, 0)
  const other = id()
  await client.createAccounts([account({ id: other, ledger: LEDGER + 1 })])
  const both = { debit_account_id: a, credit_account_id: b }
  const rows = [
    [{ timestamp: 1n, flags: 1 << 15 }, 'timestamp_must_be_zero'],
    [{ flags: 1 << 15, id: 0n }, 'reserved_flag'],
    [{ id: 0n }, 'id_must_not_be_zero'],
    [{ id: AMOUNT_MAX }, 'id_must_not_be_int_max'],
    [{ flags: TransferFlags.pending | TransferFlags.post_pending_transfer },
      'flags_are_mutually_exclusive'],
    [{ credit_account_id: 0n }, 'debit_account_id_must_not_be_zero'],
    [{ debit_account_id: AMOUNT_MAX }, 'debit_account_id_must_not_be_int_max'],
    [{ debit_account_id: a }, 'credit_account_id_must_not_be_zero'],
    [{ debit_account_id: a, credit_account_id: AMOUNT_MAX },
      'credit_account_id_must_not_be_int_max'],
    [{ debit_account_id: a, credit_account_id: a, pending_id: 1n }, 'accounts_must_be_different'],
    [{ ...both, pending_id: 1n, timeout: 1 }, 'pending_id_must_be_zero'],
    [{ ...both, timeout: 1, ledger: 0 }, 'timeout_reserved_for_pending_transfer'],
    [{ ...both, flags: TransferFlags.closing_debit, ledger: 0 },
      'closing_transfer_must_be_pending'],
    [{ ...both, ledger: 0, code: 0 }, 'ledger_must_not_be_zero'],
    [{ ...both, code: 0, debit_account_id: 5n }, 'code_must_not_be_zero'],
    [{ debit_account_id: id(), credit_account_id: id() }, 'debit_account_not_found'],
    [{ debit_account_id: a, credit_account_id: id() }, 'credit_account_not_found'],
    [{ debit_account_id: a, credit_account_id: other }, 'accounts_must_have_the_same_ledger'],
    [{ ...both, ledger: LEDGER + 1 }, 'transfer_must_have_the_same_ledger_as_accounts'],
    [{ flags: TransferFlags.post_pending_transfer }, 'pending_id_must_not_be_zero'],
    [{ flags: TransferFlags.post_pending_transfer, pending_id: AMOUNT_MAX },
      'pending_id_must_not_be_int_max'],
    [{ id: 77n, flags: TransferFlags.post_pending_transfer, pending_id: 77n },
      'pending_id_must_be_different'],
    [{ flags: TransferFlags.post_pending_transfer, pending_id: id() },
      'pending_transfer_not_found']
  ]
  const results = await client.createTransfers(rows.map(([fields]) =>
    transfer({ id: id(), amount: 1n, ...fields })))
  assert.deepEqual(results.map((result) => CreateTransferStatus[result.status]),
    rows.map(([, name]) => name))
  assert.deepEqual(await balances(a), [0n, 0n, 0n, 0n])
})

test('an id that failed for a transient reason is never used again', async () => {
  const [rich, poor] = await accountsMake(0, AccountFlags.debits_must_not_exceed_credits)
  const sent = transfer({ id: id(), debit_account_id: poor, credit_account_id: rich, amount: 5n })
  assert.deepEqual(await post(sent), [CreateTransferStatus.exceeds_credits])
  const funds = transfer({ id: id(), debit_account_id: rich, credit_account_id: poor, amount: 5n })
  assert.deepEqual(await post(funds), [created])
  assert.deepEqual(await post(sent), [CreateTransferStatus.id_already_failed])
  assert.deepEqual(await client.lookupTransfers([sent.id]), [])
  assert.deepEqual(await post({ ...sent, id: id() }), [created])
})

test('limits count holds of their own side, and not those of the other', async () => {
  const [bank, wallet] = await accountsMake(0, AccountFlags.debits_must_not_exceed_credits)
  const toWallet = { debit_account_id: bank, credit_account_id: wallet }
  const fromWallet = { debit_account_id: wallet, credit_account_id: bank }
  const pending = TransferFlags.pending
  assert.deepEqual(await post(
    transfer({ id: id(), ...toWallet, amount: 100n }),
    transfer({ id: id(), ...toWallet, amount: 50n, flags: pending }),
    transfer({ id: id(), ...fromWallet, amount: 30n, flags: pending }),
    transfer({ id: id(), ...fromWallet, amount: 71n }),
    transfer({ id: id(), ...fromWallet, amount: 70n }),
    transfer({ id: id(), ...fromWallet, amount: 1n })
  ), [created, created, created, CreateTransferStatus.exceeds_credits, created,
    CreateTransferStatus.exceeds_credits])
  assert.deepEqual(await balances(wallet), [30n, 70n, 50n, 100n])
})

test('two phases: hold, post in part, post all, void', async () => {
  const [a, b] = await accountsMake(0, 0)
  const both = { debit_account_id: a, credit_account_id: b }
  const holds = range(3).map(() =>
    transfer({ id: id(), ...both, amount: 100n, flags: TransferFlags.pending }))
  assert.deepEqual(await post(...holds), [created, created, created])
  assert.deepEqual(await balances(a), [300n, 0n, 0n, 0n])
  const flags = TransferFlags.post_pending_transfer
  const part = settlement({ id: id(), pending_id: holds[0].id, amount: 40n, flags })
  assert.deepEqual(await post({ ...part, id: id(), amount: 101n }),
    [CreateTransferStatus.exceeds_pending_transfer_amount])
  assert.deepEqual(await post(part), [created])
  assert.deepEqual(await balances(a), [200n, 40n, 0n, 0n])
  const all = settlement({ id: id(), pending_id: holds[1].id, amount: AMOUNT_MAX, flags })
  assert.deepEqual(await post(all), [created])
  assert.deepEqual(await balances(b), [0n, 0n, 100n, 140n])
  const cancel = settlement({
    id: id(), pending_id: holds[2].id, flags: TransferFlags.void_pending_transfer
  })
  assert.deepEqual(await post(cancel), [created])
  assert.deepEqual(await balances(a), [0n, 140n, 0n, 0n])
  const status = CreateTransferStatus
  assert.deepEqual(await post({ ...all, id: id() }, { ...cancel, id: id(), pending_id: holds[0].id },
    { ...all, id: id(), pending_id: holds[2].id }, { ...all, id: id(), pending_id: part.id }),
  [status.pending_transfer_already_posted, status.pending_transfer_already_posted,
    status.pending_transfer_already_voided, status.pending_transfer_not_pending])
  // What the settlement left out is the pending transfer's.
  const [found] = await client.lookupTransfers([all.id])
  assert.equal(found.amount, 100n)
  assert.equal(found.debit_account_id, a)
  assert.equal(found.ledger, LEDGER)
})

test('a hold expires', async () => {
  const [a, b] = await accountsMake(0, 0)
  const hold = transfer({
    id: id(), debit_account_id: a, credit_account_id: b, amount: 8n, timeout: 1,
    flags: TransferFlags.pending
  })
  assert.deepEqual(await post(hold), [created])
  assert.deepEqual(await balances(a), [8n, 0n, 0n, 0n])
  await until(async () => (await balances(a))[0] === 0n)
  assert.deepEqual(await balances(a), [0n, 0n, 0n, 0n])
  assert.deepEqual(await post(settlement({
    id: id(), pending_id: hold.id, amount: AMOUNT_MAX, flags: TransferFlags.post_pending_transfer
  })), [CreateTransferStatus.pending_transfer_expired])
})

test('a chain succeeds or fails as one', async () => {
  const [a, b, limited] = await accountsMake(0, 0, AccountFlags.debits_must_not_exceed_credits)
  const step = (debit_account_id, credit_account_id, linked) => transfer({
    id: id(), debit_account_id, credit_account_id, amount: 10n,
    flags: linked ? TransferFlags.linked : 0
  })
  const status = CreateTransferStatus
  assert.deepEqual(await post(
    step(a, b, true), step(limited, b, true), step(b, a, false),
    step(a, b, false),
    step(a, limited, true), step(limited, b, false),
    step(a, b, true), step(a, b, true)
  ), [status.linked_event_failed, status.exceeds_credits, status.linked_event_failed,
    created,
    created, created,
    status.linked_event_failed, status.linked_event_chain_open])
  assert.deepEqual(await balances(a), [0n, 20n, 0n, 0n])
  assert.deepEqual(await balances(b), [0n, 0n, 0n, 20n])
  assert.deepEqual(await balances(limited), [0n, 10n, 0n, 10n])
  // Accounts too.
  const linked = AccountFlags.linked
  assert.deepEqual(statuses(await client.createAccounts([
    account({ id: id(), flags: linked }), account({ id: id(), code: 0 }), account({ id: id() })
  ])), [CreateAccountStatus.linked_event_failed, CreateAccountStatus.code_must_not_be_zero, created])
})

test('a balancing transfer moves what is there', async () => {
  const [bank, wallet] = await accountsMake(0, 0)
  await post(transfer({ id: id(), debit_account_id: bank, credit_account_id: wallet, amount: 60n }))
  const some = transfer({
    id: id(), debit_account_id: wallet, credit_account_id: bank, amount: 25n,
    flags: TransferFlags.balancing_debit
  })
  const all = { ...some, id: id(), amount: AMOUNT_MAX }
  const none = { ...some, id: id(), amount: AMOUNT_MAX }
  assert.deepEqual(await post(some, all, none), [created, created, created])
  assert.deepEqual((await client.lookupTransfers([some.id, all.id, none.id]))
    .map((found) => found.amount), [25n, 35n, 0n])
  // The credit side: at most what the credit account still owes in debits.
  const [till, debtor] = await accountsMake(0, 0)
  await post(transfer({ id: id(), debit_account_id: debtor, credit_account_id: till, amount: 15n }))
  const back = transfer({
    id: id(), debit_account_id: till, credit_account_id: debtor, amount: 100n,
    flags: TransferFlags.balancing_credit
  })
  assert.deepEqual(await post(back), [created])
  assert.equal((await client.lookupTransfers([back.id]))[0].amount, 15n)
  assert.deepEqual(await balances(debtor), [0n, 15n, 0n, 15n])
})

test('a closing transfer closes an account, and its void opens it', async () => {
  const [a, b] = await accountsMake(0, 0)
  const close = transfer({
    id: id(), debit_account_id: a, credit_account_id: b, amount: 0n,
    flags: TransferFlags.pending | TransferFlags.closing_debit
  })
  assert.deepEqual(await post(close), [created])
  const isClosed = async () =>
    ((await client.lookupAccounts([a]))[0].flags & AccountFlags.closed) !== 0
  assert.equal(await isClosed(), true)
  const move = (debit_account_id, credit_account_id) =>
    transfer({ id: id(), debit_account_id, credit_account_id, amount: 1n })
  assert.deepEqual(await post(move(a, b), move(b, a)), [
    CreateTransferStatus.debit_account_already_closed,
    CreateTransferStatus.credit_account_already_closed])
  assert.deepEqual(await post(settlement({
    id: id(), pending_id: close.id, flags: TransferFlags.void_pending_transfer
  })), [created])
  assert.equal(await isClosed(), false)
  assert.deepEqual(await post(move(a, b)), [created])
})

test('imported accounts and transfers keep their timestamps', async () => {
  const [marker] = await client.createAccounts([account({ id: id() })])
  const start = marker.timestamp
  // What is imported lies between the marker and now; a refused event tells what time it is.
  await until(async () => {
    const [refused] = await client.createAccounts([account({ id: id(), code: 0 })])
    return refused.timestamp > start + 1_000_000n
  })
  const flags = AccountFlags.imported
  const a = account({ id: id(), flags, timestamp: start + 1n })
  const b = account({ id: id(), flags, timestamp: start + 2n })
  const status = CreateAccountStatus
  assert.deepEqual(statuses(await client.createAccounts([
    a, b,
    account({ id: id(), flags, timestamp: start + 2n }),
    account({ id: id(), flags, timestamp: BigInt(Date.now()) * 1_000_000n + 10n ** 15n }),
    account({ id: id(), flags, timestamp: 0n }),
    account({ id: id() })
  ])), [created, created, status.imported_event_timestamp_must_not_regress,
    status.imported_event_timestamp_must_not_advance,
    status.imported_event_timestamp_out_of_range, status.imported_event_expected])
  assert.deepEqual(statuses(await client.createAccounts([account({ id: id() }),
    account({ id: id(), flags, timestamp: start + 3n })])),
  [created, status.imported_event_not_expected])
  const move = (timestamp) => transfer({
    id: id(), debit_account_id: a.id, credit_account_id: b.id, amount: 3n, timestamp,
    flags: TransferFlags.imported
  })
  const good = move(start + 10n)
  assert.deepEqual(await post(move(start + 2n), good, move(start + 10n)), [
    CreateTransferStatus.imported_event_timestamp_must_not_regress, created,
    CreateTransferStatus.imported_event_timestamp_must_not_regress])
  assert.equal((await client.lookupTransfers([good.id]))[0].timestamp, start + 10n)
})

test('transfers of an account: sides, order, conditions, pages', async () => {
  const [a, b] = await accountsMake(AccountFlags.history, 0)
  const sent = range(10).map((index) => transfer({
    id: id(),
    debit_account_id: index % 2 === 0 ? a : b,
    credit_account_id: index % 2 === 0 ? b : a,
    amount: BigInt(index + 1),
    user_data_128: BigInt(100 + index % 3),
    user_data_64: BigInt(10 + index % 2),
    user_data_32: 1 + index % 5,
    code: 1 + (index > 4 ? 1 : 0)
  }))
  const results = await client.createTransfers(sent)
  assert.deepEqual(statuses(results), sent.map(() => created))
  const ask = async (fields) =>
    ids(await client.getAccountTransfers(accountFilter({ account_id: a, ...fields })))
  const those = (keep) => ids(sent.filter((_, index) => keep(index)))
  const { debits, credits, reversed } = AccountFilterFlags
  assert.deepEqual(await ask({}), ids(sent))
  assert.deepEqual(await ask({ flags: debits }), those((index) => index % 2 === 0))
  assert.deepEqual(await ask({ flags: credits }), those((index) => index % 2 === 1))
  assert.deepEqual(await ask({ flags: debits | credits | reversed }), ids(sent).reverse())
  assert.deepEqual(await ask({ user_data_128: 101n }), those((index) => index % 3 === 1))
  assert.deepEqual(await ask({ user_data_64: 11n }), those((index) => index % 2 === 1))
  assert.deepEqual(await ask({ user_data_32: 5 }), those((index) => index % 5 === 4))
  assert.deepEqual(await ask({ code: 2 }), those((index) => index > 4))
  assert.deepEqual(await ask({ code: 2, user_data_128: 100n, flags: debits }),
    those((index) => index > 4 && index % 3 === 0 && index % 2 === 0))
  // Pages of three, by the timestamp behind the last one.
  let seen = []
  for (let timestamp_min = 0n; ;) {
    const page = await client.getAccountTransfers(
      accountFilter({ account_id: a, limit: 3, timestamp_min }))
    if (page.length === 0) break
    assert.ok(page.length <= 3)
    seen = seen.concat(ids(page))
    timestamp_min = page[page.length - 1].timestamp + 1n
  }
  assert.deepEqual(seen, ids(sent))
  assert.deepEqual(await ask({
    timestamp_min: results[2].timestamp, timestamp_max: results[4].timestamp
  }), those((index) => index >= 2 && index <= 4))
  // What is not a question has no answer.
  for (const fields of [{ account_id: 0n }, { account_id: AMOUNT_MAX }, { limit: 0 }, { flags: 0 },
    { flags: 1 << 15 }, { timestamp_min: 2n, timestamp_max: 1n }, { timestamp_min: 2n ** 63n }]) {
    assert.deepEqual(await ask(fields), [])
  }

  // The balance after each of them, of an account with history only.
  let [debited, credited] = [0n, 0n]
  const expected = sent.map((move, index) => {
    if (index % 2 === 0) debited += move.amount
    else credited += move.amount
    return {
      debits_pending: 0n,
      debits_posted: debited,
      credits_pending: 0n,
      credits_posted: credited,
      timestamp: results[index].timestamp
    }
  })
  assert.deepEqual(await client.getAccountBalances(accountFilter({ account_id: a })), expected)
  assert.deepEqual(await client.getAccountBalances(
    accountFilter({ account_id: a, limit: 2, flags: debits | credits | reversed })),
  [expected[9], expected[8]])
  assert.deepEqual(await client.getAccountBalances(accountFilter({ account_id: b })), [])
})

test('queries of accounts and transfers: every condition must hold', async () => {
  const mark = id()
  const accounts = range(6).map((index) => account({
    id: id(), user_data_128: mark, user_data_64: BigInt(1 + index % 2), code: 1 + index % 3
  }))
  await client.createAccounts(accounts)
  const askAccounts = async (fields) =>
    ids(await client.queryAccounts(queryFilter({ user_data_128: mark, ...fields })))
  const those = (records, keep) => ids(records.filter((_, index) => keep(index)))
  assert.deepEqual(await askAccounts({}), ids(accounts))
  assert.deepEqual(await askAccounts({ ledger: LEDGER + 5 }), [])
  assert.deepEqual(await askAccounts({ code: 2 }), those(accounts, (index) => index % 3 === 1))
  assert.deepEqual(await askAccounts({ code: 2, user_data_64: 1n }),
    those(accounts, (index) => index % 3 === 1 && index % 2 === 0))
  assert.deepEqual(await askAccounts({ flags: QueryFilterFlags.reversed, limit: 2 }),
    [accounts[5].id, accounts[4].id])

  const transfers = range(6).map((index) => transfer({
    id: id(),
    debit_account_id: accounts[index % 3].id,
    credit_account_id: accounts[5 - index % 3].id,
    amount: 1n,
    user_data_128: mark,
    user_data_32: 1 + index % 2,
    code: 40 + index % 3
  }))
  const results = await client.createTransfers(transfers)
  const askTransfers = async (fields) =>
    ids(await client.queryTransfers(queryFilter({ user_data_128: mark, ...fields })))
  assert.deepEqual(await askTransfers({ ledger: LEDGER }), ids(transfers))
  assert.deepEqual(await askTransfers({ code: 41, user_data_32: 2 }),
    those(transfers, (index) => index % 3 === 1 && index % 2 === 1))
  assert.deepEqual(await askTransfers({
    timestamp_min: results[1].timestamp, timestamp_max: results[3].timestamp
  }), those(transfers, (index) => index >= 1 && index <= 3))
  assert.deepEqual(await askTransfers({ flags: QueryFilterFlags.reversed, limit: 1 }),
    [transfers[5].id])
  assert.deepEqual(await askTransfers({ limit: 0 }), [])
  assert.deepEqual(await askTransfers({ flags: 1 << 9 }), [])
})

test('balances overflow at 2^128', async () => {
  const [a, b] = await accountsMake(0, 0)
  const both = { debit_account_id: a, credit_account_id: b }
  const pending = TransferFlags.pending
  const status = CreateTransferStatus
  assert.deepEqual(await post(
    transfer({ id: id(), ...both, amount: AMOUNT_MAX - 10n }),
    transfer({ id: id(), ...both, amount: 6n, flags: pending }),
    transfer({ id: id(), ...both, amount: AMOUNT_MAX - 5n, flags: pending }),
    transfer({ id: id(), ...both, amount: 11n }),
    transfer({ id: id(), ...both, amount: 5n }),
    transfer({ id: id(), ...both, amount: 4n })
  ), [created, created, status.overflows_debits_pending, status.overflows_debits_posted,
    status.overflows_debits, created])
  assert.deepEqual(await balances(a), [6n, AMOUNT_MAX - 6n, 0n, 0n])
  // The debit account has room, the credit account has none.
  const [other] = await accountsMake(0)
  const toB = { debit_account_id: other, credit_account_id: b }
  assert.deepEqual(await post(
    transfer({ id: id(), ...toB, amount: AMOUNT_MAX - 5n, flags: pending }),
    transfer({ id: id(), ...toB, amount: 7n }),
    transfer({ id: id(), ...toB, amount: 1n })
  ), [status.overflows_credits_pending, status.overflows_credits_posted,
    status.overflows_credits])
})

test('batches of 8,189, of none, and of one too many', async () => {
  const accounts = range(BATCH_MAX).map(() => account({ id: id() }))
  assert.deepEqual(new Set(statuses(await client.createAccounts(accounts))), new Set([created]))
  const transfers = range(BATCH_MAX).map((index) => transfer({
    id: id(),
    debit_account_id: accounts[index].id,
    credit_account_id: accounts[(index + 1) % BATCH_MAX].id,
    amount: BigInt(index + 1)
  }))
  const results = await client.createTransfers(transfers)
  assert.equal(results.length, BATCH_MAX)
  assert.deepEqual(new Set(statuses(results)), new Set([created]))
  const found = await client.lookupAccounts(ids(accounts))
  assert.equal(found.length, BATCH_MAX)
  found.forEach((one, index) => {
    assert.equal(one.debits_posted, BigInt(index + 1))
    assert.equal(one.credits_posted, BigInt(index === 0 ? BATCH_MAX : index))
  })
  assert.deepEqual(ids(await client.lookupTransfers(ids(transfers))), ids(transfers))
  assert.deepEqual(await client.createAccounts([]), [])
  assert.deepEqual(await client.createTransfers([]), [])
  assert.deepEqual(await client.lookupAccounts([]), [])
  assert.deepEqual(await client.lookupTransfers([]), [])
  await assert.rejects(client.createAccounts(range(BATCH_MAX + 1).map(() => account({ id: id() }))),
    { code: ErrorCodes.ERR_TOO_MUCH_DATA })
})

test('many calls at once from several clients', async () => {
  const clients = range(8).map(() => server.client())
  const [hub] = await accountsMake(0)
  const spokes = await accountsMake(...clients.map(() => 0))
  // Each call is a batch of its own; the client sends several in one request.
  const calls = clients.flatMap((one, index) => range(200).map(async (call) => {
    const sent = range(1 + call % 5).map(() => transfer({
      id: id(), debit_account_id: hub, credit_account_id: spokes[index], amount: 1n
    }))
    assert.deepEqual(statuses(await one.createTransfers(sent)), sent.map(() => created))
    const found = await one.lookupTransfers(ids(sent))
    assert.deepEqual(ids(found), ids(sent))
    return sent.length
  }))
  const total = (await Promise.all(calls)).reduce((sum, count) => sum + count, 0)
  assert.equal(total, 8 * 40 * 15)
  assert.deepEqual(await balances(hub), [0n, BigInt(total), 0n, 0n])
  for (const spoke of spokes) assert.deepEqual(await balances(spoke), [0n, 0n, 0n, 600n])
})
