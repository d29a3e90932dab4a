/** @file Runs a compiled stage in this very process. */
import { mkdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Progress, StageContext } from './define.ts'
import type { KeptValues } from './kept.ts'
import type { ResourceUse } from './resource-use.ts'
import type { LogLevel, StageTask } from './worker-protocol.ts'

export interface StageListener {
  onProgress(progress: Progress): void
  onLog(level: LogLevel, message: string): void
  /**
   * Of a stage that has a process, which leads a group of its own.
   * @param isFresh whether no stage has run in it before
   */
  onProcess?(pid: number, isFresh: boolean): void
  /** Of a stage that has a process, when it is over. */
  onUse?(use: ResourceUse): void
}

type AnyContext = StageContext<Record<string, unknown>, Record<string, unknown>, unknown>

/**
 * @param bundle Absolute path of the stage's compiled module.
 * @param kept what earlier stages of this process have left for this one
 */
export async function runStage(
  bundle: string,
  task: StageTask,
  signal: AbortSignal,
  listener: StageListener,
  kept?: KeptValues,
): Promise<void> {
  const stage = await load(bundle)
  const closing: (() => string | undefined)[] = []
  const { contents, checkpoint, ...given } = task
  const context = {
    ...given,
    /** Made for the stage that asks for it: most do not. */
    get checkpoint() {
      mkdirSync(checkpoint, { recursive: true })
      return checkpoint
    },
    signal,
    progress: (progress) => listener.onProgress(progress),
    log: (message) => listener.onLog('info', message),
    warn: (message) => listener.onLog('warning', message),
    atEnd: (say) => closing.push(say),
    keep: (port, what, load, release) => {
      const content = contents[port]
      if (content === undefined || kept === undefined) return { value: load(), isShared: false }
      return { value: kept.take(content, what, load, release), isShared: true }
    },
  } as AnyContext
  try {
    await stage.run(context)
  } finally {
    for (const say of closing) {
      const message = say()
      if (message !== undefined) listener.onLog('info', message)
    }
    kept?.endNode()
  }
}

interface LoadedStage {
  run(context: AnyContext): Promise<void>
}

const loaded = new Map<string, LoadedStage>()

/** Node, asked for a module that it has, looks for it anew each time. */
async function load(bundle: string): Promise<LoadedStage> {
  const known = loaded.get(bundle)
  if (known !== undefined) return known
  const exports = (await import(/* @vite-ignore */ pathToFileURL(bundle).href)) as { default: LoadedStage }
  loaded.set(bundle, exports.default)
  return exports.default
}
