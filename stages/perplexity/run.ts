import { type ContextOf, StageFailure } from 'flow/stage'
import { likelihoodOf, perplexityMetrics, slidingWindows } from '../../lm/evaluation/perplexity.ts'
import { loadAdapter, mergeAdapter } from '../../lm/model/adapter.ts'
import { SequenceScorer } from '../../lm/training/score-sequences.ts'
import { openDevice } from '../device/open-device.ts'
import { writeMetrics } from '../metrics/write-metrics.ts'
import { openModel } from '../model/open-model.ts'
import type stage from './index.ts'
import { readTexts } from './texts.ts'

export async function measurePerplexity({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const device = await openDevice(context)
  const { model, isShared } = openModel(inputs.model, device, context)
  const { maxPositions } = model.config
  const window = params.window === 0 ? maxPositions : params.window
  const stride = params.stride === 0 ? Math.max(1, Math.floor(window / 2)) : params.stride
  if (window > maxPositions) throw invalid('window', `is ${window}; the model has ${maxPositions} positions`)
  if (stride > window) throw invalid('stride', `is ${stride}, more than the window of ${window}`)

  const { sequences, sizeBytes } = readTexts(inputs.data, model.tokenizer, {
    wholeConversation: params.whole_conversation,
    limit: params.limit,
  })
  const windows = sequences.flatMap((sequence) => slidingWindows(sequence, window, stride))
  if (windows.length === 0) {
    throw new StageFailure({
      code: 'no-tokens',
      message: 'no token of the data can be predicted',
      hint: 'a text must have at least two tokens, a conversation an answer',
    })
  }
  const merged =
    inputs.adapter === undefined
      ? undefined
      : mergeAdapter(model, loadAdapter(inputs.adapter, model.config), { consume: !isShared })
  const parameters = merged ?? { config: model.config, weights: model.weights }
  const scorer = new SequenceScorer(parameters, params.batch_size, 1)
  try {
    const logps = await scorer.score(windows, {
      signal: context.signal,
      progress: (step, total) => context.progress({ step, total, unit: 'window' }),
    })
    const likelihood = perplexityMetrics(likelihoodOf(logps), sizeBytes)
    const values = { ...likelihood, texts: sequences.length }
    writeMetrics(outputs.metrics, 'perplexity', values)
    context.log(`perplexity ${likelihood.perplexity.toPrecision(5)} over ${likelihood.tokens} tokens`)
  } finally {
    scorer.dispose()
    merged?.dispose()
  }
}

function invalid(parameter: string, what: string): StageFailure {
  return new StageFailure({ code: 'invalid-parameter', message: `\`${parameter}\` ${what}` })
}
