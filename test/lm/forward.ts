/** @file The whole forward pass over right-padded rows, without a cache. */
import { attentionArrays } from '../../lm/batches/causal-arrays.ts'
import { attentionInputs, maskedAttention } from '../../lm/model/attention.ts'
import { type DecoderParameters, hiddenStates, logits } from '../../lm/model/decoder.ts'
import { upload } from '../../lm/tensor/host-tensor.ts'
import { jit } from '../../lm/tensor/jit.ts'
import { type TensorMap, tf } from '../../lm/tensor/tf.ts'

/** Vocabulary scores of a batch of rows: [row][position][token]. */
export function logitsOf(parameters: DecoderParameters, rows: readonly (readonly number[])[]): number[][][] {
  const { config } = parameters
  const batch = rows.length
  const length = Math.max(...rows.map((row) => row.length))
  const program = jit(({ ids, ...rest }: TensorMap) => {
    const inputs = attentionInputs(config, rest)
    const attend = maskedAttention(config, { rows: batch, spans: 1, span: length }, inputs, true)
    const hidden = hiddenStates(parameters, ids!, batch, length, inputs, attend)
    return { logits: tf.reshape(logits(parameters, hidden), [batch, length, config.vocabularySize]) }
  })
  const places = Int32Array.from({ length }, (_, place) => place)
  const padded = rows.flatMap((row) => [...row, ...new Array<number>(length - row.length).fill(0)])
  const args = {
    ids: tf.tensor1d(padded, 'int32'),
    ...upload(attentionArrays(config, { rows: 1, length, querySpans: 1 }, [places])),
  } as TensorMap
  const { logits: result } = program(args)
  const values = result!.arraySync() as number[][][]
  tf.dispose([...Object.values(args), result!])
  program.dispose()
  return values.map((positions, row) => positions.slice(0, rows[row]!.length))
}
