/** @file The families of decoders that are known, by `model_type`. */
import type { ConfigFields } from '../config-fields.ts'
import type { Family } from './family.ts'
import { gemma3 } from './gemma3.ts'
import { gemma3Vision } from './gemma3-vision.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { qwen2 } from './qwen2.ts'
import { qwen2Vision } from './qwen2-vision.ts'
import { qwen3 } from './qwen3.ts'

const families: readonly Family[] = [llama, mistral, qwen2, qwen3, gemma3, qwen2Vision, gemma3Vision]

/** @throws LmFailure `unsupported-model` */
export function familyOf(fields: ConfigFields): Family {
  const type = fields.get('model_type')
  const family = families.find(
    ({ modelTypes }) => typeof type === 'string' && Object.hasOwn(modelTypes, type),
  )
  if (family !== undefined) return family
  const known = families.flatMap(({ modelTypes }) => Object.entries(modelTypes))
  return fields.refuse(
    'model_type',
    `supported: ${known.map(([name, models]) => `${name} (${models})`).join(', ')}`,
  )
}
