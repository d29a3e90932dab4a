/** @file Rotary embedding, one operator of ONNX Runtime: a kernel of this backend that tfjs does not know. */
import { microsoft } from '../graph.ts'
import type { Lowerings } from './lowering.ts'

/** Kernel: `x` [batch, length, heads, size], `cos` and `sin` [batch or 1, length, 1, size / 2] -> the shape of x. */
export const rotation = 'RotaryEmbedding'

export const rotations: Lowerings = {
  [rotation]: (graph, { x, cos, sin }) => {
    const [batch, length, heads, size] = x!.shape as [number, number, number, number]
    // The operator looks up each token's angles in one table.
    const rows = cos!.shape[0]!
    const table = [rows * length, size / 2]
    const tokens = batch * length
    const places =
      rows === batch
        ? graph.range(tokens)
        : graph.integers(Array.from({ length: tokens }, (_, token) => token % (rows * length)))
    const inputs = [
      graph.reshape(x!, [batch, length, heads * size]),
      graph.reshape(places, [batch, length]),
      graph.reshape(cos!, table),
      graph.reshape(sin!, table),
    ]
    const flags = { interleaved: 0, num_heads: heads }
    const turned = graph.op(rotation, inputs, flags, inputs[0]!.shape, x!.dtype, microsoft)
    return graph.reshape(turned, x!.shape)
  },
}
