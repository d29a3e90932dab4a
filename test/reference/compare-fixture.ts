/**
 * @file Compares a regenerated fixture with the committed one: JSON value by value, tensors by value, every other file
 * byte by byte. Strings, integers, names and shapes must be the same; floats may differ within a tolerance.
 */
import { readFileSync } from 'node:fs'
import { openSafetensors, type SafetensorsFile } from '../../lm/checkpoint/safetensors.ts'
import { isLmFailure } from '../../lm/failure.ts'

/** Two floats agree where |a - b| <= absolute + relative * |b|, `b` being the committed one. */
export interface Tolerance {
  readonly absolute: number
  readonly relative: number
}

export interface Comparison {
  /** Places that differ by more than the tolerance allows, or at all where none applies. */
  readonly faults: number
  /** The first of them, in words; undefined where the files agree. */
  readonly firstFault: string | undefined
  /** Floats that were compared under the tolerance. */
  readonly floats: number
  /** The largest |a - b| / (absolute + relative * |b|) of the floats: above 1 is a fault. */
  readonly worstShare: number
}

export function compareFixture(made: string, committed: string, tolerance: Tolerance): Comparison {
  const tally = new Tally(tolerance)
  if (committed.endsWith('.json')) compareJsonFiles(tally, made, committed)
  else if (committed.endsWith('.jsonl')) compareJsonLines(tally, made, committed)
  else if (committed.endsWith('.safetensors')) compareTensorFiles(tally, made, committed)
  else compareBytes(tally, made, committed)
  return tally
}

class Tally implements Comparison {
  faults = 0
  firstFault: string | undefined
  floats = 0
  worstShare = 0

  readonly #tolerance: Tolerance

  constructor(tolerance: Tolerance) {
    this.#tolerance = tolerance
  }

  fault(text: string): void {
    this.faults++
    this.firstFault ??= text
  }

  float(made: number, committed: number, place: string): void {
    this.floats++
    if (Object.is(made, committed) || made === committed) return
    const { absolute, relative } = this.#tolerance
    const share = Math.abs(made - committed) / (absolute + relative * Math.abs(committed))
    // Not `share > 1`: that would let NaN through.
    if (!(share <= 1)) this.fault(`${place}: ${made} now, ${committed} committed`)
    if (!(share <= this.worstShare)) this.worstShare = share
  }
}

function compareJsonFiles(tally: Tally, made: string, committed: string): void {
  const values = [made, committed].map((file) => parseJson(readFileSync(file, 'utf8')))
  // A fixture may be broken JSON on purpose.
  if (values.includes(undefined)) compareBytes(tally, made, committed)
  else compareJson(tally, values[0], values[1], '$')
}

function compareJsonLines(tally: Tally, made: string, committed: string): void {
  const [now, before] = [made, committed].map((file) => readFileSync(file, 'utf8').split('\n'))
  if (now!.length !== before!.length) {
    tally.fault(`${now!.length - 1} lines now, ${before!.length - 1} committed`)
    return
  }
  before!.forEach((line, index) => {
    const values = [parseJson(now![index]!), parseJson(line)]
    if (!values.includes(undefined)) compareJson(tally, values[0], values[1], `line ${index + 1}`)
    else if (now![index] !== line) tally.fault(`line ${index + 1} differs`)
  })
}

/** Undefined where `text` is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function compareJson(tally: Tally, made: unknown, committed: unknown, place: string): void {
  if (typeof made === 'number' && typeof committed === 'number') {
    if (!Number.isInteger(made) || !Number.isInteger(committed)) tally.float(made, committed, place)
    else if (made !== committed) tally.fault(`${place}: ${made} now, ${committed} committed`)
  } else if (Array.isArray(made) && Array.isArray(committed)) {
    if (made.length === committed.length) {
      made.forEach((element, index) => {
        compareJson(tally, element, committed[index], `${place}[${index}]`)
      })
    } else tally.fault(`${place}: ${made.length} elements now, ${committed.length} committed`)
  } else if (isObject(made) && isObject(committed)) {
    for (const name of new Set([...Object.keys(committed), ...Object.keys(made)])) {
      if (!Object.hasOwn(made, name)) tally.fault(`${place}.${name} is gone`)
      else if (!Object.hasOwn(committed, name)) tally.fault(`${place}.${name} is new`)
      else compareJson(tally, made[name], committed[name], `${place}.${name}`)
    }
  } else if (made !== committed) {
    tally.fault(`${place}: ${inShort(made)} now, ${inShort(committed)} committed`)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function inShort(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`
}

function compareTensorFiles(tally: Tally, made: string, committed: string): void {
  const [now, before] = [openFloats(made), openFloats(committed)]
  if (!now || !before) {
    compareBytes(tally, made, committed)
    return
  }
  compareJson(tally, now.metadata, before.metadata, 'metadata')
  for (const name of new Set([...before.names, ...now.names])) {
    if (!now.has(name)) tally.fault(`${name} is gone`)
    else if (!before.has(name)) tally.fault(`${name} is new`)
    else compareTensors(tally, now, before, name)
  }
}

/** Undefined where the file is damaged (on purpose: a fixture of a test) or holds tensors that are no floats. */
function openFloats(file: string): SafetensorsFile | undefined {
  try {
    const opened = openSafetensors(file)
    return opened.names.every((name) => /^(F64|F32|F16|BF16)$/.test(opened.info(name).dtype))
      ? opened
      : undefined
  } catch (error) {
    if (isLmFailure(error)) return undefined
    throw error
  }
}

function compareTensors(tally: Tally, made: SafetensorsFile, committed: SafetensorsFile, name: string): void {
  const [now, before] = [made, committed].map((file) => {
    const { dtype, shape } = file.info(name)
    return `${dtype} [${shape.join(', ')}]`
  })
  if (now !== before) {
    tally.fault(`${name}: ${now} now, ${before} committed`)
    return
  }
  const values = made.read(name).data
  committed.read(name).data.forEach((value, index) => {
    tally.float(values[index]!, value, `${name}[${index}]`)
  })
}

function compareBytes(tally: Tally, made: string, committed: string): void {
  const [now, before] = [readFileSync(made), readFileSync(committed)]
  if (now.equals(before)) return
  const first = now.findIndex((byte, index) => byte !== before[index])
  const at = first === -1 ? now.length : first
  const line = before.subarray(0, at).toString('latin1').split('\n').length
  tally.fault(`byte ${at} (line ${line}) differs; ${now.length} bytes now, ${before.length} committed`)
}
