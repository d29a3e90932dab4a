/** @file Ctrl-C and SIGTERM: the first asks for a clean stop, the second stops at once. */
import { exitCode } from './exit-code.ts'

export interface Interruption {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal
  onInterrupt(listener: () => void): void
  /** Signals act again as they do by default. */
  close(): void
}

const signals = ['SIGINT', 'SIGTERM'] as const

export function interruption(): Interruption {
  const controller = new AbortController()
  const onSignal = () => {
    // Worker processes end with the channel to this one.
    if (controller.signal.aborted) process.exit(exitCode.interrupted)
    controller.abort()
  }
  for (const name of signals) process.on(name, onSignal)
  return {
    signal: controller.signal,
    onInterrupt: (listener) => controller.signal.addEventListener('abort', listener, { once: true }),
    close: () => {
      for (const name of signals) process.off(name, onSignal)
    },
  }
}
