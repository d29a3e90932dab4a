/** @file A catalog by hand, like that of Flow's own stages: loading workflows needs no plugin code. */
import { Type } from 'typebox'
import type { JsonObject } from '../../engine/identity.ts'
import type {
  ArtifactManifest,
  Catalog,
  InputPortManifest,
  OutputPortManifest,
  StageManifest,
} from '../../engine/stage/catalog.ts'

const closed = { additionalProperties: false } as const

function input(
  types: string | readonly string[],
  more: { optional?: boolean; many?: boolean } = {},
): InputPortManifest {
  const all = typeof types === 'string' ? [types] : types
  return { types: all, optional: more.optional ?? false, many: more.many ?? false, description: '' }
}

function output(type: string): OutputPortManifest {
  return { type, description: '' }
}

export function stage(
  name: string,
  inputs: Readonly<Record<string, InputPortManifest>>,
  outputs: Readonly<Record<string, OutputPortManifest>>,
  params: object,
): StageManifest {
  return {
    name,
    description: `${name} stage`,
    origin: 'flow',
    inputs,
    outputs,
    params: JSON.parse(JSON.stringify(params)) as JsonObject,
    cosmetic: [],
    secrets: [],
    light: false,
    gpu: false,
    keeps: [],
    environment: [],
    module: { entry: `/flow/stages/${name}/index.ts`, bundle: '', digest: name, sources: {}, packages: [] },
  }
}

function literals<const T extends readonly string[]>(names: T, fallback: T[number]) {
  return Type.Union(
    names.map((name) => Type.Literal(name)),
    { default: fallback },
  )
}

const lora = Type.Object(
  {
    r: Type.Integer({ minimum: 1, default: 8 }),
    alpha: Type.Number({ exclusiveMinimum: 0, default: 16 }),
    targets: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, uniqueItems: true })),
  },
  closed,
)

const training = {
  epochs: Type.Integer({ minimum: 1, default: 1 }),
  learning_rate: Type.Number({ exclusiveMinimum: 0, default: 2e-4 }),
  schedule: literals(['cosine', 'linear', 'constant'], 'cosine'),
  max_length: Type.Union([Type.Null(), Type.Integer({ minimum: 8 })], { default: null }),
}

const stages: readonly StageManifest[] = [
  stage(
    'sft',
    { model: input('model'), data: input('instructions'), adapter: input('adapter', { optional: true }) },
    { adapter: output('adapter'), log: output('training-log') },
    Type.Object(
      { ...training, lora: Type.Optional(lora), train_on_prompt: Type.Boolean({ default: false }) },
      closed,
    ),
  ),
  stage(
    'generate',
    {
      model: input('model'),
      adapter: input('adapter', { optional: true }),
      prompts: input(['prompts', 'questions']),
    },
    { responses: output('responses') },
    Type.Object(
      {
        candidates: Type.Integer({ minimum: 1, default: 4 }),
        temperature: Type.Number({ minimum: 0, maximum: 2, default: 1 }),
        top_p: Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 1 }),
        stop: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
      },
      closed,
    ),
  ),
  stage(
    'judge',
    { model: input('model'), adapter: input('adapter', { optional: true }), responses: input('responses') },
    { judged: output('judged'), samples: output('samples') },
    Type.Object(
      { votes: Type.Integer({ minimum: 1, default: 3 }), template: Type.Optional(Type.String()) },
      closed,
    ),
  ),
  stage(
    'clean',
    { judged: input('judged') },
    { preferences: output('preferences'), rewards: output('rewards'), groups: output('reward-groups') },
    Type.Object({ keep_ties: Type.Boolean({ default: false }) }, closed),
  ),
  stage(
    'dpo',
    { model: input('model'), adapter: input('adapter', { optional: true }), data: input('preferences') },
    { adapter: output('adapter'), log: output('training-log') },
    Type.Object(
      {
        ...training,
        beta: Type.Number({ default: 0.1 }),
        loss: literals(['sigmoid', 'hinge', 'ipo'], 'sigmoid'),
      },
      closed,
    ),
  ),
  stage(
    'export',
    { model: input('model') },
    { archive: output('folder') },
    Type.Object({ format: Type.String({ pattern: '^[a-z]+$' }) }, closed),
  ),
  stage(
    'report',
    { logs: input('training-log', { many: true }), metrics: input('jsonl', { many: true, optional: true }) },
    { page: output('report') },
    Type.Object({}, closed),
  ),
]

const artifacts: readonly ArtifactManifest[] = [
  { name: 'text', kind: 'file', description: '' },
  { name: 'json', kind: 'file', description: '' },
  { name: 'jsonl', kind: 'file', description: '' },
  { name: 'folder', kind: 'folder', description: '' },
  { name: 'model', kind: 'folder', description: '', extends: 'folder' },
  { name: 'adapter', kind: 'folder', description: '', extends: 'folder' },
  { name: 'instructions', kind: 'file', description: '' },
  { name: 'report', kind: 'file', description: '' },
  { name: 'questions', kind: 'file', description: '', extends: 'prompts' },
  ...[
    'prompts',
    'responses',
    'judged',
    'samples',
    'preferences',
    'rewards',
    'reward-groups',
    'training-log',
  ].map((name) => ({ name, kind: 'file', description: '', extends: 'jsonl' }) as const),
]

export const catalog: Catalog = {
  stages: new Map(stages.map((manifest) => [manifest.name, manifest])),
  artifacts: new Map(artifacts.map((manifest) => [manifest.name, manifest])),
  digest: '',
}
