/** @file What plugin code prints with `console` in the engine's own process goes to its log, not among the engine's output. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { format } from 'node:util'
import type { StageListener } from './run-stage.ts'

const methods = ['log', 'info', 'debug', 'warn', 'error'] as const
const listeners = new AsyncLocalStorage<Pick<StageListener, 'onLog'>>()
let installed = false

export function captureConsole<T>(listener: Pick<StageListener, 'onLog'>, run: () => Promise<T>): Promise<T> {
  if (!installed) install()
  return listeners.run(listener, run)
}

/** Callers outside `captureConsole` notice nothing. */
function install(): void {
  installed = true
  for (const method of methods) {
    const original = console[method]
    console[method] = (...values: unknown[]) => {
      const listener = listeners.getStore()
      if (listener === undefined) return original.apply(console, values)
      for (const line of format(...values).split('\n')) listener.onLog('info', line)
    }
  }
}
