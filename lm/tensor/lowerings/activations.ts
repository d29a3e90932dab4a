/** @file Activation functions and what tfjs calls as a kernel of their gradients. */
import { broadcastShape, type ElementType } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { cast } from './cast.ts'
import type { Lowering, Lowerings } from './lowering.ts'

/** An operator of ONNX with float attributes, of float32. */
const operator =
  (op: string, attributes: Readonly<Record<string, number>> = {}): Lowering =>
  (graph, { x }) => {
    const floats = Object.entries(attributes).map(([name, float]) => [name, { float }])
    return graph.op(op, [cast(graph, x!, 'float32')], Object.fromEntries(floats), x!.shape, 'float32')
  }

/** x where x >= 0, alpha x elsewhere. */
function leaky(graph: Graph, x: Value, alpha: Value): Value {
  const shape = broadcastShape(x.shape, alpha.shape)
  const scaled = graph.op('Mul', [x, alpha], {}, shape, 'float32')
  const positive = graph.op('GreaterOrEqual', [x, graph.scalar(0, 'float32')], {}, x.shape, 'bool')
  return graph.op('Where', [positive, x, scaled], {}, shape, 'float32')
}

export const activations: Lowerings = {
  Elu: operator('Elu', { alpha: 1 }),
  /** From the value y of the function: dy (y + 1) below 0. */
  EluGrad: (graph, { dy, y }) => {
    const { shape } = y!
    const slope = graph.op('Add', [y!, graph.scalar(1, 'float32')], {}, shape, 'float32')
    const positive = graph.op('GreaterOrEqual', [y!, graph.scalar(0, 'float32')], {}, shape, 'bool')
    const below = graph.op('Mul', [dy!, slope], {}, shape, 'float32')
    return graph.op('Where', [positive, dy!, below], {}, shape, 'float32')
  },
  LeakyRelu: (graph, { x }, { alpha }) =>
    leaky(graph, cast(graph, x!, 'float32'), graph.scalar(alpha, 'float32')),
  Prelu: (graph, { x, alpha }) => leaky(graph, cast(graph, x!, 'float32'), alpha!),
  Relu: (graph, { x }) => graph.op('Relu', [x!], {}, x!.shape, x!.dtype),
  Relu6: (graph, { x }) => {
    const bounds = [0, 6].map((bound) => graph.scalar(bound, x!.dtype as ElementType))
    return graph.op('Clip', [x!, ...bounds], {}, x!.shape, x!.dtype)
  },
  // S. Hochreiter's constants, arXiv 1706.02515.
  Selu: operator('Selu', { alpha: 1.6732632423543772, gamma: 1.0507009873554805 }),
  Sigmoid: operator('Sigmoid'),
  Softplus: operator('Softplus'),
  Tanh: operator('Tanh'),
}
