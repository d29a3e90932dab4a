/** @file Formulas over values of one shape, written as calls; a number stands for itself. */
import type { ElementType } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { cast } from './cast.ts'
import type { Lowering } from './lowering.ts'

export class Calculation {
  readonly #graph: Graph
  readonly #shape: readonly number[]
  readonly #dtype: ElementType

  constructor(graph: Graph, shape: readonly number[], dtype: ElementType = 'float32') {
    this.#graph = graph
    this.#shape = shape
    this.#dtype = dtype
  }

  op(type: string, ...inputs: (Value | number)[]): Value {
    return this.#graph.op(type, inputs.map(this.#operand), {}, this.#shape, this.#dtype)
  }

  /** An operator whose result is true or false. */
  test(type: string, ...inputs: (Value | number)[]): Value {
    return this.#graph.op(type, inputs.map(this.#operand), {}, this.#shape, 'bool')
  }

  /** c0 + x (c1 + x (c2 + ...)) */
  polynomial(x: Value, [first, ...rest]: readonly number[]): Value {
    const start: Value | number = rest.length === 1 ? rest[0]! : this.polynomial(x, rest)
    return this.op('Add', this.op('Mul', x, start), first!)
  }

  readonly #operand = (value: Value | number): Value =>
    typeof value === 'number' ? this.#graph.scalar(value, this.#dtype) : value
}

/** A function whose values are no whole numbers: int32 goes through float32. */
export function real(compute: (calculation: Calculation, x: Value) => Value): Lowering {
  return (graph, { x }) => {
    const value = cast(graph, x!, 'float32')
    return compute(new Calculation(graph, value.shape), value)
  }
}
