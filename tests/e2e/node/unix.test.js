// SPDX-License-Identifier: Apache-2.0
//
// A server on a unix socket. The official client speaks TCP only, so its bytes are passed on.
'use strict'

const { test } = require('node:test')
const assert = require('node:assert/strict')
const { existsSync } = require('node:fs')
const { once } = require('node:events')
const net = require('node:net')
const { createClient, id } = require('tigerbeetle-node')
const { Server } = require('./server')
const { account, ids } = require('./records')

const timeout = 120_000

test('a unix socket is listened on, taken over and removed', { timeout }, async () => {
  const server = await new Server({ unix: true }).start()
  const passing = net.createServer((socket) => {
    const onward = net.connect(server.socket)
    for (const [end, other] of [[socket, onward], [onward, socket]]) {
      end.on('error', () => {}) // While the server is away.
      end.on('close', () => other.destroy())
      end.pipe(other)
    }
  }).listen(0, '127.0.0.1')
  await once(passing, 'listening')
  const address = `127.0.0.1:${passing.address().port}`
  const client = createClient({ cluster_id: 0n, replica_addresses: [address] })
  const sent = account({ id: id() })
  await client.createAccounts([sent])
  assert.equal(await server.stop('SIGKILL'), 'SIGKILL')
  assert.ok(existsSync(server.socket))
  await server.start()
  assert.deepEqual(ids(await client.lookupAccounts([sent.id])), [sent.id])
  client.destroy()
  passing.close()
  assert.equal(await server.stop('SIGTERM'), 0)
  assert.ok(!existsSync(server.socket))
  await server.end()
})
