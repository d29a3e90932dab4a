/** @file YAML text of bounded size into values with positions: plain text at once, any other by way of a library. */
import type { SourceRange } from '../diagnostic.ts'
import { parseAnyYaml } from './any-yaml.ts'
import type { Faults } from './faults.ts'
import { readPlainYaml } from './plain-yaml.ts'
import { MAX_SOURCE_BYTES } from './source-size.ts'
import { maskTemplates } from './template.ts'
import type { Spot, YamlValue } from './yaml-value.ts'

export interface ParsedYaml {
  /** Undefined where the text holds nothing, or could not be read at all. */
  readonly root: YamlValue | undefined
  /** Where YAML's own syntax was broken. */
  readonly syntaxFaults: readonly SourceRange[]
}

/** `positions: false` for command-line text, which no file shows: its faults then carry no range. */
export function parseYaml(source: string, file: string, faults: Faults, positions = true): ParsedYaml {
  const spotOf = (start: number, end: number): Spot =>
    positions ? { file, range: { start, end } } : { file }
  if (Buffer.byteLength(source) > MAX_SOURCE_BYTES) {
    faults.add(spotOf(0, 0), 'too-large', 'the file is larger than 1 MiB')
    return { root: undefined, syntaxFaults: [] }
  }
  const text = maskTemplates(source)
  const plain = readPlainYaml(text, spotOf)
  return plain === undefined ? parseAnyYaml(text, spotOf, faults) : { root: plain, syntaxFaults: [] }
}
