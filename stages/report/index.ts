/**
 * @file report: one self-contained HTML page on a run: quality before and after, loss curves, the judge's verdicts,
 * samples and counters. Each input is optional; what is absent is left out.
 */
import { writeFile } from 'node:fs/promises'
import { defineStage, StageFailure, Type } from 'flow/stage'
import { renderPage } from './page.ts'
import { readReportData } from './report-data.ts'

export default defineStage({
  name: 'report',
  description: 'Writes one self-contained HTML page: before and after, loss curves, verdicts, samples',
  inputs: {
    logs: { type: 'training-log', many: true, optional: true, description: 'One log a training stage' },
    metrics: {
      type: 'metrics',
      many: true,
      optional: true,
      description: 'What was measured (with exact_match) or counted, each under the label it is shown by',
    },
    judged: { type: ['judged', 'judged-full'], optional: true, description: 'For score distributions' },
    samples: {
      type: 'samples',
      optional: true,
      description: 'Which judged prompts to show; default: the first',
    },
    groups: { type: 'reward-groups', optional: true, description: 'For the distribution of weights' },
  },
  outputs: { report: { type: 'report', description: 'The page' } },
  params: Type.Object({
    title: Type.String({ default: 'Training report', description: 'Heading of the page' }),
    notes: Type.String({ default: '', description: 'A paragraph under the heading' }),
    before: Type.String({
      default: '',
      description:
        'Label of the metrics that the others are compared with; default: before, base, sft or the first',
    }),
    samples: Type.Integer({
      default: 12,
      minimum: 0,
      description: 'How many prompts to show with candidates',
    }),
  }),
  light: true,
  async run({ inputs, outputs, params }) {
    const data = await readReportData(inputs, params)
    if (params.before !== '' && data.before !== params.before) {
      throw new StageFailure({
        code: 'unknown-label',
        message: `no metrics with an exact match are labelled \`${params.before}\``,
        hint: `labels: ${data.measured.map((file) => file.label).join(', ') || 'none'}`,
      })
    }
    await writeFile(outputs.report, renderPage(data, { sampleLimit: params.samples }))
  },
})
