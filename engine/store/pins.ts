/** @file Pins: results that stay whatever is collected, each under a name of the user's. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheKey } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'
import { writeAtomically } from './atomic-write.ts'
import { namesIn } from './inventory.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import { readSealed, seal } from './sealed-json.ts'
import { syncFolder } from './sync.ts'

export interface Pin {
  readonly name: string
  readonly key: CacheKey
  /** The node that it was pinned as. */
  readonly node: string
  /** ISO 8601. */
  readonly createdAt: string
}

export class Pins {
  readonly #layout: Layout
  readonly #owner: Owner

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  /** By name. Throws a `StageFailure` (`pin-damaged`): what a damaged pin holds must not be taken for garbage. */
  list(): Pin[] {
    const pins = namesIn(this.#layout.pins).flatMap((file): readonly Pin[] => {
      const sealed = readSealed(join(this.#layout.pins, file))
      if (sealed.state === 'whole') return [sealed.value as Pin]
      // Removed by another process since the folder was read.
      if (sealed.state === 'absent') return []
      throw new StageFailure({
        code: 'pin-damaged',
        message: `a pin cannot be read: ${join(this.#layout.pins, file)}`,
        hint: '`flow cache verify` sets it aside; then pin anew what it held',
      })
    })
    return pins.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Throws a `StageFailure` (`pin-exists`) where the name holds another result. */
  async add(pin: Pin): Promise<void> {
    const path = this.#layout.pin(pin.name)
    const held = this.list().find(({ name }) => name === pin.name)
    if (held?.key === pin.key) return
    if (held !== undefined) {
      throw new StageFailure({
        code: 'pin-exists',
        message: `the pin ${pin.name} already holds another result, of ${held.node}`,
        hint: `\`flow cache unpin ${pin.name}\` first, or give another --name`,
      })
    }
    writeAtomically(path, seal(pin), await this.#owner.temporary())
  }

  /** Whether there was such a pin. */
  async remove(name: string): Promise<boolean> {
    if (!this.list().some((pin) => pin.name === name)) return false
    await rm(this.#layout.pin(name), { force: true })
    syncFolder(this.#layout.pins)
    return true
  }
}
