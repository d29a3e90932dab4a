/**
 * @file Multiplies two matrices of whole numbers on an execution provider of ONNX Runtime, without the CPU's help, and
 * compares with the product computed here. A process of its own, in plain JavaScript: a driver that ends the process ends
 * this one, and what drivers write to stderr can be read.
 *
 *     node prove-product.js PROVIDER MODEL [LIBRARY...]      MODEL: c = a b as an ONNX model, in base64
 *
 * Exit code 0 where every element is right, else 1; the last line of stdout says what happened.
 */
import { createRequire } from 'node:module'
import { Tensor } from 'onnxruntime-common'
import { loadLibraries } from './load-libraries.js'

const { binding, initOrt } = createRequire(import.meta.url)('onnxruntime-node/dist/binding.js')
const [provider, encoded, ...libraries] = process.argv.slice(2)
const [rows, inner, columns] = [64, 48, 80]

/** Whole numbers from -4 to 4: their products are exact in float32. */
const numbers = (length, step) => Float32Array.from({ length }, (_, index) => ((index * step) % 9) - 4)

function multiply(a, b) {
  const model = Buffer.from(encoded, 'base64')
  const session = new binding.InferenceSession()
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
    executionProviders: [provider],
    logSeverityLevel: 4,
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  })
  const feeds = { a: new Tensor('float32', a, [rows, inner]), b: new Tensor('float32', b, [inner, columns]) }
  return session.run(feeds, { c: null }, {}).c.data
}

function check() {
  initOrt()
  loadLibraries(libraries)
  const a = numbers(rows * inner, 7)
  const b = numbers(inner * columns, 5)
  const c = multiply(a, b)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let expected = 0
      for (let index = 0; index < inner; index++)
        expected += a[row * inner + index] * b[index * columns + column]
      const found = c[row * columns + column]
      if (found !== expected) return `a product came out as ${found} instead of ${expected}`
    }
  }
  return undefined
}

let wrong
try {
  wrong = check()
} catch (error) {
  wrong = error.message.trim().split('\n')[0]
}
console.log(wrong ?? 'right')
process.exitCode = wrong === undefined ? 0 : 1
