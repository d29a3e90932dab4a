/**
 * @file Work under way, by key. It belongs to the run that wants its result. `flow watch` has one run after another;
 * each takes over what the one before had begun and it wants, too, so that nothing has to stop and resume that no change has
 * touched. (Work of another process is found by its lease instead.)
 */
import type { EventListener, FlowEvent } from '../events/event.ts'
import type { CacheKey, NodeId } from '../identity.ts'
import type { PerformedWork } from './perform-work.ts'

/** The node of a run that waits for the result, and to whom the work's events go. */
export interface WantedBy {
  readonly node: NodeId
  readonly emit: EventListener
}

export class UnderWay {
  readonly #works = new Map<CacheKey, Work>()

  /** @param interrupt Aborted to stop all work. */
  constructor(interrupt: AbortSignal) {
    interrupt.addEventListener('abort', () => this.cancelAllBut(new Set()), { once: true })
  }

  /** Work at `key` that goes on already, or else new work. */
  take(
    key: CacheKey,
    wantedBy: WantedBy,
    perform: (signal: AbortSignal, emit: EventListener) => Promise<PerformedWork>,
  ): Work {
    const known = this.#works.get(key)
    if (known !== undefined && !known.signal.aborted) {
      known.handOver(wantedBy)
      return known
    }
    const work = new Work(wantedBy, perform)
    this.#works.set(key, work)
    const forget = () => {
      if (this.#works.get(key) === work) this.#works.delete(key)
    }
    work.result.then(forget, forget)
    return work
  }

  /** Stops all work but that at these keys. Names the nodes whose stages ran. */
  cancelAllBut(wanted: ReadonlySet<CacheKey>): {
    readonly stopped: readonly NodeId[]
    readonly kept: readonly NodeId[]
  } {
    const stopped: NodeId[] = []
    const kept: NodeId[] = []
    for (const [key, work] of this.#works) {
      if (work.signal.aborted) continue
      if (work.isRunning) (wanted.has(key) ? kept : stopped).push(work.node)
      if (!wanted.has(key)) work.cancel()
    }
    return { stopped, kept }
  }

  /** Whether nothing is under way; what was cancelled and has not ended yet counts. */
  get isEmpty(): boolean {
    return this.#works.size === 0
  }
}

export class Work {
  readonly result: Promise<PerformedWork>
  readonly #cancel = new AbortController()
  #wantedBy: WantedBy
  #started: FlowEvent | undefined

  constructor(
    wantedBy: WantedBy,
    perform: (signal: AbortSignal, emit: EventListener) => Promise<PerformedWork>,
  ) {
    this.#wantedBy = wantedBy
    this.result = perform(this.#cancel.signal, (event) => this.#tell(event))
  }

  get signal(): AbortSignal {
    return this.#cancel.signal
  }

  get node(): NodeId {
    return this.#wantedBy.node
  }

  get isRunning(): boolean {
    return this.#started !== undefined
  }

  isWantedBy(one: WantedBy): boolean {
    return this.#wantedBy === one
  }

  /** Whoever wanted it before gets no more of its events. */
  handOver(successor: WantedBy): void {
    this.#wantedBy = successor
    if (this.#started !== undefined) this.#tell(this.#started)
  }

  cancel(): void {
    this.#cancel.abort()
  }

  #tell(event: FlowEvent): void {
    if (event.type === 'node-started') this.#started = event
    // Between two attempts nothing runs.
    if (event.type === 'node-retrying') this.#started = undefined
    const { node, emit } = this.#wantedBy
    emit('node' in event ? { ...event, node } : event)
  }
}
