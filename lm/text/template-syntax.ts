/**
 * @file Chat templates parsed for the Jinja library, with Python's meaning put back where the library has its own:
 * methods of strings, the filters `trim` and `length`, some operators and output become calls of functions, `{% generation %}`
 * becomes marks.
 */
import { parse, tokenize } from '@huggingface/jinja'
import { equals, length, STRING_METHODS, shown, trim } from './template-python.ts'

export type ParsedTemplate = ReturnType<typeof parse>

/** Variables that every parsed template needs; names that no template can write. */
export const TEMPLATE_FUNCTIONS: Readonly<Record<string, unknown>> = {
  'filter trim': trim,
  'filter length': length,
  'output of': shown,
  'operator ~': (left: unknown, right: unknown) => shown(left) + shown(right),
  'operator ==': equals,
  'operator !=': (left: unknown, right: unknown) => !equals(left, right),
  ...Object.fromEntries(
    Object.entries(STRING_METHODS).map(([name, method]) => [
      `method ${name}`,
      (text: unknown, ...args: unknown[]) => {
        if (typeof text !== 'string') throw new Error(`\`${name}\` is called on what is no string`)
        return method(text, ...args)
      },
    ]),
  ),
}

const GENERATION = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g

export function hasGeneration(source: string): boolean {
  return source.search(GENERATION) !== -1
}

/** Throws where `source` is not Jinja that the library understands. */
export function parseTemplate(source: string): ParsedTemplate {
  // An `if` around each mark keeps the tag's own way with the white space beside it.
  const marked = source.replace(
    GENERATION,
    (_, left: string, end: string | undefined, right: string) =>
      `{%${left} if true %}{{ ${end ? 'generation_end' : 'generation_start'} }}{% endif ${right}%}`,
  )
  const program = parse(tokenize(marked, { lstrip_blocks: true, trim_blocks: true }))
  return rewrite(program) as ParsedTemplate
}

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

function rewrite(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rewrite)
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [rewrite(key), rewrite(entry)]))
  if (typeof value !== 'object' || value === null) return value
  // Nodes keep their class: the interpreter asks for it.
  const node = Object.create(Object.getPrototypeOf(value)) as Record<string, unknown>
  for (const [field, entry] of Object.entries(value)) {
    const rewritten = rewrite(entry)
    node[field] = BODIES.includes(field) && Array.isArray(rewritten) ? rewritten.map(asOutput) : rewritten
  }
  return asMethodCall(node as Node) ?? asFilterCall(node as Node) ?? asOperatorCall(node as Node) ?? node
}

/** `text.strip('x')` */
function asMethodCall(node: Node): Node | undefined {
  if (node.type !== 'CallExpression') return undefined
  const callee = node.callee as Node
  if (callee.type !== 'MemberExpression' || callee.computed) return undefined
  const name = (callee.property as Node).value as string
  if (!Object.hasOwn(STRING_METHODS, name)) return undefined
  return call(`method ${name}`, [callee.object, ...(node.args as unknown[])])
}

/** `text | trim` */
function asFilterCall(node: Node): Node | undefined {
  if (node.type !== 'FilterExpression') return undefined
  const filter = node.filter as Node
  const isCall = filter.type === 'CallExpression'
  const name = (isCall ? (filter.callee as Node).value : filter.value) as string
  if (name === 'trim')
    return call('filter trim', [node.operand, ...(isCall ? (filter.args as unknown[]) : [])])
  if (name === 'length' || name === 'count') return call('filter length', [node.operand])
  return isCall && (name === 'selectattr' || name === 'rejectattr') ? asOppositeFilter(node, name) : undefined
}

/** Tests that something absent passes; the library has it fail every test. */
const OPPOSITES: Readonly<Record<string, string>> = { undefined: 'defined', ne: 'equalto', '!=': 'equalto' }

/** `list | selectattr('name', 'undefined')` as `list | rejectattr('name', 'defined')`, and the reverse. */
function asOppositeFilter(node: Node, name: 'selectattr' | 'rejectattr'): Node | undefined {
  const filter = node.filter as Node
  const [attribute, test, ...rest] = filter.args as Node[]
  const opposite = test?.type === 'StringLiteral' ? OPPOSITES[test.value as string] : undefined
  if (opposite === undefined) return undefined
  const callee = { type: 'Identifier', value: name === 'selectattr' ? 'rejectattr' : 'selectattr' }
  const args = [attribute, { type: 'StringLiteral', value: opposite }, ...rest]
  return { ...node, filter: { ...filter, callee, args } }
}

/** Lists of what a template writes and does. */
const BODIES = ['body', 'alternate', 'defaultBlock']

/** `{{ value }}` */
function asOutput(node: Node): Node {
  return /Expression$|Literal$|^Identifier$|^Ternary$/.test(node.type) && node.type !== 'StringLiteral'
    ? call('output of', [node])
    : node
}

/** `left == right`, `left ~ right` */
function asOperatorCall(node: Node): Node | undefined {
  if (node.type !== 'BinaryExpression') return undefined
  const operator = (node.operator as Node).value
  return ['==', '!=', '~'].includes(operator as string)
    ? call(`operator ${operator}`, [node.left, node.right])
    : undefined
}

function call(name: string, args: unknown[]): Node {
  return { type: 'CallExpression', callee: { type: 'Identifier', value: name }, args }
}
