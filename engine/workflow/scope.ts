/** @file What the expressions of one workflow file can lead to, and what they give. */
import type { RemoteName } from '../artifacts/remote-values.ts'
import type { Json } from '../identity.ts'
import type { Faults } from './faults.ts'
import type { ResolvedParams } from './resolve-params.ts'
import type { Spot } from './yaml-value.ts'

export interface NodeLink {
  /** Id of the node that writes the value. */
  readonly node: string
  readonly port: string
  /** Type of the value; undefined where the producer's stage is not known. */
  readonly type: string | undefined
  /** Where the reference was written. */
  readonly spot: Spot
  /** All outputs of the node with their types, for advice. */
  readonly outputs: Readonly<Record<string, { readonly type: string }>>
}

/** Where an input's value comes from. */
export type BoundSource =
  | {
      readonly kind: 'file'
      readonly path: string
      /** What else it may mean, should no such path exist. */
      readonly remote?: RemoteName
      readonly spot: Spot
      /** Where the param's value was written. */
      readonly origin?: Spot
    }
  | ({ readonly kind: 'remote'; readonly spot: Spot; readonly origin?: Spot } & RemoteName)
  | ({ readonly kind: 'node' } & NodeLink)

export interface LabelledSource {
  readonly label: string
  readonly source: BoundSource
}

export type Value =
  | {
      readonly kind: 'data'
      readonly value: Json
      /** Where a param's value was written. */
      readonly origin?: Spot
    }
  | { readonly kind: 'source'; readonly source: BoundSource }
  /** The same output of every node that one declaration was expanded to. */
  | { readonly kind: 'sources'; readonly sources: readonly LabelledSource[] }
  /** What would write it does not run. */
  | { readonly kind: 'absent'; readonly reason: string }
  /** A fault that has been reported. */
  | { readonly kind: 'unknown' }

/** What distinguishes one instance of a node that is expanded to several. */
export interface Loop {
  readonly each?: Json
  readonly matrix?: Readonly<Record<string, Json>>
  /** Counted from 1. */
  readonly round?: number
  /** A fault in `foreach` or `matrix` has been reported: references to their values say nothing more. */
  readonly faulty?: boolean
}

export interface OutputReference {
  readonly node: string
  readonly port: string
  /** `nodes.NODE.*.PORT` */
  readonly all: boolean
  /** Asked for only where there is a fault to report. */
  readonly nodeSpot: () => Spot
  readonly portSpot: () => Spot
  /** Of the whole template. */
  readonly spot: Spot
}

export interface Scope {
  readonly faults: Faults
  readonly params: ResolvedParams
  /** Undefined where the file declares no inputs. */
  readonly inputs: ReadonlyMap<string, Value> | undefined
  readonly loop: Loop
  /** The node whose fields are read. */
  readonly self: string
  output(reference: OutputReference): Value
}
