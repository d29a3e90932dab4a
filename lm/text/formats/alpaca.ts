/** @file Alpaca: `instruction`, `input` (often empty), `output`, and optionally `system` and `history`. */
import { fault } from '../fields.ts'
import { parseInstruction } from '../row-types.ts'
import type { DatasetFormat } from './format.ts'

export const alpaca: DatasetFormat = {
  name: 'alpaca',
  description: 'instruction, input, output [, system, history]',
  sampleKind: 'conversation',
  detect: (row) => 'instruction' in row && ('output' in row || 'input' in row),
  read: (row) => {
    const { instruction, input, output, system, history } = row
    if (instruction === undefined) fault('`instruction` is missing')
    const parsed = parseInstruction({ instruction, input, output, system, history })
    if (parsed.fault !== undefined) return fault(parsed.fault)
    return { samples: [{ kind: 'conversation', messages: parsed.value.messages }] }
  },
}
