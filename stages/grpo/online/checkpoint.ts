/**
 * @file The state of an online run between two updates: the trainer's, the generation batch that is still being
 * learned from, and how much of the file of completions belongs to it. Random sequences are named by generation
 * batch, so they have no state.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '../../../lm/checkpoint/write-whole.ts'
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

/** What lies beside the trainer's file, with the digest of the completions that belong to it. */
interface SavedRollout {
  readonly rollout: Rollout | undefined
  readonly rowsBytes: number
  readonly rowsSha256: string
}

/** The trainer's file is written last and names the step: what it is not followed by does not count. */
export function saveOnlineState(folder: string, { trainer, rollout, rowsBytes }: OnlineState): void {
  const own = `rollout-${trainer.step}.json`
  const rowsSha256 = sha256(readFileSync(rowsFile(folder)).subarray(0, rowsBytes))
  const text = JSON.stringify({ rollout, rowsBytes, rowsSha256 } satisfies SavedRollout, plainArrays)
  writeWhole(join(folder, own), (append) => append(Buffer.from(`${sha256(text)}\n${text}`)))
  saveTrainerState(folder, trainer)
  for (const name of readdirSync(folder)) {
    if (bufferName.test(name) && name !== own) rmSync(join(folder, name))
  }
}

/**
 * The state last saved; the file of completions is cut to it.
 * @param onDamage called where something does not hold what was saved; there is no state then
 */
export function loadOnlineState(folder: string, onDamage: (file: string) => void): OnlineState | undefined {
  mkdirSync(folder, { recursive: true })
  const trainer = loadTrainerState(folder, onDamage)
  const own = `rollout-${trainer?.step}.json`
  const saved = trainer === undefined ? undefined : readRollout(join(folder, own))
  if (trainer !== undefined && saved !== undefined && hasRows(folder, saved)) {
    truncateSync(rowsFile(folder), saved.rowsBytes)
    return { trainer, rollout: saved.rollout, rowsBytes: saved.rowsBytes }
  }
  if (trainer !== undefined) onDamage(saved === undefined ? own : 'rollouts.jsonl')
  writeFileSync(rowsFile(folder), '')
  return undefined
}

function readRollout(path: string): SavedRollout | undefined {
  const content = readIfThere(path)?.toString() ?? ''
  const end = content.indexOf('\n')
  const text = content.slice(end + 1)
  return content.slice(0, end) === sha256(text) ? (JSON.parse(text) as SavedRollout) : undefined
}

function hasRows(folder: string, { rowsBytes, rowsSha256 }: SavedRollout): boolean {
  const rows = readIfThere(rowsFile(folder))?.subarray(0, rowsBytes)
  return rows !== undefined && sha256(rows) === rowsSha256
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function plainArrays(_: string, value: unknown): unknown {
  return value instanceof Float32Array ? [...value] : value
}
