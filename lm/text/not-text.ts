/** @file Files that people take for JSON and that are no UTF-8 text at all: told by their first bytes. */

const kinds: readonly { readonly bytes: readonly number[]; readonly what: string; readonly hint: string }[] =
  [
    { bytes: [0xff, 0xfe], what: 'UTF-16 text', hint: 'save it as UTF-8' },
    { bytes: [0xfe, 0xff], what: 'UTF-16 text', hint: 'save it as UTF-8' },
    { bytes: [0x1f, 0x8b], what: 'a gzip archive', hint: 'unpack it first' },
    { bytes: [0x50, 0x4b, 0x03, 0x04], what: 'a zip archive', hint: 'unpack it first' },
    { bytes: [0x28, 0xb5, 0x2f, 0xfd], what: 'a zstd archive', hint: 'unpack it first' },
    { bytes: [0x50, 0x41, 0x52, 0x31], what: 'a Parquet file', hint: 'convert it to JSON Lines first' },
  ]

const rowsHint = 'a data file is UTF-8 text: a JSON array of objects, or one JSON object a line'

/** How many of a file's first bytes are looked at. */
const looked = 4096

/** What the file is instead of text, with a hint; undefined where nothing speaks against text. */
export function otherThanText(bytes: Buffer): { readonly what: string; readonly hint: string } | undefined {
  const known = kinds.find((kind) => kind.bytes.every((byte, index) => bytes[index] === byte))
  if (known !== undefined) return known
  const start = bytes.subarray(0, looked)
  if (!start.includes(0)) return undefined
  // Text of one-byte letters in UTF-16 without a mark: every other byte is zero.
  const zeros = start.filter((byte) => byte === 0).length
  return zeros > start.length / 3
    ? { what: 'UTF-16 text or a binary file', hint: 'save it as UTF-8' }
    : { what: 'a binary file', hint: rowsHint }
}
