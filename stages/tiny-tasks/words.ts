/** @file The vocabulary of the tasks: 48 short words in six kinds, ten names, eight countable things. */

export const WORDS_BY_KIND = {
  'an animal': ['cat', 'dog', 'lion', 'goat', 'bear', 'wolf', 'frog', 'duck'],
  'a fruit': ['apple', 'plum', 'pear', 'peach', 'grape', 'lemon', 'mango', 'fig'],
  'a tool': ['saw', 'drill', 'rake', 'axe', 'spade', 'file', 'hoe', 'knife'],
  'a garment': ['shirt', 'coat', 'hat', 'glove', 'sock', 'boot', 'vest', 'tie'],
  'a colour': ['red', 'blue', 'green', 'pink', 'brown', 'black', 'white', 'grey'],
  'a vehicle': ['car', 'bus', 'truck', 'train', 'plane', 'ship', 'van', 'sled'],
} as const satisfies Record<string, readonly string[]>

/** word -> "an animal" */
export const KIND_OF_WORD: ReadonlyMap<string, string> = new Map(
  Object.entries(WORDS_BY_KIND).flatMap(([kind, words]) => words.map((word) => [word, kind] as const)),
)

export const WORDS: readonly string[] = [...KIND_OF_WORD.keys()].sort()

export const NAMES = ['Tom', 'Ann', 'Bob', 'Eve', 'Sam', 'Mia', 'Leo', 'Zoe', 'Max', 'Ida'] as const

export const ITEMS = ['apples', 'books', 'coins', 'cards', 'stones', 'eggs', 'pens', 'shells'] as const
