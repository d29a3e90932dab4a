/**
 * @file Functions of one value that WGSL computes too roughly or not at all. Its `log` is exact to 2^-21 near 1, its
 * `sin` and `cos` to 2^-11, its `exp` cancels in e^x - 1; none of it says anything of NaN and infinities.
 */
import type { Value } from '../graph.ts'
import { Calculation, real } from './calculation.ts'
import type { Lowerings } from './lowering.ts'

/** Near 0 by log(1 + x) = 2 atanh(x / (2 + x)). */
function log1p(calculation: Calculation, x: Value): Value {
  const ratio = calculation.op('Div', x, calculation.op('Add', x, 2))
  const square = calculation.op('Mul', ratio, ratio)
  const coefficients = [2, 2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11, 2 / 13]
  const near = calculation.op('Mul', ratio, calculation.polynomial(square, coefficients))
  const far = calculation.op('Log', calculation.op('Add', x, 1))
  const isNear = calculation.test('Less', calculation.op('Abs', x), 0.5)
  return calculation.op('Where', isNear, near, far)
}

/** Near 0 by its series. */
function expm1(calculation: Calculation, x: Value): Value {
  const coefficients = [1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320]
  const near = calculation.op('Mul', x, calculation.polynomial(x, coefficients))
  const far = calculation.op('Sub', calculation.op('Exp', x), 1)
  const isNear = calculation.test('Less', calculation.op('Abs', x), 0.5)
  return calculation.op('Where', isNear, near, far)
}

/** log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
function softplus(calculation: Calculation, x: Value): Value {
  const power = calculation.op('Exp', calculation.op('Neg', calculation.op('Abs', x)))
  return calculation.op('Add', calculation.op('Max', x, 0), log1p(calculation, power))
}

/**
 * (-1)^k sin(x - turns pi), k whole: pi is taken off in two parts, the first of few bits, so that the products are
 * exact; then the series.
 */
function sine(calculation: Calculation, x: Value, turns: Value, k: Value): Value {
  const high = calculation.op('Sub', x, calculation.op('Mul', turns, 3.140625))
  const angle = calculation.op('Sub', high, calculation.op('Mul', turns, Math.PI - 3.140625))
  const square = calculation.op('Mul', angle, angle)
  const coefficients = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800]
  const value = calculation.op('Mul', angle, calculation.polynomial(square, coefficients))
  const half = calculation.op('Floor', calculation.op('Mul', k, 0.5))
  const odd = calculation.op('Sub', k, calculation.op('Mul', half, 2))
  return calculation.op('Mul', value, calculation.op('Sub', 1, calculation.op('Mul', odd, 2)))
}

const sin = (calculation: Calculation, x: Value): Value => {
  const k = calculation.op('Floor', calculation.op('Add', calculation.op('Mul', x, 1 / Math.PI), 0.5))
  return sine(calculation, x, k, k)
}

/** cos(x) = -(-1)^k sin(x - (k + 1/2) pi) */
const cos = (calculation: Calculation, x: Value): Value => {
  const k = calculation.op('Floor', calculation.op('Mul', x, 1 / Math.PI))
  return calculation.op('Neg', sine(calculation, x, calculation.op('Add', k, 0.5), k))
}

/** Halves go to the even neighbour. */
function round(calculation: Calculation, x: Value): Value {
  const below = calculation.op('Floor', x)
  const rest = calculation.op('Sub', x, below)
  const up = calculation.test('Greater', rest, 0.5)
  const tie = calculation.test('Equal', rest, 0.5)
  const half = calculation.op('Mul', below, 0.5)
  const even = calculation.op('Mul', calculation.op('Floor', calculation.op('Add', half, 0.5)), 2)
  const nearest = calculation.op('Where', up, calculation.op('Add', below, 1), below)
  return calculation.op('Where', tie, even, nearest)
}

// S. Hochreiter's constants, arXiv 1706.02515.
const [seluAlpha, seluScale] = [1.6732632423543772, 1.0507009873554805]

export const webgpuFunctions: Lowerings = {
  Log1p: real(log1p),
  Expm1: real(expm1),
  Softplus: real(softplus),
  Selu: real((calculation, x) => {
    const below = calculation.op('Mul', expm1(calculation, x), seluAlpha)
    const positive = calculation.test('Greater', x, 0)
    return calculation.op('Mul', calculation.op('Where', positive, x, below), seluScale)
  }),
  Round: (graph, { x }) => (x!.dtype === 'float32' ? round(new Calculation(graph, x!.shape), x!) : x!),
  Sin: real(sin),
  Tan: real((calculation, x) => calculation.op('Div', sin(calculation, x), cos(calculation, x))),
  Cos: real(cos),
  Relu: (graph, { x }) => {
    const zero = graph.scalar(0, x!.dtype as 'float32' | 'int32')
    return graph.op('Max', [x!, zero], {}, x!.shape, x!.dtype)
  },
  /** 1 where x > 0, alpha elsewhere. */
  Step: (graph, { x }, { alpha }) => {
    const calculation = new Calculation(graph, x!.shape)
    return calculation.op('Where', calculation.test('Greater', x!, 0), 1, alpha)
  },
}
