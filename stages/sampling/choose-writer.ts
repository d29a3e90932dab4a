/** @file Who writes: the model that the stage is given, or one that is served elsewhere. */
import { StageFailure } from 'flow/stage'
import type { EndpointContext } from './endpoint/endpoint-writer.ts'
import type { EndpointParams } from './endpoint/params.ts'
import type { DecodePrecisionParam, Writer, WriterContext } from './writer.ts'

/** The parameters that say who writes and how, as a stage receives them. */
export interface WriterParams {
  readonly endpoint?: EndpointParams | undefined
  readonly decode_precision: DecodePrecisionParam
}

/** @throws StageFailure `no-model` where there is neither; as `openWriter` and `endpointWriter` */
export async function chooseWriter(
  inputs: { readonly model: string | undefined; readonly adapter: string | undefined },
  { endpoint, decode_precision: precision }: WriterParams,
  context: WriterContext & EndpointContext,
): Promise<Writer> {
  const { model, adapter } = inputs
  if (endpoint !== undefined) {
    if (adapter !== undefined || model !== undefined) {
      context.log('the endpoint is asked; `model` and `adapter` are not loaded')
    }
    const { endpointWriter } = await import('./endpoint/endpoint-writer.ts')
    return endpointWriter(endpoint, context)
  }
  if (model !== undefined) {
    const { openWriter } = await import('./local-writer.ts')
    return await openWriter({ model, adapter, precision }, context)
  }
  throw new StageFailure({
    code: 'no-model',
    message: 'there is no model to ask',
    hint: 'give the input `model`, or the parameter `endpoint` with its base_url and model',
  })
}
