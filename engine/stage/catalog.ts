/**
 * @file What is installed, as plain data: planning needs no plugin code, only these manifests (cached by the
 * digest of the code that they were made from).
 */
import { createHash } from 'node:crypto'
import type { ArtifactKind, RemoteSource } from '../artifacts/define.ts'
import type { JsonObject } from '../identity.ts'

/** Where compiled code lies and what it was made of. */
export interface CompiledModule {
  /** Absolute path of the TypeScript entry. */
  readonly entry: string
  /** Absolute path of the compiled ES module. */
  readonly bundle: string
  /** sha256 over the import closure's contents and the versions of the packages it names. */
  readonly digest: string
  /** The import closure: path -> content hash; relative to the package or project it belongs to. For `explain`. */
  readonly sources: Readonly<Record<string, string>>
  /** `name@version` of each npm package that the closure imports. */
  readonly packages: readonly string[]
}

export interface InputPortManifest {
  readonly types: readonly string[]
  readonly optional: boolean
  readonly many: boolean
  readonly description: string
}

export interface OutputPortManifest {
  readonly type: string
  readonly description: string
}

export interface StageManifest {
  readonly name: string
  readonly description: string
  /** `project`: found in the project's own `stages/`; `flow`: comes with Flow. */
  readonly origin: 'project' | 'flow'
  readonly inputs: Readonly<Record<string, InputPortManifest>>
  readonly outputs: Readonly<Record<string, OutputPortManifest>>
  /** JSON schema of the parameters: an object schema, closed, with defaults. */
  readonly params: JsonObject
  /** Parameters that stay out of the key, as dotted paths. */
  readonly cosmetic: readonly string[]
  /** Parameters that name environment variables with secrets, as dotted paths. */
  readonly secrets: readonly string[]
  readonly light: boolean
  readonly gpu: boolean
  /** Input ports of which it leaves what it loaded to the next node of its process. */
  readonly keeps: readonly string[]
  readonly environment: readonly string[]
  readonly module: CompiledModule
  /** Its code has not been looked at: what it takes and gives is not known, and it cannot run. */
  readonly opaque?: true
}

export interface ArtifactManifest {
  readonly name: string
  readonly kind: ArtifactKind
  readonly description: string
  readonly extends?: string
  readonly remote?: Pick<RemoteSource, 'scheme' | 'pattern'>
  /** The module that declares it; absent for the engine's own generic types. */
  readonly module?: CompiledModule
}

export interface Catalog {
  readonly stages: ReadonlyMap<string, StageManifest>
  readonly artifacts: ReadonlyMap<string, ArtifactManifest>
  /** Differs where anything does that a workflow is checked against, or any stage's code. */
  readonly digest: string
  /** Code of the project has not been looked at: its stages are opaque, its artifact types unknown. */
  readonly partial?: true
}

export function catalogDigest({ stages, artifacts }: Omit<Catalog, 'digest'>): string {
  const parts = [
    [...stages.values()].map(({ module, ...stage }) => [stage, module.digest]),
    [...artifacts.values()].map(({ module: _, ...artifact }) => artifact),
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/** Whether a value of type `given` may stand where `wanted` is asked for. */
export function artifactFits(catalog: Catalog, given: string, wanted: readonly string[]): boolean {
  for (
    let type: string | undefined = given;
    type !== undefined;
    type = catalog.artifacts.get(type)?.extends
  ) {
    if (wanted.includes(type)) return true
  }
  return false
}
