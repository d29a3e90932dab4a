/** @file The judge is asked and its verdicts are read, from what it writes or from how probable each verdict is to it. */
import { type Progress, StageFailure } from 'flow/stage'
import type { Rubric } from '../../lm/judging/rubric.ts'
import {
  type FoundVerdict,
  type VerdictChoice,
  type VerdictReader,
  verdictChoices,
  verdictReader,
} from '../../lm/judging/verdict.ts'
import {
  type ChoiceRequest,
  reportProgress,
  type SamplingParams,
  type Writer,
  type Written,
} from '../sampling/writer.ts'
import { checkDistinct, likelyTokens, sharesAt } from './weighed-tokens.ts'

export interface JudgeSettings {
  readonly rubric: Rubric
  /**
   * `text` reads the number that the judge writes; `logits` takes the mean of all admissible ones, each weighed by its
   * probability at the place where the judge writes it (arXiv 2303.16634).
   */
  readonly scoreFrom: 'text' | 'logits'
  /** Verdicts a prompt; greedy ones are all alike, and asked once. */
  readonly votes: number
  readonly sampling: SamplingParams
}

export interface JudgeHooks {
  readonly signal: AbortSignal
  progress(progress: Progress): void
}

export interface Vote {
  readonly text: string
  /** A score, or how far the reply shown first is preferred; null where the verdict says neither. */
  readonly value: number | null
}

/** The parameters that say how a judge is asked, as a stage receives them. */
export interface AskingParams extends SamplingParams {
  readonly score_from: JudgeSettings['scoreFrom']
  readonly votes: number
}

/** @throws LmFailure, StageFailure where the settings contradict each other, before a model is loaded */
export function judgeSettings(rubric: Rubric, params: AskingParams): JudgeSettings {
  const read = verdictReader(rubric)
  if (params.score_from === 'logits') leadsToVerdict(rubric.opening, read, verdictChoices(rubric))
  return { rubric, scoreFrom: params.score_from, votes: params.votes, sampling: params }
}

/**
 * The votes on each prompt. Equal prompts are asked once.
 * @throws StageFailure, LmFailure where the rubric or the writer does not allow what is asked
 */
export async function askJudge(
  writer: Writer,
  prompts: readonly string[],
  settings: JudgeSettings,
  hooks: JudgeHooks,
): Promise<(readonly Vote[])[]> {
  const different = [...new Set(prompts)]
  const votes = await askEach(writer, different, settings, hooks)
  const position = new Map(different.map((prompt, index) => [prompt, index]))
  return prompts.map((prompt) => votes[position.get(prompt)!]!)
}

async function askEach(
  writer: Writer,
  prompts: readonly string[],
  { rubric, scoreFrom, votes, sampling }: JudgeSettings,
  hooks: JudgeHooks,
): Promise<(readonly Vote[])[]> {
  const read = verdictReader(rubric)
  const weighs = scoreFrom === 'logits'
  const choices = weighs ? verdictChoices(rubric) : []
  if (weighs && writer.choose !== undefined && leadsToVerdict(rubric.opening, read, choices)) {
    return await weighOpenings(writer, prompts, { rubric, choices, batchSize: sampling.batch_size }, hooks)
  }
  if (writer.choose === undefined) checkDistinct(choices)
  const count = sampling.temperature === 0 ? 1 : votes
  const asked = prompts.flatMap((prompt) => Array.from({ length: count }, () => prompt))
  const answers = await writer.write(
    asked,
    sampling,
    { signal: hooks.signal, progress: reportProgress(asked.length, hooks.progress) },
    {
      opening: rubric.opening,
      ...(weighs && writer.choose === undefined && { alternatives: likelyTokens }),
    },
  )
  const found = answers.map(({ text }) => read(text))
  const values = weighs
    ? await weighWritten(writer, { asked, answers, found, choices, batchSize: sampling.batch_size }, hooks)
    : found.map((verdict) => verdict?.value ?? null)
  return prompts.map((_, index) =>
    Array.from({ length: count }, (_, vote) => {
      const at = index * count + vote
      return { text: answers[at]!.text, value: values[at]! }
    }),
  )
}

/** Whether the verdict is the very next thing after the opening. */
function leadsToVerdict(opening: string, read: VerdictReader, [choice]: readonly VerdictChoice[]): boolean {
  if (read(opening) !== null) {
    throw new StageFailure({
      code: 'opening-has-verdict',
      message: `the opening \`${opening}\` gives the verdict itself`,
      hint: 'end it where the verdict begins: `Score:`',
    })
  }
  const before = opening.trimEnd()
  return before !== '' && read(`${before} ${choice!.text}`)?.start === before.length + 1
}

/** Each verdict's probabilities right after the opening: nothing is written. */
async function weighOpenings(
  writer: Writer,
  prompts: readonly string[],
  { rubric, choices, batchSize }: { rubric: Rubric; choices: readonly VerdictChoice[]; batchSize: number },
  hooks: JudgeHooks,
): Promise<(readonly Vote[])[]> {
  const before = rubric.opening.trimEnd()
  const gap = rubric.opening.slice(before.length)
  // After `Score:` a judge may write a space or not; after `Score: ` it has been written.
  const spelled = choices.map(({ text }) => (gap === '' ? [` ${text}`, text] : [gap + text]))
  const requests = prompts.map((prompt): ChoiceRequest => ({ prompt, before, choices: spelled }))
  const shares = await writer.choose!(requests, batchSize, choiceHooks(hooks))
  return shares.map((each) => {
    const likely = each
      .map((share, index) => ({ share, text: choices[index]!.text }))
      .sort((a, b) => b.share - a.share)
      .slice(0, 6)
      .map(({ share, text }) => `${text} ${(100 * share).toFixed(1)}%`)
    return [{ text: `${before} ${likely.join(', ')}`, value: expected(choices, each) }]
  })
}

interface WrittenVerdicts {
  readonly asked: readonly string[]
  readonly answers: readonly Written[]
  /** The verdict of each answer; null where it has none. */
  readonly found: readonly (FoundVerdict | null)[]
  readonly choices: readonly VerdictChoice[]
  readonly batchSize: number
}

/** The mean of the choices by their probabilities at the place where each answer has its verdict. */
async function weighWritten(
  writer: Writer,
  { asked, answers, found, choices, batchSize }: WrittenVerdicts,
  hooks: JudgeHooks,
): Promise<(number | null)[]> {
  const readable = found.flatMap((verdict, index) => (verdict === null ? [] : [{ ...verdict, index }]))
  const shares =
    writer.choose === undefined
      ? readable.map(({ start, index }) => sharesAt(answers[index]!, start, choices))
      : await writer.choose(
          readable.map(({ start, index }): ChoiceRequest => {
            const written = answers[index]!.text.slice(0, start)
            const before = written.trimEnd()
            const gap = written.slice(before.length)
            return { prompt: asked[index]!, before, choices: choices.map(({ text }) => [gap + text]) }
          }),
          batchSize,
          choiceHooks(hooks),
        )
  const values: (number | null)[] = asked.map(() => null)
  readable.forEach(({ index }, each) => {
    values[index] = expected(choices, shares[each]!)
  })
  return values
}

function choiceHooks({ signal, progress }: JudgeHooks) {
  return {
    signal,
    progress: (step: number, total: number) =>
      progress({ step, total, unit: 'verdict', note: 'probabilities of the verdicts' }),
  }
}

function expected(choices: readonly VerdictChoice[], shares: readonly number[]): number {
  return choices.reduce((sum, { value }, index) => sum + value * shares[index]!, 0)
}
