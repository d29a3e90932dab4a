/** @file The eager mode's compiled kernel calls: one session for each kernel, attributes, and shapes and types. */
import type { ElementType } from './dtype.ts'
import { Graph, type Value } from './graph.ts'
import { lower } from './lowerings/index.ts'
import { NoLowering } from './lowerings/lowering.ts'
import type { Provider } from './provider.ts'
import { type Output, Session, type SessionOptions, staysOnDevice } from './session.ts'
import type { tf } from './tf.ts'

export interface KernelSession {
  readonly session: Session
  /** Of the kernel's inputs; input `names[n]` is `i<n>` in the session, result n is `o<n>`. */
  readonly names: readonly string[]
  /** Input positions that the session reads. */
  readonly used: readonly number[]
  readonly outputs: readonly Output[]
  /** Whether the kernel gives a list. */
  readonly several: boolean
}

/** Kept; the least recently used go. */
const capacity = 512

type Inputs = Readonly<Record<string, tf.TensorInfo>>

export class KernelSessions {
  readonly #provider: Provider
  readonly #sessions = new Map<string, KernelSession>()

  constructor(provider: Provider) {
    this.#provider = provider
  }

  find(kernel: string, inputs: Inputs, attributes: unknown): KernelSession {
    const names = Object.keys(inputs ?? {})
    const signature = names.map((name) => `${name}:${inputs[name]!.dtype}[${inputs[name]!.shape}]`).join(' ')
    const key = `${kernel} ${signature} ${JSON.stringify(attributes ?? {}, distinguishNumbers)}`
    const found = this.#sessions.get(key) ?? build(this.#provider, kernel, names, inputs, attributes)
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

/** JSON has no infinities, no NaN and no -0: attributes that differ in those must not become one key. */
function distinguishNumbers(_: string, value: unknown): unknown {
  if (Object.is(value, -0)) return '-0'
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

/** @throws NoLowering where an operator does not take the types, or not on this provider */
function open(kernel: string, model: Uint8Array, options: SessionOptions): Session {
  try {
    return new Session(model, options)
  } catch (error) {
    const { message } = error as Error
    if (!/Could not find an implementation|Type Error|fallback to CPU EP/.test(message)) throw error
    const reason = message.split('\n')[0]
    throw new NoLowering(`the lowering of \`${kernel}\` does not run on ${options.provider} (${reason})`)
  }
}

function build(
  provider: Provider,
  kernel: string,
  names: readonly string[],
  inputs: Inputs,
  attributes: unknown,
): KernelSession {
  const graph = new Graph(provider)
  const values: Record<string, Value> = {}
  names.forEach((name, position) => {
    const { shape, dtype } = inputs[name]!
    values[name] = graph.input(`i${position}`, [...shape], dtype as ElementType)
  })
  const result = lower(kernel, graph, values, attributes)
  const results = (Array.isArray(result) ? result : [result]).map((value, index) => ({
    name: `o${index}`,
    value,
  }))
  const encoded = graph.encode(results)
  const outputs = results.map(({ name, value: { shape, dtype } }) => ({
    name,
    shape,
    dtype: dtype as ElementType,
  }))
  const onDevice = outputs.filter((output) => staysOnDevice(provider, output)).map(({ name }) => name)
  return {
    session: open(kernel, encoded.bytes, { provider, spinning: false, onDevice }),
    names,
    used: encoded.inputs.map((name) => Number(name.slice(1))),
    outputs,
    several: Array.isArray(result),
  }
}
