/** @file Which device is set up, and what is said while it happens. */
import { type CommandContext, StageFailure } from 'flow/stage'
import { setUpCuda } from './cuda.ts'
import { setUpTensorFlow } from './tensorflow.ts'

export async function setUp({ positionals, options, signal }: CommandContext): Promise<void> {
  const [device, ...rest] = positionals
  const say = (line: string) => process.stderr.write(`${line}\n`)
  if (rest.length === 0 && device === 'tensorflow') {
    return await setUpTensorFlow({ gpu: options.gpu === true, say, signal })
  }
  if (rest.length === 0 && device === 'cuda' && options.gpu !== true) return await setUpCuda({ say, signal })
  throw new StageFailure({
    code: 'unknown-device',
    message: device === undefined ? 'no device is named' : `\`${positionals.join(' ')}\` cannot be set up`,
    hint: 'flow setup tensorflow, flow setup tensorflow --gpu, flow setup cuda; the others need nothing',
  })
}
