/**
 * @file The worker processes of one run. A process that keeps what a later node reads stays for it; there are never
 * more processes, busy and idle, than stages may run side by side.
 */
import { totalmem } from 'node:os'
import path from 'node:path'
import type { StageListener } from './run-stage.ts'
import { WorkerGone, WorkerProcess, type WorkerTask } from './worker-process.ts'
import type { Staying } from './worker-protocol.ts'

export interface WorkerPoolOptions {
  /** How many stages run side by side. */
  readonly jobs: number
  /** Every node gets a process of its own. @default false */
  readonly isolate?: boolean
  /**
   * A process that holds more memory does not wait for another node.
   * @default a quarter of the machine's
   */
  readonly idleBytes?: number
}

export interface LentTask extends WorkerTask {
  /** Absolute path of the worker's own compiled module. */
  readonly worker: string
  readonly environment: NodeJS.ProcessEnv
}

interface Place {
  /** Of processes that may serve each other's nodes: they share compiled code and environment. */
  readonly kind: string
  readonly process: WorkerProcess
}

interface IdlePlace extends Place {
  readonly staying: Staying
}

export class WorkerPool {
  readonly #jobs: number
  readonly #isolate: boolean
  readonly #idleBytes: number
  /** The one that waits longest first. */
  #idle: IdlePlace[] = []
  #busy = 0

  constructor({ jobs, isolate = false, idleBytes = totalmem() / 4 }: WorkerPoolOptions) {
    this.#jobs = jobs
    this.#isolate = isolate
    this.#idleBytes = idleBytes
  }

  /** A process for one node. */
  lend(): LentWorker {
    return new LentWorker(this)
  }

  /** Nothing that could use them is left. */
  async endIdle(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(({ process }) => process.end()))
  }

  /** @internal Until `takeBack`, the node counts as one that has a process. */
  async run(task: LentTask, listener: StageListener): Promise<IdlePlace | undefined> {
    this.#busy++
    const stay = !this.#isolate && Object.keys(task.task.contents).length > 0
    const found = stay ? this.#takeIdle(task) : undefined
    if (found !== undefined) {
      try {
        return await runIn(found, task, listener, stay)
      } catch (error) {
        if (!(error instanceof WorkerGone)) throw error
      }
    }
    while (this.#idle.length > 0 && this.#busy + this.#idle.length > this.#jobs) {
      await this.#idle.shift()?.process.end()
    }
    const fresh = { kind: kindOf(task), process: new WorkerProcess(task.worker, task.environment) }
    return await runIn(fresh, task, listener, stay)
  }

  /** @internal */
  async takeBack(place: IdlePlace | undefined, reusable: boolean): Promise<void> {
    if (reusable && place !== undefined && place.staying.residentBytes <= this.#idleBytes) {
      this.#idle.push(place)
    } else {
      await place?.process.end()
    }
    this.#busy--
  }

  /** One that keeps what the task is going to ask for. */
  #takeIdle(task: LentTask): IdlePlace | undefined {
    const kind = kindOf(task)
    const contents = Object.values(task.task.contents)
    this.#idle = this.#idle.filter(({ process }) => !process.isGone)
    const found = this.#idle.find((place) => place.kind === kind && contents.includes(place.staying.content))
    this.#idle = this.#idle.filter((place) => place !== found)
    return found
  }
}

/** The process that one node's stage runs in. */
export class LentWorker {
  readonly #pool: WorkerPool
  #hasRun = false
  #place: IdlePlace | undefined

  constructor(pool: WorkerPool) {
    this.#pool = pool
  }

  /** As `WorkerProcess.run`, in a process that is there or a fresh one. */
  async run(task: LentTask, listener: StageListener): Promise<void> {
    this.#hasRun = true
    this.#place = await this.#pool.run(task, listener)
  }

  /**
   * To be called once the node is over.
   * @param reusable false where what the stage read or wrote was not as it should be: what it keeps is not believed
   */
  async giveBack(reusable: boolean): Promise<void> {
    if (this.#hasRun) await this.#pool.takeBack(this.#place, reusable)
  }
}

async function runIn(
  place: Place,
  task: WorkerTask,
  listener: StageListener,
  stay: boolean,
): Promise<IdlePlace | undefined> {
  // What serves one node alone keeps nothing.
  const given = stay ? task : { ...task, task: { ...task.task, contents: {} } }
  const staying = await place.process.run(given, listener, { stay })
  return staying && { ...place, staying }
}

/** Modules of different builds are different modules, whose values do not know each other. */
function kindOf({ bundle, worker, environment }: LentTask): string {
  const variables = Object.entries(environment).filter(([, value]) => value !== undefined)
  variables.sort(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify([worker, path.dirname(bundle), variables])
}
