/** @file Artifact types that are files of rows: checked by the row rules of `lm/text`, each fault with its line. */
import { closeSync, openSync, readSync } from 'node:fs'
import { type ArtifactDefinition, type ArtifactFault, defineArtifact } from 'flow/artifacts'
import { isLmFailure } from '../../../lm/failure.ts'
import type { Parsed } from '../../../lm/text/fields.ts'
import { readRows } from '../../../lm/text/read-rows.ts'
import { faultsOf, readFile } from '../../../lm/text/rows.ts'
import { faultLimit } from './faults.ts'

export interface RowArtifact<Row> {
  readonly name: string
  readonly description: string
  /** @default 'jsonl' */
  readonly extends?: string
  readonly parseRow: (row: unknown) => Parsed<Row>
  /** One short line about all rows. */
  readonly describeRows: (rows: readonly Row[]) => string
  /** The file may be a JSON array as well as JSON Lines. @default false */
  readonly arrayAllowed?: boolean
  /** A file without any row is a value too. @default false */
  readonly emptyAllowed?: boolean
  /** Shown with each broken row: how a right one looks. */
  readonly example: string
}

/** Whether the first byte that is not white space opens a JSON array. Reads no more than that. */
function startsAsArray(path: string): boolean {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(4096)
    const length = readSync(descriptor, bytes)
    return bytes.toString('utf8', 0, length).trimStart().startsWith('[')
  } finally {
    closeSync(descriptor)
  }
}

export function rowArtifact<Row>(type: RowArtifact<Row>): ArtifactDefinition {
  function* validate(path: string): Generator<ArtifactFault> {
    try {
      if (!(type.arrayAllowed ?? false) && startsAsArray(path)) {
        yield {
          message: 'is a JSON array, not one JSON object a line',
          line: 1,
          hint: 'the `prepare` stages turn other formats into this one',
        }
        return
      }
      if (type.emptyAllowed && isEmpty(path)) return
      let found = 0
      for (const { line, message } of faultsOf(path, type.parseRow)) {
        yield { message, line, hint: `a row looks like ${type.example}` }
        found += 1
        if (found === faultLimit) return
      }
    } catch (error) {
      if (!isLmFailure(error)) throw error
      const { message, hint } = error.details
      yield { message: message.replaceAll(path, 'the file'), ...(hint !== undefined && { hint }) }
    }
  }
  return defineArtifact({
    name: type.name,
    kind: 'file',
    description: type.description,
    extends: type.extends ?? 'jsonl',
    validate,
    describe: (path) => type.describeRows(readFile(path, type.parseRow)),
  })
}

function isEmpty(path: string): boolean {
  const { rows, faults } = readRows(path)
  return rows.length === 0 && faults.length === 0
}
