/** @file Texts as the languages of pictures write them. Names hold `/`, `=`, `.` and `,`, and what else people type. */

/** In SVG, between tags and in attributes. */
export function xmlText(text: string): string {
  // Other control characters are not allowed in XML, not even escaped.
  return text
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, '\ufffd')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A quoted string of DOT. */
export function dotString(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `"${escaped}"`
}

/** A quoted label of Mermaid, whose escapes are those of HTML with `#` for `&`. */
export function mermaidString(text: string): string {
  const escaped = text.replace(/[#&<>"`;\n\\]/g, (character) => `#${character.charCodeAt(0)};`)
  return `"${escaped}"`
}
