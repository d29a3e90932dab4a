/** @file Kernels of several values, element by element: arithmetic with broadcasting, comparison, logic, choice. */
import { broadcastShape, type ElementType, onnxType, sameShape } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { tf } from '../tf.ts'
import { cast, withoutBool } from './cast.ts'
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

const ordering =
  (op: string): Lowering =>
  (graph, { a, b }, attributes) =>
    binary(op, 'bool')(graph, { a: withoutBool(graph, a!), b: withoutBool(graph, b!) }, attributes)

/** The quotient rounded down. Whole numbers go through float64, which holds them all; divided by 0 they give 0. */
const floorDiv: Lowering = (graph, { a, b }) => {
  const shape = broadcastShape(a!.shape, b!.shape)
  if (a!.dtype === 'float32') {
    return graph.op('Floor', [graph.op('Div', [a!, b!], {}, shape, 'float32')], {}, shape, 'float32')
  }
  const wide = (x: Value) => graph.op('Cast', [x], { to: onnxType.float64 }, x.shape, 'float64')
  const quotient = graph.op('Div', [wide(a!), wide(b!)], {}, shape, 'float64')
  const floor = graph.op('Floor', [quotient], {}, shape, 'float64')
  const whole = graph.op('Cast', [floor], { to: onnxType.int32 }, shape, 'int32')
  const zero = graph.scalar(0, 'int32')
  const byZero = graph.op('Equal', [b!, zero], {}, b!.shape, 'bool')
  return graph.op('Where', [byZero, zero, whole], {}, shape, 'int32')
}

/** The remainder with the sign of the divisor. Whole numbers go through float64; divided by 0 they give 0. */
const mod: Lowering = (graph, { a, b }) => {
  const shape = broadcastShape(a!.shape, b!.shape)
  const real = a!.dtype === 'float32'
  const type = real ? 'float32' : 'float64'
  const op = (name: string, inputs: Value[], attributes = {}) =>
    graph.op(name, inputs, attributes, shape, type)
  const number = (x: Value) => (real ? x : graph.op('Cast', [x], { to: onnxType.float64 }, x.shape, type))
  const divisor = number(b!)
  const remainder = op('Mod', [number(a!), divisor], { fmod: 1 })
  const moved = op('Mod', [op('Add', [remainder, divisor]), divisor], { fmod: 1 })
  const zero = real ? graph.scalar(0, 'float32') : number(graph.scalar(0, 'int32'))
  const negative = (x: Value) => graph.op('Less', [x, zero], {}, x.shape, 'bool')
  const alike = graph.op('Equal', [negative(number(a!)), negative(divisor)], {}, shape, 'bool')
  const result = op('Where', [alike, remainder, moved])
  if (real) return result
  const whole = graph.op('Cast', [result], { to: onnxType.int32 }, shape, 'int32')
  const nothing = graph.scalar(0, 'int32')
  const byZero = graph.op('Equal', [b!, nothing], {}, b!.shape, 'bool')
  return graph.op('Where', [byZero, nothing, whole], {}, shape, 'int32')
}

export const elementwise: Lowerings = {
  Add: binary('Add'),
  Sub: binary('Sub'),
  Multiply: binary('Mul'),
  RealDiv: binary('Div'),
  FloorDiv: floorDiv,
  Mod: mod,
  Pow: binary('Pow'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Greater: ordering('Greater'),
  GreaterEqual: ordering('GreaterOrEqual'),
  Less: ordering('Less'),
  LessEqual: ordering('LessOrEqual'),
  Equal: binary('Equal', 'bool'),
  NotEqual: (graph, inputs, attributes) => {
    const equal = binary('Equal', 'bool')(graph, inputs, attributes) as Value
    return graph.op('Not', [equal], {}, equal.shape, 'bool')
  },
  LogicalAnd: binary('And', 'bool'),
  LogicalOr: binary('Or', 'bool'),
  SquaredDifference: (graph, inputs, attributes) => {
    const difference = binary('Sub')(graph, inputs, attributes) as Value
    return graph.op('Mul', [difference, difference], {}, difference.shape, difference.dtype)
  },
  AddN: (graph, inputs) => {
    const values = list(inputs)
    const { shape, dtype } = values[0]!
    if (values.length === 1) return values[0]!
    // Of two, ONNX Runtime would join a product with the sum, and refuses where an input of it is a third output.
    if (dtype === 'float32' && values.length > 2) return graph.op('Sum', values, {}, shape, dtype)
    return values.reduce((sum, value) => graph.op('Add', [sum, value], {}, shape, dtype))
  },
  Select: (graph, { condition, t, e }) => {
    const shape = broadcastShape(broadcastShape(condition!.shape, t!.shape), e!.shape)
    const dtype = tf.upcastType(t!.dtype as ElementType, e!.dtype as ElementType) as ElementType
    const branch = (value: Value) => {
      const typed = withoutBool(graph, cast(graph, value, dtype))
      const scalar = typed.uniform !== undefined && sameShape(condition!.shape, shape)
      return scalar ? graph.scalar(typed.uniform!, typed.dtype as ElementType) : typed
    }
    const branches = [branch(t!), branch(e!)]
    return cast(graph, graph.op('Where', [condition!, ...branches], {}, shape, branches[0]!.dtype), dtype)
  },
}
