// SPDX-License-Identifier: Apache-2.0
//
// 65 clients of the server at argv[2]. A process of its own, because the official client can neither
// be destroyed nor left behind once it is evicted: the one aborts the process, the other keeps it.
'use strict'

const assert = require('node:assert/strict')
const { CreateAccountStatus, ErrorCodes, createClient, id } = require('tigerbeetle-node')
const { account, range, statuses } = require('./records')

const SESSIONS_MAX = 64
const connect = () => createClient({ cluster_id: 0n, replica_addresses: [process.argv[2]] })

async function createOne (client) {
  const results = await client.createAccounts([account({ id: id() })])
  assert.deepEqual(statuses(results), [CreateAccountStatus.created])
}

async function main () {
  const clients = range(SESSIONS_MAX).map(connect)
  // One after the other, so that the order of their last commands is known.
  for (const client of clients) await createOne(client)
  // The first one speaks again, so the second has been silent for longest.
  await createOne(clients[0])
  const late = connect()
  await createOne(late)
  await assert.rejects(createOne(clients[1]), { code: ErrorCodes.ERR_CLIENT_EVICTED })
  for (const client of [clients[0], ...clients.slice(2), late]) await createOne(client)
}

main().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
