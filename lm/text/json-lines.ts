/** @file JSON Lines, as every file of rows is written. */

/** Each row on a line of its own, the last one ended too. */
export function jsonLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
}
