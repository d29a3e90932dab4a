/**
 * @file `jit(fn)`: an ordinary tfjs function, gradients included, as one ONNX graph a shape, run as one call. On
 * any other backend the function simply runs, its intermediate tensors disposed.
 */
import { type ElementType, sizeOf } from './dtype.ts'
import { Graph, type Value } from './graph.ts'
import { currentOnnxBackend, type OnnxBackend } from './onnx-backend.ts'
import { type HostValue, Session } from './session.ts'
import { type TensorMap, tf } from './tf.ts'

interface Compiled {
  readonly session: Session
  /** Arguments that the results depend on. */
  readonly parameters: readonly string[]
  /** Graph inputs fed from tensors that the function closed over. */
  readonly captured: readonly { readonly name: string; readonly info: tf.TensorInfo }[]
  readonly results: readonly {
    readonly name: string
    readonly shape: readonly number[]
    readonly dtype: ElementType
  }[]
}

export interface Jitted<Arguments extends TensorMap, Results extends TensorMap> {
  (args: Arguments): Results
  /** Shapes compiled so far. */
  readonly traces: number
  dispose(): void
}

/**
 * Compiles `fn` for each combination of argument shapes on its first call. Tensors that `fn` closes over are read
 * anew at each call and must outlive it; values computed from JavaScript numbers are constants of the trace.
 * The results are fresh tensors that the caller disposes.
 * @throws if `fn` reads a tensor's numbers while it is traced, or calls a kernel without a lowering.
 */
export function jit<Arguments extends TensorMap, Results extends TensorMap>(
  fn: (args: Arguments) => Results,
): Jitted<Arguments, Results> {
  const compiled = new Map<string, Compiled>()
  const call = (args: Arguments): Results => {
    const backend = currentOnnxBackend()
    if (backend === undefined) return tf.tidy(() => fn(args))
    const key = Object.entries(args)
      .map(([name, tensor]) => `${name}:${tensor.dtype}[${tensor.shape}]`)
      .join(' ')
    let program = compiled.get(key)
    if (program === undefined) {
      program = compile(backend, fn, args)
      compiled.set(key, program)
    }
    return run(backend, program, args) as Results
  }
  const dispose = () => {
    for (const { session } of compiled.values()) session.dispose()
    compiled.clear()
  }
  return Object.defineProperty(Object.assign(call, { dispose }), 'traces', {
    get: () => compiled.size,
  }) as Jitted<Arguments, Results>
}

function compile<Arguments extends TensorMap>(
  backend: OnnxBackend,
  fn: (args: Arguments) => TensorMap,
  args: Arguments,
): Compiled {
  const graph = new Graph()
  const captured = new Map<string, tf.TensorInfo>()
  const values = new Map<string, Value>()
  const identities = new Map<tf.DataId, number>()
  const capture = (info: tf.TensorInfo, dtype: ElementType): Value => {
    const identity = identities.get(info.dataId) ?? identities.size
    identities.set(info.dataId, identity)
    const name = `captured${identity}_${info.shape.join('x')}`
    const known = values.get(name)
    if (known !== undefined) return known
    const value = graph.input(name, [...info.shape], dtype)
    // The object itself: assigning to a variable gives it another buffer.
    captured.set(name, info)
    values.set(name, value)
    return value
  }

  const results = backend.tracing({ graph, capture }, () => {
    tf.engine().startScope('jit')
    try {
      const symbols: TensorMap = {}
      for (const [name, { shape, dtype }] of Object.entries(args)) {
        symbols[name] = backend.symbol(graph.input(`argument_${name}`, [...shape], dtype as ElementType))
      }
      const tensors = Object.entries(fn(symbols as Arguments))
      return tensors.map(([name, tensor]) => ({ name, value: backend.symbolic(tensor) }))
    } finally {
      tf.engine().endScope()
    }
  })
  const encoded = graph.encode(results.map(({ name, value }) => ({ name: `result_${name}`, value })))
  const used = new Set(encoded.inputs)
  return {
    session: new Session(encoded.bytes, { spinning: true }),
    parameters: Object.keys(args).filter((name) => used.has(`argument_${name}`)),
    captured: [...captured].flatMap(([name, info]) => (used.has(name) ? [{ name, info }] : [])),
    results: results.map(({ name, value }) => ({
      name,
      shape: value.shape,
      dtype: value.dtype as ElementType,
    })),
  }
}

function run(backend: OnnxBackend, program: Compiled, args: TensorMap): TensorMap {
  const feeds: Record<string, HostValue> = {}
  for (const name of program.parameters) {
    const tensor = args[name]!
    const dtype = tensor.dtype as ElementType
    feeds[`argument_${name}`] = { dtype, shape: tensor.shape, values: backend.view(tensor) }
  }
  for (const { name, info } of program.captured) {
    feeds[name] = { dtype: info.dtype as ElementType, shape: info.shape, values: backend.view(info) }
  }
  const fetches: Record<string, HostValue> = {}
  for (const { name, shape, dtype } of program.results) {
    fetches[`result_${name}`] = { dtype, shape, values: backend.allocate(dtype, sizeOf(shape)) }
  }
  program.session.run(feeds, fetches)
  const results: TensorMap = {}
  for (const { name, shape, dtype } of program.results) {
    const info = backend.adopt(fetches[`result_${name}`]!.values, shape, dtype)
    results[name] = tf.engine().makeTensorFromTensorInfo(info)
  }
  return results
}
