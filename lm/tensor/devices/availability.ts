/** @file What is known of a device before a stage computes on it. */

export type Availability = Usable | Unusable

export interface Usable {
  readonly usable: true
  /** What computes: "WebGPU on NVIDIA L4". */
  readonly description: string
  /** Whether that is a GPU: some drivers run on the CPU. */
  readonly gpu: boolean
}

export interface Unusable {
  readonly usable: false
  /** Why not. */
  readonly reason: string
  /** What would make it usable, as a command where there is one; undefined where nothing would. */
  readonly remedy?: string
}
