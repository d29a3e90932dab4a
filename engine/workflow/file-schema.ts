/** @file The form of a workflow file: one declaration for validation, for static types and for editors. */
import { type Static, Type } from 'typebox'
import { policyFields } from './policy-schema.ts'

const closed = { additionalProperties: false } as const

export const ParamScalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()])

export const ParamDeclaration = Type.Object(
  {
    type: Type.Optional(
      Type.Union(
        [Type.Literal('string'), Type.Literal('integer'), Type.Literal('number'), Type.Literal('boolean')],
        {
          description: 'May be left out where `enum` is given.',
        },
      ),
    ),
    enum: Type.Optional(
      Type.Array(ParamScalar, { minItems: 1, uniqueItems: true, description: 'All values allowed.' }),
    ),
    default: Type.Optional(
      Type.Union(ParamScalar.anyOf, { description: 'A param without a default must be given by --param.' }),
    ),
    minimum: Type.Optional(Type.Number({ description: 'Least value allowed.' })),
    maximum: Type.Optional(Type.Number({ description: 'Greatest value allowed.' })),
    description: Type.Optional(Type.String()),
  },
  closed,
)

/** A path or a reference. */
export const InputText = Type.String({ minLength: 1 })

export const InputValue = Type.Union(
  [InputText, Type.Array(InputText), Type.Record(Type.String(), InputText)],
  {
    description:
      'A path, a reference, or (for ports that take many) a list of them or a mapping from labels to them.',
  },
)

/** References may stand in them: they are checked once those are resolved. */
const policy = Object.fromEntries(policyFields.map((name) => [name, Type.Optional(Type.Unknown())]))

export const NodeDeclaration = Type.Object(
  {
    uses: Type.String({ minLength: 1, description: 'Name of the stage.' }),
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

export const WorkflowFile = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, description: "Default: the file's name." })),
    description: Type.Optional(Type.String()),
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
