/** @file `layer_types`: which layers attend in full, and which to a sliding window. */
import type { AttentionKind, DecoderConfig } from '../config.ts'
import type { ConfigFields } from '../config-fields.ts'

const kinds: Readonly<Record<string, AttentionKind>> = {
  full_attention: 'full',
  sliding_attention: 'sliding',
}

/**
 * Reads `layer_types`, and `sliding_window` where a layer needs it.
 * @param kindOf of a layer, where `layer_types` is absent
 * @param defaultWindow where `sliding_window` is absent
 */
export function readLayerKinds(
  fields: ConfigFields,
  layers: number,
  kindOf: (layer: number) => AttentionKind,
  defaultWindow: number,
): Pick<DecoderConfig, 'layerKinds' | 'window'> {
  const given = fields.get('layer_types')
  const layerKinds =
    given === undefined ? Array.from({ length: layers }, (_, layer) => kindOf(layer)) : named()
  if (!layerKinds.includes('sliding')) return { layerKinds, window: undefined }
  if (fields.isNull('sliding_window')) fields.refuse('sliding_window', 'its sliding layers need a width')
  return { layerKinds, window: fields.count('sliding_window', defaultWindow) }

  function named(): AttentionKind[] {
    if (!Array.isArray(given) || given.length !== layers) {
      fields.refuse('layer_types', `it must name one kind for each of the ${layers} layers`)
    }
    return given.map((type) => {
      const known = typeof type === 'string' && Object.hasOwn(kinds, type) ? kinds[type] : undefined
      return known ?? fields.refuse('layer_types', `supported: ${Object.keys(kinds).join(', ')}`)
    })
  }
}
