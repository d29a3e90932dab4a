/** @file `reward-function`: code that scores completions. It is compiled by the stage that runs it. */
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { defineArtifact } from 'flow/artifacts'

const extensions = ['.ts', '.mts', '.js', '.mjs']

export const rewardFunction = defineArtifact({
  name: 'reward-function',
  kind: 'file',
  description: 'TypeScript or JavaScript whose default export scores a batch of completions',
  extends: 'text',
  *validate(path) {
    if (!extensions.includes(extname(path))) {
      yield {
        message: `is called *${extname(path)}, which is no TypeScript or JavaScript`,
        hint: `its name must end in ${extensions.join(', ')}`,
      }
    } else if (!/\bexport\b/.test(readFileSync(path, 'utf8'))) {
      yield {
        message: 'exports nothing',
        hint: 'export default (batch) => batch.map(({ prompt, completion, row }) => 1)',
      }
    }
  },
  describe: () => 'a reward function',
})
