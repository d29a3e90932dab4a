/** @file The execution providers of ONNX Runtime that graphs are made for. */

/** `cpu` and `webgpu` are part of the installation; `cuda` needs libraries of its own (`flow setup cuda`). */
export type Provider = 'cpu' | 'webgpu' | 'cuda'
