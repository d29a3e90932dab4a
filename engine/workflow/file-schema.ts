/** @file The form of a workflow file: one declaration for validation, for static types and for editors. */
import { type Static, Type } from 'typebox'
import { policyFields } from './policy-schema.ts'

const closed = { additionalProperties: false } as const

export const ParamScalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()])

const scalarTypes = [
  Type.Literal('string'),
  Type.Literal('integer'),
  Type.Literal('number'),
  Type.Literal('boolean'),
] as const

export const ParamDeclaration = Type.Object(
  {
    type: Type.Optional(
      Type.Union([...scalarTypes, Type.Literal('array')], {
        description: 'May be left out where `enum` is given.',
      }),
    ),
    items: Type.Optional(Type.Union([...scalarTypes], { description: 'Type of the items of an array.' })),
    enum: Type.Optional(
      Type.Array(ParamScalar, { minItems: 1, uniqueItems: true, description: 'All values allowed.' }),
    ),
    default: Type.Optional(
      Type.Union([...ParamScalar.anyOf, Type.Array(ParamScalar)], {
        description: 'A param without a default must be given by --param.',
      }),
    ),
    optional: Type.Optional(Type.Boolean({ description: 'Without a value it is null.' })),
    minimum: Type.Optional(Type.Number({ description: 'Least value allowed.' })),
    maximum: Type.Optional(Type.Number({ description: 'Greatest value allowed.' })),
    description: Type.Optional(Type.String()),
  },
  closed,
)

/** A path or an expression. */
export const InputText = Type.String({ minLength: 1 })

export const InputValue = Type.Union(
  [
    InputText,
    Type.Array(InputText),
    Type.Object({ first_of: Type.Array(InputText) }, closed),
    Type.Record(Type.String(), InputText),
  ],
  {
    description:
      'A path, a reference, `first_of` several of them, or (for ports that take many) a list of them or a mapping from labels to them.',
  },
)

/** A value, or an expression that gives one. */
const Expression = Type.String({ pattern: '^\\s*\\$\\{\\{.*\\}\\}\\s*$' })

export const Repeat = Type.Object(
  {
    times: Type.Union([Type.Integer({ minimum: 0 }), Expression], { description: 'How many rounds.' }),
    carry: Type.Optional(
      Type.Record(Type.String(), Type.String({ minLength: 1 }), {
        description:
          'Input port -> the output (`adapter`, or `NODE.PORT` within) of the round before that it takes.',
      }),
    ),
  },
  closed,
)
/** References may stand in them: they are checked once those are resolved. */
const policy = Object.fromEntries(policyFields.map((name) => [name, Type.Optional(Type.Unknown())]))

export const NodeDeclaration = Type.Object(
  {
    uses: Type.String({
      minLength: 1,
      description:
        'Name of a stage, path of its folder in the project, or of a workflow file beside this one.',
    }),
    when: Type.Optional(
      Type.Union([Type.Boolean(), Expression], { description: 'Where it is false, the node does not run.' }),
    ),
    foreach: Type.Optional(
      Type.Union([Type.Array(Type.Unknown(), { minItems: 1 }), Expression], {
        description: 'A node for each value, which is `${{ each }}` there.',
      }),
    ),
    matrix: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.Array(ParamScalar, { minItems: 1 }), Expression]), {
        description: 'Axis -> values; a node for each combination, `${{ matrix.AXIS }}` there.',
        minProperties: 1,
      }),
    ),
    repeat: Type.Optional(Repeat),
    in: Type.Optional(
      Type.Record(Type.String(), InputValue, { description: 'Input port -> where its value comes from.' }),
    ),
    with: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "The stage's parameters." }),
    ),
    out: Type.Optional(
      Type.Record(Type.String(), Type.String({ minLength: 1 }), {
        description:
          'Output port -> path in the project. An output that names no path lives in the store alone.',
      }),
    ),
    ...policy,
  },
  closed,
)

const ArtifactTypes = Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String(), { minItems: 1 })])

export const InputDeclaration = Type.Object(
  {
    type: ArtifactTypes,
    default: Type.Optional(Type.String({ minLength: 1, description: 'A path, where nothing is given.' })),
    optional: Type.Optional(Type.Boolean()),
    many: Type.Optional(Type.Boolean({ description: 'Takes a list, or a mapping from labels to values.' })),
    description: Type.Optional(Type.String()),
  },
  closed,
)

export const OutputDeclaration = Type.Union([
  InputText,
  Type.Object(
    {
      value: InputText,
      type: Type.Optional(Type.String({ minLength: 1 })),
      description: Type.Optional(Type.String()),
    },
    closed,
  ),
])

export const WorkflowFile = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, description: "Default: the file's name." })),
    description: Type.Optional(Type.String()),
    include: Type.Optional(
      Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }))], {
        description: 'Files beside this one with values of params; a later one goes before an earlier one.',
      }),
    ),
    inputs: Type.Optional(
      Type.Record(Type.String(), InputDeclaration, {
        description: 'What a workflow that uses this file gives it.',
      }),
    ),
    outputs: Type.Optional(
      Type.Record(Type.String(), OutputDeclaration, {
        description: 'What it gives to a workflow that uses it.',
      }),
    ),
    params: Type.Optional(Type.Record(Type.String(), ParamDeclaration)),
    defaults: Type.Optional(
      Type.Object(policy, { ...closed, description: 'How nodes run that do not say so themselves.' }),
    ),
    slots: Type.Optional(
      Type.Record(Type.String({ minLength: 1 }), Type.Integer({ minimum: 1 }), {
        description: 'Named slots that nodes compete for -> how many there are.',
      }),
    ),
    nodes: Type.Record(Type.String(), NodeDeclaration, { minProperties: 1 }),
  },
  closed,
)

export type ParamScalar = Static<typeof ParamScalar>
export type ParamDeclaration = Static<typeof ParamDeclaration>
export type NodeDeclaration = Static<typeof NodeDeclaration>
export type WorkflowFile = Static<typeof WorkflowFile>
