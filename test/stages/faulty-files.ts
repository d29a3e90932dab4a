/** @file Faulty checkpoints and adapters out of the tiny ones, and what Flow says of inputs before it trains on them. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { checkArtifact } from '../../engine/artifacts/check.ts'
import { flowRoot } from '../../engine/flow-root.ts'
import { faultsAsFailure } from '../../engine/run/check-values.ts'
import type { Catalog } from '../../engine/stage/catalog.ts'
import type { Progress } from '../../engine/stage/define.ts'
import type { StageFailureDetails } from '../../engine/stage/failure.ts'
import { loadCatalog } from '../../engine/stage/load-catalog.ts'
import { openSafetensors, type TensorData, writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import { type AnyStage, failureOf, runStage, temporaryFolder } from './run-stage.ts'

type Json = Record<string, unknown>
export type Tensors = Record<string, TensorData>

/** A copy of a folder under the same name, in a temporary one. */
export function copyOf(folder: string): string {
  const copy = join(temporaryFolder(), basename(folder))
  cpSync(folder, copy, { recursive: true })
  return copy
}

export function changeJson(folder: string, file: string, change: (content: Json) => unknown): void {
  const path = join(folder, file)
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))))
}

export function changeBytes(folder: string, file: string, change: (bytes: Buffer) => Uint8Array): void {
  const path = join(folder, file)
  writeFileSync(path, change(readFileSync(path)))
}

/** Rewrites a safetensors file with other tensors: names, shapes and values, all of them good. */
export function changeTensors(folder: string, file: string, change: (tensors: Tensors) => Tensors): void {
  const path = join(folder, file)
  const opened = openSafetensors(path)
  writeSafetensors(path, change(Object.fromEntries(opened.names.map((name) => [name, opened.read(name)]))))
}

/** Rewrites a safetensors file's header text, and leaves the tensors' bytes. */
export function changeHeader(folder: string, file: string, change: (header: string) => string): void {
  changeBytes(folder, file, (bytes) => {
    const length = Number(bytes.readBigUInt64LE(0))
    const header = Buffer.from(change(bytes.toString('utf8', 8, 8 + length)))
    const prefix = Buffer.alloc(8)
    prefix.writeBigUInt64LE(BigInt(header.length))
    return Buffer.concat([prefix, header, bytes.subarray(8 + length)])
  })
}

type StageWithInputs = AnyStage & { readonly inputs: Readonly<Record<string, unknown>> }
type Inputs = Readonly<Record<string, string | Readonly<Record<string, string>>>>

let catalog: Catalog | undefined

/** What the engine says of a user's own values before a stage reads them. */
async function checkInputs(stage: StageWithInputs, inputs: Inputs): Promise<StageFailureDetails | undefined> {
  catalog ??= (await loadCatalog(flowRoot)).catalog
  for (const [port, value] of Object.entries(inputs)) {
    const declared = stage.inputs[port] as string | { readonly type: string }
    const type = typeof declared === 'string' ? declared : declared.type
    for (const path of typeof value === 'string' ? [value] : Object.values(value)) {
      const faults = await checkArtifact(catalog, type, path)
      if (faults.length === 0) continue
      return faultsAsFailure('invalid-input', `input ${port} is not valid ${type}`, path, faults)
    }
  }
  return undefined
}

/**
 * What a person is told: by the check of the inputs, else by the stage itself. An error of the test where the stage
 * ends well, ends with a bug, or has trained before it fails.
 */
export async function refusalOf(
  stage: StageWithInputs,
  inputs: Inputs,
  params: object = {},
): Promise<StageFailureDetails> {
  const refused = await checkInputs(stage, inputs)
  if (refused !== undefined) return refused
  const progress = (update: Progress) => {
    if (update.loss !== undefined) throw new Error(`it has trained: loss ${update.loss}`)
  }
  return failureOf(runStage(stage, inputs, { ...params }, { progress }))
}
