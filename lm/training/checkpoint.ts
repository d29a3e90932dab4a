/** @file A trainer's state between two updates: enough to go on bit for bit. One safetensors file, replaced whole. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openSafetensors, writeSafetensors } from '../checkpoint/safetensors.ts'
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

export function saveTrainerState(folder: string, state: TrainerState): void {
  const vector = (data: Float32Array) => ({ shape: [data.length], data })
  writeSafetensors(
    join(folder, fileName),
    {
      parameters: vector(state.parameters),
      first_moment: vector(state.firstMoment),
      second_moment: vector(state.secondMoment),
      initial: vector(state.initial),
      ...(state.best !== undefined && { best: vector(state.best) }),
    },
    { metadata: { step: String(state.step), log: JSON.stringify(state.log) } },
  )
}

/** The state last saved in `folder`, if any. */
export function loadTrainerState(folder: string): TrainerState | undefined {
  const path = join(folder, fileName)
  if (!existsSync(path)) return undefined
  const file = openSafetensors(path)
  return {
    step: Number(file.metadata.step),
    parameters: file.read('parameters').data,
    firstMoment: file.read('first_moment').data,
    secondMoment: file.read('second_moment').data,
    initial: file.read('initial').data,
    best: file.has('best') ? file.read('best').data : undefined,
    log: JSON.parse(file.metadata.log ?? '[]') as LogRow[],
  }
}
