/** @file What a task is: it draws problems; a problem asks itself in words and can be worked out. */
import type { SeededRandom } from '../../../lm/random.ts'
import type { Steps } from '../slips.ts'

export interface Solution {
  /** "40+30=70, 7+8=15, 70+15=85" */
  readonly working: string
  /** "85" */
  readonly answer: string
}

export interface Problem {
  /** Two problems with the same key are the same problem, however they are worded. */
  readonly key: string
  /** The question, in one of the task's wordings. */
  ask(random: SeededRandom): string
  /** Worked out step by step; one of the steps may slip. */
  solve(steps: Steps): Solution
}

export interface Task {
  readonly name: string
  draw(random: SeededRandom): Problem
}

/** Fills {0}, {1}, ... */
export function fill(wording: string, values: readonly (string | number)[]): string {
  return wording.replace(/\{(\d)\}/g, (_, index: string) => String(values[Number(index)]))
}
