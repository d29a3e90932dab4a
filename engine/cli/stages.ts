/** @file `flow stages [NAME]`: what is installed, with ports and parameters. */
import { hasErrors } from '../diagnostic.ts'
import type { Json, JsonObject } from '../identity.ts'
import type { StageManifest } from '../stage/catalog.ts'
import { loadCatalog } from '../stage/load-catalog.ts'
import { workflowJsonSchema } from '../workflow/json-schema.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { tableText } from './table.ts'
import { jsonOption } from './workflow-options.ts'

export const stagesCommand: CliCommand = {
  name: 'stages',
  summary: 'List the installed stages with their ports and parameters.',
  positionals: ['[NAME]'],
  options: {
    ...jsonOption,
    schema: { type: 'boolean', description: 'Print a JSON schema of workflow files, for editors.' },
  },

  async run({ project, options, positionals }) {
    const json = options.has('json')
    const { catalog, diagnostics } = await loadCatalog(project)
    if (diagnostics.length > 0) reportDiagnostics(diagnostics, { json })
    if (hasErrors(diagnostics)) return exitCode.invalid
    if (options.has('schema')) {
      process.stdout.write(`${JSON.stringify(workflowJsonSchema(catalog), null, 2)}\n`)
      return exitCode.done
    }
    const stages = [...catalog.stages.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
    const name = positionals[0]
    if (name === undefined) {
      process.stdout.write(json ? documentText(stages) : listText(stages))
      return exitCode.done
    }
    const stage = catalog.stages.get(name)
    if (stage === undefined) {
      const hint = suggestionHint(name, [...catalog.stages.keys()], 'installed')
      const message = `there is no stage \`${name}\``
      reportDiagnostics(
        [{ code: 'unknown-stage', severity: 'error', message, ...(hint === undefined ? {} : { hint }) }],
        { json },
      )
      return exitCode.invalid
    }
    process.stdout.write(json ? documentText([stage]) : detailText(stage))
    return exitCode.done
  },
}

function documentText(stages: readonly StageManifest[]): string {
  const shown = stages.map(({ module: { entry, digest }, ...manifest }) => ({ ...manifest, entry, digest }))
  return `${JSON.stringify({ stages: shown }, null, 2)}\n`
}

function listText(stages: readonly StageManifest[]): string {
  const rows = stages.map((stage) => [
    stage.name,
    portNames(inputTexts(stage)),
    portNames(outputTexts(stage)),
    stage.origin === 'project' ? 'project' : '',
    stage.description,
  ])
  return `${tableText(['stage', 'inputs', 'outputs', 'from', 'description'], rows)}\n\`flow stages NAME\` shows one with its parameters\n`
}

function portNames(ports: readonly (readonly string[])[]): string {
  return ports.map(([name]) => name).join(', ')
}

function detailText(stage: StageManifest): string {
  const sections = [
    `${stage.name}: ${stage.description}\n`,
    `in\n${indented(inputTexts(stage))}`,
    `out\n${indented(outputTexts(stage))}`,
  ]
  const params = paramTexts(stage.params)
  if (params.length > 0) sections.push(`with\n${indented(params)}`)
  sections.push(`${stage.module.entry}\n`)
  return sections.join('\n')
}

function indented(rows: readonly (readonly string[])[]): string {
  const [first, ...rest] = rows.map(([name, ...cells]) => [`  ${name}`, ...cells])
  return first === undefined ? '  nothing\n' : tableText(first, rest)
}

function inputTexts(stage: StageManifest): string[][] {
  return Object.entries(stage.inputs).map(([port, { types, optional, many, description }]) => [
    `${port}${optional ? '?' : ''}`,
    `${types.join(' | ')}${many ? ' (many)' : ''}`,
    description,
  ])
}

function outputTexts(stage: StageManifest): string[][] {
  return Object.entries(stage.outputs).map(([port, { type, description }]) => [port, type, description])
}

/** Name, type and bounds, default, description; members of an object below it, by their path. */
function paramTexts(schema: JsonObject, prefix = ''): string[][] {
  const properties = objectOf(schema.properties)
  const required = Array.isArray(schema.required) ? (schema.required as readonly Json[]) : []
  return Object.entries(properties).flatMap(([name, value]) => {
    const property = objectOf(value)
    const path = `${prefix}${name}`
    const fallback = property.default
    const row = [
      path,
      typeText(property),
      fallback === undefined
        ? required.includes(name)
          ? 'required'
          : 'optional'
        : `default ${JSON.stringify(fallback)}`,
      typeof property.description === 'string' ? property.description : '',
    ]
    return [row, ...(property.properties === undefined ? [] : paramTexts(property, `${path}.`))]
  })
}

function typeText(schema: JsonObject): string {
  const alternatives = schema.anyOf ?? schema.oneOf ?? schema.enum
  if (Array.isArray(alternatives)) {
    return (alternatives as readonly Json[])
      .map((one) =>
        typeof one === 'object' && one !== null && !Array.isArray(one)
          ? typeText(one as JsonObject)
          : JSON.stringify(one),
      )
      .join(' | ')
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const type = typeof schema.type === 'string' ? schema.type : 'any'
  const bounds = (['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'] as const)
    .filter((name) => schema[name] !== undefined)
    .map((name) => `${boundSigns[name]} ${schema[name]}`)
  return [type === 'array' ? `${typeText(objectOf(schema.items))}[]` : type, ...bounds].join(' ')
}

const boundSigns = { minimum: '>=', exclusiveMinimum: '>', maximum: '<=', exclusiveMaximum: '<' } as const

function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}
