/** @file `training-log`: what a training stage logged, a row a step. */
import { asInteger, asNumber, asString, type Parsed, parse } from '../../lm/text/fields.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

interface LoggedStep {
  readonly stage: string
  readonly epoch: number
  readonly step: number
  readonly loss: number
}

function parseStep(row: unknown): Parsed<LoggedStep> {
  return parse(row, (fields) => ({
    ...fields,
    stage: asString(fields.stage, '`stage`'),
    epoch: asNumber(fields.epoch, '`epoch`'),
    step: asInteger(fields.step, '`step`'),
    loss: asNumber(fields.loss, '`loss`'),
  }))
}

export const trainingLog = rowArtifact({
  name: 'training-log',
  description: 'One row a training step: {stage, epoch, step, loss, learning_rate?, grad_norm?, ...}',
  parseRow: parseStep,
  describeRows: (rows) =>
    `${plural(rows.length, 'step')}, loss ${rows[0]?.loss.toPrecision(3)} to ${rows.at(-1)?.loss.toPrecision(3)}`,
  example: '{"stage": "sft", "epoch": 0.5, "step": 10, "loss": 1.23}',
})
