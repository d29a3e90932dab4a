/**
 * @file What running nodes compete for. A node gets all that it asks for at once, or nothing yet; the one with the
 * longest way to the end behind it goes first. Invariants: no more is held than there is; a place among the running
 * ones is never kept for a node that waits for anything else; and every node gets its turn, however much it asks for.
 */
import type { Capacity } from './capacity.ts'
import type { Demand } from './demand.ts'

interface Waiting {
  readonly priority: number
  /** When it came, as a count. */
  readonly arrival: number
  readonly start: (gpus: readonly string[]) => void
}

/** Nodes that ask for the same are one line: where its first cannot start, none of it can. */
interface Line {
  readonly demand: Demand
  /** By name of the resource, the place among the running ones apart. */
  readonly units: ReadonlyMap<string, number>
  /** In the order in which they start, the first at the end. */
  readonly waiting: Waiting[]
  /** What its first was once short of: kept from lines behind it until it starts, lest they take it forever. */
  readonly claimed: Set<string>
}

/** So many light nodes run at once: each takes little, but has an attempt, a log and a lease of its own. */
const LIGHT_AT_ONCE = 32

export class Slots {
  #freeJobs: number
  readonly #freeGpus: string[]
  readonly #free: Map<string, number>
  readonly #lines = new Map<string, Line>()
  #arrivals = 0
  #turn: NodeJS.Immediate | undefined

  constructor({ jobs, gpus, memoryBytes, slots }: Capacity) {
    this.#freeJobs = jobs
    this.#freeGpus = [...gpus]
    this.#free = unitsOf({ jobs, gpus: gpus.length, memoryBytes, slots }).set('light', LIGHT_AT_ONCE)
  }

  /** Runs `task` as soon as all that it needs is free; `gpus` are the names of the devices that it holds. */
  async hold<T>(demand: Demand, priority: number, task: (gpus: readonly string[]) => Promise<T>): Promise<T> {
    const units = unitsOf(demand)
    const gpus = this.#startsAtOnce(demand, units)
      ? []
      : await new Promise<readonly string[]>((start) => {
          this.#enqueue(demand, units, { priority, arrival: this.#arrivals++, start })
          this.#startSoon()
        })
    try {
      return await task(gpus)
    } finally {
      this.#freeJobs += demand.jobs
      this.#freeGpus.push(...gpus)
      for (const [name, count] of units) this.#free.set(name, (this.#free.get(name) ?? 0) + count)
      this.#startSoon()
    }
  }

  /** A light node that asks for nothing else is compared with no other, unless there are too many; it is held then. */
  #startsAtOnce({ jobs }: Demand, units: ReadonlyMap<string, number>): boolean {
    const free = this.#free.get('light') ?? 0
    if (jobs > 0 || units.size > 1 || free === 0 || this.#waits) return false
    this.#free.set('light', free - 1)
    return true
  }

  /** Nodes that become ready at the same moment are compared before the first of them starts. */
  #startSoon(): void {
    if (!this.#waits) return
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined
      this.#startWaiting()
    })
  }

  get #waits(): boolean {
    return [...this.#lines.values()].some(({ waiting }) => waiting.length > 0)
  }

  #enqueue(demand: Demand, units: ReadonlyMap<string, number>, waiting: Waiting): void {
    const shape = JSON.stringify([demand.jobs, [...units].sort()])
    const line = this.#lines.get(shape) ?? { demand, units, waiting: [], claimed: new Set() }
    this.#lines.set(shape, line)
    line.waiting.splice(placeOf(line.waiting, waiting), 0, waiting)
  }

  #startWaiting(): void {
    for (let started = true; started; ) {
      started = false
      const kept = new Map<string, number>()
      for (const line of this.#linesByPriority()) {
        const short = [...line.units].filter(
          ([name, count]) => (this.#free.get(name) ?? 0) - (kept.get(name) ?? 0) < count,
        )
        if (short.length === 0 && line.demand.jobs <= this.#freeJobs) {
          this.#start(line)
          started = true
          break
        }
        for (const [name] of short) line.claimed.add(name)
        for (const name of line.claimed) kept.set(name, (kept.get(name) ?? 0) + (line.units.get(name) ?? 0))
      }
    }
  }

  #linesByPriority(): Line[] {
    return [...this.#lines.values()]
      .filter(({ waiting }) => waiting.length > 0)
      .sort((one, other) => order(one.waiting.at(-1)!, other.waiting.at(-1)!))
  }

  #start(line: Line): void {
    const { start } = line.waiting.pop()!
    line.claimed.clear()
    this.#freeJobs -= line.demand.jobs
    for (const [name, count] of line.units) this.#free.set(name, (this.#free.get(name) ?? 0) - count)
    start(this.#freeGpus.splice(0, line.demand.gpus))
  }
}

/** Negative where `one` starts before `other`. */
function order(one: Waiting, other: Waiting): number {
  return other.priority - one.priority || one.arrival - other.arrival
}

function placeOf(waiting: readonly Waiting[], newcomer: Waiting): number {
  let low = 0
  let high = waiting.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(waiting[middle]!, newcomer) > 0) low = middle + 1
    else high = middle
  }
  return low
}

function unitsOf({ jobs, gpus, memoryBytes, slots }: Demand): Map<string, number> {
  const light = jobs === 0 ? 1 : 0
  const units = Object.entries(slots).map(([name, count]) => [`slot ${name}`, count] as const)
  return new Map(
    [['light', light] as const, ['gpu', gpus] as const, ['memory', memoryBytes] as const, ...units].filter(
      ([, count]) => count > 0,
    ),
  )
}
