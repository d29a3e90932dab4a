/** @file Reads a question of the tiny tasks and works its answer out from the text alone, apart from the generator. */

export interface ReadQuestion {
  readonly task: string
  /** The same for every wording of one problem. */
  readonly key: string
  readonly answer: string
}

export function readQuestion(text: string): ReadQuestion {
  const numbers = (text.match(/\d+/g) ?? []).map(Number)
  const [a = 0, b = 0, c = 0] = numbers
  if (/last letters|final letters/.test(text)) {
    const words = /of (\w+) and (\w+)/.exec(text)?.slice(1) ?? []
    return { task: 'last', key: `last ${words}`, answer: words.map((word) => word.at(-1)).join('') }
  }
  if (/alphabet|^Sort/.test(text)) {
    const words = /(?:: |Sort )(\w+), (\w+) (?:or|and) (\w+)/.exec(text)?.slice(1) ?? []
    return { task: 'alpha', key: `alpha ${words}`, answer: [...words].sort()[0] as string }
  }
  if (/How many/.test(text)) {
    const signs = (text.match(/(finds|buys|gets|loses|gives away|sells) \d/g) ?? []).map((change) =>
      /^(finds|buys|gets)/.test(change) ? 1 : -1,
    )
    return {
      task: 'story',
      key: `story ${a} ${signs[0]! * b} ${signs[1]! * c}`,
      answer: `${a + signs[0]! * b + signs[1]! * c}`,
    }
  }
  if (numbers.length === 4) {
    return { task: 'sum4', key: `sum4 ${numbers}`, answer: `${numbers.reduce((sum, n) => sum + n, 0)}` }
  }
  if (/plus|^Add|\+/.test(text)) {
    return { task: 'add', key: `add ${[a, b].sort((x, y) => x - y)}`, answer: `${a + b}` }
  }
  const [from, taken] = text.startsWith('Take') ? [b, a] : [a, b]
  return { task: 'sub', key: `sub ${from} ${taken}`, answer: `${from - taken}` }
}
