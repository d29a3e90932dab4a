/**
 * @file Ends what an engine that was killed has left behind. A worker sees by itself that its engine is gone, unless its
 * stage computes without yielding; and a thread of its own that looks for that costs each worker 25 ms of processor time
 * and 11 MB. One shell of a few lines does it for all of them: it reads what the engine tells it for as long as there is
 * an engine, and waits without using anything.
 */
import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Reads `GROUP QUARTERS` and `GROUP over`. After the end of it, which no engine can hold back, each group has so many
 * quarters of a second. Looked for often, so that the number of one that is gone is not another's by then.
 */
const script = `
watched=''
forget() {
  rest=''
  for entry in $watched; do
    [ "\${entry%:*}" = "$1" ] || rest="$rest $entry"
  done
  watched=$rest
}
while read -r group quarters; do
  forget "$group"
  [ "$quarters" = over ] || watched="$watched $group:$quarters"
done
passed=0
while :; do
  for entry in $watched; do
    group=\${entry%:*}
    if ! kill -s 0 -- "-$group"; then forget "$group"
    elif [ "$passed" -ge "\${entry#*:}" ]; then kill -s KILL -- "-$group"; forget "$group"
    fi
  done
  [ -n "$watched" ] || exit 0
  sleep 0.25
  passed=$((passed + 1))
done`

export class Guard {
  readonly #shell: string
  /** Group -> what stands behind it in a line. */
  readonly #watched = new Map<number, string>()
  #process: ChildProcess | undefined

  /** @param shell Absolute path. */
  constructor(shell = '/bin/sh') {
    this.#shell = shell
  }

  /**
   * @param group Process group that is to end so long after the engine was killed.
   * @returns false where the system has no such shell
   */
  watch(group: number, graceMs: number): boolean {
    const quarters = String(Math.ceil(graceMs / 250))
    this.#watched.set(group, quarters)
    if (this.#process === undefined) return this.#start()
    this.#tell(group, quarters)
    return true
  }

  /** The group is gone, or runs no stage. */
  release(group: number): void {
    if (this.#watched.delete(group)) this.#tell(group, 'over')
  }

  #start(): boolean {
    if (process.platform === 'win32') return false
    // A session of its own: a Ctrl-C is the engine's.
    const child = spawn(this.#shell, ['-c', script, 'flow-guard'], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    child.on('error', () => {})
    if (child.pid === undefined) return false
    child.stdin.on('error', () => {})
    child.unref()
    ;(child.stdin as unknown as { unref(): void }).unref()
    // Should somebody end it, the next that is to be watched finds none, and all are told to a new one.
    child.once('exit', () => {
      this.#process = undefined
    })
    this.#process = child
    for (const [group, quarters] of this.#watched) this.#tell(group, quarters)
    return true
  }

  #tell(group: number, word: string): void {
    this.#process?.stdin?.write(`${group} ${word}\n`)
  }
}
