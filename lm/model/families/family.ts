/** @file What a family of decoders states about itself. */
import type { DecoderConfig } from '../config.ts'
import type { ConfigFields } from '../config-fields.ts'

export interface Family {
  /** Its values of `model_type`, each with the models that it stands for. */
  readonly modelTypes: Readonly<Record<string, string>>
  /** Its checkpoints hold a vision tower, too, which is left out. */
  readonly sees?: true
  /** @throws LmFailure `unsupported-model`, `invalid-model-config` */
  read(fields: ConfigFields): DecoderConfig
}
