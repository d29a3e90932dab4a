/** @file Trains a tokenizer on a corpus: byte-level byte-pair encoding with a chat template. */
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'tokenizer',
  description: 'Trains a byte-level byte-pair tokenizer on documents',
  inputs: { documents: { type: 'documents', description: 'The corpus' } },
  outputs: { tokenizer: { type: 'tokenizer', description: 'A Hugging Face tokenizer folder' } },
  params: Type.Object({
    vocabulary_size: Type.Integer({
      minimum: 259,
      maximum: 65_536,
      default: 512,
      description: 'Tokens in all, the 256 bytes and the special ones included',
    }),
    minimum_frequency: Type.Integer({
      minimum: 1,
      default: 2,
      description: 'Pairs seen less often are not merged',
    }),
    sample_documents: Type.Integer({
      minimum: 1,
      default: 16_500,
      description: 'Documents to train on, spread evenly over the corpus',
    }),
    extra_special_tokens: Type.Array(Type.String({ minLength: 1 }), {
      uniqueItems: true,
      default: [],
      description: 'Special tokens besides <|endoftext|>, <|im_start|> and <|im_end|>',
    }),
    model_max_length: Type.Integer({
      minimum: 1,
      default: 128,
      description: 'Longest input of the model that it is for, in tokens',
    }),
  }),
  async run({ inputs, outputs, params, signal, progress, log }) {
    const { BytePairTrainer } = await import('../../lm/text/bpe-trainer.ts')
    const { END_OF_TEXT, END_OF_TURN, START_OF_TURN, writeTokenizerFolder } = await import(
      '../../lm/text/tokenizer-folder.ts'
    )
    const { sampleDocuments } = await import('./sample.ts')
    const trainer = new BytePairTrainer({
      vocabularySize: params.vocabulary_size,
      minimumFrequency: params.minimum_frequency,
      specialTokens: [END_OF_TEXT, START_OF_TURN, END_OF_TURN, ...params.extra_special_tokens],
    })
    let read = 0
    for await (const text of sampleDocuments(inputs.documents, params.sample_documents)) {
      trainer.add(text)
      if (++read % 1000 === 0) {
        signal.throwIfAborted()
        progress({ step: read, total: params.sample_documents, unit: 'document' })
      }
    }
    const encoding = trainer.train()
    await writeTokenizerFolder(outputs.tokenizer, encoding, { modelMaxLength: params.model_max_length })
    log(`${encoding.tokens.length} tokens from ${read} documents`)
  },
})
