/**
 * @file The rows that flow between stages, one JSON object a line. A parser checks a row and returns it with the
 * fields of its type; fields that the type does not know stay on the object. Field names are those of the files.
 */
import {
  asInteger,
  asMessages,
  asNumber,
  asObject,
  asPrompt,
  asString,
  fault,
  list,
  nonEmptyText,
  optional,
  orNull,
  type Parsed,
  parse,
  readList,
  text,
} from './fields.ts'
import { alpacaMessages, alpacaUserTurn, type Message, type Prompt, promptMessages } from './messages.ts'
import type { JsonObject } from './read-rows.ts'

/** A conversation to learn from; the last turn is the assistant's. */
export interface InstructionRow {
  readonly messages: readonly Message[]
}

export interface PromptRow {
  readonly prompt: Prompt
  readonly id?: string | number
}

export interface QuestionRow extends PromptRow {
  readonly answer: string
  /** Further right answers. */
  readonly answers?: readonly string[]
  readonly task?: string
}

/** A sampled answer as tokens: what training off-policy needs. */
interface Sampled {
  readonly token_ids?: readonly number[]
  /** Log-probability of each token under the policy that wrote it. */
  readonly logps?: readonly number[]
  /** Ended by itself; `token_ids` then include the end token. */
  readonly finished?: boolean
}

export interface ResponseCandidate extends Sampled {
  readonly text: string
  /** Who wrote it, where candidates come from several. */
  readonly source?: string
}

export interface ResponseRow {
  readonly prompt: Prompt
  readonly responses: readonly ResponseCandidate[]
}

export interface JudgedCandidate extends Sampled {
  readonly response: string
  readonly source?: string
  /** Mean of the votes that could be read; null where none could. */
  readonly score: number | null
  readonly judge_output: string
  readonly votes?: readonly (number | null)[]
}

export interface JudgedRow {
  readonly instruction: Prompt
  readonly candidates: readonly JudgedCandidate[]
  readonly chosen: string | null
  readonly chosen_score: number | null
  readonly rejected: string | null
  readonly rejected_score: number | null
  /** Only in the full file. */
  readonly has_valid_pair?: boolean
}

export interface PreferenceRow {
  readonly prompt: Prompt
  readonly chosen: string
  readonly rejected: string
  readonly chosen_score?: number
  readonly rejected_score?: number
  readonly chosen_token_ids?: readonly number[]
  readonly rejected_token_ids?: readonly number[]
}

export interface RewardRow extends Sampled {
  readonly prompt: Prompt
  readonly response: string
  readonly reward: number
  /** Rows of one group are compared with each other. Absent in older files: equal prompts then form a group. */
  readonly group?: number
}

export interface RewardGroupRow {
  readonly prompt: Prompt
  readonly responses: readonly string[]
  /** Softmax of the rewards; their sum is 1. */
  readonly weights: readonly number[]
  readonly rewards?: readonly number[]
  readonly token_ids?: readonly (readonly number[])[]
  readonly logps?: readonly (readonly number[])[]
  readonly finished?: readonly boolean[]
}

/** Alpaca rows, `{messages}` and `{prompt, completion}`. */
export function parseInstruction(row: unknown): Parsed<InstructionRow> {
  return parse(row, (fields) => {
    const messages = readInstruction(fields)
    if (messages.at(-1)!.role !== 'assistant') fault("the last turn is not the assistant's")
    if (!messages.some(({ role }) => role === 'user')) fault('there is no turn of the user')
    return { ...fields, messages }
  })
}

function readInstruction(fields: JsonObject): readonly Message[] {
  if (fields.messages !== undefined) return asMessages(fields.messages, '`messages`')
  if (fields.prompt !== undefined && fields.completion !== undefined) {
    const prompt = asPrompt(fields.prompt, '`prompt`')
    return [...promptMessages(prompt), { role: 'assistant', content: nonEmptyText(fields, 'completion') }]
  }
  if (fields.instruction === undefined) {
    fault('has none of `instruction`, `messages` and `prompt` with `completion`')
  }
  const input = optional(fields, 'input', asString)
  const system = optional(fields, 'system', asString)
  const history = optional(fields, 'history', asHistory)
  return alpacaMessages({
    instruction: nonEmptyText(fields, 'instruction'),
    output: nonEmptyText(fields, 'output'),
    ...(input !== undefined && { input }),
    ...(system !== undefined && { system }),
    ...(history !== undefined && { history }),
  })
}

function asHistory(value: unknown, name: string): readonly (readonly [string, string])[] {
  return readList(value, name, (turn, turnName) => {
    const pair = readList(turn, turnName, asString)
    if (pair.length !== 2) fault(`${turnName} is not a pair of question and answer`)
    return [pair[0]!, pair[1]!] as const
  })
}

/** `{prompt}`; also `{instruction, input?}`, `{question}` and the first of `{turns}`. */
export function parsePrompt(row: unknown): Parsed<PromptRow> {
  return parse(row, readPrompt)
}

function readPrompt(fields: JsonObject): PromptRow {
  const id = optional(fields, 'id', asId) ?? optional(fields, 'question_id', asId)
  return { ...fields, prompt: readPromptText(fields), ...(id !== undefined && { id }) }
}

function readPromptText(fields: JsonObject): Prompt {
  if (fields.prompt !== undefined) return asPrompt(fields.prompt, '`prompt`')
  if (fields.instruction !== undefined) {
    return alpacaUserTurn(nonEmptyText(fields, 'instruction'), optional(fields, 'input', asString))
  }
  if (fields.question !== undefined) return nonEmptyText(fields, 'question')
  if (fields.turns !== undefined) {
    const [first] = list(fields, 'turns', asString)
    return asPrompt(first, 'the first of `turns`')
  }
  return fault('has none of `prompt`, `instruction`, `question` and `turns`')
}

function asId(value: unknown, name: string): string | number {
  return typeof value === 'number' ? asNumber(value, name) : asString(value, name)
}

export function parseQuestion(row: unknown): Parsed<QuestionRow> {
  return parse(row, (fields) => {
    const answers = optional(fields, 'answers', asAnswers)
    const answer = fields.answer === undefined && answers !== undefined ? answers[0]! : asAnswer(fields)
    const task = optional(fields, 'task', asString)
    return {
      ...readPrompt(fields),
      answer,
      ...(answers !== undefined && { answers }),
      ...(task !== undefined && { task }),
    }
  })
}

function asAnswer(fields: JsonObject): string {
  return typeof fields.answer === 'number' ? String(fields.answer) : nonEmptyText(fields, 'answer')
}

function asAnswers(value: unknown, name: string): readonly string[] {
  const answers = readList(value, name, (each, eachName) =>
    typeof each === 'number' ? String(each) : asString(each, eachName),
  )
  return answers.length > 0 ? answers : fault(`${name} is empty`)
}

export function parseResponse(row: unknown): Parsed<ResponseRow> {
  return parse(row, (fields) => {
    const prompt = asPrompt(fields.prompt, '`prompt`')
    const responses = list(fields, 'responses', (value, name) => {
      const candidate = asObject(value, name)
      const source = optional(candidate, 'source', asString)
      return {
        ...candidate,
        ...readSampled(candidate, name),
        ...(source !== undefined && { source }),
        text: asString(candidate.text, `\`text\` of ${name}`),
      }
    })
    if (responses.length === 0) fault('`responses` is an empty list')
    return { ...fields, prompt, responses }
  })
}

function readSampled(fields: JsonObject, name: string): Sampled {
  const tokens = optional(fields, 'token_ids', asTokenIds)
  const logps = optional(fields, 'logps', asLogps)
  const finished = optional(fields, 'finished', asBoolean)
  if (logps && logps.length !== tokens?.length) {
    fault(`${name} has ${logps.length} log-probabilities for ${tokens?.length ?? 'no'} tokens`)
  }
  return {
    ...(tokens !== undefined && { token_ids: tokens }),
    ...(logps !== undefined && { logps }),
    ...(finished !== undefined && { finished }),
  }
}

function asTokenIds(value: unknown, name: string): readonly number[] {
  return readList(value, name, (id, idName) => {
    const token = asInteger(id, idName)
    if (token < 0) fault(`${idName} is ${token}`)
    return token
  })
}

function asLogps(value: unknown, name: string): readonly number[] {
  return readList(value, name, asNumber)
}

function asBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') fault(`${name} is not true or false`)
  return value
}

export function parseJudged(row: unknown): Parsed<JudgedRow> {
  return parse(row, (fields) => {
    const candidates = list(fields, 'candidates', (value, name): JudgedCandidate => {
      const candidate = asObject(value, name)
      const votes = optional(candidate, 'votes', (given, votesName) =>
        readList(given, votesName, (vote, voteName) => (vote === null ? null : asNumber(vote, voteName))),
      )
      return {
        ...candidate,
        ...readSampled(candidate, name),
        response: asString(candidate.response, `\`response\` of ${name}`),
        score: orNull(candidate, 'score', asNumber),
        judge_output: optional(candidate, 'judge_output', asString) ?? '',
        ...(votes !== undefined && { votes }),
      }
    })
    const hasValidPair = optional(fields, 'has_valid_pair', asBoolean)
    const chosen = orNull(fields, 'chosen', asString)
    const rejected = orNull(fields, 'rejected', asString)
    if ((chosen === null) !== (rejected === null)) fault('only one of `chosen` and `rejected` is given')
    return {
      ...fields,
      instruction: asPrompt(fields.instruction, '`instruction`'),
      candidates,
      chosen,
      chosen_score: orNull(fields, 'chosen_score', asNumber),
      rejected,
      rejected_score: orNull(fields, 'rejected_score', asNumber),
      ...(hasValidPair !== undefined && { has_valid_pair: hasValidPair }),
    }
  })
}

export function parsePreference(row: unknown): Parsed<PreferenceRow> {
  return parse(row, (fields) => {
    const chosenScore = optional(fields, 'chosen_score', asNumber)
    const rejectedScore = optional(fields, 'rejected_score', asNumber)
    const chosenIds = optional(fields, 'chosen_token_ids', asTokenIds)
    const rejectedIds = optional(fields, 'rejected_token_ids', asTokenIds)
    return {
      ...fields,
      prompt: asPrompt(fields.prompt, '`prompt`'),
      chosen: text(fields, 'chosen'),
      rejected: text(fields, 'rejected'),
      ...(chosenScore !== undefined && { chosen_score: chosenScore }),
      ...(rejectedScore !== undefined && { rejected_score: rejectedScore }),
      ...(chosenIds !== undefined && { chosen_token_ids: chosenIds }),
      ...(rejectedIds !== undefined && { rejected_token_ids: rejectedIds }),
    }
  })
}

export function parseReward(row: unknown): Parsed<RewardRow> {
  return parse(row, (fields) => {
    const group = optional(fields, 'group', asInteger)
    return {
      ...fields,
      ...readSampled(fields, 'the response'),
      prompt: asPrompt(fields.prompt, '`prompt`'),
      response: text(fields, 'response'),
      reward: asNumber(fields.reward, '`reward`'),
      ...(group !== undefined && { group }),
    }
  })
}

/** How far the weights' sum may lie from 1: files written with a few decimals stay readable. */
const WEIGHT_SUM_TOLERANCE = 1e-3

export function parseRewardGroup(row: unknown): Parsed<RewardGroupRow> {
  return parse(row, (fields) => {
    const responses = list(fields, 'responses', asString)
    if (responses.length === 0) fault('`responses` is an empty list')
    const weights = list(fields, 'weights', asNumber)
    const rewards = optional(fields, 'rewards', asLogps)
    const tokenIds = optional(fields, 'token_ids', (value, name) => readList(value, name, asTokenIds))
    const logps = optional(fields, 'logps', (value, name) => readList(value, name, asLogps))
    const finished = optional(fields, 'finished', (value, name) => readList(value, name, asBoolean))
    for (const [field, values] of Object.entries({
      weights,
      rewards,
      token_ids: tokenIds,
      logps,
      finished,
    })) {
      if (values && values.length !== responses.length) {
        fault(`\`${field}\` has ${values.length} elements for ${responses.length} responses`)
      }
    }
    logps?.forEach((values, index) => {
      if (values.length !== tokenIds?.[index]?.length) fault(`response ${index + 1} has not one logp a token`)
    })
    const sum = weights.reduce((total, weight) => total + weight, 0)
    if (weights.some((weight) => weight < 0) || Math.abs(sum - 1) > WEIGHT_SUM_TOLERANCE) {
      fault(`\`weights\` are no distribution: their sum is ${sum}`)
    }
    return {
      ...fields,
      prompt: asPrompt(fields.prompt, '`prompt`'),
      responses,
      weights,
      ...(rewards !== undefined && { rewards }),
      ...(tokenIds !== undefined && { token_ids: tokenIds }),
      ...(logps !== undefined && { logps }),
      ...(finished !== undefined && { finished }),
    }
  })
}
