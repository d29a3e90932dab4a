/** @file Texts made to fit a number of terminal cells. */
import { displayWidth } from '../workflow/display-width.ts'

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** "a long rea…" */
export function cutEnd(text: string, cells: number): string {
  return displayWidth(text) <= cells ? text : `${leading(text, cells - 1)}…`
}

/** "rounds/2/…/dpo": names tell most by how they begin and end. */
export function cutMiddle(text: string, cells: number): string {
  if (displayWidth(text) <= cells) return text
  const kept = Math.max(cells - 1, 0)
  const end = Math.floor(kept / 2)
  return `${leading(text, kept - end)}…${trailing(text, end)}`
}

function leading(text: string, cells: number): string {
  let [cut, width] = ['', 0]
  for (const { segment } of segmenter.segment(text)) {
    width += displayWidth(segment)
    if (width > cells) break
    cut += segment
  }
  return cut
}

function trailing(text: string, cells: number): string {
  const segments = [...segmenter.segment(text)].map(({ segment }) => segment)
  let [cut, width] = ['', 0]
  for (const segment of segments.reverse()) {
    width += displayWidth(segment)
    if (width > cells) break
    cut = segment + cut
  }
  return cut
}
