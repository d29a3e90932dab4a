/** @file Which contents have passed which validator, so that no value is validated twice. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
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

  markValidated(type: string, codeDigest: string, hash: ContentHash): void {
    const path = this.#path(type, codeDigest, hash)
    try {
      mkdirSync(dirname(path), { recursive: true })
      // Empty: its name says all.
      writeFileSync(path, '')
    } catch (error) {
      // It is validated once more, then.
      forgiveSystemError(error)
    }
  }

  #path(type: string, codeDigest: string, hash: ContentHash): string {
    return this.#layout.mark(sha256(`${type}\n${codeDigest}\n${hash}`))
  }
}
