/** @file The eager mode's compiled kernel calls: one session for each kernel, attributes, and shapes and types. */
import type { ElementType } from './dtype.ts'
import { Graph, type Value } from './graph.ts'
import { lowerings } from './lowerings/index.ts'
import { Session } from './session.ts'
import type { tf } from './tf.ts'

export interface KernelSession {
  readonly session: Session
  /** Of the kernel's inputs; input `names[n]` is `i<n>` in the session, result n is `o<n>`. */
  readonly names: readonly string[]
  /** Input positions that the session reads. */
  readonly used: readonly number[]
  readonly outputs: readonly { readonly shape: readonly number[]; readonly dtype: ElementType }[]
  /** Whether the kernel gives a list. */
  readonly several: boolean
}

/** Kept; the least recently used go. */
const capacity = 512

type Inputs = Readonly<Record<string, tf.TensorInfo>>

export class KernelSessions {
  readonly #sessions = new Map<string, KernelSession>()

  find(kernel: string, inputs: Inputs, attributes: unknown): KernelSession {
    const names = Object.keys(inputs ?? {})
    const signature = names.map((name) => `${name}:${inputs[name]!.dtype}[${inputs[name]!.shape}]`).join(' ')
    const key = `${kernel} ${signature} ${JSON.stringify(attributes ?? {}, distinguishNumbers)}`
    const found = this.#sessions.get(key) ?? build(kernel, names, inputs, attributes)
    this.#sessions.delete(key)
    this.#sessions.set(key, found)
    if (this.#sessions.size > capacity) this.#dropOldest()
    return found
  }

  dispose(): void {
    for (const { session } of this.#sessions.values()) session.dispose()
    this.#sessions.clear()
  }

  #dropOldest(): void {
    const [key, { session }] = this.#sessions.entries().next().value!
    session.dispose()
    this.#sessions.delete(key)
  }
}

/** JSON has no infinities and no NaN: attributes that differ in those must not become one key. */
function distinguishNumbers(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

function build(kernel: string, names: readonly string[], inputs: Inputs, attributes: unknown): KernelSession {
  const graph = new Graph()
  const values: Record<string, Value> = {}
  names.forEach((name, position) => {
    const { shape, dtype } = inputs[name]!
    values[name] = graph.input(`i${position}`, [...shape], dtype as ElementType)
  })
  const result = lowerings[kernel]!(graph, values, attributes ?? {})
  const outputs = Array.isArray(result) ? result : [result]
  const encoded = graph.encode(outputs.map((value, index) => ({ name: `o${index}`, value })))
  return {
    session: new Session(encoded.bytes, { spinning: false }),
    names,
    used: encoded.inputs.map((name) => Number(name.slice(1))),
    outputs: outputs.map(({ shape, dtype }) => ({ shape, dtype: dtype as ElementType })),
    several: Array.isArray(result),
  }
}
