/** @file What every view of a run is: a listener of events with an end. */
import type { EventListener } from '../events/event.ts'

export interface RunDisplay {
  readonly onEvent: EventListener
  /** Stops timers and leaves the terminal as it was. */
  close(): Promise<void>
}
