/** @file The one table of lowerings: tfjs kernel name -> ONNX operators. */
import { elementwise } from './elementwise.ts'
import { functions } from './functions.ts'
import { indexing } from './indexing.ts'
import type { Lowerings } from './lowering.ts'
import { products } from './matmul.ts'
import { reductions } from './reduction.ts'
import { shaping } from './shaping.ts'

export const lowerings: Lowerings = {
  ...elementwise,
  ...functions,
  ...shaping,
  ...reductions,
  ...products,
  ...indexing,
}
