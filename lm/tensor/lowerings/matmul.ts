/** @file Matrix products. Transposed operands go to Gemm (2-D) or FusedMatMul (N-D): no transpose is written out,
 * but for whole numbers, which those do not take, and in batches on WebGPU, which has no FusedMatMul. */
import { broadcastShape, sizeOf } from '../dtype.ts'
import { type Graph, microsoft, type Value } from '../graph.ts'
import type { Lowerings } from './lowering.ts'

/** The last two axes exchanged. */
function transposed(graph: Graph, value: Value): Value {
  const perm = value.shape.map((_, axis) => axis)
  perm.push(...perm.splice(-2).reverse())
  return graph.op(
    'Transpose',
    [value],
    { perm },
    perm.map((axis) => value.shape[axis]!),
    value.dtype,
  )
}

export const products: Lowerings = {
  BatchMatMul: (graph, { a, b }, { transposeA, transposeB }) => {
    const left = a!
    const right = b!
    const rows = transposeA ? left.shape.at(-1)! : left.shape.at(-2)!
    const columns = transposeB ? right.shape.at(-2)! : right.shape.at(-1)!
    const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2))
    const shape = [...batch, rows, columns]
    const plain = () => {
      const operands = [
        transposeA ? transposed(graph, left) : left,
        transposeB ? transposed(graph, right) : right,
      ]
      return graph.op('MatMul', operands, {}, shape, left.dtype)
    }
    if (left.dtype !== 'float32') return plain()
    if ((transposeA || transposeB) && sizeOf(batch) === 1) {
      const flat = [graph.reshape(left, left.shape.slice(-2)), graph.reshape(right, right.shape.slice(-2))]
      const flags = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }
      return graph.reshape(graph.op('Gemm', flat, flags, [rows, columns], 'float32'), shape)
    }
    if (!(transposeA || transposeB) || graph.provider === 'webgpu') return plain()
    const flags = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 }
    return graph.op('FusedMatMul', [left, right], flags, shape, 'float32', microsoft)
  },
}
