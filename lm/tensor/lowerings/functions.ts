/** @file Kernels that are functions of one value, clipping and casts. */
import type { ElementType } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { cast } from './cast.ts'
import type { Lowering, Lowerings } from './lowering.ts'

const unary =
  (op: string): Lowering =>
  (graph, { x }) =>
    graph.op(op, [x!], {}, x!.shape, x!.dtype)

/** A function whose values are no whole numbers: int32 goes through float32. */
const real =
  (compute: (graph: Graph, x: Value) => Value): Lowering =>
  (graph, { x }) =>
    compute(graph, cast(graph, x!, 'float32'))

/** A question that only float32 has an answer to. */
const test = real

const realOperator = (op: string) => real((graph, x) => graph.op(op, [x], {}, x.shape, 'float32'))

/** Operators over one shape, written as calls: float32 results, `test` for bool ones. */
function calculator(graph: Graph, shape: readonly number[]) {
  return {
    op: (type: string, ...inputs: Value[]) => graph.op(type, inputs, {}, shape, 'float32'),
    test: (type: string, ...inputs: Value[]) => graph.op(type, inputs, {}, shape, 'bool'),
    number: (value: number) => graph.scalar(value, 'float32'),
  }
}

/** Where 1 + x is rounded, the logarithm is mended by the part that was lost, to first order. */
function log1p(graph: Graph, x: Value): Value {
  const { op, test, number } = calculator(graph, x.shape)
  const sum = op('Add', x, number(1))
  const taken = op('Sub', sum, number(1))
  const lost = op('Div', op('Sub', taken, x), sum)
  // Nothing is lost at -1 and at infinity, where the quotient is NaN.
  const mend = op('Where', test('Equal', taken, x), number(0), lost)
  return op('Sub', op('Log', sum), mend)
}

/** Near 0, where e^x - 1 cancels: (u - 1) * x / log(u) with u = e^x as rounded (W. Kahan). */
function expm1(graph: Graph, x: Value): Value {
  const { op, test, number } = calculator(graph, x.shape)
  const power = op('Exp', x)
  const difference = op('Sub', power, number(1))
  const mended = op('Div', op('Mul', difference, x), op('Log', power))
  const near = op('Where', test('Equal', difference, number(0)), x, mended)
  return op('Where', test('Less', op('Abs', x), number(0.5)), near, difference)
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
  IsFinite: test((graph, x) => {
    const { test } = calculator(graph, x.shape)
    return test('Not', test('Or', test('IsNaN', x), test('IsInf', x)))
  }),
  IsInf: test((graph, x) => calculator(graph, x.shape).test('IsInf', x)),
  IsNan: test((graph, x) => calculator(graph, x.shape).test('IsNaN', x)),
  Log: realOperator('Log'),
  Log1p: real(log1p),
  LogicalNot: unary('Not'),
  Neg: unary('Neg'),
  Reciprocal: realOperator('Reciprocal'),
  /** Halves go to the even neighbour. */
  Round: (graph, { x }) => (x!.dtype === 'float32' ? graph.op('Round', [x!], {}, x!.shape, x!.dtype) : x!),
  Rsqrt: real((graph, x) => {
    const { op, number } = calculator(graph, x.shape)
    return op('Div', number(1), op('Sqrt', x))
  }),
  Sign: unary('Sign'),
  Sin: realOperator('Sin'),
  Sinh: realOperator('Sinh'),
  Sqrt: realOperator('Sqrt'),
  Square: (graph, { x }) => graph.op('Mul', [x!, x!], {}, x!.shape, x!.dtype),
  /** 1 where x > 0, alpha elsewhere, NaN where x is NaN. */
  Step: (graph, { x }, { alpha }) => {
    const { op, test, number } = calculator(graph, x!.shape)
    const real = cast(graph, x!, 'float32')
    const step = op('Where', test('Greater', real, number(0)), number(1), number(alpha))
    return cast(graph, op('Where', test('IsNaN', real), real, step), x!.dtype as ElementType)
  },
  Tan: realOperator('Tan'),
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }) => {
    const dtype = x!.dtype as ElementType
    const bounds = [clipValueMin, clipValueMax].map((bound) => graph.scalar(nearest(bound, dtype), dtype))
    return graph.op('Clip', [x!, ...bounds], {}, x!.shape, dtype)
  },
  Cast: (graph, { x }, { dtype }) => cast(graph, x!, dtype),
}
