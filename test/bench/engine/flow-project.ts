/** @file A graph as a project of Flow's: stages of a few lines, and the workflow. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Graph } from './graph.ts'

/** Whether a task runs in the engine's own process or in one of its own. */
export type StageKind = 'light' | 'process'

export const workflowFile = 'workflow.yaml'
/** What the first task reads. */
export const sourceFile = 'source.txt'

/** The first task trims the file; each other one writes its own name and the digest of all that it reads. */
export function writeFlowProject(folder: string, graph: Graph, kind: StageKind): void {
  const light = kind === 'light'
  for (const [name, text] of [
    ['first', firstStage(light)],
    ['next', nextStage(light)],
  ] as const) {
    mkdirSync(join(folder, 'stages', name), { recursive: true })
    writeFileSync(join(folder, 'stages', name, 'index.ts'), text)
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(join(folder, sourceFile), 'source\n')
  writeFileSync(join(folder, workflowFile), workflowText(graph))
}

function workflowText({ tasks }: Graph): string {
  const nodes = tasks.map(({ name, needs }) => {
    if (needs.length === 0) return `  ${name}: {uses: first, in: {text: ${sourceFile}}}`
    const read = needs.map((need) => `\${{nodes.${need}.text}}`)
    return `  ${name}: {uses: next, in: {texts: [${read.join(',')}]}, with: {name: ${name}}}`
  })
  return `name: graph\nnodes:\n${nodes.join('\n')}\n`
}

function firstStage(light: boolean): string {
  return `import { readFileSync, writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'first',
  description: 'Trims a text',
  inputs: { text: 'text' },
  outputs: { text: 'text' },
  params: Type.Object({}),
  light: ${light},
  async run({ inputs, outputs }) {
    writeFileSync(outputs.text, readFileSync(inputs.text, 'utf8').trim())
  },
})
`
}

function nextStage(light: boolean): string {
  return `import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'next',
  description: 'Digests texts',
  inputs: { texts: { type: 'text', many: true } },
  outputs: { text: 'text' },
  params: Type.Object({ name: Type.String() }),
  light: ${light},
  async run({ inputs, outputs, params }) {
    const digest = createHash('sha256').update(params.name)
    for (const file of Object.values(inputs.texts)) digest.update(readFileSync(file))
    writeFileSync(outputs.text, digest.digest('hex'))
  },
})
`
}
