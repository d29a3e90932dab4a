/**
 * @file A trainer's state between two updates: enough to go on bit for bit. One safetensors file, replaced whole, with
 * a digest of all that it holds: going on from other numbers than were saved would end in another result without a word.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openSafetensors, writeSafetensors } from '../checkpoint/safetensors.ts'
import { LmFailure } from '../failure.ts'
import type { LearnerState } from './learner.ts'

export type LogRow = Readonly<Record<string, number | string>>

export interface TrainerState extends LearnerState {
  /** Parameters before the first update: what "moved" is measured against. */
  readonly initial: Float32Array
  readonly log: readonly LogRow[]
  /** Parameters of the best evaluation so far, where they are wanted. */
  readonly best?: Float32Array | undefined
}

const fileName = 'trainer.safetensors'
const defaultIntervalMs = 15_000

/** Time between two checkpoints of a training; `FLOW_CHECKPOINT_MS` asks for another. */
export function checkpointIntervalMs(environment: NodeJS.ProcessEnv): number {
  const askedMs = Number(environment.FLOW_CHECKPOINT_MS ?? defaultIntervalMs)
  return Number.isFinite(askedMs) && askedMs >= 0 ? askedMs : defaultIntervalMs
}

export function saveTrainerState(folder: string, state: TrainerState): void {
  const vectors = {
    parameters: state.parameters,
    first_moment: state.firstMoment,
    second_moment: state.secondMoment,
    initial: state.initial,
    ...(state.best !== undefined && { best: state.best }),
  }
  const texts = { step: String(state.step), log: JSON.stringify(state.log) }
  const tensors = Object.entries(vectors).map(([name, data]) => [name, { shape: [data.length], data }])
  writeSafetensors(join(folder, fileName), Object.fromEntries(tensors), {
    metadata: { ...texts, sha256: digestOf(texts, vectors) },
  })
}

/**
 * The state last saved in `folder`, if any.
 * @param onDamage called where there is a file that does not hold what was saved; there is no state then
 */
export function loadTrainerState(
  folder: string,
  onDamage: (file: string) => void = () => {},
): TrainerState | undefined {
  const path = join(folder, fileName)
  if (!existsSync(path)) return undefined
  const state = readState(path)
  if (state === undefined) onDamage(fileName)
  return state
}

function readState(path: string): TrainerState | undefined {
  try {
    const file = openSafetensors(path)
    const { step = '', log = '', sha256 } = file.metadata
    const vectors = Object.fromEntries(file.names.map((name) => [name, file.read(name).data]))
    const { parameters, first_moment: firstMoment, second_moment: secondMoment, initial, best } = vectors
    if (digestOf({ step, log }, vectors) !== sha256) return undefined
    if (!parameters || !firstMoment || !secondMoment || !initial) return undefined
    const rows = JSON.parse(log) as LogRow[]
    return { step: Number(step), parameters, firstMoment, secondMoment, initial, best, log: rows }
  } catch (error) {
    if (error instanceof LmFailure) return undefined
    throw error
  }
}

function digestOf(
  texts: { readonly step: string; readonly log: string },
  vectors: Readonly<Record<string, Float32Array>>,
): string {
  const digest = createHash('sha256').update(JSON.stringify([texts.step, texts.log]))
  for (const name of Object.keys(vectors).sort()) {
    const { buffer, byteOffset, byteLength } = vectors[name]!
    digest.update(`\0${name} ${byteLength}\0`).update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return digest.digest('hex')
}
