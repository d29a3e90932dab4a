/** @file Which contents have passed which validator, so that no value is validated twice. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { sha256 } from '../fingerprint/hash.ts'
import type { ContentHash } from '../identity.ts'
import { forgiveSystemError } from '../stage/machine-failure.ts'
import type { Layout } from './layout.ts'

export class ValidationMarks {
  readonly #layout: Layout

  constructor(layout: Layout) {
    this.#layout = layout
  }

  /** `codeDigest` is the validator's: another validator judges anew. */
  isValidated(type: string, codeDigest: string, hash: ContentHash): boolean {
    return existsSync(this.#path(type, codeDigest, hash))
  }

  async markValidated(type: string, codeDigest: string, hash: ContentHash): Promise<void> {
    const path = this.#path(type, codeDigest, hash)
    try {
      await mkdir(dirname(path), { recursive: true })
      // Empty: its name says all.
      await writeFile(path, '')
    } catch (error) {
      // It is validated once more, then.
      forgiveSystemError(error)
    }
  }

  #path(type: string, codeDigest: string, hash: ContentHash): string {
    return this.#layout.mark(sha256(`${type}\n${codeDigest}\n${hash}`))
  }
}
