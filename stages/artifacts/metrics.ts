/** @file `metrics`: named numbers that were measured or counted. */
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'
import { readJsonObject } from '../../lm/checkpoint/folder.ts'
import { LmFailure } from '../../lm/failure.ts'
import { plural } from './check/count.ts'
import { faultsOf } from './check/faults.ts'

const example = '{"stage": "evaluate", "values": {"exact_match": 0.405, "questions": 600}}'

function readValues(path: string): Readonly<Record<string, number>> {
  const { values } = readJsonObject(path)
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new LmFailure({
      code: 'invalid-metrics',
      message: '`values` is not an object',
      hint: `for example ${example}`,
    })
  }
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new LmFailure({ code: 'invalid-metrics', message: `\`values.${name}\` is not a number` })
    }
  }
  return values as Readonly<Record<string, number>>
}

function validate(path: string): ArtifactFault[] {
  return faultsOf(path, () => readValues(path))
}

function describe(path: string): string {
  const values = readValues(path)
  if (values.exact_match === undefined) return plural(Object.keys(values).length, 'number')
  const measuredOn = values.questions === undefined ? '' : ` of ${plural(values.questions, 'question')}`
  return `exact match ${(100 * values.exact_match).toFixed(1)}%${measuredOn}`
}

export const metrics = defineArtifact({
  name: 'metrics',
  kind: 'file',
  description: 'Named numbers: {stage, values: {exact_match: 0.4, ...}}',
  extends: 'json',
  validate,
  describe,
})
