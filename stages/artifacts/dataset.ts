/** @file `dataset`: raw rows in a format of their own, as people publish them. */
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'
import { isLmFailure } from '../../lm/failure.ts'
import { readRows } from '../../lm/text/read-rows.ts'
import { plural } from './check/count.ts'

/** Broken rows are no fault here: what to do about them is for the stage that reads the file to say. */
function validate(path: string): ArtifactFault[] {
  try {
    const { rows, faults } = readRows(path)
    if (rows.length > 0) return []
    const [first] = faults
    return [
      {
        message: first === undefined ? 'the file has no rows' : first.message,
        line: first?.line ?? 1,
        hint: 'a dataset is a JSON array of objects, or one JSON object a line',
      },
    ]
  } catch (error) {
    if (!isLmFailure(error)) throw error
    const { message, hint } = error.details
    return [{ message: message.replaceAll(path, 'the file'), ...(hint !== undefined && { hint }) }]
  }
}

export const dataset = defineArtifact({
  name: 'dataset',
  kind: 'file',
  description: 'Rows in any format: a JSON array of objects, or one JSON object a line',
  validate,
  describe: (path) => plural(readRows(path).rows.length, 'raw row'),
})
