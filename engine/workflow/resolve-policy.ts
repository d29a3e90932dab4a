/** @file The policy of a node: what the file says of it over what the workflow's `defaults` say. */
import type { JsonObject } from '../identity.ts'
import { isSecretName } from '../stage/secrets.ts'
import { parseDurationMs, parseSizeBytes } from './parse-quantity.ts'
import { PolicyDeclaration, policyFields } from './policy-schema.ts'
import { resolveData } from './resolve-references.ts'
import type { Scope } from './scope.ts'
import { suggestionHint } from './suggest.ts'
import { validateValue } from './validate-value.ts'
import type { NodePolicy, ResourceRequest, RetryPolicy } from './workflow.ts'
import { mapAt, toJson, type YamlEntry, type YamlMap } from './yaml-value.ts'

const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Which devices a node may use is the engine's to say. */
const DEVICE_NAMES: ReadonlySet<string> = new Set(['CUDA_VISIBLE_DEVICES'])

export interface PolicyBase {
  /** Capacities that the workflow declares, by name. */
  readonly slots: Readonly<Record<string, number>>
  /** What holds where nothing else is said. */
  readonly defaults: NodePolicy
}

/** `slots` of the workflow, faulty ones included: the faults have been told. */
export function declaredSlots(root: YamlMap): Readonly<Record<string, number>> {
  const slots = mapAt(root, 'slots')
  return slots === undefined ? {} : (toJson(slots) as Readonly<Record<string, number>>)
}

/** `entry`: a node, or `defaults`; `owner` for messages: "node `sft`". */
export function resolvePolicy(
  entry: YamlEntry | undefined,
  owner: string,
  { slots, defaults }: PolicyBase,
  scope: Scope,
): NodePolicy {
  if (entry?.value.kind !== 'map') return defaults
  const { entries: fields } = entry.value
  if (!policyFields.some((name) => fields.has(name))) return defaults
  const entries = [...fields].filter(([name]) => policyFields.includes(name))
  const written: YamlMap = { ...entry.value, entries: new Map(entries) }
  const before = scope.faults.count
  const { data, unknown } = resolveData(written, scope)
  const value = {
    written,
    data: data as JsonObject,
    schema: PolicyDeclaration,
    spot: entry.keySpot,
    owner,
    unknown,
  }
  validateValue(value, scope.faults)
  checkSlots(written, slots, scope)
  checkEnvironment(written, scope)
  if (scope.faults.count > before || unknown.size > 0) return defaults
  return withDefaults(data as PolicyDeclaration, defaults)
}

function checkSlots(written: YamlMap, slots: Readonly<Record<string, number>>, { faults }: Scope): void {
  const resources = mapAt(written, 'resources')
  const asked = resources && mapAt(resources, 'slots')
  for (const { key, keySpot } of asked?.entries.values() ?? []) {
    if (Object.hasOwn(slots, key)) continue
    const names = Object.keys(slots)
    const hint =
      names.length > 0
        ? suggestionHint(key, names, 'slots')
        : `declare it: \`slots: { ${key}: 1 }\` at the top`
    faults.add(keySpot, 'unknown-slot', `the workflow declares no slots \`${key}\``, hint)
  }
}

function checkEnvironment(written: YamlMap, { faults }: Scope): void {
  for (const { key, keySpot, value } of mapAt(written, 'env')?.entries.values() ?? []) {
    if (isSecretName(key) && !(value.kind === 'scalar' && value.value === null)) {
      const hint = `write \`${key}:\` without a value: it is taken from the environment`
      faults.add(value.spot, 'secret-in-file', `the value of \`${key}\` does not belong in a file`, hint)
    }
    if (DEVICE_NAMES.has(key)) {
      const hint = 'say how many it needs: `resources: { gpu: 1 }`'
      faults.add(
        keySpot,
        'bad-name',
        `\`${key}\` is set by the engine, to the devices that the node holds`,
        hint,
      )
    } else if (!ENVIRONMENT_NAME.test(key)) {
      const hint = 'use letters, digits and `_`, no digit first'
      faults.add(keySpot, 'bad-name', `\`${key}\` cannot name an environment variable`, hint)
    }
  }
}

/** `env` and `resources` are joined name by name; the rest is replaced as a whole. */
function withDefaults(own: PolicyDeclaration, defaults: NodePolicy): NodePolicy {
  const { retry, timeout, stall, resources, env } = own
  return {
    ...defaults,
    ...(retry !== undefined && { retry: retryOf(retry) }),
    ...(timeout !== undefined && { timeoutMs: limitMs(timeout) }),
    ...(stall !== undefined && { stallMs: limitMs(stall) }),
    ...(resources !== undefined && { resources: joinResources(resources, defaults.resources) }),
    ...(env !== undefined && { env: { ...defaults.env, ...environmentOf(env) } }),
  }
}

function retryOf(declared: NonNullable<PolicyDeclaration['retry']>): RetryPolicy {
  const {
    times,
    delay = '5s',
    factor = 2,
    max_delay = '1m',
  } = typeof declared === 'number' ? { times: declared } : declared
  return { times, delayMs: durationMs(delay), factor, maxDelayMs: durationMs(max_delay) }
}

function joinResources(
  { gpu, memory, slots }: NonNullable<PolicyDeclaration['resources']>,
  defaults: ResourceRequest = {},
): ResourceRequest {
  return {
    ...defaults,
    ...(gpu !== undefined && { gpus: gpu }),
    ...(memory !== undefined && { memoryBytes: sizeBytes(memory) }),
    ...(slots !== undefined && { slots: { ...defaults.slots, ...slots } }),
  }
}

function environmentOf(
  declared: NonNullable<PolicyDeclaration['env']>,
): Readonly<Record<string, string | null>> {
  return Object.fromEntries(
    Object.entries(declared).map(([name, value]) => [name, value === null ? null : String(value)]),
  )
}

function limitMs(text: string): number {
  return text === 'none' ? 0 : durationMs(text)
}

function durationMs(text: string): number {
  return checked(parseDurationMs(text), text)
}

function sizeBytes(text: string): number {
  return checked(parseSizeBytes(text), text)
}

/** The schema admits nothing that has no value. */
function checked(value: number | undefined, text: string): number {
  if (value === undefined) throw new Error(`${text} passed for a quantity`)
  return value
}
