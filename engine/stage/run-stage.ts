/** @file Runs a compiled stage in this very process. */
import { pathToFileURL } from 'node:url'
import type { Progress, StageContext } from './define.ts'
import type { LogLevel, StageTask } from './worker-protocol.ts'

export interface StageListener {
  onProgress(progress: Progress): void
  onLog(level: LogLevel, message: string): void
}

type AnyContext = StageContext<Record<string, unknown>, Record<string, unknown>, unknown>

/** @param bundle Absolute path of the stage's compiled module. */
export async function runStage(
  bundle: string,
  task: StageTask,
  signal: AbortSignal,
  listener: StageListener,
): Promise<void> {
  const exports = (await import(/* @vite-ignore */ pathToFileURL(bundle).href)) as {
    default: { run(context: AnyContext): Promise<void> }
  }
  const closing: (() => string | undefined)[] = []
  const context = {
    ...task,
    signal,
    progress: (progress) => listener.onProgress(progress),
    log: (message) => listener.onLog('info', message),
    warn: (message) => listener.onLog('warning', message),
    atEnd: (say) => closing.push(say),
  } as AnyContext
  try {
    await exports.default.run(context)
  } finally {
    for (const say of closing) {
      const message = say()
      if (message !== undefined) listener.onLog('info', message)
    }
  }
}
