/** @file Weights of a prompt's responses: softmax(reward / temperature). */

/** Summing to 1; a `temperature` towards 0 (floored at 1e-6) leaves the best alone. */
export function softmaxWeights(rewards: readonly number[], temperature: number): number[] {
  const scale = Math.max(temperature, 1e-6)
  const highest = Math.max(...rewards)
  const exponentials = rewards.map((reward) => Math.exp((reward - highest) / scale))
  const sum = exponentials.reduce((total, value) => total + value, 0)
  return exponentials.map((value) => value / sum)
}
