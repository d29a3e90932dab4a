/**
 * @file An adapter under training as a policy that generates and scores between updates. Its matrices are variables:
 * a compiled function takes what it closes over as inputs, so it reads the new values and is not compiled again.
 */
import { tf } from '../tensor/tf.ts'
import type { AdaptedParameters } from './decoder.ts'
import type { LoraMatrix } from './lora.ts'

export class LivePolicy {
  readonly parameters: AdaptedParameters
  readonly #matrices: ReadonlyMap<string, tf.Variable>

  /** Starts from the values of the given policy's adapter; its tensors stay the caller's. */
  constructor(policy: AdaptedParameters) {
    const { tensors } = policy.adapter
    this.#matrices = new Map(
      Object.entries(tensors).map(([name, tensor]) => [name, tf.variable(tensor, false)]),
    )
    this.parameters = {
      ...policy,
      adapter: { ...policy.adapter, tensors: Object.fromEntries(this.#matrices) },
    }
  }

  /** Takes over new values of all matrices. */
  move(matrices: ReadonlyMap<string, LoraMatrix>): void {
    for (const [name, variable] of this.#matrices) {
      const { data, shape } = matrices.get(name)!
      const value = tf.tensor(data, shape, 'float32')
      variable.assign(value)
      value.dispose()
    }
  }

  dispose(): void {
    for (const variable of this.#matrices.values()) variable.dispose()
  }
}
