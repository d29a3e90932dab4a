/** @file Operations whose gradients are written by hand: tfjs would differentiate and keep each step of them. */
import { type Tensor, type TensorMap, tf } from './tf.ts'

/** Keeps tensors for the gradients. */
type Save = (tensors: Tensor[]) => void

interface CustomOperation {
  readonly forwardFunc: (backend: unknown, save: Save) => Tensor
  readonly backwardsFunc: (dy: Tensor, saved: Tensor[]) => Record<string, () => Tensor>
  readonly inputs: TensorMap
}

/**
 * An operation on `inputs`. Unlike `tf.customGrad` it computes only the gradients that are asked for: a frozen weight's
 * costs nothing, whatever the backend.
 * @param forward the value; it saves what the gradients read
 * @param gradients from that of the value to those of the inputs, by name, each computed when it is called. What several
 * of them share is computed before they are returned.
 */
export function differentiable<Inputs extends TensorMap>(
  inputs: Inputs,
  forward: (save: Save) => Tensor,
  gradients: (dy: Tensor, saved: Tensor[]) => { readonly [Name in keyof Inputs]: () => Tensor },
): Tensor {
  const operation: CustomOperation = {
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: gradients as CustomOperation['backwardsFunc'],
    inputs,
  }
  // What `tf.customGrad` itself calls; its own arguments cannot be left out one by one.
  const engine = tf.engine() as unknown as { runKernelFunc(operation: CustomOperation): Tensor }
  return engine.runKernelFunc(operation)
}
