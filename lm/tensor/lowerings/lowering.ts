/**
 * @file A lowering turns one tfjs kernel call into ONNX operators. It sees shapes and types, never numbers, so one
 * lowering serves the eager mode (a cached one-kernel session) and the traced mode (one graph a function).
 */
import type { Graph, Value } from '../graph.ts'

// biome-ignore lint/suspicious/noExplicitAny: each kernel has its own attribute record, as tfjs-core declares it
export type KernelAttributes = any
export type Lowering = (
  graph: Graph,
  /** By the kernel's own input names. */
  inputs: Readonly<Record<string, Value>>,
  attributes: KernelAttributes,
) => Value | Value[]
export type Lowerings = Readonly<Record<string, Lowering>>

/** A lowering throws it for what it has no operators for: a type, an attribute. */
export class NoLowering extends Error {
  override readonly name = 'NoLowering'
}

/** For kernels whose inputs are a list. */
export function list(inputs: Readonly<Record<string, Value>>): Value[] {
  return Object.keys(inputs)
    .sort((a, b) => Number(a) - Number(b))
    .map((key) => inputs[key]!)
}
