/** @file A stage's parameter schema as plain JSON schema, closed: a mistyped parameter is a fault, not ignored. */
import type { Json, JsonObject } from '../identity.ts'

/** @param schema What TypeBox builds. */
export function plainParamsSchema(schema: object): JsonObject {
  return closed(JSON.parse(JSON.stringify(schema)) as JsonObject)
}

/**
 * Each object schema with named properties forbids others, unless it says itself. Parts of an intersection stay
 * open, since each of them sees the others' properties.
 */
function closed(schema: JsonObject): JsonObject {
  const result: Record<string, Json> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'properties' || keyword === 'patternProperties' || keyword === '$defs') {
      result[keyword] = mapSchemas(value as JsonObject)
    } else if (keyword === 'anyOf' || keyword === 'oneOf' || keyword === 'prefixItems') {
      result[keyword] = (value as readonly JsonObject[]).map(closed)
    } else if (keyword === 'items') {
      result[keyword] = Array.isArray(value)
        ? (value as JsonObject[]).map(closed)
        : closed(value as JsonObject)
    } else {
      result[keyword] = value
    }
  }
  if (schema.type === 'object' && 'properties' in schema && !('additionalProperties' in schema)) {
    result.additionalProperties = false
  }
  return result
}

function mapSchemas(schemas: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, closed(schema as JsonObject)]),
  )
}
