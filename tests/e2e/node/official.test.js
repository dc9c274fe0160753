// SPDX-License-Identifier: Apache-2.0
//
// The client package's own tests, as they are published, against the server.
'use strict'

const { after, before, test } = require('node:test')
const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { Server } = require('./server')

const script = path.join(path.dirname(require.resolve('tigerbeetle-node')), 'test.js')
const server = new Server()

before(() => server.start())
after(() => server.end())

test('tigerbeetle-node/dist/test.js passes', { timeout: 300_000 }, async () => {
  const run = spawn(process.execPath, [script], {
    env: { ...process.env, TB_ADDRESS: server.address }
  })
  let output = ''
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (text) => { output += text })
  const [code] = await once(run, 'exit')
  assert.equal(code, 0, output)
  assert.ok(!output.includes('FAILED'), output)
  assert.ok((output.match(/: PASSED/g) || []).length >= 27, output)
})
