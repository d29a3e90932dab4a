/** @file `training-log`: what a training stage logged: a row an update, and one an evaluation on held-out rows. */
import { asInteger, asNumber, asString, type Parsed, parse } from '../../lm/text/fields.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

interface LoggedRow {
  readonly stage: string
  readonly epoch: number
  readonly step: number
  /** Of an update. */
  readonly loss?: number
  /** Of an evaluation on held-out rows. */
  readonly eval_loss?: number
}

function parseStep(row: unknown): Parsed<LoggedRow> {
  return parse(row, ({ loss, eval_loss, ...fields }) => ({
    ...fields,
    stage: asString(fields.stage, '`stage`'),
    epoch: asNumber(fields.epoch, '`epoch`'),
    step: asInteger(fields.step, '`step`'),
    ...(eval_loss !== undefined && { eval_loss: asNumber(eval_loss, '`eval_loss`') }),
    ...((loss !== undefined || eval_loss === undefined) && { loss: asNumber(loss, '`loss`') }),
  }))
}

function course(name: string, rows: readonly LoggedRow[], of: 'loss' | 'eval_loss'): string {
  const losses = rows.flatMap((row) => row[of] ?? [])
  return `${name} ${losses[0]?.toPrecision(3)} to ${losses.at(-1)?.toPrecision(3)}`
}

export const trainingLog = rowArtifact({
  name: 'training-log',
  description:
    'One row an update: {stage, epoch, step, loss, learning_rate?, grad_norm?, ...}, and one an evaluation: {stage, epoch, step, eval_loss, ...}',
  parseRow: parseStep,
  describeRows: (rows) => {
    const updates = rows.filter((row) => row.loss !== undefined)
    const steps = `${plural(updates.length, 'step')}, ${course('loss', rows, 'loss')}`
    return updates.length === rows.length ? steps : `${steps}, ${course('held-out loss', rows, 'eval_loss')}`
  },
  example: '{"stage": "sft", "epoch": 0.5, "step": 10, "loss": 1.23}',
})
