/** @file A JSON object that gives a key twice: parsers keep the last value and say nothing. */

/**
 * The first key that the object at the text's top level gives twice.
 * @param json valid JSON
 */
export function repeatedKey(json: string): string | undefined {
  const seen = new Set<string>()
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const character = json[at]
    if (character === '"') {
      const start = at
      for (at++; json[at] !== '"'; at++) if (json[at] === '\\') at++
      if (depth !== 1 || !isKey(json, at + 1)) continue
      const key = JSON.parse(json.slice(start, at + 1)) as string
      if (seen.has(key)) return key
      seen.add(key)
    } else if (character === '{' || character === '[') {
      depth++
    } else if (character === '}' || character === ']') {
      depth--
    }
  }
  return undefined
}

function isKey(json: string, end: number): boolean {
  let at = end
  while (json[at] === ' ' || json[at] === '\t' || json[at] === '\n' || json[at] === '\r') at++
  return json[at] === ':'
}
