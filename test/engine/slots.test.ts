import { expect, test } from 'vitest'
import { type Capacity, gpuDevices } from '../../engine/run/capacity.ts'
import type { Demand } from '../../engine/run/demand.ts'
import { Slots } from '../../engine/run/slots.ts'
import { seededRandom } from '../seeded-random.ts'

const one: Demand = { jobs: 1, gpus: 0, memoryBytes: 0, slots: {} }

/** Tasks that end when the test says so, in the order in which they started. */
class Tasks {
  readonly started: string[] = []
  readonly devices = new Map<string, readonly string[]>()
  readonly all: Promise<unknown>[] = []
  readonly #slots: Slots
  readonly #ends = new Map<string, () => void>()

  constructor(capacity: Partial<Capacity>) {
    this.#slots = new Slots({ jobs: 1, gpus: [], memoryBytes: 0, slots: {}, ...capacity })
  }

  add(name: string, demand: Partial<Demand> = {}, priority = 0): void {
    const work = this.#slots.hold({ ...one, ...demand }, priority, async (gpus) => {
      this.started.push(name)
      this.devices.set(name, gpus)
      await new Promise<void>((resolve) => this.#ends.set(name, resolve))
    })
    this.all.push(work)
  }

  /** Lets everything start that can. */
  async settle(): Promise<readonly string[]> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    return this.started
  }

  async end(name: string): Promise<readonly string[]> {
    const end = this.#ends.get(name)
    if (end === undefined) throw new Error(`${name} does not run`)
    this.#ends.delete(name)
    end()
    return await this.settle()
  }

  get running(): string[] {
    return [...this.#ends.keys()]
  }
}

test('no more at once than there are places; the one with the longer way behind it goes first', async () => {
  const tasks = new Tasks({ jobs: 1 })
  tasks.add('first')
  await tasks.settle()
  tasks.add('short', {}, 1)
  tasks.add('long', {}, 5)
  tasks.add('also long', {}, 5)
  tasks.add('light', { jobs: 0 })
  expect(await tasks.settle()).toEqual(['first', 'light'])
  await tasks.end('first')
  await tasks.end('long')
  expect(await tasks.end('also long')).toEqual(['first', 'light', 'long', 'also long', 'short'])
})

test('of nodes that become ready together, the one with the longer way goes first', async () => {
  const tasks = new Tasks({ jobs: 1 })
  tasks.add('short', {}, 1)
  tasks.add('long', {}, 5)
  expect(await tasks.settle()).toEqual(['long'])
})

test('rule 17: a node holds devices by name, and no place among the running ones while it waits for them', async () => {
  const tasks = new Tasks({ jobs: 2, gpus: ['3', '5'] })
  tasks.add('both', { gpus: 2 })
  await tasks.settle()
  tasks.add('gpu', { gpus: 1 }, 9)
  tasks.add('plain')
  expect(await tasks.settle()).toEqual(['both', 'plain'])
  expect(tasks.devices.get('both')).toEqual(['3', '5'])
  await tasks.end('both')
  expect(tasks.started).toEqual(['both', 'plain', 'gpu'])
  await tasks.end('plain')
  tasks.add('other', { gpus: 1 })
  await tasks.settle()
  expect([tasks.devices.get('gpu'), tasks.devices.get('other')]).toEqual([['3'], ['5']])
})

test('rule 17: all that a node needs it gets at once, or nothing', async () => {
  const tasks = new Tasks({ jobs: 3, gpus: ['0'], memoryBytes: 10, slots: { api: 2 } })
  tasks.add('holder', { memoryBytes: 8 })
  await tasks.settle()
  // It lacks memory: neither the device nor the slots are taken from those who could use them now.
  tasks.add('all', { gpus: 1, memoryBytes: 4, slots: { api: 2 } }, 1)
  tasks.add('gpu', { gpus: 1 })
  tasks.add('api', { slots: { api: 2 } })
  expect(await tasks.settle()).toEqual(['holder', 'gpu', 'api'])
  await tasks.end('holder')
  await tasks.end('gpu')
  expect(tasks.started).not.toContain('all')
  await tasks.end('api')
  expect(tasks.started.at(-1)).toBe('all')
})

test('who needs much is not passed over for ever by those who need little', async () => {
  const tasks = new Tasks({ jobs: 8, memoryBytes: 10, slots: { api: 2 } })
  tasks.add('memory 0', { memoryBytes: 6 })
  tasks.add('api 0', { slots: { api: 1 } })
  await tasks.settle()
  tasks.add('big', { memoryBytes: 10, slots: { api: 2 } }, 1)
  await tasks.settle()
  // Small ones keep coming; each time that one of the two is there in full, the other is not.
  for (let round = 1; round <= 5 && !tasks.started.includes('big'); round++) {
    tasks.add(`memory ${round}`, { memoryBytes: 6 })
    tasks.add(`api ${round}`, { slots: { api: 1 } })
    await tasks.settle()
    for (const name of tasks.running.slice(0, 1)) await tasks.end(name)
  }
  expect(tasks.started).toContain('big')
})

test('whatever is asked for, in whatever order: never more than there is, and everyone gets a turn', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed)
    const below = (limit: number) => Math.floor(random() * limit)
    const capacity = {
      jobs: 1 + below(4),
      gpus: ['0', '1', '2'].slice(0, below(4)),
      memoryBytes: 8,
      slots: { a: 2, b: 3 },
    }
    const tasks = new Tasks(capacity)
    const demands = new Map<string, Demand>()
    const names = Array.from({ length: 40 }, (_, index) => `task ${index}`)
    const check = () => {
      const held = tasks.running.map((name) => demands.get(name)!)
      const sum = (of: (demand: Demand) => number) => held.reduce((total, demand) => total + of(demand), 0)
      expect(sum(({ jobs }) => jobs)).toBeLessThanOrEqual(capacity.jobs)
      expect(sum(({ memoryBytes }) => memoryBytes)).toBeLessThanOrEqual(8)
      expect(sum(({ slots }) => slots.a ?? 0)).toBeLessThanOrEqual(2)
      expect(sum(({ slots }) => slots.b ?? 0)).toBeLessThanOrEqual(3)
      const devices = tasks.running.flatMap((name) => tasks.devices.get(name) ?? [])
      expect(new Set(devices).size).toBe(devices.length)
    }
    for (const name of names) {
      const demand = {
        jobs: below(5) === 0 ? 0 : 1,
        gpus: below(capacity.gpus.length + 1),
        memoryBytes: below(9),
        slots: { a: below(3), b: below(4) },
      }
      demands.set(name, demand)
      tasks.add(name, demand, below(3))
      await tasks.settle()
      check()
      const [running] = tasks.running
      if (running !== undefined && below(2) === 0) await tasks.end(running)
    }
    for (let turn = 0; turn < names.length && tasks.running.length > 0; turn++) {
      await tasks.end(tasks.running[below(tasks.running.length)]!)
      check()
    }
    expect([...tasks.started].sort()).toEqual([...names].sort())
    await Promise.all(tasks.all)
  }
})

test('of a thousand light nodes some run at once, and all get their turn', async () => {
  const tasks = new Tasks({ jobs: 1 })
  const names = Array.from({ length: 1000 }, (_, index) => `light ${index}`)
  for (const name of names) tasks.add(name, { jobs: 0 })
  await tasks.settle()
  expect(tasks.running.length).toBeGreaterThan(8)
  expect(tasks.running.length).toBeLessThan(100)
  while (tasks.running[0] !== undefined) await tasks.end(tasks.running[0])
  expect(tasks.started).toEqual(names)
})

test('a failed task frees what it held', async () => {
  const slots = new Slots({ jobs: 1, gpus: ['7'], memoryBytes: 1, slots: {} })
  const demand = { ...one, gpus: 1, memoryBytes: 1 }
  await expect(slots.hold(demand, 0, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(await slots.hold(demand, 0, async (gpus) => gpus)).toEqual(['7'])
})

test('without a GPU, or on the CPU, there are no devices to hold', () => {
  expect(gpuDevices('cpu', {})).toEqual([])
  expect(gpuDevices('auto', { CUDA_VISIBLE_DEVICES: '' })).toEqual([])
})
