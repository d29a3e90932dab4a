/** @file The ONNX message types. Node finds no named exports in the package's CommonJS, only a default. */
import * as proto from 'onnx-proto'

export const { onnx } = 'default' in proto ? (proto.default as typeof proto) : proto
export type { onnx as onnxTypes } from 'onnx-proto'
