/** @file Element-wise kernels: arithmetic with broadcasting, comparison, logic, functions of one value. */
import { broadcastShape, type ElementType, onnxType, sameShape } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import type { Lowering, Lowerings } from './lowering.ts'
import { list } from './lowering.ts'

const arithmetic: Readonly<Record<string, (x: number, y: number) => number>> = {
  Add: (x, y) => x + y,
  Sub: (x, y) => x - y,
  Mul: (x, y) => x * y,
  Div: (x, y) => x / y,
}

/** The operand as the operator may read it: unexpanded, where the other operand alone spans the result. */
function operand(graph: Graph, value: Value, other: Value, shape: readonly number[]): Value {
  if (!sameShape(other.shape, shape)) return value
  if (value.uniform !== undefined) return graph.scalar(value.uniform, value.dtype as ElementType)
  return value.broadcastOf ?? value
}

/** x op y where the operator leaves the other operand as it is: x + 0, x * 1, x / 1, x - 0. */
function neutral(op: string, left: Value, right: Value): Value | undefined {
  if (op === 'Mul' && left.uniform === 1) return right
  if (op === 'Add' && left.uniform === 0) return right
  if ((op === 'Mul' || op === 'Div') && right.uniform === 1) return left
  if ((op === 'Add' || op === 'Sub') && right.uniform === 0) return left
  return undefined
}

function binary(op: string, result?: ElementType): Lowering {
  return (graph, { a, b }) => {
    const left = a!
    const right = b!
    const shape = broadcastShape(left.shape, right.shape)
    const dtype = result ?? left.dtype
    const fold = arithmetic[op]
    if (fold !== undefined && dtype === 'float32') {
      if (left.uniform !== undefined && right.uniform !== undefined) {
        return graph.uniform(Math.fround(fold(left.uniform, right.uniform)), shape, dtype)
      }
      const unchanged = neutral(op, left, right)
      if (unchanged !== undefined) return graph.expand(unchanged, shape)
      // (x expanded) op scalar = (x op scalar) expanded
      if (left.broadcastOf !== undefined && right.shape.length === 0) {
        const small = graph.op(op, [left.broadcastOf, right], {}, left.broadcastOf.shape, dtype)
        return graph.expand(small, shape)
      }
    }
    // Both sides expanded: at least one must carry the full shape.
    const leftOperand = operand(graph, left, right, shape)
    const rightOperand = operand(graph, right, leftOperand, shape)
    return graph.op(op, [leftOperand, rightOperand], {}, shape, dtype)
  }
}

const unary =
  (op: string): Lowering =>
  (graph, { x }) =>
    graph.op(op, [x!], {}, x!.shape, x!.dtype)

const cast = (graph: Graph, x: Value, dtype: ElementType): Value => {
  if (x.dtype === dtype) return x
  if (x.castOf?.dtype === dtype) return x.castOf
  if (x.uniform !== undefined) {
    const value =
      dtype === 'bool' ? Number(x.uniform !== 0) : dtype === 'int32' ? Math.trunc(x.uniform) : x.uniform
    return graph.uniform(value, x.shape, dtype)
  }
  return graph.op('Cast', [x], { to: onnxType[dtype] }, x.shape, dtype)
}

export const elementwise: Lowerings = {
  Add: binary('Add'),
  AddV2: binary('Add'),
  Sub: binary('Sub'),
  Multiply: binary('Mul'),
  RealDiv: binary('Div'),
  Pow: binary('Pow'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Greater: binary('Greater', 'bool'),
  GreaterEqual: binary('GreaterOrEqual', 'bool'),
  Less: binary('Less', 'bool'),
  LessEqual: binary('LessOrEqual', 'bool'),
  Equal: binary('Equal', 'bool'),
  NotEqual: (graph, inputs, attributes) => {
    const equal = binary('Equal', 'bool')(graph, inputs, attributes) as Value
    return graph.op('Not', [equal], {}, equal.shape, 'bool')
  },
  LogicalAnd: binary('And', 'bool'),
  LogicalOr: binary('Or', 'bool'),
  LogicalNot: unary('Not'),
  SquaredDifference: (graph, inputs, attributes) => {
    const difference = binary('Sub')(graph, inputs, attributes) as Value
    return graph.op('Mul', [difference, difference], {}, difference.shape, difference.dtype)
  },
  AddN: (graph, inputs) => {
    const values = list(inputs)
    return values.length === 1 ? values[0]! : graph.op('Sum', values, {}, values[0]!.shape, values[0]!.dtype)
  },

  Abs: unary('Abs'),
  Ceil: unary('Ceil'),
  Cos: unary('Cos'),
  Erf: unary('Erf'),
  Exp: unary('Exp'),
  Floor: unary('Floor'),
  Log: unary('Log'),
  Neg: unary('Neg'),
  Reciprocal: unary('Reciprocal'),
  Relu: unary('Relu'),
  Sigmoid: unary('Sigmoid'),
  Sign: unary('Sign'),
  Sin: unary('Sin'),
  Softplus: unary('Softplus'),
  Sqrt: unary('Sqrt'),
  Tanh: unary('Tanh'),
  Square: (graph, { x }) => graph.op('Mul', [x!, x!], {}, x!.shape, x!.dtype),
  Rsqrt: (graph, { x }) => {
    const root = graph.op('Sqrt', [x!], {}, x!.shape, x!.dtype)
    return graph.op('Div', [graph.scalar(1, 'float32'), root], {}, x!.shape, x!.dtype)
  },
  Expm1: (graph, { x }) => {
    const power = graph.op('Exp', [x!], {}, x!.shape, x!.dtype)
    return graph.op('Sub', [power, graph.scalar(1, 'float32')], {}, x!.shape, x!.dtype)
  },
  Log1p: (graph, { x }) => {
    const sum = graph.op('Add', [x!, graph.scalar(1, 'float32')], {}, x!.shape, x!.dtype)
    return graph.op('Log', [sum], {}, x!.shape, x!.dtype)
  },
  /** 1 where x > 0, alpha elsewhere, NaN where x is NaN. */
  Step: (graph, { x }, { alpha }) => {
    const zero = graph.scalar(0, 'float32')
    const positive = graph.op('Greater', [x!, zero], {}, x!.shape, 'bool')
    const ends = [graph.scalar(1, 'float32'), graph.scalar(alpha, 'float32')]
    const step = graph.op('Where', [positive, ...ends], {}, x!.shape, 'float32')
    return graph.op(
      'Where',
      [graph.op('IsNaN', [x!], {}, x!.shape, 'bool'), x!, step],
      {},
      x!.shape,
      'float32',
    )
  },
  ClipByValue: (graph, { x }, { clipValueMin, clipValueMax }) => {
    const dtype = x!.dtype as ElementType
    return graph.op(
      'Clip',
      [x!, graph.scalar(clipValueMin, dtype), graph.scalar(clipValueMax, dtype)],
      {},
      x!.shape,
      dtype,
    )
  },
  Select: (graph, { condition, t, e }) => {
    const shape = broadcastShape(broadcastShape(condition!.shape, t!.shape), e!.shape)
    const branch = (value: Value) =>
      value.uniform !== undefined ? graph.scalar(value.uniform, value.dtype as ElementType) : value
    const branches = sameShape(condition!.shape, shape) ? [branch(t!), branch(e!)] : [t!, e!]
    return graph.op('Where', [condition!, ...branches], {}, shape, t!.dtype)
  },
  Cast: (graph, { x }, { dtype }) => cast(graph, x!, dtype),
}
