/** @file The contract of a dataset format: how its rows are recognised and what they mean. */
import type { JsonObject } from '../read-rows.ts'
import type { Sample } from './sample.ts'

export interface FormatOptions {
  /** Which judgement of PKU-SafeRLHF makes the pair: the more helpful answer or the safer one. @default 'better' */
  readonly preference?: 'better' | 'safer'
}

export interface ReadSamples {
  /** A seed task has several; as a rule it is one. */
  readonly samples: readonly Sample[]
  /** What had to be mended, each in a few fixed words that can be counted. */
  readonly repairs?: readonly string[]
}

export interface DatasetFormat {
  readonly name: string
  /** One line for the list of formats. */
  readonly description: string
  readonly sampleKind: Sample['kind']
  /** By the presence of its fields; cheap, and true for damaged rows of this format too. */
  detect(row: JsonObject): boolean
  /** Called within `parse` of `fields.ts`: names a fault through its readers. */
  read(row: JsonObject, options: FormatOptions): ReadSamples
}
