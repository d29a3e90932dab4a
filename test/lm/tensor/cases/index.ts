/** @file Every row of the kernel contract. */
import type { KernelCase } from '../kernel-case.ts'
import { activationFunctions } from './activations.ts'
import { arithmetic } from './arithmetic.ts'
import { compositions } from './compositions.ts'
import { constants } from './constants.ts'
import { functionsOfOne } from './functions.ts'
import { indexing } from './indexing.ts'
import { products } from './products.ts'
import { reductionsAndSoftmax } from './reductions.ts'
import { scattering } from './scattering.ts'
import { shaping } from './shaping.ts'
import { slicing } from './slicing.ts'

export const kernelCases: readonly KernelCase[] = [
  ...arithmetic,
  ...functionsOfOne,
  ...activationFunctions,
  ...shaping,
  ...slicing,
  ...reductionsAndSoftmax,
  ...products,
  ...indexing,
  ...scattering,
  ...constants,
  ...compositions,
]
