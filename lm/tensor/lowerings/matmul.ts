/** @file Matrix products. Transposed operands go to Gemm (2-D) or FusedMatMul (N-D): no transpose is written out. */
import { broadcastShape, sizeOf } from '../dtype.ts'
import { microsoft } from '../graph.ts'
import type { Lowerings } from './lowering.ts'

export const products: Lowerings = {
  BatchMatMul: (graph, { a, b }, { transposeA, transposeB }) => {
    const left = a!
    const right = b!
    const rows = transposeA ? left.shape.at(-1)! : left.shape.at(-2)!
    const columns = transposeB ? right.shape.at(-2)! : right.shape.at(-1)!
    const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2))
    const shape = [...batch, rows, columns]
    const transposed = transposeA || transposeB
    if (transposed && sizeOf(batch) === 1) {
      const flat = [graph.reshape(left, left.shape.slice(-2)), graph.reshape(right, right.shape.slice(-2))]
      const flags = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }
      return graph.reshape(graph.op('Gemm', flat, flags, [rows, columns], 'float32'), shape)
    }
    if (!transposed) return graph.op('MatMul', [left, right], {}, shape, 'float32')
    const flags = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }
    return graph.op('FusedMatMul', [left, right], flags, shape, 'float32', microsoft)
  },
}
