/**
 * @file Signs of life of a running stage: what it says, and what its processes use. A stage that says nothing but
 * computes is silent; one that does neither is stalled. Both are told, neither is ended.
 */
import { type GroupUse, groupUse } from '../stage/process-group.ts'
import type { ResourceUse } from '../stage/resource-use.ts'

/** Of a policy that does not say. */
export const defaultStallMs = 120_000
const longestBeatMs = 10_000
const shortestBeatMs = 100
/** A share of one processor: a process that waits uses some time, too, for its own timers say. */
const idleShare = 0.02

/** Told while a stage says nothing. */
export interface Heartbeat {
  readonly silentMs: number
  /** Processors that it kept busy since the beat before; absent where the system does not tell. */
  readonly cores?: number
  readonly memoryBytes?: number
  /** For how long it has neither said nor computed anything, once that is as long as its policy says. */
  readonly stalledMs?: number
}

export class VitalSigns {
  readonly #stallMs: number
  readonly #beatMs: number
  readonly #onBeat: (beat: Heartbeat) => void
  #timer: NodeJS.Timeout | undefined
  #heardAtMs = performance.now()
  #activeAtMs = performance.now()
  #lookedAtMs = performance.now()
  /** When the stage was given the process, as far as is known: it may have served others before. */
  #first: GroupUse | undefined
  #latest: GroupUse | undefined
  #peakBytes = 0
  #told: ResourceUse = {}

  /** @param stallMs 0: it never counts as stalled */
  constructor(stallMs: number, onBeat: (beat: Heartbeat) => void) {
    this.#stallMs = stallMs
    this.#beatMs =
      stallMs === 0 ? longestBeatMs : Math.max(shortestBeatMs, Math.min(longestBeatMs, stallMs / 4))
    this.#onBeat = onBeat
  }

  /**
   * Looks only after a while: a look takes milliseconds, and most stages need none.
   * @param leader process that leads the stage's group
   * @param isFresh whether it has come into being for this stage
   */
  watch(leader: number, isFresh: boolean): void {
    this.#first = isFresh ? { cpuSeconds: 0, residentBytes: 0 } : undefined
    this.#latest = this.#first
    this.#lookedAtMs = performance.now()
    this.#timer ??= setInterval(() => this.#look(leader), this.#beatMs)
    this.#timer.unref()
  }

  /** It has said something. */
  heard(): void {
    this.#heardAtMs = performance.now()
  }

  /** What the process itself says that it used. */
  told(use: ResourceUse): void {
    this.#told = use
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /**
   * What was told, and seen: of a process that was killed there is no word, and its own peak knows nothing of what else
   * is in its group. Undefined of a stage without a process.
   */
  get use(): ResourceUse | undefined {
    const seenSeconds = (this.#latest?.cpuSeconds ?? 0) - (this.#first?.cpuSeconds ?? 0)
    const cpuSeconds = this.#told.cpuSeconds ?? Number(seenSeconds.toFixed(2))
    const peakMemoryBytes = Math.max(this.#told.peakMemoryBytes ?? 0, this.#peakBytes)
    return peakMemoryBytes === 0 ? undefined : { cpuSeconds, peakMemoryBytes }
  }

  #look(leader: number): void {
    const now = performance.now()
    const use = groupUse(leader)
    const cores =
      use === undefined || this.#latest === undefined
        ? undefined
        : Math.max(0, use.cpuSeconds - this.#latest.cpuSeconds) / ((now - this.#lookedAtMs) / 1000)
    // Where the system tells nothing, nobody is suspected.
    if (cores === undefined || cores >= idleShare) this.#activeAtMs = now
    if (use !== undefined) {
      this.#first ??= use
      this.#latest = use
      this.#peakBytes = Math.max(this.#peakBytes, use.residentBytes)
    }
    this.#lookedAtMs = now
    const silentMs = now - this.#heardAtMs
    if (silentMs < this.#beatMs) return
    const idleMs = now - Math.max(this.#heardAtMs, this.#activeAtMs)
    this.#onBeat({
      silentMs: Math.round(silentMs),
      ...(cores === undefined ? {} : { cores: Number(cores.toFixed(2)) }),
      ...(use === undefined ? {} : { memoryBytes: use.residentBytes }),
      ...(this.#stallMs > 0 && idleMs >= this.#stallMs ? { stalledMs: Math.round(idleMs) } : {}),
    })
  }
}
