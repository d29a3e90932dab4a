/** @file Which projections of a decoder carry an adapter, and of what rank and scale: PEFT's rules on module names. */
import { isAllLinear, type LoraSettings } from '../checkpoint/peft-config.ts'
import { fullMatch, javascriptPattern } from '../checkpoint/python-pattern.ts'
import { LmFailure } from '../failure.ts'
import type { DecoderConfig } from './config.ts'
import { names, type Projection, projections, shortName, tensorShapes } from './layout.ts'

/** One adapted projection. */
export interface LoraModule {
  /** `model.layers.0.self_attn.q_proj`: its weight's name without `.weight`. */
  readonly module: string
  readonly projection: Projection
  readonly r: number
  /** alpha / r, or alpha / sqrt(r) for rsLoRA: what B (A x) is multiplied by. */
  readonly scaling: number
}

/** Ends of the names of all projections. */
export const allTargets: readonly string[] = projections.map(shortName)

/** The adapted modules in a fixed order: by layer, then as `projections` lists them. */
export function loraModules(config: DecoderConfig, settings: LoraSettings): LoraModule[] {
  const isTarget = targetTest(settings)
  const rankOf = patternLookup(settings.rankPattern, settings.r)
  const alphaOf = patternLookup(settings.alphaPattern, settings.alpha)
  const modules: LoraModule[] = []
  for (let layer = 0; layer < config.layers; layer++) {
    for (const projection of projections) {
      const module = names.module(layer, projection)
      const name = nameInPeft(module, settings)
      if (!isTarget(name)) continue
      const r = rankOf(name)
      const scaling = alphaOf(name) / (settings.rslora ? Math.sqrt(r) : r)
      modules.push({ module, projection, r, scaling })
    }
  }
  return modules
}

/**
 * Checks the settings of a fresh adapter: each target is there, and no target is anything but a projection.
 * @throws LmFailure `unknown-target`, `unsupported-target`
 */
export function requireTargets(config: DecoderConfig, settings: LoraSettings): void {
  const { targets, layers } = settings
  if (typeof targets === 'string' && layers !== undefined) {
    throw new LmFailure({
      code: 'unsupported-target',
      message: 'chosen layers go with a list of targets, not with a pattern: PEFT would refuse the adapter',
      hint: 'list the targets, or name the layers in the pattern',
    })
  }
  const hint = `choose from ${allTargets.join(', ')}, or \`all-linear\``
  const isTarget = targetTest(settings)
  const other = otherModules(config).find((module) => isTarget(nameInPeft(module, settings)))
  if (other !== undefined) {
    throw new LmFailure({
      code: 'unsupported-target',
      message: `the adapter's targets take in \`${other}\`, which is no projection of a layer`,
      hint,
    })
  }
  const everywhere = loraModules(config, { ...settings, targets: 'all-linear', exclude: [], layers: [] })
  const named = typeof targets === 'string' ? [] : targets
  const unknown = named.find(
    (target) => !everywhere.some(({ module }) => endsAt(nameInPeft(module, settings), target)),
  )
  if (unknown === undefined && loraModules(config, settings).length > 0) return
  throw new LmFailure({
    code: 'unknown-target',
    message:
      unknown === undefined
        ? "the adapter's targets leave no projection of the model"
        : `the adapter's target \`${unknown}\` is no projection of the model`,
    hint,
  })
}

/** A module's name as PEFT's patterns see it. */
function nameInPeft(module: string, { decoderPath = 'model' }: LoraSettings): string {
  return module.replace(/^model(?=\.|$)/, decoderPath)
}

function endsAt(module: string, target: string): boolean {
  return module === target || module.endsWith(`.${target}`)
}

function nameTest(wanted: readonly string[] | string): (module: string) => boolean {
  if (typeof wanted === 'string') return fullMatch(wanted)
  return (module) => wanted.some((target) => endsAt(module, target))
}

function targetTest({ targets, exclude, layers, layersPattern }: LoraSettings): (module: string) => boolean {
  const isNamed =
    typeof targets === 'string' && isAllLinear(targets)
      ? (module: string) => projections.some((projection) => endsAt(module, projection))
      : nameTest(targets)
  const isExcluded = exclude === undefined ? () => false : nameTest(exclude)
  const isInLayer =
    layers === undefined || layers.length === 0 ? () => true : layerTest(layers, layersPattern)
  return (module) => isNamed(module) && !isExcluded(module) && isInLayer(module)
}

/** Whether the first number that follows one of the patterns is among `layers`. */
function layerTest(
  layers: readonly number[],
  patterns: readonly string[] | undefined,
): (module: string) => boolean {
  const expressions =
    patterns === undefined || patterns.length === 0
      ? [/^.*?\.[^.]*\.(?<layer>\d+)\./]
      : patterns.map(
          (pattern) => new RegExp(`^(?:^|.*?\\.)${javascriptPattern(pattern)}\\.(?<layer>\\d+)\\.`, 'u'),
        )
  return (module) => {
    for (const expression of expressions) {
      const layer = expression.exec(module)?.groups?.layer
      if (layer !== undefined) return layers.includes(Number(layer))
    }
    return false
  }
}

/** The value of the first pattern that fits the end of a module's name. */
function patternLookup(
  patterns: Readonly<Record<string, number>> | undefined,
  fallback: number,
): (module: string) => number {
  const entries = Object.entries(patterns ?? {}).map(
    ([pattern, value]) => [new RegExp(`^(.*\\.)?(${javascriptPattern(pattern)})$`, 'u'), value] as const,
  )
  return (module) => entries.find(([expression]) => expression.test(module))?.[1] ?? fallback
}

/** What PEFT's names may hit beside the projections: the output layer, the embedding, norms, whole blocks. */
function otherModules(config: DecoderConfig): string[] {
  const others = new Set(['lm_head', 'model.rotary_emb', 'model.layers.0.mlp.act_fn'])
  for (const name of tensorShapes(config).keys()) {
    const parts = name.split('.').slice(0, -1)
    for (let length = parts.length; length > 0; length--) others.add(parts.slice(0, length).join('.'))
  }
  return [...others].filter((module) => !projections.some((projection) => endsAt(module, projection)))
}
