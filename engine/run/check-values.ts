/**
 * @file Values are checked by content when they enter: a user's file before a stage reads it, an output before it
 * is committed. A value found good is marked, by its content and the code of its type, and not read again.
 */
import { relative } from 'node:path'
import { checkArtifact, checkDigest } from '../artifacts/check.ts'
import type { ArtifactFault } from '../artifacts/define.ts'
import type { ContentHash } from '../identity.ts'
import type { Catalog } from '../stage/catalog.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import type { Store } from '../store/store.ts'

export interface ValueCheck {
  readonly catalog: Catalog
  readonly store: Store
  readonly project: string
  /** Absolute. */
  readonly path: string
  readonly kind: 'file' | 'folder'
  readonly hash: ContentHash
  /** Any one of them will do. */
  readonly types: readonly string[]
}

/** The failure of a user's own value, or nothing where it is good. */
export async function checkInput(check: ValueCheck, port: string): Promise<StageFailureDetails | undefined> {
  const { catalog, store, types } = check
  const shown = relative(check.project, check.path)
  const fitting = fittingTypes(check)
  if (fitting.length === 0) {
    const other = check.kind === 'file' ? 'folder' : 'file'
    return {
      code: 'invalid-input',
      message: `input ${port} must be a ${other} (${types.join(' or ')}), but ${shown} is a ${check.kind}`,
    }
  }
  let firstFaults: readonly ArtifactFault[] = []
  for (const type of fitting) {
    const digest = checkDigest(catalog, type)
    if (store.isValidated(type, digest, check.hash)) return undefined
    const faults = await checkArtifact(catalog, type, check.path)
    if (faults.length === 0) {
      await store.markValidated(type, digest, check.hash)
      return undefined
    }
    if (firstFaults.length === 0) firstFaults = faults
  }
  return faultsAsFailure(
    'invalid-input',
    `input ${port} is not valid ${types.join(' or ')}`,
    shown,
    firstFaults,
  )
}

/** Of a user's own value: whether it has been found good before. */
export function isKnownGood(check: Omit<ValueCheck, 'project' | 'path'>): boolean {
  const { catalog, store, hash } = check
  return fittingTypes(check).some((type) => store.isValidated(type, checkDigest(catalog, type), hash))
}

function fittingTypes({ catalog, kind, types }: Pick<ValueCheck, 'catalog' | 'kind' | 'types'>): string[] {
  return types.filter((type) => {
    const known = catalog.artifacts.get(type)?.kind
    return known === kind || known === 'either'
  })
}

/** The first fault becomes the message; the others are counted, since they often have one cause. */
export function faultsAsFailure(
  code: string,
  heading: string,
  path: string,
  faults: readonly ArtifactFault[],
): StageFailureDetails {
  const [first, ...rest] = faults
  if (first === undefined) throw new Error('no fault to report')
  const more = rest.length === 0 ? '' : ` (and ${rest.length} more ${rest.length === 1 ? 'fault' : 'faults'})`
  return {
    code,
    message: `${heading}: ${first.message}${more}`,
    file: first.file === undefined ? path : `${path}/${first.file}`,
    ...(first.line === undefined ? {} : { line: first.line }),
    ...(first.hint === undefined ? {} : { hint: first.hint }),
  }
}
