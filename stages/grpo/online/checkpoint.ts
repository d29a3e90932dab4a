/**
 * @file The state of an online run between two updates: the trainer's, the generation batch that is still being
 * learned from, and how much of the file of completions belongs to it. Random sequences are named by generation
 * batch, so they have no state.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { loadTrainerState, saveTrainerState, type TrainerState } from '../../../lm/training/checkpoint.ts'
import type { Rollout } from './rollout.ts'

export interface OnlineState {
  readonly trainer: TrainerState
  /** The generation batch that was sampled last. */
  readonly rollout: Rollout | undefined
  /** Size of the file of completions. */
  readonly rowsBytes: number
}

export function rowsFile(folder: string): string {
  return join(folder, 'rollouts.jsonl')
}

const bufferName = /^rollout-\d+\.json$/

/** The trainer's file is written last and names the step: what it is not followed by does not count. */
export function saveOnlineState(folder: string, { trainer, rollout, rowsBytes }: OnlineState): void {
  const own = `rollout-${trainer.step}.json`
  writeFileSync(join(folder, own), JSON.stringify({ rollout, rowsBytes }, plainArrays))
  saveTrainerState(folder, trainer)
  for (const name of readdirSync(folder)) {
    if (bufferName.test(name) && name !== own) rmSync(join(folder, name))
  }
}

/** The state last saved; the file of completions is cut to it. */
export function loadOnlineState(folder: string): OnlineState | undefined {
  const trainer = loadTrainerState(folder)
  const rows = rowsFile(folder)
  mkdirSync(folder, { recursive: true })
  if (trainer === undefined) {
    writeFileSync(rows, '')
    return undefined
  }
  const saved = JSON.parse(readFileSync(join(folder, `rollout-${trainer.step}.json`), 'utf8')) as Omit<
    OnlineState,
    'trainer'
  >
  if (existsSync(rows)) truncateSync(rows, saved.rowsBytes)
  return { trainer, ...saved }
}

function plainArrays(_: string, value: unknown): unknown {
  return value instanceof Float32Array ? [...value] : value
}
