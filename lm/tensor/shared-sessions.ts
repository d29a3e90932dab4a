/**
 * @file Compiled graphs that are equal, to the byte, share a session: a second training in one process builds none for
 * the shapes of the first. Sessions that nobody uses any more are kept for whoever comes next, up to a size.
 */
import { createHash } from 'node:crypto'
import type { EncodedGraph } from './graph.ts'
import { Session, type SessionOptions, sessionThreads } from './session.ts'

/**
 * Encoded, of the sessions that are kept unused; the one used longest ago goes first. A session takes some forty times as
 * much where its graph holds operators and not constants.
 */
const unusedBytes = 3 * 2 ** 20

export interface SharedSession {
  readonly session: Session
  /** Whether it was there already. */
  readonly reused: boolean
  /** To be called once, by each user. */
  release(): void
}

interface Entry {
  readonly session: Session
  readonly bytes: number
  users: number
}

/** By what a session is made of; those released last are last. */
const entries = new Map<string, Entry>()

/** A session for the graph, to be released. */
export function shareSession(
  { bytes, external }: Pick<EncodedGraph, 'bytes' | 'external'>,
  options: Omit<SessionOptions, 'external'>,
): SharedSession {
  // What lies beside the encoded graph belongs to tensors, which change and go.
  if (external.length > 0) {
    const session = new Session(bytes, { ...options, external })
    return { session, reused: false, release: () => session.dispose() }
  }
  const key = createHash('sha256')
    .update(JSON.stringify([options, sessionThreads()]))
    .update(bytes)
    .digest('hex')
  const known = entries.get(key)
  const entry = known ?? { session: new Session(bytes, options), bytes: bytes.length, users: 0 }
  entries.set(key, entry)
  entry.users++
  const release = () => {
    entry.users--
    entries.delete(key)
    entries.set(key, entry)
    endUnused()
  }
  return { session: entry.session, reused: known !== undefined, release }
}

function endUnused(): void {
  let kept = 0
  for (const [key, { session, bytes, users }] of [...entries].reverse()) {
    if (users > 0) continue
    if (kept + bytes <= unusedBytes) {
      kept += bytes
    } else {
      session.dispose()
      entries.delete(key)
    }
  }
}
