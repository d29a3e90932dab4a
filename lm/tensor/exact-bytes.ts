/**
 * @file Whether the processor adds up products of bytes exactly. On x86 without VNNI, ONNX Runtime's fast products of
 * uint8 with int8 go through sums of 16 bits, which saturate; its option `session.x64quantprecision` takes slower ones
 * of uint8 with uint8, on processors with VNNI, too.
 */
import { readFileSync } from 'node:fs'
import { arch } from 'node:process'

/** False where it cannot be told. */
export const sumsBytesExactly = arch !== 'x64' || hasVnni()

function hasVnni(): boolean {
  try {
    return tellsVnni(readFileSync('/proc/cpuinfo', 'utf8'))
  } catch {
    return false
  }
}

/** @param cpuinfo as Linux describes its processors */
export function tellsVnni(cpuinfo: string): boolean {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/) ?? []
  return flags.includes('avx512_vnni') || flags.includes('avx_vnni')
}
