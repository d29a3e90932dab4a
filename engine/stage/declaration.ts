/**
 * @file What a plugin module declares, read from its exports into plain data. A plugin's author may have written
 * anything: nothing is taken for granted.
 */
import type { ArtifactDefinition } from '../artifacts/define.ts'
import type { JsonObject } from '../identity.ts'
import type { ArtifactManifest, InputPortManifest, OutputPortManifest, StageManifest } from './catalog.ts'
import { plainParamsSchema } from './params-schema.ts'

export type DeclaredStage = Omit<StageManifest, 'origin' | 'module'>
export type DeclaredArtifact = Omit<ArtifactManifest, 'module'>

export interface Fault {
  readonly code: string
  readonly message: string
  readonly hint?: string
}

const stageName = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/
const portName = /^[A-Za-z][A-Za-z0-9_-]*$/

/** The artifact types among a module's exports. */
export function artifactsOf(exports: Readonly<Record<string, unknown>>): ArtifactDefinition[] {
  return Object.values(exports).filter(isArtifactDefinition)
}

export function isArtifactDefinition(value: unknown): value is ArtifactDefinition {
  if (!isRecord(value)) return false
  const { name, kind, validate, describe } = value
  return (
    typeof name === 'string' &&
    (kind === 'file' || kind === 'folder' || kind === 'either') &&
    typeof validate === 'function' &&
    typeof describe === 'function'
  )
}

export function readArtifact(definition: ArtifactDefinition): DeclaredArtifact | readonly Fault[] {
  const { name, kind, description, remote } = definition
  if (!stageName.test(name)) return [badName('artifact type', name)]
  return {
    name,
    kind,
    description: String(description ?? ''),
    ...(definition.extends !== undefined && { extends: definition.extends }),
    ...(remote !== undefined && { remote: { scheme: remote.scheme, pattern: remote.pattern } }),
  }
}

/** @param folder Name of the folder that the stage lies in. */
export function readStage(definition: unknown, folder: string): DeclaredStage | readonly Fault[] {
  const faults: Fault[] = []
  if (!isRecord(definition) || typeof definition.run !== 'function') {
    const hint = 'end the file with: export default defineStage({ ... })'
    return [{ code: 'invalid-stage', message: 'the default export is not a stage', hint }]
  }
  const name = String(definition.name)
  if (!stageName.test(name)) faults.push(badName('stage', name))
  else if (name !== folder) {
    const hint = `rename one of them: a stage is found by its folder's name`
    faults.push({ code: 'stage-name', message: `stage '${name}' lies in the folder '${folder}'`, hint })
  }
  const inputs: Record<string, InputPortManifest> = {}
  for (const [port, declared] of portsOf(definition.inputs, 'inputs', faults)) {
    const types = typeof declared.type === 'string' ? [declared.type] : declared.type
    if (!Array.isArray(types) || types.length === 0 || !types.every((type) => typeof type === 'string')) {
      faults.push({ code: 'invalid-stage', message: `input '${port}' names no artifact type` })
      continue
    }
    const { optional, many, description } = declared
    inputs[port] = {
      types,
      optional: optional === true,
      many: many === true,
      description: String(description ?? ''),
    }
  }
  const outputs: Record<string, OutputPortManifest> = {}
  for (const [port, { type, description }] of portsOf(definition.outputs, 'outputs', faults)) {
    if (typeof type === 'string') outputs[port] = { type, description: String(description ?? '') }
    else faults.push({ code: 'invalid-stage', message: `output '${port}' names no artifact type` })
  }
  const params = readParams(definition.params, faults)
  const cosmetic = paramsIn(definition.cosmetic, 'cosmetic', params, faults)
  const secrets = paramsIn(definition.secrets, 'secrets', params, faults)
  const environment = namesIn(definition.environment, 'environment', faults)
  const keeps = namesIn(definition.keeps, 'keeps', faults)
  for (const port of keeps) {
    if (inputs[port]?.many === false) continue
    faults.push({
      code: 'invalid-stage',
      message: `keeps names '${port}', which is no input that takes one value`,
    })
  }
  if (faults.length > 0) return faults
  return {
    name,
    description: String(definition.description ?? ''),
    inputs,
    outputs,
    params,
    cosmetic,
    secrets,
    light: definition.light === true,
    gpu: definition.gpu === true,
    keeps,
    environment,
  }
}

function readParams(schema: unknown, faults: Fault[]): JsonObject {
  if (isRecord(schema) && schema.type === 'object') return plainParamsSchema(schema)
  const hint = 'declare params: Type.Object({ ... }), with Type from flow/stage'
  faults.push({ code: 'invalid-stage', message: 'params is not an object schema', hint })
  return {}
}

function portsOf(
  ports: unknown,
  side: 'inputs' | 'outputs',
  faults: Fault[],
): [string, Record<string, unknown>][] {
  if (!isRecord(ports)) {
    faults.push({
      code: 'invalid-stage',
      message: `${side} is not an object`,
      hint: `declare ${side}: { port: 'type' }`,
    })
    return []
  }
  const result: [string, Record<string, unknown>][] = []
  for (const [port, declared] of Object.entries(ports)) {
    if (!portName.test(port)) faults.push(badName('port', port))
    else if (typeof declared === 'string') result.push([port, { type: declared }])
    else if (isRecord(declared)) result.push([port, declared])
    else faults.push({ code: 'invalid-stage', message: `port '${port}' names no artifact type` })
  }
  return result
}

function namesIn(value: unknown, field: string, faults: Fault[]): readonly string[] {
  if (value === undefined) return []
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value
  faults.push({ code: 'invalid-stage', message: `${field} is not a list of names` })
  return []
}

/** Parameters by name, or by a path into their objects: `endpoint.timeout_s`. */
function paramsIn(value: unknown, field: string, params: JsonObject, faults: Fault[]): readonly string[] {
  const paths = namesIn(value, field, faults)
  for (const path of paths) {
    const found = path
      .split('.')
      .reduce<unknown>(
        (schema, name) =>
          isRecord(schema) && isRecord(schema.properties) ? schema.properties[name] : undefined,
        params,
      )
    if (found !== undefined) continue
    const what = field === 'cosmetic' ? 'cosmetic parameter' : 'parameter with a secret'
    faults.push({ code: 'invalid-stage', message: `${what} '${path}' is not declared in params` })
  }
  return paths
}

function badName(what: string, name: string): Fault {
  const hint =
    what === 'port'
      ? 'use letters, digits, - and _, a letter first'
      : 'use lower-case words joined by -, like clean-text'
  return { code: 'invalid-name', message: `'${name}' cannot be the name of a ${what}`, hint }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
