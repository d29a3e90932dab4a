/** @file What every view of a run is: a listener of events with an end. */
import type { FlowEvent } from '../events/event.ts'
import type { WatchEvent } from '../events/watch-event.ts'

export interface RunDisplay {
  readonly onEvent: (event: FlowEvent | WatchEvent) => void
  /** Stops timers and leaves the terminal as it was. */
  close(): Promise<void>
}
