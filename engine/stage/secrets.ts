/**
 * @file Secrets reach a stage by the name of an environment variable, which a parameter or `env` holds. Names are kept
 * and shown like any parameter; the values are blotted out of whatever the stage says.
 */
import type { Json, JsonObject } from '../identity.ts'
import { isStageFailure, StageFailure, type StageFailureDetails } from './failure.ts'
import { machineFailure } from './machine-failure.ts'
import type { StageListener } from './run-stage.ts'

/** A shorter value is no secret, and blotting it out would spoil ordinary words. */
const shortestSecret = 8
const blot = '***'

const secretName = /(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_KEY|PRIVATE_KEY)(_|$)/i

/** Whether an environment variable of this name is taken to hold a secret, whoever reads it. */
export function isSecretName(name: string): boolean {
  return secretName.test(name)
}

/** Looked for when the stage first says something: many say nothing. */
export type Secrets = () => readonly string[]

/**
 * All that a stage must not say: what the declared parameters' environment variables hold, and what variables hold
 * whose names tell that it is a secret; in each form in which it may get into a line.
 * @param paths of parameters, as in `endpoint.api_key_env`
 */
export function secretTexts(
  paths: readonly string[],
  params: JsonObject,
  environment: Readonly<Record<string, string | undefined>>,
): Secrets {
  let texts: readonly string[] | undefined
  return () => {
    texts ??= findTexts(paths, params, environment)
    return texts
  }
}

function findTexts(
  paths: readonly string[],
  params: JsonObject,
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const named = Object.keys(environment).filter(isSecretName)
  const values = [
    ...secretValues(paths, params, environment),
    ...named.flatMap((name) => valueIn(environment, name)),
  ]
  const forms = new Set(values.flatMap(formsOf))
  // The longest first: a secret may hold another one.
  return [...forms].sort((one, other) => other.length - one.length)
}

/** As it is, by line, within JSON, and within an address. */
function formsOf(value: string): string[] {
  const lines = value.split(/\r?\n/).filter((line) => line.length >= shortestSecret)
  return [value, ...lines, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]
}

/**
 * What the declared parameters' environment variables hold.
 * @param paths of parameters, as in `endpoint.api_key_env`
 */
function secretValues(
  paths: readonly string[],
  params: JsonObject,
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return paths.flatMap((path) => {
    const name = path
      .split('.')
      .reduce<Json | undefined>((value, key) => (isObject(value) ? value[key] : undefined), params)
    return typeof name === 'string' ? valueIn(environment, name) : []
  })
}

function valueIn(environment: Readonly<Record<string, string | undefined>>, name: string): string[] {
  // A stage may well use the value without the line end that came with it.
  const value = environment[name]?.trim()
  return value !== undefined && value.length >= shortestSecret ? [value] : []
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function withoutSecrets(listener: StageListener, secrets: Secrets): StageListener {
  return {
    onProgress: ({ note, ...progress }) =>
      listener.onProgress(note === undefined ? progress : { ...progress, note: masked(note, secrets()) }),
    onLog: (level, message) => listener.onLog(level, masked(message, secrets())),
    onProcess: (pid, isFresh) => listener.onProcess?.(pid, isFresh),
    onUse: (use) => listener.onUse?.(use),
  }
}

/** The same error, or one that says the same without the secrets. */
export function errorWithoutSecrets(error: unknown, secrets: Secrets): unknown {
  if (!(error instanceof Error) || secrets().length === 0) return error
  const { name, message, stack } = error
  const details = isStageFailure(error) ? error.details : machineFailure(error)
  const clean = details
    ? new StageFailure(detailsWithoutSecrets(details, secrets()))
    : Object.assign(new Error(masked(message, secrets())), { name })
  if (stack !== undefined) clean.stack = masked(stack, secrets())
  return clean
}

function detailsWithoutSecrets(
  details: StageFailureDetails,
  secrets: readonly string[],
): StageFailureDetails {
  const clean = (text: string | undefined) => (text === undefined ? undefined : masked(text, secrets))
  return JSON.parse(
    JSON.stringify({ ...details, message: clean(details.message), hint: clean(details.hint) }),
  ) as StageFailureDetails
}

function masked(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, blot), text)
}
