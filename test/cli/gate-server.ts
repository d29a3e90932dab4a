/** @file The other end of the `gate` stage: a test holds stages open, and lets them go on when it likes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export interface HeldStage {
  /**
   * The stage `gate` knows `go`, `busy` for a failure that may pass, `throw` for a bug in the stage, and `die` for a
   * process that is killed.
   */
  answer(word: string): void
}

export class GateServer {
  readonly environment: { readonly GATE_SOCKET: string }
  readonly #arrived = new Map<string, Socket[]>()
  readonly #awaited = new Map<string, ((held: HeldStage) => void)[]>()

  private constructor(server: Server, path: string) {
    this.environment = { GATE_SOCKET: path }
    server.on('connection', (socket) => {
      socket.on('error', () => {})
      socket.once('data', (data) => this.#arrive(String(data), socket))
    })
  }

  static async listen(): Promise<GateServer> {
    const folder = mkdtempSync(join(tmpdir(), 'flow-gate-'))
    const path = join(folder, 'socket')
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(path, resolve))
    onTestFinished(() => {
      server.close()
      rmSync(folder, { recursive: true, force: true })
    })
    return new GateServer(server, path)
  }

  /** The next stage of this name that waits at the gate; without a name, the next one whatever its name. */
  async next(name = anyName): Promise<HeldStage> {
    const known =
      name === anyName ? [...this.#arrived.keys()].find((key) => this.#arrived.get(key)?.length) : name
    const socket = this.#arrived.get(known ?? name)?.shift()
    if (socket !== undefined) return held(socket)
    return await new Promise((resolve) => {
      this.#awaited.set(name, [...(this.#awaited.get(name) ?? []), resolve])
    })
  }

  #arrive(name: string, socket: Socket): void {
    const resolve = this.#awaited.get(name)?.shift() ?? this.#awaited.get(anyName)?.shift()
    if (resolve !== undefined) resolve(held(socket))
    else this.#arrived.set(name, [...(this.#arrived.get(name) ?? []), socket])
  }
}

const anyName = '*'

function held(socket: Socket): HeldStage {
  return { answer: (word) => socket.end(word) }
}
