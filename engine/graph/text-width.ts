/** @file How wide a text is drawn, in pixels: somewhat too wide rather than too narrow, since fonts differ. */
import { cutMiddle } from '../terminal/cut-text.ts'

/** Of a font of 1 px, by what the characters look like. */
const narrow = 0.36
const wide = 0.96
const capital = 0.74
const usual = 0.61
const fullWidth = 1.05

export function textWidthPx(text: string, fontPx: number): number {
  let width = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (code > 0x2e7f) width += fullWidth
    else if (/[ijlI.,:;'|!()[\]{}ftr ]/.test(character)) width += narrow
    else if (/[mwMW@%—]/.test(character)) width += wide
    else width += /[A-Z]/.test(character) ? capital : usual
  }
  return width * fontPx
}

/** Cut in the middle where it is wider. */
export function fittingText(text: string, fontPx: number, mostPx: number): string {
  let cut = text
  for (let cells = text.length; textWidthPx(cut, fontPx) > mostPx && cells > 1; cells--)
    cut = cutMiddle(text, cells)
  return cut
}
