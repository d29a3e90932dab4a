/**
 * @file Loads shared libraries for those that are loaded later and need them: the system looks for libraries by name among
 * those of the process first. Node's `dlopen` is for addons: it refuses the others after it has loaded them, and they stay.
 */
import { constants } from 'node:os'

/** Linux's RTLD_NODELETE, which Node does not name. */
const stay = 0x1000

/** @param {readonly string[]} files Each after those that it needs. One that does not load will be missed later, by name. */
export function loadLibraries(files) {
  const { RTLD_LAZY, RTLD_GLOBAL } = constants.dlopen
  for (const file of files) {
    try {
      process.dlopen({ exports: {} }, file, RTLD_LAZY | RTLD_GLOBAL | stay)
    } catch {
      // Always, see above.
    }
  }
}
