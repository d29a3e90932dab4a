/**
 * @file The text model of a checkpoint, without its weights: its configuration, the places of its tensors, and
 * whether they are what the configuration promises.
 */
import { type Checkpoint, openConfig } from '../checkpoint/folder.ts'
import { LmFailure } from '../failure.ts'
import { type DecoderConfig, decoderConfig } from './config.ts'
import { ConfigFields } from './config-fields.ts'
import { familyOf } from './families/index.ts'
import { names, tensorShapes } from './layout.ts'

export interface TextModel {
  readonly config: DecoderConfig
  readonly checkpoint: Checkpoint
  /** The checkpoint's name of a tensor, from that in `layout.ts`. */
  nameOf(name: string): string
  /** What a person should know of the choice, if anything. */
  readonly remark?: string
}

/** Where checkpoints keep a text model: alone, or beside a vision tower as the several versions wrote it. */
const places = [
  { decoder: 'model.', output: 'lm_head.' },
  { decoder: 'model.language_model.', output: 'lm_head.' },
  { decoder: 'language_model.model.', output: 'language_model.lm_head.' },
] as const

/**
 * Judges the configuration, then the names and shapes of the tensors; reads no weights.
 * @throws LmFailure
 */
export function openTextModel(folder: string): TextModel {
  const { config: fields, configFile: file, openWeights } = openConfig(folder)
  const stated = decoderConfig(fields, file)
  const checkpoint = openWeights()
  const nameOf = namesIn(checkpoint)
  const config = withActualOutput(stated, checkpoint.has(nameOf(names.output)))
  const shapes = tensorShapes(config)
  for (const [name, shape] of shapes) {
    const found = checkpoint.info(nameOf(name)).shape
    if (found.join() === shape.join()) continue
    throw new LmFailure({
      code: 'damaged-model',
      message: `tensor \`${nameOf(name)}\` is [${found}], but config.json makes it [${shape}]`,
      hint: 'config.json and the weights belong to different models',
      file: folder,
    })
  }
  requireNothingElse(checkpoint, nameOf, shapes)
  const { sees, modelTypes } = familyOf(new ConfigFields(fields, file))
  if (!sees) return { config, checkpoint, nameOf }
  const title = modelTypes[fields.model_type as string]!
  const known = new Set([...shapes.keys(), names.output].map(nameOf))
  const left = checkpoint.names.filter((name) => !known.has(name)).length
  const remark = `${title} checkpoint: its text model is used, ${left} tensors of its vision part are left out`
  return { config, checkpoint, nameOf, remark }
}

/** A tensor of the decoder that is not computed with: a bias, a layer more than stated. Its loss would not show. */
function requireNothingElse(
  checkpoint: Checkpoint,
  nameOf: (name: string) => string,
  shapes: ReadonlyMap<string, unknown>,
): void {
  const known = new Set([...shapes.keys()].map(nameOf))
  const decoder = nameOf('model.')
  const other = checkpoint.names.find(
    (name) => name.startsWith(decoder) && !known.has(name) && !name.endsWith('.rotary_emb.inv_freq'),
  )
  if (other === undefined) return
  throw new LmFailure({
    code: 'damaged-model',
    message: `tensor \`${other}\` has no place in the model that config.json describes`,
    hint: 'config.json and the weights belong to different models, or to an architecture that is not supported',
    file: checkpoint.folder,
  })
}

function namesIn(checkpoint: Checkpoint): (name: string) => string {
  const [alone] = places
  const place =
    places.find(({ decoder }) => checkpoint.has(names.embedding.replace(alone.decoder, decoder))) ?? alone
  return (name) =>
    name.startsWith(alone.decoder)
      ? name.replace(alone.decoder, place.decoder)
      : name.replace(alone.output, place.output)
}

/** Checkpoints exist that say `tie_word_embeddings: false` and carry no output matrix: they are tied. */
function withActualOutput(config: DecoderConfig, hasOutput: boolean): DecoderConfig {
  return config.tiedEmbeddings || hasOutput ? config : { ...config, tiedEmbeddings: true }
}
