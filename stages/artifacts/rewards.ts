/** @file `rewards` and `reward-groups`: replies with a number that says how good they are. */
import { parseReward, parseRewardGroup } from '../../lm/text/rows.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

export const rewards = rowArtifact({
  name: 'rewards',
  description: 'Replies with their reward, one a row, grouped by prompt: {prompt, response, reward, group?}',
  parseRow: parseReward,
  describeRows: (rows) => {
    const groups = new Set(rows.map((row) => row.group ?? JSON.stringify(row.prompt))).size
    return `${plural(rows.length, 'reply', 'replies')} in ${plural(groups, 'group')}`
  },
  example: '{"prompt": "...", "response": "...", "reward": 4.5, "group": 0}',
})

export const rewardGroups = rowArtifact({
  name: 'reward-groups',
  description:
    'All replies to a prompt in one row, with softmax weights: {prompt, responses, weights, rewards}',
  parseRow: parseRewardGroup,
  describeRows: (rows) => {
    const replies = rows.reduce((total, row) => total + row.responses.length, 0)
    return `${plural(rows.length, 'group')} of ${plural(replies, 'reply', 'replies')}`
  },
  example: '{"prompt": "...", "responses": ["...", "..."], "weights": [0.7, 0.3]}',
})
