/**
 * @file The process in which one stage runs, once. It leads a process group of its own, so that whatever the stage
 * starts ends with it, and it does not outlive the engine.
 */
import { Worker } from 'node:worker_threads'
import { sizeText } from '../terminal/quantities.ts'
import { peakMemoryBytes } from './peak-memory.ts'
import { ProgressThrottle } from './progress-throttle.ts'
import { runStage } from './run-stage.ts'
import { forgetMemoryTuning } from './worker-memory.ts'
import { carry, type FromWorker, type LogLevel, type ToWorker } from './worker-protocol.ts'

const engine = process.ppid
const cancelled = new AbortController()
const progress = new ProgressThrottle((progress) => send({ type: 'progress', progress }))
forgetMemoryTuning(process.env)
let graceMs = 0
let ended = false

function send(message: FromWorker, sent?: () => void): void {
  if (process.connected) process.send!(message, undefined, {}, () => sent?.())
  else sent?.()
}

/** The last message, and the end of the process: a stage may have left timers or threads behind. */
function end(message: FromWorker): void {
  if (ended) return
  ended = true
  progress.flush()
  send(message, () => {
    if (process.connected) process.exit(message.type === 'finished' ? 0 : 1)
    else endGroup()
  })
}

/** Used where nobody is left who would clean up after this process. */
function endGroup(): void {
  process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL')
}

function cancel(): void {
  cancelled.abort()
}

/** A stage that computes without yielding does not see the engine go: a thread looks for it. */
function watchEngine(): void {
  const watch = `
    const { workerData: { engine, graceMs } } = require('node:worker_threads')
    const timer = setInterval(() => {
      if (process.ppid === engine) return
      clearInterval(timer)
      setTimeout(() => process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL'), graceMs)
    }, 250)`
  new Worker(watch, { eval: true, workerData: { engine, graceMs }, execArgv: [], stdin: false }).unref()
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'cancel') cancel()
  else void run(message)
})
process.on('SIGTERM', cancel)
process.on('disconnect', () => {
  cancel()
  setTimeout(endGroup, graceMs)
})
process.on('uncaughtException', (error) => end({ type: 'failed', error: carry(error) }))
process.on('unhandledRejection', (reason) => end({ type: 'failed', error: carry(reason) }))

async function run(message: ToWorker & { type: 'run' }): Promise<void> {
  graceMs = message.graceMs
  watchEngine()
  try {
    await runStage(message.bundle, message.task, cancelled.signal, {
      onProgress: (latest) => progress.push(latest),
      onLog: log,
    })
    log('info', peak())
    end({ type: 'finished' })
  } catch (error) {
    log('info', peak())
    end({ type: 'failed', error: carry(error) })
  }
}

function log(level: LogLevel, message: string): void {
  send({ type: 'log', level, message })
}

/** The stage ran alone in this process. */
function peak(): string {
  return `peak memory ${sizeText(peakMemoryBytes())}`
}
