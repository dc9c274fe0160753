// SPDX-License-Identifier: Apache-2.0
//
// The official Node client's own speed: bench/node.js [TRANSFERS], full batches, two calls in
// flight, ids that ascend, the random user data of `tael bench`. Batches are made beforehand, for
// making them takes this client longer than posting them. One JSON object on standard output.
// Needs the packages of tests/e2e/node (`./test` installs them) and build/tael.
'use strict'

const { Server } = require('../tests/e2e/node/server')
const { account, transfer } = require('../tests/e2e/node/records')
const { CreateTransferStatus } = require('../tests/e2e/node/node_modules/tigerbeetle-node')
const { randomBytes } = require('node:crypto')

const BATCH = 8189
const ACCOUNTS = 10000
const AHEAD = 24 // Batches made at a time.

function below (bound) { return BigInt(Math.floor(Math.random() * bound)) }

function batchMake (first, count) {
  const random = randomBytes(count * 28)
  const batch = []
  for (let i = 0; i < count; i++) {
    const debit = below(ACCOUNTS)
    const at = i * 28
    batch.push(transfer({
      id: BigInt(first + i + 1),
      debit_account_id: 1n + debit,
      credit_account_id: 1n + (debit + 1n + below(ACCOUNTS - 1)) % BigInt(ACCOUNTS),
      amount: 1n + below(10000),
      user_data_128: random.readBigUInt64LE(at) << 64n | random.readBigUInt64LE(at + 8),
      user_data_64: random.readBigUInt64LE(at + 16),
      user_data_32: random.readUInt32LE(at + 24)
    }))
  }
  return batch
}

async function main () {
  const total = Number(process.argv[2] || 2_000_000)
  const server = await new Server().start()
  const client = server.client()
  for (let first = 0; first < ACCOUNTS; first += BATCH) {
    const accounts = []
    for (let i = first; i < Math.min(first + BATCH, ACCOUNTS); i++) {
      accounts.push(account({ id: BigInt(i + 1) }))
    }
    await client.createAccounts(accounts)
  }
  let nanoseconds = 0n
  for (let done = 0; done < total;) {
    const batches = []
    for (; batches.length < AHEAD && done < total; done += batches.at(-1).length) {
      batches.push(batchMake(done, Math.min(BATCH, total - done)))
    }
    const began = process.hrtime.bigint()
    const next = batches.values()
    const post = async () => {
      for (const batch of next) {
        const results = await client.createTransfers(batch)
        const refused = results.find((result) => result.status !== CreateTransferStatus.created)
        if (refused) throw new Error(`refused with status ${refused.status}`)
      }
    }
    await Promise.all([post(), post()])
    nanoseconds += process.hrtime.bigint() - began
  }
  await server.end()
  const rate = Math.round(total * 1e9 / Number(nanoseconds))
  console.log(JSON.stringify({ client: 'tigerbeetle-node', transfers: total, transfers_per_s: rate }))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
