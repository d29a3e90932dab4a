/** @file Self-Instruct's seed tasks: an `instruction` with several `instances` of `{input, output}`. */
import { asObject, asString, fault, list, nonEmptyText, optional } from '../fields.ts'
import { alpacaMessages } from '../messages.ts'
import type { DatasetFormat } from './format.ts'
import type { ConversationSample } from './sample.ts'

export const seedTasks: DatasetFormat = {
  name: 'seed-tasks',
  description: 'instruction, instances [{input, output}]',
  sampleKind: 'conversation',
  detect: (row) => 'instruction' in row && 'instances' in row,
  read: (row) => {
    const instruction = nonEmptyText(row, 'instruction')
    const samples = list(row, 'instances', (value, name): ConversationSample => {
      const instance = asObject(value, name)
      const input = optional(instance, 'input', asString) ?? ''
      const output = asString(instance.output, `\`output\` of ${name}`)
      if (output.trim() === '') fault(`\`output\` of ${name} is empty`)
      return { kind: 'conversation', messages: alpacaMessages({ instruction, input, output }) }
    })
    if (samples.length === 0) fault('`instances` is an empty list')
    return { samples }
  },
}
