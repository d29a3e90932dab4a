/** @file What was measured beside what was aimed at. */

export interface Row {
  readonly work: string
  /** For people. */
  readonly figure: string
  /** What the goal is about; absent where nothing could be measured. */
  readonly value?: number
  readonly goal?: string
  readonly met?: boolean
}

/** A Markdown table. */
export function rowsText(rows: readonly Row[]): string {
  const lines = rows.map(({ work, figure, goal = '', met }) => {
    const outcome = met === undefined ? '' : met ? 'met' : 'missed'
    return [work, goal, figure, outcome]
  })
  return [['work', 'goal', 'figure', ''], ['---', '---', '---', '---'], ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}
