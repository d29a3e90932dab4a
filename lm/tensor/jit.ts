/**
 * @file `jit(fn)`: an ordinary tfjs function, gradients included, as one ONNX graph a shape, run as one call. On
 * any other backend, and inside another traced function or a gradient, the function simply runs, its intermediate
 * tensors disposed.
 */
import { recordCompilation } from './compilations.ts'
import type { ElementType } from './dtype.ts'
import { Graph, type Value } from './graph.ts'
import { currentOnnxBackend, type OnnxBackend } from './onnx-backend.ts'
import type { RoundedMatrix } from './rounded-matrix.ts'
import { type FixedValue, type Output, staysOnDevice } from './session.ts'
import { type SharedSession, shareSession } from './shared-sessions.ts'
import { type TensorMap, tf } from './tf.ts'

const resultPrefix = 'result_'

interface Compiled {
  readonly shared: SharedSession
  /** Arguments that the results depend on. */
  readonly parameters: readonly string[]
  /** Graph inputs fed from tensors that the function closed over. */
  readonly captured: readonly { readonly name: string; readonly info: tf.TensorInfo }[]
  /** Rounded matrices that the function closed over, and their scales. */
  readonly fixed: Readonly<Record<string, FixedValue>>
  readonly results: readonly Output[]
}

export interface Jitted<Arguments extends TensorMap, Results extends TensorMap> {
  (args: Arguments): Results
  /** Shapes compiled so far. */
  readonly traces: number
  dispose(): void
}

export interface JitOptions<Arguments extends TensorMap> {
  /** What the record of compilations calls it. */
  readonly name?: string
  /**
   * Arguments whose tensors a call takes over: once it has returned they are disposed, and their memory serves what is
   * computed next. It is never written to while the call runs. A call that throws leaves them alone.
   */
  readonly donate?: readonly (keyof Arguments & string)[]
  /**
   * Sizes that may differ from call to call without compiling anew: by argument, a name for each of its axes, null
   * where the size is fixed. Axes of one name have one size. No size may be 0. `fn` takes sizes from its arguments.
   */
  readonly openSizes?: OpenSizes
  /** Tensors that `fn` closes over and that never change: they become part of the graph, laid out for its operators. */
  readonly constants?: ReadonlySet<tf.TensorInfo>
}

export type OpenSizes = Readonly<Record<string, readonly (string | null)[]>>

/**
 * Compiles `fn` for each combination of argument shapes on its first call. Tensors that `fn` closes over are read
 * anew at each call and must outlive it; values computed from JavaScript numbers, random ones among them, are
 * constants of the trace. The results are fresh tensors that the caller disposes.
 * @throws LmFailure `untraceable` if `fn` reads a tensor's numbers or assigns a variable while it is traced, or calls a
 * kernel without a lowering
 */
export function jit<Arguments extends TensorMap, Results extends TensorMap>(
  fn: (args: Arguments) => Results,
  { name = 'a function', donate = [], openSizes = {}, constants = new Set() }: JitOptions<Arguments> = {},
): Jitted<Arguments, Results> {
  const compiled = new Map<string, Compiled>()
  const execute = (args: Arguments): Results => {
    const backend = currentOnnxBackend()
    if (backend === undefined || backend.isTracing || tf.engine().isTapeOn()) return runAsItIs(fn, args)
    // Graphs for a GPU must not fall back to the CPU.
    const open = leavesSizesOpen() ? openSizes : {}
    const shapes = Object.entries(args).map(([name, { dtype, shape }]) => {
      const sizes = shape.map((size, axis) => open[name]?.[axis] ?? size)
      return `${name} ${dtype}[${sizes}]`
    })
    const key = shapes.join(' ')
    let program = compiled.get(key)
    if (program === undefined) {
      const record = (costs: CompilationCosts) => recordCompilation(name, shapes, costs)
      program = compile(backend, fn, args, { openSizes: open, constants, record })
      compiled.set(key, program)
    }
    return run(backend, program, args) as Results
  }
  const call = (args: Arguments): Results => {
    const results = execute(args)
    tf.dispose(donate.map((name) => args[name]!))
    return results
  }
  const dispose = () => {
    for (const { shared } of compiled.values()) shared.release()
    compiled.clear()
  }
  return Object.defineProperty(Object.assign(call, { dispose }), 'traces', {
    get: () => compiled.size,
  }) as Jitted<Arguments, Results>
}

/** A result that is an argument, or is there twice, becomes a tensor of its own: the caller disposes each. */
function runAsItIs<Arguments extends TensorMap, Results extends TensorMap>(
  fn: (args: Arguments) => Results,
  args: Arguments,
): Results {
  return tf.tidy(() => {
    const taken = new Set(Object.values(args))
    const results = Object.entries(fn(args)).map(([name, tensor]) => {
      const result = taken.has(tensor) ? tf.clone(tensor) : tensor
      taken.add(result)
      return [name, result]
    })
    return Object.fromEntries(results) as Results
  })
}

/** Whether compiled functions leave open sizes open on the device in use. Open sizes are computed on the CPU. */
export function leavesSizesOpen(): boolean {
  const provider = currentOnnxBackend()?.provider
  return provider === undefined || provider === 'cpu'
}

type CompilationCosts = Parameters<typeof recordCompilation>[2]

interface CompileOptions {
  readonly openSizes: OpenSizes
  readonly constants: ReadonlySet<tf.TensorInfo>
  record(costs: CompilationCosts): void
}

function compile<Arguments extends TensorMap>(
  backend: OnnxBackend,
  fn: (args: Arguments) => TensorMap,
  args: Arguments,
  { openSizes, constants, record }: CompileOptions,
): Compiled {
  const begun = performance.now()
  const names = new Set(Object.values(openSizes).flatMap((sizes) => sizes.filter((name) => name !== null)))
  const graph = new Graph(backend.provider, [...names])
  // By the object itself: assigning to a variable gives it another buffer, and tensors that share one part ways.
  const captured = new Map<tf.TensorInfo, Value>()
  const capture = (info: tf.TensorInfo, dtype: ElementType): Value => {
    const value =
      captured.get(info) ??
      (constants.has(info)
        ? graph.constant(backend.view(info), [...info.shape], dtype)
        : graph.input(`captured_${captured.size}`, [...info.shape], dtype))
    captured.set(info, value)
    return value
  }

  const rounded = new Map<tf.TensorInfo, Value>()
  const fixed: Record<string, FixedValue> = {}
  const captureRounded = (info: tf.TensorInfo, { values, scales }: RoundedMatrix): Value => {
    const fix = (name: string, host: FixedValue) => {
      fixed[name] = host
      return graph.input(name, host.shape, host.dtype)
    }
    const shape = [scales.length, values.length / scales.length]
    const whole = rounded.get(info) ?? fix(`rounded_${rounded.size}`, { dtype: 'int8', shape, values })
    rounded.set(info, whole)
    // Scales of its own for each reading keep ONNX Runtime from making one of them all, which would live all along.
    const name = `scales_${Object.keys(fixed).length}`
    const scale = fix(name, { dtype: 'float32', shape: [scales.length], values: scales })
    const made = graph.op('DequantizeLinear', [whole, scale], { axis: 0 }, shape, 'float32')
    return graph.reshape(made, info.shape)
  }

  const results = backend.tracing({ graph, capture, captureRounded }, () => {
    tf.engine().startScope('jit')
    try {
      const symbols: TensorMap = {}
      for (const [name, { shape, dtype }] of Object.entries(args)) {
        const sizes = shape.map((size, axis) => {
          const open = openSizes[name]?.[axis]
          return typeof open === 'string' ? graph.openSize(open) : size
        })
        symbols[name] = backend.symbol(graph.input(`argument_${name}`, sizes, dtype as ElementType))
      }
      const tensors = Object.entries(fn(symbols as Arguments))
      const results = tensors.map(([name, tensor]) => ({ name, value: backend.symbolic(tensor) }))
      // Also those that the function told the library to keep.
      for (const [, tensor] of tensors) if (!tensor.isDisposed && backend.isSymbol(tensor)) tensor.dispose()
      return results
    } finally {
      tf.engine().endScope()
    }
  })
  const encoded = graph.encode(results.map(({ name, value }) => ({ name: `${resultPrefix}${name}`, value })))
  const used = new Set(encoded.inputs)
  const outputs = results.map(({ name, value: { shape, dtype } }) => ({
    name: `${resultPrefix}${name}`,
    shape: shape.some((size) => graph.isOpen(size)) ? undefined : shape,
    dtype: dtype as ElementType,
  }))
  const { provider } = backend
  const onDevice = outputs.filter((output) => staysOnDevice(provider, output)).map(({ name }) => name)
  const traced = performance.now()
  const shared = shareSession(encoded, { provider, spinning: provider === 'cpu', onDevice })
  const { reused } = shared
  const buildingMs = reused ? 0 : performance.now() - traced
  record({ operators: encoded.nodeCount, reused, tracingMs: traced - begun, buildingMs })
  return {
    shared,
    parameters: Object.keys(args).filter((name) => used.has(`argument_${name}`)),
    captured: [...captured].flatMap(([info, { name }]) => (used.has(name!) ? [{ name: name!, info }] : [])),
    fixed: Object.fromEntries(Object.entries(fixed).filter(([name]) => used.has(name))),
    results: outputs,
  }
}

function alive(info: tf.TensorInfo): tf.TensorInfo {
  if ((info as tf.Tensor).isDisposed) {
    throw new Error(`a compiled function reads a tensor of shape [${info.shape}] that has been disposed`)
  }
  return info
}

function run(backend: OnnxBackend, program: Compiled, args: TensorMap): TensorMap {
  const feeds: Record<string, tf.TensorInfo> = {}
  for (const name of program.parameters) feeds[`argument_${name}`] = alive(args[name]!)
  for (const { name, info } of program.captured) feeds[name] = alive(info)
  const lasting = new Set(program.captured.map(({ name }) => name))
  const infos = backend.run(program.shared.session, feeds, program.results, lasting, program.fixed)
  const results: TensorMap = {}
  program.results.forEach(({ name }, index) => {
    results[name.slice(resultPrefix.length)] = tf.engine().makeTensorFromTensorInfo(infos[index]!)
  })
  return results
}
