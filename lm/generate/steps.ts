/**
 * @file The compiled functions of decoding. Their sizes are open: how many rows, how long, how much of it common to
 * all. So each is compiled once, and the weights of a step are laid out once. Prefill reads them as they are: over
 * many tokens the layout matters little.
 */
import { attentionInputName } from '../model/attention.ts'
import { type AttentionKind, attentionKinds, type DecoderConfig } from '../model/config.ts'
import { type DecoderParameters, hiddenStates, logits, outputName } from '../model/decoder.ts'
import { names } from '../model/layout.ts'
import { rotaryTable } from '../model/rotary.ts'
import { type HostBatch, upload } from '../tensor/host-tensor.ts'
import { type JitOptions, type Jitted, jit } from '../tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { attendToCache, attendToPath } from './attend.ts'
import type { KeyValueCache } from './cache.ts'
import { emptyPast, type KeyValues } from './key-values.ts'
import { type DecodePrecision, decodingOperations } from './operations.ts'
import { oneRow, rowIndices, type TreePart, treeRows } from './tree-rows.ts'
import { sharedMask, treeMask } from './visibility.ts'

type Step = Jitted<TensorMap, TensorMap>
type StepOptions = Pick<JitOptions<TensorMap>, 'openSizes' | 'constants'>

/** What the vocabulary's scores come to. */
export interface GreedyChoice {
  readonly ids: Int32Array
  /** log p of each, under softmax(scores). */
  readonly logps: Float32Array
}

export class DecodingSteps {
  readonly #parameters: DecoderParameters
  /** The same to read prompts with. */
  readonly #reading: DecoderParameters
  readonly #config: DecoderConfig
  readonly #compiled = new Map<string, Step>()
  #traces = 0

  /** @throws LmFailure `unsupported-precision` */
  constructor(parameters: DecoderParameters, precision: DecodePrecision) {
    const operations = decodingOperations(parameters, precision)
    this.#reading = operations === undefined ? parameters : { ...parameters, operations: operations.prefill }
    this.#parameters =
      operations === undefined ? parameters : { ...parameters, operations: operations.decode }
    this.#config = parameters.config
  }

  /**
   * Runs a part of a tree of tokens, each of which sees the path that leads to it.
   * @param past keys and values of the path above the part's first token
   * @param shown tokens of the part, counted from its first; at least one
   * @returns the tokens' keys and values, and the hidden states of those that are shown, [shown, hiddenSize], which the
   * caller disposes
   */
  prefill(part: TreePart, past: KeyValues | undefined, shown: readonly number[]) {
    const config = this.#config
    const { keyValueHeads, headSize, layers } = config
    const count = part.ids.length
    // No size may be 0: where nothing lies before, there is a key that nobody sees.
    const before = past ?? emptyPast(config)
    const arrays: HostBatch = {
      ids: integers(part.ids),
      shown: integers(shown),
      ...this.#rotations(part.positions, (half) => [1, count, 1, half]),
    }
    // Where each shape is compiled, rows of unlike sizes would cost more than they save.
    const layout = this.#reading.operations === undefined ? oneRow(part) : treeRows(part)
    const [rows, length, keys] = [layout.starts.length, layout.length, part.above + layout.width]
    const { queries, seen, places } = rowIndices(part, layout, before.length)
    arrays.queries = { shape: [rows, length], data: queries }
    arrays.seen = { shape: [rows, keys], data: seen }
    arrays.places = { shape: [count, 2], data: places }
    const openSizes: Record<string, (string | null)[]> = {
      ids: ['tokens'],
      shown: ['shown'],
      queries: ['rows', 'length'],
      seen: ['rows', 'keys'],
      places: ['tokens', null],
    }
    for (const kind of attentionKinds(config)) {
      const window = kind === 'sliding' ? config.window : undefined
      const mask = attentionInputName('mask', kind)
      arrays[mask] = { shape: [rows, length, keys], data: treeMask(part, layout, window) }
      openSizes[mask] = ['rows', 'length', 'keys']
      for (const table of ['cos', 'sin'] as const) {
        openSizes[attentionInputName(table, kind)] = [null, 'tokens', null, null]
      }
    }
    before.arrays.forEach((data, index) => {
      arrays[`kv${index}`] = { shape: [keyValueHeads, before.length, headSize], data }
      openSizes[`kv${index}`] = [null, 'past', null]
    })
    const run = this.#compile('prefill', { openSizes }, (args) => {
      const caught: Tensor[] = []
      const attend = attendToPath(config, args, caught)
      const tokens = args.ids!.size
      const hidden = hiddenStates(this.#reading, args.ids!, 1, tokens, this.#positions(args), attend)
      return {
        hidden: tf.gather(hidden, args.shown as tf.Tensor1D),
        ...Object.fromEntries(caught.map((tensor, index) => [`kv${index}`, tensor])),
      } as TensorMap
    })
    const { hidden, ...caught } = this.#call(run, arrays)
    const kept: KeyValues = {
      length: count,
      arrays: Array.from({ length: 2 * layers }, (_, index) => numbers(caught[`kv${index}`]!)),
    }
    tf.dispose(caught)
    return { kept, hidden: hidden! }
  }

  /**
   * Appends one token to each row of the cache.
   * @param ids the tokens, one a row
   * @param shared keys and values that all rows see before their own
   * @returns hidden states, [rows, hiddenSize]; the caller disposes them
   */
  decode(ids: readonly number[], cache: KeyValueCache, shared: KeyValues | undefined): Tensor {
    const config = this.#config
    const { keyValueHeads, headSize } = config
    cache.reserve()
    const { rows, capacity, positions } = cache
    const arrays: HostBatch = {
      ids: integers(ids),
      ...this.#rotations(positions, (half) => [rows, 1, 1, half]),
    }
    const openSizes: Record<string, (string | null)[]> = { ids: ['rows'] }
    for (const kind of attentionKinds(config)) {
      arrays[`past.${kind}`] = { shape: [rows, 1, 1, capacity], data: cache.mask(kind) }
      openSizes[`past.${kind}`] = ['rows', null, null, 'capacity']
      for (const table of ['cos', 'sin'] as const) {
        openSizes[attentionInputName(table, kind)] = ['rows', null, null, null]
      }
    }
    cache.arrays.forEach((data, index) => {
      arrays[`kv${index}`] = { shape: [rows, keyValueHeads, capacity, headSize], data }
      openSizes[`kv${index}`] = ['rows', null, 'capacity', null]
    })
    shared?.arrays.forEach((data, index) => {
      arrays[`shared${index}`] = { shape: [keyValueHeads, shared.length, headSize], data }
      openSizes[`shared${index}`] = [null, 'shared', null]
    })
    if (shared !== undefined && attentionKinds(config).includes('sliding')) {
      const data = sharedMask(shared.length, positions, config.window!)
      arrays['shared.sliding'] = { shape: [rows, 1, 1, shared.length], data }
      openSizes['shared.sliding'] = ['rows', null, null, 'shared']
    }
    const kind = shared === undefined ? 'decode' : 'decode after a shared beginning'
    // One layout of the weights is enough: a caller keeps to one kind.
    this.#drop(shared === undefined ? 'decode after a shared beginning' : 'decode')
    const run = this.#compile(kind, { openSizes, constants: this.#constants() }, (args) => {
      const added: Tensor[] = []
      const attend = attendToCache(config, args, added)
      const rows = args.ids!.size
      const hidden = hiddenStates(this.#parameters, args.ids!, rows, 1, this.#positions(args), attend)
      return { hidden, added: tf.stack(added) } as TensorMap
    })
    const { hidden, added } = this.#call(run, arrays)
    cache.append(numbers(added!))
    added!.dispose()
    return hidden!
  }

  /** The most probable next tokens, the lowest id among equals. Disposes `hidden`. */
  greedy(hidden: Tensor): GreedyChoice {
    const run = this.#compile('greedy', this.#headOptions(), ({ hidden }) => {
      const scores = logits(this.#parameters, hidden!)
      const sum = tf.sum(tf.exp(tf.sub(scores, tf.max(scores, -1, true))), -1)
      return { ids: tf.argMax(scores, -1), logps: tf.neg(tf.log(sum)) } as TensorMap
    })
    const { ids, logps } = run({ hidden: hidden! })
    const choice = { ids: ids!.dataSync() as Int32Array, logps: numbers(logps!) }
    tf.dispose([hidden, ids!, logps!])
    return choice
  }

  /**
   * exp((score - highest score) / temperature) of the whole vocabulary, [rows * vocabulary]. Disposes `hidden`.
   * @param temperature above 0
   */
  weights(hidden: Tensor, temperature: number): Float32Array {
    const run = this.#compile('weights', this.#headOptions(), ({ hidden, scale }) => {
      const scores = logits(this.#parameters, hidden!)
      return { weights: tf.exp(tf.mul(tf.sub(scores, tf.max(scores, -1, true)), scale!)) } as TensorMap
    })
    const scale = tf.scalar(1 / temperature)
    const { weights } = run({ hidden, scale })
    const values = numbers(weights!)
    tf.dispose([hidden, scale, weights!])
    return values
  }

  /**
   * log p of each of `tokens` after each row, under softmax(scores), [rows, tokens]. Disposes `hidden`. The scores are
   * those of weights that are read as they are.
   */
  logps(hidden: Tensor, tokens: readonly number[]): Float32Array {
    const openSizes = { hidden: ['rows', null], tokens: ['tokens'] }
    const run = this.#compile('logps', { openSizes }, ({ hidden, tokens }) => {
      const all = tf.logSoftmax(logits(this.#reading, hidden!))
      return { logps: tf.gather(all, tokens as tf.Tensor1D, 1) } as TensorMap
    })
    const { logps } = this.#call(run, { tokens: integers(tokens) }, { hidden })
    const values = numbers(logps!)
    logps!.dispose()
    return values
  }

  /** Graphs compiled so far. */
  get traces(): number {
    return this.#traces
  }

  dispose(): void {
    for (const run of this.#compiled.values()) run.dispose()
    this.#compiled.clear()
  }

  #headOptions(): StepOptions {
    const { config, weights } = this.#parameters
    return { openSizes: { hidden: ['rows', null] }, constants: new Set([weights[outputName(config)]!]) }
  }

  /** The embedding is looked up, not multiplied with. */
  #constants(): ReadonlySet<tf.TensorInfo> {
    const { [names.embedding]: _, ...weights } = this.#parameters.weights
    return new Set(Object.values(weights))
  }

  #rotations(positions: readonly number[], shapeOf: (half: number) => number[]): HostBatch {
    const arrays: HostBatch = {}
    const shape = shapeOf(this.#config.headSize / 2)
    for (const kind of attentionKinds(this.#config)) {
      const { cos, sin } = rotaryTable(this.#config, kind, positions)
      arrays[attentionInputName('cos', kind)] = { shape, data: cos }
      arrays[attentionInputName('sin', kind)] = { shape, data: sin }
    }
    return arrays
  }

  #positions(args: TensorMap) {
    const table = (name: 'cos' | 'sin', kind: AttentionKind) => args[attentionInputName(name, kind)]!
    return Object.fromEntries(
      attentionKinds(this.#config).map((kind) => [
        kind,
        { cos: table('cos', kind), sin: table('sin', kind) },
      ]),
    )
  }

  /** Disposes `tensors`. */
  #call(run: Step, arrays: HostBatch, tensors: TensorMap = {}): TensorMap {
    const inputs = { ...upload(arrays), ...tensors }
    const results = run(inputs)
    tf.dispose(inputs)
    return results
  }

  #compile(key: string, options: StepOptions, fn: (args: TensorMap) => TensorMap): Step {
    const known = this.#compiled.get(key)
    if (known !== undefined) return known
    const run = jit(fn, { ...options, name: key })
    this.#compiled.set(key, run)
    this.#traces++
    return run
  }

  #drop(key: string): void {
    this.#compiled.get(key)?.dispose()
    this.#compiled.delete(key)
  }
}

function integers(values: readonly number[]) {
  return { shape: [values.length], data: Int32Array.from(values) }
}

function numbers(tensor: Tensor): Float32Array {
  return tensor.dataSync() as Float32Array
}
