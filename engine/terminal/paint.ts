/** @file Colours of text that commands print. */
const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const

export type Colour = keyof typeof codes
export type Paint = (colour: Colour | undefined, text: string) => string

export function painter(wanted: boolean): Paint {
  return (colour, text) =>
    !wanted || colour === undefined || text === '' ? text : `\x1b[${codes[colour]}m${text}\x1b[0m`
}

/** What a plan decides about a node. */
export const decisionColours = { run: 'yellow', reuse: 'green', unknown: 'cyan', skip: 'dim' } as const
