/**
 * @file `flow watch`: a run, and after each change another one. A run that a change finds at work is succeeded by the
 * next: it begins nothing more; of what it has under way, the work at keys that the next run wants goes on and becomes
 * that run's, and the rest is stopped. So the decision what is stale is the same as everywhere: another key.
 */
import type { FlowEvent } from '../events/event.ts'
import type { WatchEvent } from '../events/watch-event.ts'
import type { CacheKey } from '../identity.ts'
import { planWorkflow } from '../plan/plan.ts'
import type { PreparedRun } from '../plan/prepare.ts'
import { type RunOptions, runWorkflow } from '../run/run-workflow.ts'
import { Slots } from '../run/slots.ts'
import { UnderWay } from '../run/under-way.ts'
import type { FileWatcher } from './file-watcher.ts'

/** The workflow as the files are now. */
export type Reading = {
  /** Absolute paths of all on which it depends, as far as that is known. */
  readonly files: readonly string[]
} & (
  | { readonly run: Omit<RunOptions, 'signal' | 'emit' | 'shared'>; readonly prepared: PreparedRun }
  | { readonly invalid: WatchEvent & { readonly type: 'invalid' } }
)

export interface WatchOptions {
  readonly read: () => Promise<Reading>
  readonly watcher: FileWatcher
  readonly emit: (event: FlowEvent | WatchEvent) => void
  /** Ends it. */
  readonly interrupt: AbortSignal
}

/** Resolves once it was interrupted and all work has stopped, with whether there was any to stop. */
export async function watchWorkflow(options: WatchOptions): Promise<{ readonly stopped: boolean }> {
  const { read, watcher, emit, interrupt } = options
  const runs = new Runs(options)
  let changed: WatchEvent | undefined
  let reading = await read()
  await watcher.watch(reading.files)
  for (;;) {
    if ('invalid' in reading) {
      if (changed !== undefined) emit(changed)
      emit(reading.invalid)
      if (runs.areOver) emit({ type: 'watching', files: watcher.count })
    } else {
      await runs.begin(reading, changed)
    }
    const files = await watcher.changes(interrupt)
    if (interrupt.aborted) break
    reading = await read()
    await watcher.watch(reading.files)
    changed = { type: 'files-changed', files, stopped: [], kept: [] }
  }
  const stopped = !runs.areOver
  if (stopped) emit({ type: 'warning', message: 'stopping; press Ctrl-C again to stop at once' })
  await runs.end()
  return { stopped }
}

class Runs {
  readonly #options: WatchOptions
  readonly #underWay: UnderWay
  readonly #ended = new Set<Promise<void>>()
  #slots: { readonly of: string; readonly slots: Slots } | undefined
  #current: { readonly succeed: () => void } | undefined

  constructor(options: WatchOptions) {
    this.#options = options
    this.#underWay = new UnderWay(options.interrupt)
  }

  /** Whether nothing is being done, nor waited for. */
  get areOver(): boolean {
    return this.#current === undefined && this.#underWay.isEmpty
  }

  /** Begins the next run, in the place of the present one. */
  async begin(
    { run, prepared }: Extract<Reading, { run: unknown }>,
    changed: WatchEvent | undefined,
  ): Promise<void> {
    const { emit, interrupt } = this.#options
    const wanted = this.#underWay.isEmpty ? new Set<CacheKey>() : await wantedKeys(run, prepared)
    this.#current?.succeed()
    const fates = this.#underWay.cancelAllBut(wanted)
    if (changed?.type === 'files-changed') emit({ ...changed, ...fates })
    if (interrupt.aborted) return

    const stop = new AbortController()
    const onInterrupt = () => stop.abort()
    interrupt.addEventListener('abort', onInterrupt, { once: true })
    let succeeded = false
    const current = {
      succeed: () => {
        succeeded = true
        stop.abort()
      },
    }
    this.#current = current
    const ended = runWorkflow(
      {
        ...run,
        signal: stop.signal,
        emit: (event) => {
          if (!succeeded) emit(event)
        },
        shared: { slots: this.#slotsFor(run), underWay: this.#underWay },
      },
      prepared,
    ).then(() => {
      interrupt.removeEventListener('abort', onInterrupt)
      this.#ended.delete(ended)
      if (this.#current !== current) return
      this.#current = undefined
      if (!interrupt.aborted) emit({ type: 'watching', files: this.#options.watcher.count })
    })
    this.#ended.add(ended)
  }

  async end(): Promise<void> {
    await Promise.all(this.#ended)
  }

  /** The same for all runs, unless how many there are has changed: nodes of two runs compete as those of one do. */
  #slotsFor({ capacity }: Pick<RunOptions, 'capacity'>): Slots {
    const of = JSON.stringify(capacity)
    if (this.#slots?.of !== of) this.#slots = { of, slots: new Slots(capacity) }
    return this.#slots.slots
  }
}

/** Keys that are known to be wanted: those of nodes before which nothing has to run. */
async function wantedKeys(
  run: Omit<RunOptions, 'signal' | 'emit' | 'shared'>,
  prepared: PreparedRun,
): Promise<ReadonlySet<CacheKey>> {
  const { nodes } = await planWorkflow(run, prepared)
  return new Set(nodes.flatMap(({ key }) => (key === undefined ? [] : [key])))
}
