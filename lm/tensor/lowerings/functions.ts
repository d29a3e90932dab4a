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

export const functions: Lowerings = {
  Abs: unary('Abs'),
  Ceil: unary('Ceil'),
  Cos: realOperator('Cos'),
  Erf: realOperator('Erf'),
  Exp: realOperator('Exp'),
  Expm1: real(expm1),
  Floor: unary('Floor'),
  Log: realOperator('Log'),
  Log1p: real(log1p),
  LogicalNot: unary('Not'),
  Neg: unary('Neg'),
  Reciprocal: realOperator('Reciprocal'),
  Relu: unary('Relu'),
  Rsqrt: real((graph, x) => {
    const { op, number } = calculator(graph, x.shape)
    return op('Div', number(1), op('Sqrt', x))
  }),
  Sigmoid: realOperator('Sigmoid'),
  Sign: unary('Sign'),
  Sin: realOperator('Sin'),
  Softplus: realOperator('Softplus'),
  Sqrt: realOperator('Sqrt'),
  Square: (graph, { x }) => graph.op('Mul', [x!, x!], {}, x!.shape, x!.dtype),
  /** 1 where x > 0, alpha elsewhere, NaN where x is NaN. */
  Step: (graph, { x }, { alpha }) => {
    const { op, test, number } = calculator(graph, x!.shape)
    const step = op('Where', test('Greater', x!, number(0)), number(1), number(alpha))
    return op('Where', test('IsNaN', x!), x!, step)
  },
  Tanh: realOperator('Tanh'),
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }) => {
    const dtype = x!.dtype as ElementType
    const bounds = [graph.scalar(clipValueMin, dtype), graph.scalar(clipValueMax, dtype)]
    return graph.op('Clip', [x!, ...bounds], {}, x!.shape, dtype)
  },
  Cast: (graph, { x }, { dtype }) => cast(graph, x!, dtype),
}
