/** @file The few sizes that batches are padded to, since each new shape compiles a new graph. */

/** The length that a sequence is padded to: few different ones, little padding. */
export function bucketLength(length: number): number {
  const unit = length <= 64 ? 8 : length <= 128 ? 16 : length <= 512 ? 32 : 128
  return Math.ceil(length / unit) * unit
}
