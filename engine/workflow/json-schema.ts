/** @file A JSON schema of workflow files for editors, with the ports and parameters of the installed stages. */
import type { Json, JsonObject } from '../identity.ts'
import type { Catalog, InputPortManifest, StageManifest } from '../stage/catalog.ts'
import { InputText, InputValue, NodeDeclaration, WorkflowFile } from './file-schema.ts'
import { PolicyDeclaration } from './policy-schema.ts'

const REFERENCE: JsonObject = { type: 'string', pattern: '\\$\\{\\{.*\\}\\}' }

/** Draft-07, as the YAML language server reads it. Plain data, ready for `JSON.stringify`. */
export function workflowJsonSchema(catalog: Catalog): JsonObject {
  const stages = [...catalog.stages.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const file = plain(WorkflowFile)
  const node = plain(NodeDeclaration)
  const nodeProperties = node.properties as JsonObject
  const fileProperties = file.properties as JsonObject
  const policy = (withReferences(plain(PolicyDeclaration)) as JsonObject).properties as JsonObject
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Flow workflow',
    ...file,
    properties: {
      ...fileProperties,
      defaults: { ...(fileProperties.defaults as JsonObject), properties: policy },
      nodes: { type: 'object', minProperties: 1, additionalProperties: { $ref: '#/definitions/node' } },
    },
    definitions: {
      node: {
        ...node,
        properties: {
          ...nodeProperties,
          ...policy,
          uses: { ...(nodeProperties.uses as JsonObject), anyOf: stages.map(stageName) },
        },
        allOf: stages.map((stage) => ({
          if: { properties: { uses: { const: stage.name } }, required: ['uses'] },
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON schema
          then: stageSections(stage),
        })),
      },
    },
  }
}

function stageName(stage: StageManifest): JsonObject {
  return { const: stage.name, description: stage.description }
}

function stageSections(stage: StageManifest): JsonObject {
  const ports = Object.entries(stage.inputs)
  const requiredPorts = ports.filter(([, port]) => !port.optional).map(([name]) => name)
  const params = withReferences(stage.params) as JsonObject
  const sections: Record<string, Json> = {
    in: {
      type: 'object',
      properties: Object.fromEntries(ports.map(([name, port]) => [name, inputPort(port)])),
      required: requiredPorts,
      additionalProperties: false,
    },
    with: params,
    out: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(stage.outputs).map(([name, port]) => [
          name,
          { type: 'string', minLength: 1, description: described(port.description, [port.type]) },
        ]),
      ),
      additionalProperties: false,
    },
  }
  const needed = [...(requiredPorts.length > 0 ? ['in'] : []), ...(needsParams(stage) ? ['with'] : [])]
  return { properties: sections, required: needed }
}

function needsParams({ params }: StageManifest): boolean {
  const properties = (params.properties ?? {}) as Readonly<Record<string, JsonObject>>
  return ((params.required ?? []) as readonly string[]).some(
    (name) => properties[name]?.default === undefined,
  )
}

function inputPort(port: InputPortManifest): JsonObject {
  const value = port.many ? plain(InputValue) : plain(InputText)
  return { ...value, description: described(port.description, port.types) }
}

function described(description: string, types: readonly string[]): string {
  return description === '' ? types.join(' | ') : `${description} (${types.join(' | ')})`
}

/** The same schema with a reference allowed in place of each value, and nothing required that has a default. */
function withReferences(schema: Json): Json {
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema)) return schema
  const { properties, patternProperties, required, items, anyOf, ...rest } = schema as Readonly<
    Record<string, Json>
  >
  const changed: Record<string, Json> = { ...rest }
  if (properties !== undefined) {
    const fields = properties as Readonly<Record<string, JsonObject>>
    changed.properties = Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [name, orReference(field)]),
    )
    if (required !== undefined) {
      changed.required = (required as readonly string[]).filter((name) => fields[name]?.default === undefined)
    }
  }
  if (patternProperties !== undefined) {
    changed.patternProperties = Object.fromEntries(
      Object.entries(patternProperties as JsonObject).map(([pattern, field]) => [
        pattern,
        orReference(field),
      ]),
    )
  }
  if (items !== undefined) changed.items = orReference(items)
  if (anyOf !== undefined) changed.anyOf = (anyOf as readonly Json[]).map(withReferences)
  return changed
}

function orReference(schema: Json): Json {
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema)) return schema
  const { description, default: fallback, ...rest } = schema as Readonly<Record<string, Json>>
  return {
    ...(description !== undefined && { description }),
    ...(fallback !== undefined && { default: fallback }),
    anyOf: [withReferences(rest), REFERENCE],
  }
}

/** Declarations carry symbols of their own; their JSON does not. */
function plain(schema: object): JsonObject {
  return JSON.parse(JSON.stringify(schema)) as JsonObject
}
