/** @file TensorFlow.js computes on ONNX Runtime from here on, as in a stage on the CPU. */
import { registerOnnxBackend } from '../../lm/tensor/onnx-backend.ts'
import { tf } from '../../lm/tensor/tf.ts'

export async function startOnnxBackend(): Promise<void> {
  registerOnnxBackend()
  await tf.setBackend('onnx')
}
