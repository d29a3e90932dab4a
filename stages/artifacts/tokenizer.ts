/** @file `tokenizer`: a tokenizer in the Hugging Face layout. */
import { join } from 'node:path'
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'
import { readJsonObject } from '../../lm/checkpoint/folder.ts'
import { LmFailure } from '../../lm/failure.ts'
import { plural } from './check/count.ts'
import { faultsOf } from './check/faults.ts'

/** Vocabulary of any model: an object of token -> id (BPE, WordPiece) or a list (Unigram). */
function vocabularySize(folder: string): number {
  const file = join(folder, 'tokenizer.json')
  const { model } = readJsonObject(file)
  const vocabulary = typeof model === 'object' && model !== null && 'vocab' in model ? model.vocab : undefined
  if (typeof vocabulary !== 'object' || vocabulary === null) {
    throw new LmFailure({ code: 'invalid-tokenizer', message: 'tokenizer.json has no `model.vocab`', file })
  }
  return Array.isArray(vocabulary) ? vocabulary.length : Object.keys(vocabulary).length
}

function validate(folder: string): ArtifactFault[] {
  return [
    ...faultsOf(folder, () => vocabularySize(folder)),
    ...faultsOf(folder, () => readJsonObject(join(folder, 'tokenizer_config.json'))),
  ]
}

export const tokenizer = defineArtifact({
  name: 'tokenizer',
  kind: 'folder',
  description: 'A tokenizer: tokenizer.json, tokenizer_config.json',
  extends: 'folder',
  validate,
  describe: (folder) => plural(vocabularySize(folder), 'token'),
})
