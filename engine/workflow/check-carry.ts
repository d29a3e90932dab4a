/** @file `carry` of rounds: that its two ends exist. */
import type { Use } from './callee.ts'
import type { Faults } from './faults.ts'
import { suggestionHint } from './suggest.ts'
import type { YamlEntry } from './yaml-value.ts'

/** What is carried from one round to the next: an output of the callee's, to an input of its. */
export function checkCarry(carry: readonly YamlEntry[], use: Use, faults: Faults): void {
  for (const { key, keySpot, value } of carry) {
    if (!Object.hasOwn(use.inputs, key)) {
      const hint = suggestionHint(key, Object.keys(use.inputs), 'its inputs')
      const message = `${use.what} \`${use.name}\` has no input \`${key}\``
      faults.add(keySpot, 'unknown-port', message, hint)
    }
    const text = value.kind === 'scalar' ? String(value.value) : ''
    if (Object.hasOwn(use.outputs, text) || (use.what === 'workflow' && text.includes('.'))) continue
    const hint = suggestionHint(text, Object.keys(use.outputs), 'its outputs')
    const message = `${use.what} \`${use.name}\` has no output \`${text}\``
    faults.add(value.spot, 'unknown-port', message, hint)
  }
}
