/**
 * @file TensorFlow.js with its gradients. The Node build of tfjs-core registers none, so they are bundled in
 * (see `flow.bundle` in package.json); everything in `lm/` takes `tf` from here.
 *
 * The library comes first: the gradients bring parts of it along, and the engine is that of whoever asks first.
 */
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
import { replaceReductionGradients } from './reduction-gradients.ts'

// It passes over what the mirrored elements contribute: an error is better than a wrong number.
tf.unregisterGradient('MirrorPad')
replaceReductionGradients()

export { tf }
export type Tensor = tf.Tensor
/** Tensors by name: the arguments and results of compiled functions. */
export type TensorMap = { [name: string]: tf.Tensor }
