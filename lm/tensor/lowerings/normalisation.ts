/** @file RMS normalisation, one operator of ONNX Runtime: a kernel of this backend that tfjs does not know. */
import type { Lowerings } from './lowering.ts'

/** Kernel: `x` [..., size], `weight` [size], attribute `epsilon` -> x * weight / rms(x) over the last axis. */
export const rmsNormalisation = 'RmsNormalisation'

export const normalisations: Lowerings = {
  [rmsNormalisation]: (graph, { x, weight }, { epsilon }) =>
    graph.op(
      'SimplifiedLayerNormalization',
      [x!, weight!],
      { axis: -1, epsilon: { float: epsilon } },
      x!.shape,
      'float32',
    ),
}
