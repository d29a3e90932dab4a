/** @file Every row of the kernel contract. */
import type { KernelCase } from '../kernel-case.ts'
import { arithmetic } from './arithmetic.ts'
import { compositions } from './compositions.ts'
import { constants } from './constants.ts'
import { functionsOfOne } from './functions.ts'
import { indexing } from './indexing.ts'
import { products } from './products.ts'
import { reductionsAndSoftmax } from './reductions.ts'
import { shaping } from './shaping.ts'

export const kernelCases: readonly KernelCase[] = [
  ...arithmetic,
  ...functionsOfOne,
  ...shaping,
  ...reductionsAndSoftmax,
  ...products,
  ...indexing,
  ...constants,
  ...compositions,
]
