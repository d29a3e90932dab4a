/** @file Operations whose gradients are written by hand: tfjs would differentiate and keep each step of them. */
import { type Tensor, type TensorMap, tf } from './tf.ts'

/** Keeps tensors for the gradients. */
type Save = (tensors: Tensor[]) => void

interface CustomOperation<Outputs, Dys> {
  readonly forwardFunc: (backend: unknown, save: Save) => Outputs
  readonly backwardsFunc: (dy: Dys, saved: Tensor[]) => Record<string, () => Tensor>
  readonly inputs: TensorMap
}

/** What `tf.customGrad` itself calls; its own arguments cannot be left out one by one. */
function run<Outputs, Dys>(operation: CustomOperation<Outputs, Dys>): Outputs {
  const engine = tf.engine() as unknown as {
    runKernelFunc(operation: CustomOperation<Outputs, Dys>): Outputs
  }
  return engine.runKernelFunc(operation)
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
  return run({
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: gradients as CustomOperation<Tensor, Tensor>['backwardsFunc'],
    inputs,
  })
}

/** The same with several values, each of which is used. */
export function differentiableAll(
  inputs: TensorMap,
  forward: (save: Save) => Tensor[],
  gradients: (dys: Tensor[], saved: Tensor[]) => Record<string, () => Tensor>,
): Tensor[] {
  const values = run<Tensor[], Tensor[]>({
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: (dys, saved) => gradients(Array.isArray(dys) ? dys : [dys], saved),
    inputs,
  })
  // The tape holds on to the list itself.
  return [...values]
}
