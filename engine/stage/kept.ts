/**
 * @file What a worker process keeps loaded from one node to the next, by the content that it was made of. One value
 * outlives a node; those that a node asked for live at least as long as the node.
 */

interface Held {
  /** Hash of the input that the value was made of. */
  readonly content: string
  readonly what: string
  readonly value: unknown
  release(): void
}

export class KeptValues {
  /** Left by the node before. */
  #former: Held | undefined
  /** Asked for by the node that runs, the latest last. */
  #current: Held[] = []

  /** Hash of the input that the kept value was made of. */
  get content(): string | undefined {
    return this.#former?.content
  }

  take<Value>(content: string, what: string, load: () => Value, release: (value: Value) => void): Value {
    const known = [...this.#current, this.#former].find(
      (held) => held?.content === content && held.what === what,
    )
    if (known === undefined) this.#giveUpFormer()
    else if (known === this.#former) this.#former = undefined
    this.#current = this.#current.filter((held) => held !== known)
    const held = known ?? this.#load(content, what, load, release)
    this.#current.push(held)
    return held.value as Value
  }

  /** The node is over: what it asked for last stays, the rest is given up. */
  endNode(): void {
    const latest = this.#current.pop()
    for (const held of this.#current) held.release()
    this.#current = []
    if (latest === undefined) return
    this.#giveUpFormer()
    this.#former = latest
  }

  #giveUpFormer(): void {
    const former = this.#former
    this.#former = undefined
    former?.release()
  }

  #load<Value>(content: string, what: string, load: () => Value, release: (value: Value) => void): Held {
    const value = load()
    return { content, what, value, release: () => release(value) }
  }
}
