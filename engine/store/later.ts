/**
 * @file Work that nobody waits for, done for many items at once: on a disk, a step for each would keep those waiting
 * who do wait for it. What a process that is killed has not got round to must be harmless.
 */

const delayMs = 100

export class Later<T> {
  readonly #work: (items: ReadonlySet<T>) => Promise<void>
  #items = new Set<T>()
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(work: (items: ReadonlySet<T>) => Promise<void>) {
    this.#work = work
  }

  add(item: T): void {
    this.#items.add(item)
    this.#timer ??= setTimeout(() => this.#begin(), delayMs)
  }

  /** Resolves once the work is done for all that was added. Throws what has failed since this was last asked. */
  async done(): Promise<void> {
    if (this.#timer !== undefined) this.#begin()
    await this.#working
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  #begin(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const items = this.#items
    this.#items = new Set()
    this.#working = this.#working
      .then(() => this.#work(items))
      .catch((error: unknown) => {
        this.#failure ??= error
      })
  }
}
