// SPDX-License-Identifier: Apache-2.0
//
// Sessions of official clients: servers that stop and are killed under load, and the 65th client.
'use strict'

const { afterEach, beforeEach, test } = require('node:test')
const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { createServer: createListener } = require('node:net')
const path = require('node:path')
const { CreateTransferStatus, id } = require('tigerbeetle-node')
const { Server } = require('./server')
const { account, transfer, statuses, ids, range, until } = require('./records')

const created = CreateTransferStatus.created
let server

beforeEach(async () => { server = await new Server().start() })
afterEach(() => server.end())

test('a client goes on after a clean stop, with what it asked meanwhile', async () => {
  const client = server.client()
  const [a, b] = [id(), id()]
  await client.createAccounts([account({ id: a }), account({ id: b })])
  assert.equal(await server.stop('SIGTERM'), 0)
  const move = transfer({ id: id(), debit_account_id: a, credit_account_id: b, amount: 7n })
  const waiting = client.createTransfers([move])
  // Meanwhile it tries to connect.
  const listener = createListener((socket) => socket.destroy()).listen(server.port, '127.0.0.1')
  await once(listener, 'connection')
  await new Promise((resolve) => listener.close(resolve))
  await server.start()
  assert.deepEqual(statuses(await waiting), [created])
  const [found] = await client.lookupAccounts([a])
  assert.equal(found.debits_posted, 7n)
  const other = server.client()
  assert.deepEqual(ids(await other.lookupTransfers([move.id])), [move.id])
})

test('what was acknowledged survives kills, and nothing is applied twice', async () => {
  const clients = range(3).map(() => server.client())
  const [a, b] = [id(), id()]
  await clients[0].createAccounts([account({ id: a }), account({ id: b })])
  let isOver = false
  const acknowledged = []
  const work = clients.map(async (client) => {
    while (!isOver) {
      const sent = range(100).map(() =>
        transfer({ id: id(), debit_account_id: a, credit_account_id: b, amount: 1n }))
      const results = await client.createTransfers(sent)
      // A repeated request gets its stored reply: no `exists` shows.
      assert.deepEqual(new Set(statuses(results)), new Set([created]))
      acknowledged.push(...ids(sent))
    }
  })
  const moreIsAcknowledged = () => {
    const before = acknowledged.length
    return until(() => acknowledged.length >= before + 10_000)
  }
  for (let round = 0; round < 3; round++) {
    await moreIsAcknowledged()
    assert.equal(await server.stop('SIGKILL'), 'SIGKILL')
    await server.start()
  }
  await moreIsAcknowledged()
  isOver = true
  await Promise.all(work)
  assert.ok(acknowledged.length > 0)
  for (let first = 0; first < acknowledged.length; first += 8000) {
    const some = acknowledged.slice(first, first + 8000)
    assert.deepEqual(ids(await clients[0].lookupTransfers(some)), some)
  }
  // Every request was answered in the end, so the balance is exactly what was acknowledged.
  const [found] = await clients[0].lookupAccounts([a])
  assert.equal(found.debits_posted, BigInt(acknowledged.length))
  assert.equal(await server.stop('SIGTERM'), 0)
})

test('the 65th client takes the place of the one longest silent', async () => {
  const run = spawn(process.execPath, [path.join(__dirname, 'eviction.js'), server.address])
  let output = ''
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (text) => { output += text })
  const [code] = await once(run, 'exit')
  assert.equal(code, 0, output)
})
