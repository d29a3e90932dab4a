/** @file How far a count has come, in a fixed width. */
import { Text } from 'ink'

const width = 16
/** With the space behind it. */
export const progressBarColumns = width + 1

export function ProgressBar({ step, total }: { readonly step: number; readonly total: number }) {
  const done = total <= 0 ? 0 : Math.round(Math.min(1, Math.max(0, step / total)) * width)
  return (
    <Text>
      <Text color="cyan">{'━'.repeat(done)}</Text>
      <Text dimColor>{'━'.repeat(width - done)}</Text>{' '}
    </Text>
  )
}
