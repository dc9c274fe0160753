// SPDX-License-Identifier: Apache-2.0
//
// Accounts, transfers and filters with every field, from the few that a test cares about.
'use strict'

const { AccountFilterFlags } = require('tigerbeetle-node')

const LEDGER = 700

const account = (fields) => ({
  id: 0n,
  debits_pending: 0n,
  debits_posted: 0n,
  credits_pending: 0n,
  credits_posted: 0n,
  user_data_128: 0n,
  user_data_64: 0n,
  user_data_32: 0,
  reserved: 0,
  ledger: LEDGER,
  code: 1,
  flags: 0,
  timestamp: 0n,
  ...fields
})

const transfer = (fields) => ({
  id: 0n,
  debit_account_id: 0n,
  credit_account_id: 0n,
  amount: 0n,
  pending_id: 0n,
  user_data_128: 0n,
  user_data_64: 0n,
  user_data_32: 0,
  timeout: 0,
  ledger: LEDGER,
  code: 1,
  flags: 0,
  timestamp: 0n,
  ...fields
})

// Of a post or a void: what is not given is the pending transfer's.
const settlement = (fields) => transfer({ ledger: 0, code: 0, ...fields })

const accountFilter = (fields) => ({
  account_id: 0n,
  user_data_128: 0n,
  user_data_64: 0n,
  user_data_32: 0,
  code: 0,
  timestamp_min: 0n,
  timestamp_max: 0n,
  limit: 8189,
  flags: AccountFilterFlags.debits | AccountFilterFlags.credits,
  ...fields
})

const queryFilter = (fields) => ({
  user_data_128: 0n,
  user_data_64: 0n,
  user_data_32: 0,
  ledger: 0,
  code: 0,
  timestamp_min: 0n,
  timestamp_max: 0n,
  limit: 8189,
  flags: 0,
  ...fields
})

const statuses = (results) => results.map((result) => result.status)
const ids = (records) => records.map((record) => record.id)
const range = (count) => Array.from({ length: count }, (_, index) => index)

// Resolves when the condition holds; rejects after a minute.
async function until (condition) {
  const deadline = Date.now() + 60_000
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

module.exports = {
  LEDGER, account, transfer, settlement, accountFilter, queryFilter, statuses, ids, range, until
}
