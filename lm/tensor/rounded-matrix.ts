/** @file Matrices as whole numbers of 8 bits with a scale a row. */

export interface RoundedMatrix {
  /** Row by row. */
  readonly values: Int8Array
  /** One a row: what a 1 stands for. */
  readonly scales: Float32Array
}

/**
 * The nearest of 255 evenly spaced numbers, the row's largest magnitude at either end.
 * @param data [rows, columns]
 */
export function roundRows(data: Float32Array, columns: number): RoundedMatrix {
  const values = new Int8Array(data.length)
  const scales = new Float32Array(data.length / columns)
  for (let row = 0; row < scales.length; row++) {
    const end = (row + 1) * columns
    let largest = 0
    for (let at = row * columns; at < end; at++) largest = Math.max(largest, Math.abs(data[at]!))
    const scale = Math.fround(largest / 127) || 1
    scales[row] = scale
    for (let at = row * columns; at < end; at++) values[at] = Math.round(data[at]! / scale)
  }
  return { values, scales }
}

/** The numbers that it stands for, in float32. */
export function spreadOut({ values, scales }: RoundedMatrix): Float32Array {
  const columns = values.length / scales.length
  const data = new Float32Array(values.length)
  for (let row = 0, at = 0; row < scales.length; row++) {
    for (const end = at + columns; at < end; at++) data[at] = values[at]! * scales[row]!
  }
  return data
}
