/**
 * @file The worker processes of one run. A process that keeps what a later node reads stays for it; there are never
 * more processes, busy and idle, than stages may run side by side. Besides, while a node runs, a spare process starts
 * for one to come: the start is most of what a small node costs.
 */
import { totalmem } from 'node:os'
import path from 'node:path'
import { forgiveSystemError } from './machine-failure.ts'
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
  /**
   * How many nodes may still ask for a process, and for none but a fresh one in this process's own environment.
   * @default none
   */
  readonly toCome?: () => number
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

/** A process in which no stage has run. */
interface Spare {
  /** Of which compiled worker, and in which environment. */
  readonly origin: string
  readonly process: WorkerProcess
}

interface IdlePlace extends Place {
  readonly staying: Staying
}

export class WorkerPool {
  readonly #jobs: number
  readonly #isolate: boolean
  readonly #idleBytes: number
  readonly #toCome: () => number
  /** The one that waits longest first. */
  #idle: IdlePlace[] = []
  #spares: Spare[] = []
  /** Until the system refused one a start, of want of files or processes: what is left is for the nodes. */
  #hasRoom = true
  #busy = 0

  constructor({ jobs, isolate = false, idleBytes = totalmem() / 4, toCome = () => 0 }: WorkerPoolOptions) {
    this.#jobs = jobs
    this.#isolate = isolate
    this.#idleBytes = idleBytes
    this.#toCome = toCome
  }

  /** A process for one node. */
  lend(): LentWorker {
    return new LentWorker(this)
  }

  /** Nothing that could use them is left. */
  async endIdle(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(({ process }) => process.end()))
  }

  /** A node is over that could have used one. */
  async endSurplus(): Promise<void> {
    await Promise.all(this.#spares.splice(this.#toCome()).map(({ process }) => process.end()))
  }

  /** @internal Until `takeBack`, the node counts as one that has a process. */
  async run(task: LentTask, listener: StageListener): Promise<IdlePlace | undefined> {
    this.#busy++
    const stay = !this.#isolate && Object.keys(task.task.contents).length > 0
    const kept = stay ? this.#takeIdle(task) : undefined
    while (this.#idle.length > 0 && this.#busy + this.#idle.length > this.#jobs) {
      await this.#idle.shift()?.process.end()
    }
    for (let place = kept ?? this.#takeSpare(task); place !== undefined; place = this.#takeSpare(task)) {
      try {
        return await this.#runIn(place, task, listener, { stay, isNew: false })
      } catch (error) {
        if (!(error instanceof WorkerGone) || task.signal.aborted) throw error
      }
    }
    const fresh = { kind: kindOf(task), process: new WorkerProcess(task.worker, task.environment) }
    return await this.#runIn(fresh, task, listener, { stay, isNew: true })
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

  #takeSpare(task: LentTask): Place | undefined {
    const origin = originOf(task)
    this.#spares = this.#spares.filter(({ process }) => !process.isGone)
    const found = this.#spares.find((spare) => spare.origin === origin)
    this.#spares = this.#spares.filter((spare) => spare !== found)
    return found && { kind: kindOf(task), process: found.process }
  }

  async #runIn(
    place: Place,
    task: LentTask,
    listener: StageListener,
    how: { readonly stay: boolean; readonly isNew: boolean },
  ): Promise<IdlePlace | undefined> {
    // What serves one node alone keeps nothing.
    const given = how.stay ? task : { ...task, task: { ...task.task, contents: {} } }
    const running = place.process.run(given, listener, how)
    this.#startSpare(task.worker)
    const staying = await running
    return staying && { ...place, staying }
  }

  /** One at a time: what waits is taken one at a time, too. */
  #startSpare(worker: string): void {
    if (!this.#hasRoom || this.#spares.length >= Math.min(this.#jobs, this.#toCome())) return
    const environment = process.env
    try {
      const spare = {
        origin: originOf({ worker, environment }),
        process: new WorkerProcess(worker, environment),
      }
      if (spare.process.isGone) this.#hasRoom = false
      else this.#spares.push(spare)
    } catch (error) {
      forgiveSystemError(error)
      this.#hasRoom = false
    }
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

/** Modules of different builds are different modules, whose values do not know each other. */
function kindOf(task: LentTask): string {
  return JSON.stringify([originOf(task), path.dirname(task.bundle)])
}

function originOf({ worker, environment }: Pick<LentTask, 'worker' | 'environment'>): string {
  const variables = Object.entries(environment).filter(([, value]) => value !== undefined)
  variables.sort(([one], [other]) => (one < other ? -1 : 1))
  return JSON.stringify([worker, variables])
}
