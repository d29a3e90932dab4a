/** @file Whole files of rows: read for use, where the first fault ends it, or checked, where every fault is named. */
import { LmFailure } from '../failure.ts'
import type { Parsed } from './fields.ts'
import { type RowFault, readRows } from './read-rows.ts'
import {
  type InstructionRow,
  type JudgedRow,
  type PreferenceRow,
  type PromptRow,
  parseInstruction,
  parseJudged,
  parsePreference,
  parsePrompt,
  parseQuestion,
  parseResponse,
  parseReward,
  parseRewardGroup,
  type QuestionRow,
  type ResponseRow,
  type RewardGroupRow,
  type RewardRow,
} from './row-types.ts'

export * from './row-types.ts'

type RowParser<T> = (row: unknown) => Parsed<T>

/** Each row that cannot be read, by line; a file without any row is a fault of line 1. */
export function* faultsOf(file: string, parseRow: RowParser<unknown>): Generator<RowFault> {
  const { rows, faults } = readRows(file)
  const found = [...faults]
  for (const { line, value } of rows) {
    const { fault } = parseRow(value)
    if (fault !== undefined) found.push({ line, message: fault })
  }
  if (rows.length === 0 && faults.length === 0) found.push({ line: 1, message: 'the file has no rows' })
  yield* found.sort((a, b) => a.line - b.line)
}

/** Throws `LmFailure`: `unreadable-file`, or `invalid-row` with the line of the first fault. */
export function readFile<T>(file: string, parseRow: RowParser<T>): readonly T[] {
  const { rows, faults } = readRows(file)
  const [broken] = faults
  if (broken) throw invalidRow(file, broken)
  return rows.map(({ line, value }) => {
    const parsed = parseRow(value)
    if (parsed.fault !== undefined) throw invalidRow(file, { line, message: parsed.fault })
    return parsed.value
  })
}

function invalidRow(file: string, { line, message }: RowFault): LmFailure {
  return new LmFailure({ code: 'invalid-row', message, file, line })
}

export const readInstructions = (file: string): readonly InstructionRow[] => readFile(file, parseInstruction)
export const readPrompts = (file: string): readonly PromptRow[] => readFile(file, parsePrompt)
export const readQuestions = (file: string): readonly QuestionRow[] => readFile(file, parseQuestion)
export const readResponses = (file: string): readonly ResponseRow[] => readFile(file, parseResponse)
export const readJudged = (file: string): readonly JudgedRow[] => readFile(file, parseJudged)
export const readPreferences = (file: string): readonly PreferenceRow[] => readFile(file, parsePreference)
export const readRewardGroups = (file: string): readonly RewardGroupRow[] => readFile(file, parseRewardGroup)

/** Rows without a group form groups of equal prompts, numbered in order of appearance after the given ones. */
export function readRewards(file: string): readonly (RewardRow & { readonly group: number })[] {
  const rows = readFile(file, parseReward)
  let next = rows.reduce((greatest, row) => Math.max(greatest, row.group ?? -1), -1) + 1
  const groupOf = new Map<string, number>()
  return rows.map((row) => {
    if (row.group !== undefined) return { ...row, group: row.group }
    const key = JSON.stringify(row.prompt)
    const group = groupOf.get(key) ?? next++
    groupOf.set(key, group)
    return { ...row, group }
  })
}
