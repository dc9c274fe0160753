// SPDX-License-Identifier: Apache-2.0
//
// A server of its own for each test file: `tael serve` in a fresh folder, started, stopped and
// killed by the tests. TAEL_BINARY names the binary (default: build/tael), TAEL_E2E_FOLDER where
// folders are made (default: the system's temporary folder).
'use strict'

const { spawn } = require('node:child_process')
const { mkdtempSync, rmSync } = require('node:fs')
const { once } = require('node:events')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { createClient } = require('tigerbeetle-node')

const binary = process.env.TAEL_BINARY || path.join(__dirname, '../../../build/tael')
const READY_TIMEOUT_MS = 60_000

class Server {
  // `unix`: it listens on a socket in its folder instead of a port.
  constructor ({ unix = false } = {}) {
    this.folder = mkdtempSync(path.join(process.env.TAEL_E2E_FOLDER || tmpdir(), 'tael-e2e-'))
    this.port = 0 // The first start picks one, which later starts take again.
    this.socket = unix ? path.join(this.folder, 'socket') : null
    this.log = ''
    this.clients = []
  }

  get address () { return `127.0.0.1:${this.port}` }

  // Resolves when the server answers.
  async start () {
    const data = path.join(this.folder, 'data')
    const port = this.socket ? `unix:${this.socket}` : String(this.port)
    this.process = spawn(binary, ['serve', '--data', data, '--compat-port', port])
    this.process.stderr.on('data', (text) => { this.log += text })
    this.exit = once(this.process, 'exit')
    const child = this.process
    process.once('exit', () => child.kill('SIGKILL')) // When a test ends without end().
    let output = ''
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('not ready in time')), READY_TIMEOUT_MS)
      this.process.on('error', reject)
      this.process.on('exit', () => {
        clearTimeout(timer)
        reject(new Error(`the server ended before it was ready:\n${this.log}`))
      })
      this.process.stdout.on('data', (text) => {
        output += text
        const ready = /^ready .*compat=(?:127\.0\.0\.1:(\d+)|unix:(\S+))/m.exec(output)
        if (!ready) return
        clearTimeout(timer)
        if (!this.socket) this.port = Number(ready[1])
        else if (ready[2] !== this.socket) reject(new Error(`listens on ${ready[2]}`))
        resolve()
      })
    })
    return this
  }

  // Sends a signal and resolves with the exit code, or with the signal's name.
  async stop (signal = 'SIGTERM') {
    this.process.kill(signal)
    const [code, name] = await this.exit
    return code === null ? name : code
  }

  client () {
    const client = createClient({ cluster_id: 0n, replica_addresses: [this.address] })
    this.clients.push(client)
    return client
  }

  // Destroys the clients, stops the server and removes its folder.
  async end () {
    for (const client of this.clients) client.destroy()
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) {
      await this.stop('SIGTERM')
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

module.exports = { Server }
