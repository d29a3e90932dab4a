/**
 * @file Values that are computed anew for the gradient instead of being kept for it (arXiv 1604.06174). In a compiled
 * graph this costs only what the gradient reads: of a norm and a product, the norm.
 */
import { differentiable, differentiableAll } from './differentiable.ts'
import { ordering } from './lowerings/ordering.ts'
import { currentOnnxBackend } from './onnx-backend.ts'
import { type Tensor, type TensorMap, tf } from './tf.ts'

/**
 * `compute`, of which compiled functions keep nothing but its inputs for the gradient.
 * @param inputs the values that the outputs follow from; what does not follow from the first of them is kept
 * @param weights the other tensors that `compute` reads and that may have gradients
 * @returns the outputs of `compute`
 */
export function recomputed(
  inputs: TensorMap,
  weights: TensorMap,
  compute: (inputs: TensorMap, weights: TensorMap) => Tensor[],
): Tensor[] {
  if (!tf.engine().isTapeOn() || !currentOnnxBackend()?.isTracing) return compute(inputs, weights)
  const names = Object.keys({ ...weights, ...inputs })
  return differentiableAll(
    { ...weights, ...inputs },
    (save) => {
      save(names.map((name) => inputs[name] ?? weights[name]!))
      return compute(inputs, weights)
    },
    (dys, saved) => {
      const [first] = Object.keys(inputs)
      const values = names.map((name, index) =>
        name === first ? after(dys[0]!, saved[index]!) : saved[index]!,
      )
      const gradients = nestedGradients((...xs) => {
        const named = Object.fromEntries(names.map((name, index) => [name, xs[index]!]))
        return withGradients(compute(named, named), dys)
      }, values)
      return Object.fromEntries(
        names.map((name, index) => [name, () => gradients[index] ?? tf.zerosLike(values[index]!)]),
      )
    },
  )
}

/** A number whose gradient in output n is dys[n]; it is itself not needed. */
function withGradients(outputs: readonly Tensor[], dys: readonly Tensor[]): Tensor {
  const named = Object.fromEntries(outputs.map((output, index) => [index, output]))
  const gradients = () => Object.fromEntries(dys.map((dy, index) => [index, () => tf.clone(dy)]))
  return differentiable(named, () => tf.scalar(0), gradients)
}

/**
 * x, as a value that cannot be there before `earlier` is: no optimiser takes what is computed from it for what was
 * computed from x, and no scheduler computes it ahead of time.
 */
export function after(earlier: Tensor, x: Tensor): Tensor {
  if (currentOnnxBackend() === undefined) return x
  return differentiable(
    { x },
    () => tf.engine().runKernel(ordering, { earlier, x }) as Tensor,
    (dy) => ({ x: () => tf.clone(dy) }),
  )
}

/** `tf.grads` within a gradient: tfjs has one tape, which the outer gradient still needs. */
function nestedGradients(fn: (...xs: Tensor[]) => Tensor, xs: Tensor[]): (Tensor | undefined)[] {
  const { state } = tf.engine()
  const tape = state.activeTape
  try {
    return tf.engine().gradients(() => fn(...xs), xs, undefined as unknown as Tensor, true).grads
  } finally {
    state.activeTape = tape
  }
}
