/** @file In which types a training computes, and in which it holds the frozen base. */
import { Type } from 'flow/stage'

export const precisionParams = {
  precision: Type.Union([Type.Literal('fp32'), Type.Literal('fp16'), Type.Literal('bf16')], {
    default: 'fp32',
    description:
      'As in TRL, mixed precision is a licence: so far every device computes in float32 whatever it says',
  }),
  base_precision: Type.Union([Type.Literal('fp32'), Type.Literal('int8')], {
    default: 'fp32',
    description:
      "How the frozen base's projections are held: int8 takes a quarter of the memory and is slower",
  }),
}

export interface PrecisionParams {
  readonly precision: 'fp32' | 'fp16' | 'bf16'
  readonly base_precision: 'fp32' | 'int8'
}

/** Says what is computed how, where that is not what the names say or not the model as it stands. */
export function explainPrecision(
  { precision, base_precision }: PrecisionParams,
  { log }: { log(message: string): void },
): void {
  if (precision !== 'fp32') {
    log(`precision ${precision}: computed in float32 throughout, products included; no loss is scaled`)
  }
  if (base_precision === 'int8') {
    log('base_precision int8: projections rounded to 8 bits, a scale a row; products with them in float32')
  }
}
