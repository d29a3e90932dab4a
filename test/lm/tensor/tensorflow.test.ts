import { expect, it } from 'vitest'
import { tokenBatch } from '../../../lm/batches/token-batch.ts'
import { decoderConfig } from '../../../lm/model/config.ts'
import { initialWeights } from '../../../lm/model/initialise.ts'
import { createRandom } from '../../../lm/random.ts'
import { probes, startDevice } from '../../../lm/tensor/device.ts'
import { upload } from '../../../lm/tensor/host-tensor.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { type AdamWArguments, adamWUpdate } from '../../../lm/training/adamw.ts'
import { scoreLabels } from '../../../lm/training/forward.ts'
import { supervised, supervisedShares } from '../../../lm/training/objectives/supervised.ts'
import { ParameterLayout } from '../../../lm/training/trainable.ts'
import { largestDifference } from '../reference.ts'
import { contractSuite } from './suite.ts'

const config = decoderConfig(
  {
    model_type: 'qwen2',
    vocab_size: 97,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 48,
    tie_word_embeddings: true,
    max_position_embeddings: 64,
  },
  'config.json',
)

/** Loss, gradient, and parameters and moments after one AdamW step, on the current device. */
function trainingStep(): Record<string, ArrayLike<number>> {
  const random = createRandom('tensorflow')
  const weights = initialWeights(config, 3)
  const layout = ParameterLayout.of(weights)
  const sequences = [7, 12].map((length) => ({
    ids: Array.from({ length }, () => random.integer(0, config.vocabularySize - 1)),
    weights: Array.from({ length }, (_, position) => Number(position > 2)),
  }))
  const { arrays, layout: slots } = tokenBatch(sequences, { config, sharing: true })
  const shares = supervisedShares(arrays, slots, sequences)
  const batch = upload({ ...arrays, ...shares })

  const gradient = jit(({ p, ...batch }: TensorMap) => {
    const lossOf = (flat: Tensor) => {
      const scores = scoreLabels({ config, weights: layout.split(flat) }, batch)
      return supervised(scores, batch).loss as tf.Scalar
    }
    const { value, grad } = tf.valueAndGrad(lossOf)(p!)
    return { loss: value, g: grad }
  })
  const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, maxGradientNorm: 1 }
  const update = jit((args: AdamWArguments) => adamWUpdate(settings, args))

  const p = tf.tensor1d(layout.flatten(weights))
  const { loss, g } = gradient({ ...batch, p })
  const results = update({
    p,
    g: g!,
    m: tf.tensor1d(Float32Array.from({ length: layout.size }, () => random.normal() * 1e-2)),
    v: tf.tensor1d(Float32Array.from({ length: layout.size }, () => random.next() * 1e-3 + 1e-4)),
    decayed: tf.tensor1d(layout.indicator((_, shape) => shape.length === 2)),
    rate: tf.scalar(1e-3),
    correction1: tf.scalar(1 - 0.9 ** 5),
    correction2: tf.scalar(Math.sqrt(1 - 0.999 ** 5)),
  })
  return Object.fromEntries(
    Object.entries({ loss: loss!, g: g!, ...results }).map(([name, tensor]) => [name, tensor.dataSync()]),
  )
}

const refused = 'an error of TensorFlow'
const except = {
  'FloorDiv: int32 by zero': refused,
  'Mod: int32': refused,
  'Mod: NaN and infinities': 'TensorFlow takes the remainder by infinity for the number',
  'Pow: int32': refused,
  ...Object.fromEntries(
    ['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Max', 'Min'].map((kernel) => [
      `${kernel}: bool`,
      refused,
    ]),
  ),
  'Select: int32 or float32': refused,
  'UnsortedSegmentSum: segments out of range are dropped': refused,
  'GatherV2: axis -1': 'an error of tfjs-node, which counts no axes from the end',
  'GatherV2: axis -3': 'an error of tfjs-node, which counts no axes from the end',
  'ClipByValue: int32, open on both sides': 'tfjs-node makes the infinity 0',
  'Tanh: on both sides of the kinks': 'within 2e-7 of the gradient, which is next to nothing there',
  TensorScatterUpdate: 'the reference is wrong once tfjs-node has brought a second copy of tfjs-core',
}

const found = await probes.tensorflow()
const missing = found.usable ? undefined : found.reason

if (missing === undefined) {
  contractSuite({ name: 'TensorFlow', start: () => startDevice('tensorflow', 1), modes: ['eager'], except })
} else {
  console.warn(`TensorFlow is not tested: ${missing} (flow setup tensorflow)`)
}

it.skipIf(missing !== undefined)(
  'a training step is that of the device cpu',
  { timeout: 120_000 },
  async () => {
    await startDevice('cpu', 1)
    const expected = trainingStep()
    await startDevice('tensorflow', 1)
    expect(tf.getBackend()).toBe('tensorflow')
    const actual = trainingStep()

    expect(Object.keys(actual)).toEqual(['loss', 'g', 'p', 'm', 'v', 'norm'])
    for (const name in expected) {
      const largest = Array.from(expected[name]!).reduce((sofar, each) => Math.max(sofar, Math.abs(each)), 0)
      const difference = largestDifference(actual[name]!, expected[name]!) / largest
      expect([name, difference < 1e-5, difference]).toEqual([name, true, difference])
    }
  },
)
