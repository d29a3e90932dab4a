/**
 * @file Preloaded into real `flow` processes (`node --import`): puts faults between them and the file system, by the
 * plan in FLOW_FAULTS (`fault-plan.ts`). Node's own functions are wrapped: synchronous ones, promises, file handles and
 * `fsync`; calls below the project's folder and Flow's cache count, in the order in which they are made.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, isAbsolute, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

const plan = JSON.parse(process.env.FLOW_FAULTS)
const cache = resolve(fileURLToPath(import.meta.url), '../../../node_modules/.cache/flow')
const thisProcess = basename(process.argv[1] ?? '') === 'flow.js' ? 'engine' : 'worker'
/** Node's functions as they were: the faults themselves must not meet faults. */
const original = { ...fs, promises: { ...fs.promises } }

/** Call -> what it does to the disk. `create` and `write` take space. */
const effects = {
  open: 'open',
  mkdir: 'create',
  symlink: 'create',
  link: 'create',
  copyFile: 'write',
  writeFile: 'write',
  appendFile: 'write',
  write: 'write',
  rename: 'change',
  rm: 'change',
  unlink: 'change',
  rmdir: 'change',
  chmod: 'change',
  utimes: 'change',
  sync: 'change',
  truncate: 'change',
  close: 'read',
  read: 'read',
  readFile: 'read',
  readdir: 'read',
  readlink: 'read',
  stat: 'read',
  lstat: 'read',
  realpath: 'read',
}
/** The index of the argument that names what a call is about. */
const aboutArgument = { symlink: 1, rename: 1, copyFile: 1, link: 1 }
const numbers = { ENOSPC: -28, EIO: -5, EMFILE: -24, EACCES: -13 }
const words = {
  ENOSPC: 'no space left on device',
  EIO: 'i/o error',
  EMFILE: 'too many open files',
  EACCES: 'permission denied',
}

const openPaths = new Map()
/** How many calls of each name, effect and place there were. */
const counts = new Map()
/** Calls made by calls of Node itself are parts of those. */
let depth = 0

function placeOf(path) {
  if (typeof path !== 'string') return undefined
  const inProject = relative(plan.project, resolve(path))
  if (!inProject.startsWith('..') && !isAbsolute(inProject)) {
    const [first, second = 'root'] = inProject.split('/')
    if (first === 'stages') return undefined
    // Files not yet in place have names of their own each time: `stat-cache.4711-0a1b2c3d`.
    return first === '.flow' ? second.replace(/\.\d+-[0-9a-f]+$/, '') : 'project'
  }
  return relative(cache, resolve(path)).startsWith('..') ? undefined : 'cache'
}

function refusal(code, name, path) {
  const message = `${code}: ${words[code]}, ${name} '${path}'`
  return Object.assign(new Error(message), { errno: numbers[code], code, syscall: name, path })
}

function die() {
  process.kill(process.pid, 'SIGKILL')
  // It takes effect on the way back from the call, at the latest.
  for (;;);
}

function effectOf(name, args) {
  if (name !== 'open') return effects[name]
  const flags = args[1] ?? 'r'
  return (typeof flags === 'string' ? /[wa+]/.test(flags) : (flags & 3) !== 0) ? 'create' : 'read'
}

/** The mode of the fault that this call meets, if it meets one. Threads beside the main one (a heartbeat) meet none. */
function faultAt(name, path, args) {
  const place = isMainThread ? placeOf(path) : undefined
  if (place === undefined) return undefined
  const effect = effectOf(name, args)
  const takesSpace = effect === 'create' || effect === 'write'
  // Flow's own cache is shared by all projects: it meets a full disk, and is spared the rest.
  const counted = place !== 'cache'
  const like = `${name} ${effect} ${place}`
  const nth = counts.get(like) ?? 0
  if (counted) counts.set(like, nth + 1)
  const isThis = (call) =>
    counted &&
    call?.process === thisProcess &&
    call.nth === nth &&
    `${call.name} ${call.effect} ${call.place}` === like
  const inProject = relative(plan.project, path)
  if (plan.record !== undefined && counted) {
    const line = JSON.stringify({ process: thisProcess, name, effect, place, nth, path: inProject })
    original.appendFileSync(plan.record, `${line}\n`)
  }
  if (isThis(plan.full?.from)) original.writeFileSync(plan.full.marker, `${like} ${inProject}\n`)
  if (takesSpace && plan.full !== undefined && original.existsSync(plan.full.marker)) {
    return effect === 'write' ? 'torn-ENOSPC' : 'ENOSPC'
  }
  if (!isThis(plan.attack?.call)) return undefined
  original.writeFileSync(plan.attack.marker, `${plan.attack.mode}: ${like} ${inProject}\n`)
  return plan.attack.mode
}

function half(data, offset = 0, length = data.length - offset) {
  const end = offset + (length >> 1)
  return typeof data === 'string' ? data.slice(offset, end) : data.subarray(offset, end)
}

/** Does half of a writing call. `dataAt`: which of its arguments is the data. */
function* writeHalf(name, call, args, dataAt) {
  if (name === 'copyFile') {
    original.writeFileSync(args[1], half(original.readFileSync(args[0])))
    return undefined
  }
  const [data, ...rest] = args.slice(dataAt)
  const target = args.slice(0, dataAt)
  if (name !== 'write') return yield call([...target, half(data), ...rest])
  const [offset, length, position] = rest
  return yield call([...target, half(data, offset, length), 0, undefined, position])
}

/** What becomes of a call. A promise is waited for where one is yielded, so that both kinds of functions take these steps. */
function* meet(mode, name, path, call, args, dataAt) {
  switch (mode) {
    case undefined:
      return yield call(args)
    case 'kill-before':
      return die()
    case 'kill-after':
      yield call(args)
      return die()
    case 'torn-kill':
      yield* writeHalf(name, call, args, dataAt)
      return die()
    case 'torn-ENOSPC':
      yield* writeHalf(name, call, args, dataAt)
      throw refusal('ENOSPC', name, path)
    case 'short':
      return yield* writeHalf(name, call, args, dataAt)
    default:
      throw refusal(mode, name, path)
  }
}

function settleNow(steps) {
  let step = steps.next()
  while (!step.done) step = steps.next(step.value)
  return step.value
}

async function settle(steps) {
  let step = steps.next()
  while (!step.done) {
    let value
    try {
      value = await step.value
    } catch (error) {
      step = steps.throw(error)
      continue
    }
    step = steps.next(value)
  }
  return step.value
}

for (const name of Object.keys(effects)) {
  const about = aboutArgument[name] ?? 0
  const syncName = name === 'sync' ? 'fsyncSync' : `${name}Sync`
  const sync = original[syncName]
  if (sync !== undefined) {
    fs[syncName] = (...args) => {
      const path = typeof args[about] === 'number' ? openPaths.get(args[about]) : args[about]
      if (depth > 0 || path === undefined) return sync(...args)
      depth++
      try {
        const result = settleNow(
          meet(faultAt(name, path, args), name, path, (given) => sync(...given), args, 1),
        )
        if (name === 'open') openPaths.set(result, path)
        if (name === 'close') openPaths.delete(args[about])
        return result
      } finally {
        depth--
      }
    }
    // Some have functions of their own: `realpathSync.native`.
    Object.assign(fs[syncName], sync)
  }
  const promised = original.promises[name]
  if (promised !== undefined) {
    fs.promises[name] = async (...args) => {
      const path = args[about]
      const result = await settle(
        meet(faultAt(name, path, args), name, path, (given) => promised(...given), args, 1),
      )
      if (name === 'open') openHandle(result, path)
      return result
    }
  }
}

// The one function with a callback that is used.
fs.fsync = (file, callback) => {
  const path = openPaths.get(file)
  const call = () => new Promise((done, failed) => original.fsync(file, (e) => (e ? failed(e) : done())))
  const settled =
    path === undefined ? call() : settle(meet(faultAt('sync', path, []), 'sync', path, call, [], 0))
  settled.then(() => callback(null), callback)
}

function openHandle(handle, path) {
  openPaths.set(handle, path)
  // Unlike the others, this method is each handle's own.
  const { close } = handle
  handle.close = () => {
    openPaths.delete(handle)
    return settle(meet(faultAt('close', path, []), 'close', path, () => close.call(handle), [], 0))
  }
}

const handle = await original.promises.open(fileURLToPath(import.meta.url))
const handlePrototype = Object.getPrototypeOf(handle)
await handle.close()
for (const name of Object.keys(effects)) {
  const method = handlePrototype[name]
  if (method === undefined) continue
  handlePrototype[name] = function (...args) {
    const path = openPaths.get(this)
    if (path === undefined) return method.apply(this, args)
    return settle(meet(faultAt(name, path, args), name, path, (given) => method.apply(this, given), args, 0))
  }
}
syncBuiltinESMExports()
