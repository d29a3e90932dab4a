/** @file How many terminal cells a text takes. */

/** Made when first needed, as the expressions below are: that takes longer than a whole run which has nothing to do. */
let segmenter: Intl.Segmenter | undefined

/** Ranges of code points that terminals draw two cells wide: East Asian Wide and Fullwidth. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x3fffd],
]

export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  let width = 0
  for (const { segment } of segmenter.segment(text)) {
    if (/^[\p{Mn}\p{Me}\p{Cf}]+$/u.test(segment)) continue
    const code = segment.codePointAt(0)!
    const isEmoji = /\p{Emoji_Presentation}|\ufe0f/u.test(segment)
    width += isEmoji || WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1
  }
  return width
}
