/** @file Kernels that are functions of one value, clipping and casts. */
import type { ElementType } from '../dtype.ts'
import type { Value } from '../graph.ts'
import { Calculation, real } from './calculation.ts'
import { cast } from './cast.ts'
import type { Lowering, Lowerings } from './lowering.ts'

const unary =
  (op: string): Lowering =>
  (graph, { x }) =>
    graph.op(op, [x!], {}, x!.shape, x!.dtype)

/** A question that only float32 has an answer to. */
const test = real

const realOperator = (op: string) => real((calculation, x) => calculation.op(op, x))

/** Where 1 + x is rounded, the logarithm is mended by the part that was lost, to first order. */
function log1p(calculation: Calculation, x: Value): Value {
  const sum = calculation.op('Add', x, 1)
  const taken = calculation.op('Sub', sum, 1)
  const lost = calculation.op('Div', calculation.op('Sub', taken, x), sum)
  // Nothing is lost at -1 and at infinity, where the quotient is NaN.
  const mend = calculation.op('Where', calculation.test('Equal', taken, x), 0, lost)
  return calculation.op('Sub', calculation.op('Log', sum), mend)
}

/** Near 0, where e^x - 1 cancels: (u - 1) * x / log(u) with u = e^x as rounded (W. Kahan). */
function expm1(calculation: Calculation, x: Value): Value {
  const power = calculation.op('Exp', x)
  const difference = calculation.op('Sub', power, 1)
  const mended = calculation.op('Div', calculation.op('Mul', difference, x), calculation.op('Log', power))
  const near = calculation.op('Where', calculation.test('Equal', difference, 0), x, mended)
  const isNear = calculation.test('Less', calculation.op('Abs', x), 0.5)
  return calculation.op('Where', isNear, near, difference)
}

/** A bound that the type can hold: whole numbers have no infinities. */
function nearest(bound: number, dtype: ElementType): number {
  return dtype === 'int32' ? Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, bound)) : bound
}

export const functions: Lowerings = {
  Abs: unary('Abs'),
  Acos: realOperator('Acos'),
  Acosh: realOperator('Acosh'),
  Asin: realOperator('Asin'),
  Asinh: realOperator('Asinh'),
  Atan: realOperator('Atan'),
  Atanh: realOperator('Atanh'),
  Ceil: unary('Ceil'),
  Cos: realOperator('Cos'),
  Cosh: realOperator('Cosh'),
  Erf: realOperator('Erf'),
  Exp: realOperator('Exp'),
  Expm1: real(expm1),
  Floor: unary('Floor'),
  IsFinite: test((calculation, x) => {
    const odd = calculation.test('Or', calculation.test('IsNaN', x), calculation.test('IsInf', x))
    return calculation.test('Not', odd)
  }),
  IsInf: test((calculation, x) => calculation.test('IsInf', x)),
  IsNan: test((calculation, x) => calculation.test('IsNaN', x)),
  Log: realOperator('Log'),
  Log1p: real(log1p),
  LogicalNot: unary('Not'),
  Neg: unary('Neg'),
  Reciprocal: realOperator('Reciprocal'),
  /** Halves go to the even neighbour. */
  Round: (graph, { x }) => (x!.dtype === 'float32' ? graph.op('Round', [x!], {}, x!.shape, x!.dtype) : x!),
  Rsqrt: real((calculation, x) => calculation.op('Div', 1, calculation.op('Sqrt', x))),
  Sign: unary('Sign'),
  Sin: realOperator('Sin'),
  Sinh: realOperator('Sinh'),
  Sqrt: realOperator('Sqrt'),
  Square: (graph, { x }) => graph.op('Mul', [x!, x!], {}, x!.shape, x!.dtype),
  /** 1 where x > 0, alpha elsewhere, NaN where x is NaN. */
  Step: (graph, { x }, { alpha }) => {
    const calculation = new Calculation(graph, x!.shape)
    const given = cast(graph, x!, 'float32')
    const step = calculation.op('Where', calculation.test('Greater', given, 0), 1, alpha)
    const result = calculation.op('Where', calculation.test('IsNaN', given), given, step)
    return cast(graph, result, x!.dtype as ElementType)
  },
  Tan: realOperator('Tan'),
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }) => {
    const dtype = x!.dtype as ElementType
    const bounds = [clipValueMin, clipValueMax].map((bound) => graph.scalar(nearest(bound, dtype), dtype))
    return graph.op('Clip', [x!, ...bounds], {}, x!.shape, dtype)
  },
  Cast: (graph, { x }, { dtype }) => cast(graph, x!, dtype),
}
