/** @file Connections that processes of a stage hold open: one closes when its process is gone. */
import { createServer, type Server, type Socket } from 'node:net'

export class Held {
  readonly path: string
  readonly #server: Server
  readonly #sockets: Socket[] = []
  #waiting: (() => void)[] = []

  /** @param path where its socket is to lie */
  constructor(path: string) {
    this.path = path
    this.#server = createServer((socket) => {
      socket.on('error', () => {})
      socket.resume()
      this.#sockets.push(socket)
      for (const wake of this.#waiting.splice(0)) wake()
    }).listen(path)
  }

  async connected(count: number): Promise<void> {
    while (this.#sockets.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  async closed(): Promise<void> {
    await Promise.all(
      this.#sockets.map((socket) => socket.closed || new Promise((resolve) => socket.once('close', resolve))),
    )
    this.#server.close()
  }
}

/** Head of a stage: `holdAll` connects this process, and a child of it that ignores SIGTERM. */
export const holdAll = (socket: string) => `
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
const child = \`process.on('SIGTERM', () => {}); require('node:net').connect('${socket}')\`
async function holdAll() {
  spawn(process.execPath, ['-e', child], { stdio: 'inherit' })
  await new Promise<void>((resolve) => connect('${socket}', resolve))
}`
