/**
 * @file Buffers that no tensor holds any more, kept for the next results of their size: a training step allocates
 * the same large arrays each time, and garbage collection would come late for them.
 *
 * Whoever takes a buffer owns it until it is given back; nothing else may refer to a buffer that is given back.
 */
import { allocate, type ElementType, type TypedArray } from './dtype.ts'

/** Kept of one type and length. */
const depth = 32

export class BufferPool {
  readonly #maximumBytes: number
  /** By type and length; the least recently used first. */
  readonly #free = new Map<string, TypedArray[]>()
  #bytes = 0

  /** @param maximumBytes kept in all; sizes that are no longer asked for go first, the size given last never goes */
  constructor(maximumBytes = 512 * 2 ** 20) {
    this.#maximumBytes = maximumBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A buffer whose content is undefined. */
  take(dtype: ElementType, length: number): TypedArray {
    const buffer = this.#list(dtype, length).pop()
    if (buffer === undefined) return allocate(dtype, length)
    this.#bytes -= buffer.byteLength
    return buffer
  }

  give(dtype: ElementType, buffer: TypedArray): void {
    const list = this.#list(dtype, buffer.length)
    if (list.length === depth) return
    list.push(buffer)
    this.#bytes += buffer.byteLength
    for (const [key, stale] of this.#free) {
      if (this.#bytes <= this.#maximumBytes || stale === list) break
      for (const each of stale) this.#bytes -= each.byteLength
      this.#free.delete(key)
    }
  }

  clear(): void {
    this.#free.clear()
    this.#bytes = 0
  }

  /** The list of a size, which is now the most recently used one. */
  #list(dtype: ElementType, length: number): TypedArray[] {
    const key = `${dtype} ${length}`
    const list = this.#free.get(key) ?? []
    this.#free.delete(key)
    this.#free.set(key, list)
    return list
  }
}
