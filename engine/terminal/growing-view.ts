/**
 * @file The view of a run as its events come in. Nodes that were found done are taken in together when the view is
 * next looked at: a copy of the view for each of them would be much of what an idle run does.
 */
import type { FlowEvent } from '../events/event.ts'
import { emptyRunView, finishNodes, type NodeFinished, type RunView, reduceRunView } from './view-model.ts'

export class GrowingView {
  #view: RunView = emptyRunView
  #found: NodeFinished[] = []

  take(event: FlowEvent, nowMs: number): void {
    if (event.type === 'node-finished' && event.outcome === 'reused') this.#found.push(event)
    else this.#view = reduceRunView(this.view, event, nowMs)
  }

  get view(): RunView {
    if (this.#found.length > 0) {
      this.#view = finishNodes(this.#view, this.#found)
      this.#found = []
    }
    return this.#view
  }
}
