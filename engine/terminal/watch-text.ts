/** @file What `flow watch` says between two runs. */
import type { WatchEvent } from '../events/watch-event.ts'
import { countText } from './quantities.ts'

const shownFiles = 3

/** "data/in.txt changed; stops sft; dpo goes on" */
export function changeText({
  files,
  stopped,
  kept,
}: WatchEvent & { readonly type: 'files-changed' }): string {
  const names = files
    .slice(0, shownFiles)
    .map(({ path, change }) => (change === 'removed' ? `${path} (removed)` : path))
  const more = files.length - names.length
  if (more > 0) names.push(countText(more, 'more file'))
  const parts = [`${listText(names)} changed`]
  if (stopped.length > 0) parts.push(`${stopped.join(', ')} stopped`)
  if (kept.length > 0) parts.push(`${kept.join(', ')} ${kept.length === 1 ? 'goes' : 'go'} on`)
  return parts.join('; ')
}

export function watchingText(files: number): string {
  return `watching ${countText(files, 'file')}; Ctrl-C ends it`
}

/** "a", "a and b", "a, b and c" */
function listText(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
