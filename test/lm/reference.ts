/** @file The numbers that transformers, PEFT and TRL computed, as `test/reference/` left them. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { decoderAdapter, loadAdapter } from '../../lm/model/adapter.ts'
import { type DecoderConfig, decoderConfig } from '../../lm/model/config.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import { loadModel } from '../../lm/model/model.ts'
import type { Message } from '../../lm/text/messages.ts'

export function referencePath(path: string): string {
  return fileURLToPath(new URL(`../fixtures/reference/${path}`, import.meta.url))
}

export function readReference<Value>(path: string): Value {
  return JSON.parse(readFileSync(referencePath(path), 'utf8')) as Value
}

export function readReferenceRows<Row>(path: string): Row[] {
  const lines = readFileSync(referencePath(path), 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Row)
}

export interface GreedyReference {
  readonly prompt: number[]
  readonly continuation: number[]
  readonly smallest_margin: number
}

export interface LogitsReference {
  /** Two rows, which ran as one batch padded on the right. */
  readonly input_ids: number[][]
  /** `NAME` or `NAME+adapter`; logits [row][position][token]. */
  readonly models: Readonly<
    Record<string, { readonly logits: number[][][]; readonly greedy: GreedyReference[] }>
  >
}

export interface ChatReference {
  readonly messages: Message[]
  readonly add_generation_prompt: boolean
  readonly text: string
  readonly ids: number[]
}

/** That of a checkpoint of `models/`. */
export function referenceConfig(model: string): DecoderConfig {
  const folder = referencePath(`models/${model}`)
  return decoderConfig(openCheckpoint(folder).config, folder)
}

/** A checkpoint of `models/`, with an adapter of `adapters/` beside it where one is named. */
export function loadReferenceModel(model: string, adapter?: string): DecoderParameters {
  const { config, weights } = loadModel(referencePath(`models/${model}`))
  if (adapter === undefined) return { config, weights }
  return {
    config,
    weights,
    adapter: decoderAdapter(loadAdapter(referencePath(`adapters/${adapter}`), config)),
  }
}

/** Largest |a - b| over two arrays of equal length; NaN where any difference is. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers against ${b.length}`)
  let largest = 0
  for (let index = 0; index < a.length; index++) {
    const difference = Math.abs(a[index]! - b[index]!)
    if (Number.isNaN(difference)) return difference
    largest = Math.max(largest, difference)
  }
  return largest
}
