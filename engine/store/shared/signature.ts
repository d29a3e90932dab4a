/**
 * @file Records that are signed: whoever can write to a shared cache decides what its readers reuse, unless they take
 * only what somebody with their key has signed. Blobs need no signature: the record names them by their bytes.
 *
 *     <the record with its seal, one line>
 *     hmac-sha256 <hex>
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

const SIGNED = /^(.*\n)hmac-sha256 ([0-9a-f]{64})\n$/s
/** So that the signature of a record is good for nothing else. */
const PURPOSE = 'flow-shared-record 1\n'

export function signRecord(text: string, key: string | undefined): string {
  return key === undefined ? text : `${text}hmac-sha256 ${digestOf(text, key).toString('hex')}\n`
}

/** The record's text, where the signature is good or none is asked for (`key` absent); else what is wrong with it. */
export function openSignedRecord(
  signed: string,
  key: string | undefined,
): { readonly text: string } | { readonly fault: 'is not signed' | 'is signed with another key' } {
  const [, text, signature] = SIGNED.exec(signed) ?? []
  if (key === undefined) return { text: text ?? signed }
  if (text === undefined || signature === undefined) return { fault: 'is not signed' }
  const good = timingSafeEqual(Buffer.from(signature, 'hex'), digestOf(text, key))
  return good ? { text } : { fault: 'is signed with another key' }
}

function digestOf(text: string, key: string): Buffer {
  return createHmac('sha256', key).update(PURPOSE).update(text).digest()
}
