/** @file Durations, sizes and counts as people read them. */

/** "0.4 s", "12.3 s", "1m 20s", "1h 02m" */
export function durationText(durationMs: number): string {
  const seconds = durationMs / 1000
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 0.095 ? 2 : 1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, '0')}s`
  const minutes = Math.round(seconds / 60)
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`
}

/** A running clock, which shows no part of a second: "0 s", "12 s", "1m 20s", "1h 02m" */
export function clockText(durationMs: number): string {
  const seconds = Math.floor(durationMs / 1000)
  return seconds < 60 ? `${seconds} s` : durationText(seconds * 1000)
}

/** How long ago, roughly: "now", "12m", "3h", "5d" */
export function ageText(ageMs: number): string {
  const minutes = Math.floor(ageMs / 60_000)
  if (minutes < 1) return 'now'
  if (minutes < 60) return `${minutes}m`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 60 / 24)}d`
}

/** "812 B", "4.2 kB", "1.3 GB" (powers of 1000) */
export function sizeText(sizeBytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = sizeBytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** "1 node", "3 nodes" */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** "1.234", "0.00012": four significant digits, never an exponent for everyday values. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  return magnitude >= 1e-5 && magnitude < 1e7 ? String(Number(value.toPrecision(4))) : value.toExponential(2)
}

/** "just now", "3m ago", "5h ago", "2 days ago" */
export function agoText(elapsedMs: number): string {
  const minutes = Math.floor(elapsedMs / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes}m ago`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h ago` : `${Math.floor(hours / 24)} days ago`
}
