/** @file TensorFlow.js computes on ONNX Runtime from here on, as in a stage on the CPU. */
import { startOnnx } from '../../lm/tensor/start-onnx.ts'

export function startOnnxBackend(): Promise<void> {
  return startOnnx('cpu')
}
