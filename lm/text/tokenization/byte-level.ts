/** @file GPT-2's alphabet: every byte as one printable character, so that a vocabulary of bytes can be written as text. */

const isPrintable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)

/** By byte. Printable Latin-1 stands for itself, the other 68 bytes follow from U+0100 on. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
})()

const BYTE_OF = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]))

const encoder = new TextEncoder()

/** The UTF-8 bytes of `text`, each as its character. A lone surrogate becomes U+FFFD. */
export function toByteCharacters(text: string): string {
  let result = ''
  for (const byte of encoder.encode(text)) result += BYTE_CHARACTERS[byte]!
  return result
}

/** Undefined where a character stands for no byte. */
export function fromByteCharacters(token: string): number[] | undefined {
  const bytes: number[] = []
  for (const character of token) {
    const byte = BYTE_OF.get(character)
    if (byte === undefined) return undefined
    bytes.push(byte)
  }
  return bytes
}
