"""Losses and gradients of the preference, policy-gradient and supervised objectives, from given log-probabilities.

objectives.json. Every case states its source:
  trl          TRL's own `DPOTrainer._compute_loss` / `GRPOTrainer._compute_loss`, called on a stand-in for the trainer
               whose "model" hands back the given log-probabilities; autograd gives the gradient
  independent  written here from the formula, for what TRL does not compute

Computed in float64 from inputs that a float32 holds exactly, so that the reader's own rounding is the only difference.
"""

import contextlib
import math
from collections import defaultdict
from types import SimpleNamespace

from reference import FIXTURES, write_json

import torch
import torch.nn.functional as F
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer

DOUBLE = torch.float64


def exact(values):
    """Rounded to 1/1024: float32 and a short decimal both hold it."""
    return (torch.as_tensor(values, dtype=DOUBLE) * 1024).round() / 1024


class Accelerator:
    device = torch.device('cpu')
    num_processes = 1
    sync_gradients = True

    def gather(self, value):
        return value

    def gather_for_metrics(self, value):
        return value

    def reduce(self, value, reduction):
        return value

    def pad_across_processes(self, value, **_):
        return value


# --- Direct preference optimisation -----------------------------------------------------------------------------

def dpo_with_trl(case, settings):
    """One micro-batch of all pairs. A sequence's sum stands on its first completion token, zeros follow."""
    policy = torch.cat([case['chosen'], case['rejected']]).clone().requires_grad_()
    lengths = torch.tensor(case['chosen_lengths'] + case['rejected_lengths'])
    width = int(lengths.max()) + 1  # one prompt token
    mask = (torch.arange(width)[None] >= 1) & (torch.arange(width)[None] <= lengths[:, None])
    first = F.one_hot(torch.zeros(len(lengths), dtype=torch.long), width - 1).to(DOUBLE)
    zeros = torch.zeros(len(lengths), width - 1, dtype=DOUBLE)

    def model(**_):
        return SimpleNamespace(
            log_probs=first * policy[:, None], log_sum_sq_probs=first * case['log_sum_squares'][:, None],
            entropy=zeros, mean_logits=zeros, is_top1=zeros.bool(),
        )

    model.training = True
    trainer = SimpleNamespace(
        model=model, accelerator=Accelerator(), aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=True,
        f_divergence_type=settings['divergence'], beta=settings['beta'], label_smoothing=settings['label_smoothing'],
        loss_types=settings['losses'], loss_weights=settings['weights'], use_weighting=settings['weighted'],
        args=SimpleNamespace(discopop_tau=settings['discopop_tau']), _metrics={'train': defaultdict(list)}, _total_train_tokens=0, _tp_size=1,
    )
    inputs = {
        'input_ids': torch.zeros(len(lengths), width, dtype=torch.long), 'attention_mask': torch.ones(len(lengths), width),
        'completion_mask': mask.long(), 'ref_chosen_logps': case['reference_chosen'],
        'ref_rejected_logps': case['reference_rejected'],
    }
    loss = DPOTrainer._compute_loss(trainer, model, inputs, return_outputs=False)
    loss.backward()
    pairs = len(case['chosen'])
    names = ('rewards/chosen', 'rewards/rejected', 'rewards/accuracies', 'rewards/margins', 'logps/chosen', 'logps/rejected')
    return {
        'source': 'trl', 'loss': loss.item(),
        'gradient_chosen': policy.grad[:pairs], 'gradient_rejected': policy.grad[pairs:],
        'metrics': {name: trainer._metrics['train'][name][0] for name in names},
    }


def dpo_independently(case, settings):
    """Sigmoid with label smoothing, which TRL ignores for this loss, or the alpha divergence, for which it needs float32."""
    chosen, rejected = case['chosen'].clone().requires_grad_(), case['rejected'].clone().requires_grad_()
    scores = [chosen - case['reference_chosen'], rejected - case['reference_rejected']]
    if settings['divergence'] == 'alpha_divergence':
        power = settings['divergence_alpha'] - 1
        scores = [(torch.exp(power * score) - 1) / power for score in scores]
    scaled, smoothing = settings['beta'] * (scores[0] - scores[1]), settings['label_smoothing']
    loss = (-(1 - smoothing) * F.logsigmoid(scaled) - smoothing * F.logsigmoid(-scaled)).mean()
    loss.backward()
    return {'source': 'independent', 'loss': loss.item(), 'gradient_chosen': chosen.grad, 'gradient_rejected': rejected.grad}


def dpo():
    generator = torch.Generator().manual_seed(1)
    pairs = 6
    reference_chosen = exact(-40 * torch.rand(pairs, generator=generator, dtype=DOUBLE) - 3)
    reference_rejected = exact(-40 * torch.rand(pairs, generator=generator, dtype=DOUBLE) - 3)
    # Small and large moves, both signs, one pair untouched (an accuracy of exactly zero margin is not a win).
    moved = torch.tensor([[0.5, -0.75], [-2, 3], [6, -9], [-12, 4], [0, 0], [1.5, 2.5]], dtype=DOUBLE)
    case = {
        'chosen': exact(reference_chosen + moved[:, 0]), 'rejected': exact(reference_rejected + moved[:, 1]),
        'reference_chosen': reference_chosen, 'reference_rejected': reference_rejected,
        'chosen_lengths': [5, 12, 3, 20, 7, 1], 'rejected_lengths': [6, 4, 17, 9, 7, 2],
        'log_sum_squares': exact(-8 * torch.rand(2 * pairs, generator=generator, dtype=DOUBLE)),
    }
    base = {
        'losses': ['sigmoid'], 'weights': [1.0], 'label_smoothing': 0.0, 'divergence': 'reverse_kl', 'divergence_alpha': 0.5,
        'discopop_tau': 0.05, 'weighted': False,
    }
    single = [
        'sigmoid', 'robust', 'hinge', 'ipo', 'sigmoid_norm', 'nca_pair', 'bco_pair', 'sppo_hard', 'apo_zero', 'apo_down',
        'discopop', 'aot', 'aot_unpaired', 'sft',
    ]
    table = [{'losses': [name]} for name in single]
    table += [{'losses': [name], 'label_smoothing': 0.2} for name in ('robust', 'exo_pair', 'aot', 'aot_unpaired')]
    table += [
        {'losses': ['sigmoid', 'sft'], 'weights': [1.0, 0.5]},
        {'losses': ['sigmoid', 'bco_pair', 'sft'], 'weights': [0.8, 0.2, 1.0]},
        {'losses': ['discopop'], 'discopop_tau': 0.5},
    ]
    divergent = ('sigmoid', 'hinge', 'ipo', 'exo_pair')
    table += [
        {'losses': [name], 'divergence': divergence, 'label_smoothing': 0.1 if name == 'exo_pair' else 0.0}
        for divergence in ('forward_kl', 'js_divergence') for name in divergent
        # A pair 12 below its reference has a forward KL score of -e^12: nothing of the rest is left beside its square.
        if (divergence, name) != ('forward_kl', 'ipo')
    ]
    table += [{'losses': [name], 'weighted': True} for name in ('sigmoid', 'ipo', 'apo_zero')]
    cases = []
    for beta in (0.1, 0.5):
        for variant in table:
            settings = {**base, 'beta': beta, **variant}
            cases.append({'settings': settings, **dpo_with_trl(case, settings)})
        for variant in ({'label_smoothing': 0.1}, {'divergence': 'alpha_divergence'}):
            settings = {**base, 'beta': beta, **variant}
            cases.append({'settings': settings, **dpo_independently(case, settings)})
    return {'inputs': case, 'cases': cases}


# --- Group relative and group sequence policy optimisation ------------------------------------------------------

def advantages_of(rewards, group_size, scale):
    """Advantages of whole groups, one after the other; a None reward gets 0 and stays out of mean and deviation."""
    values = torch.tensor([math.nan if reward is None else reward for reward in rewards], dtype=DOUBLE)
    groups = values.view(-1, group_size)
    mean = groups.nanmean(dim=1, keepdim=True)
    centred = groups - mean

    def deviation(entries):
        scored = entries[~entries.isnan()]
        return scored.std() if len(scored) > 1 else torch.tensor(0.0, dtype=DOUBLE)

    if scale == 'group':
        spread = torch.stack([deviation(group) for group in groups])[:, None]
    elif scale == 'batch':
        spread = deviation(values)
    else:
        return centred.nan_to_num(0.0).view(-1)
    return (centred / (spread + 1e-4)).nan_to_num(0.0).view(-1)


# TRL's defaults, with a step between those of positive and negative advantages.
GATES = {
    'sapo_temperature_pos': 1.0, 'sapo_temperature_neg': 1.5, 'vespo_k_pos': 2.0, 'vespo_lambda_pos': 3.0, 'vespo_k_neg': 3.0,
    'vespo_lambda_neg': 2.0,
}


def policy_gradient_with_trl(case, advantages, settings):
    logps = case['logps'].clone().requires_grad_()
    mask = case['mask'].clone()
    if settings['mask_truncated']:  # TRL masks while it scores, before the loss: the same lines, here
        mask = mask * torch.tensor(case['finished'], dtype=torch.long)[:, None]
    rows, width = mask.shape
    entropies = case['entropies']
    level = settings['importance']
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True), accelerator=Accelerator(), aux_loss_enabled=False,
        top_entropy_quantile=settings['top_entropy_quantile'], off_policy_mask_threshold=None, importance_sampling_level=level,
        beta=settings['beta'], loss_type=settings['loss_type'], epsilon_low=settings['epsilon_low'],
        epsilon_high=settings['epsilon_high'], use_vllm=False, current_gradient_accumulation_steps=1,
        max_completion_length=settings['max_completion_length'], _entropy_bonus_enabled=False,
        args=SimpleNamespace(
            use_bias_correction_kl=settings['bias_correction_kl'], delta=settings['delta'], steps_per_generation=1,
            **GATES,
        ),
        get_gamma_weights=GRPOTrainer.get_gamma_weights,
        get_high_entropy_mask=lambda *args: GRPOTrainer.get_high_entropy_mask(trainer, *args),
        _metrics={'train': defaultdict(list)},
        _get_per_token_logps_and_entropies=lambda *_, **__: (logps, entropies, None),
    )
    inputs = {
        'prompt_ids': torch.zeros(rows, 1, dtype=torch.long), 'prompt_mask': torch.ones(rows, 1, dtype=torch.long),
        'completion_ids': torch.zeros(rows, width, dtype=torch.long), 'completion_mask': mask,
        'advantages': advantages, 'ref_per_token_logps': case['reference_logps'],
        'num_items_in_batch': mask.sum(),
    }
    if settings['old_logps']:
        inputs['old_per_token_logps'] = case['old_logps']
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    metrics = {name: values[0] for name, values in trainer._metrics['train'].items()}
    return {'source': 'trl', 'loss': loss.item(), 'gradient': logps.grad, 'metrics': metrics}


def policy_gradient():
    generator = torch.Generator().manual_seed(2)
    rows, width, group_size = 8, 6, 4
    lengths = [6, 3, 5, 1, 4, 6, 2, 5]
    mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).long()
    draw = lambda scale: scale * torch.randn(rows, width, generator=generator, dtype=DOUBLE)  # noqa: E731
    old = exact(-draw(1.5).abs() - 0.05)
    logps = exact((old + draw(0.25)).clamp(max=-0.002))
    reference = exact((old + draw(0.3)).clamp(max=-0.002))
    entropies = exact(draw(1.0).abs() + 0.1)
    # Padding holds whatever a model says about padding: it must not reach the loss.
    case = {
        'logps': logps, 'old_logps': old, 'reference_logps': reference, 'mask': mask,
        'finished': [False, True, True, True, True, False, True, True], 'group_size': group_size, 'entropies': entropies,
    }
    reward_sets = {
        'plain': [3.0, 1.0, 4.5, 1.5, 0.0, 5.0, 5.0, 2.0],
        'one_flat_group': [2.0, 2.0, 2.0, 2.0, 0.0, 5.0, 1.0, 2.0],
        'one_unscored': [3.0, None, 4.5, 1.5, 0.0, 5.0, 5.0, 2.0],
    }
    advantages = {
        name: {scale: advantages_of(rewards, group_size, scale) for scale in ('group', 'batch', 'none')}
        for name, rewards in reward_sets.items()
    }
    base = {
        'rewards': 'plain', 'scale_rewards': 'group', 'importance': 'token', 'loss_type': 'dapo', 'beta': 0.0,
        'epsilon_low': 0.2, 'epsilon_high': 0.2, 'delta': None, 'mask_truncated': False, 'old_logps': True,
        'bias_correction_kl': False, 'max_completion_length': 8, 'top_entropy_quantile': 1.0,
    }
    variants = []
    for loss_type in ('grpo', 'bnpo', 'dr_grpo', 'dapo'):
        variants += [
            {'loss_type': loss_type},
            {'loss_type': loss_type, 'beta': 0.04, 'epsilon_high': 0.28},
            {'loss_type': loss_type, 'mask_truncated': True},
        ]
    variants += [{'scale_rewards': scale} for scale in ('batch', 'none')]
    variants += [{'rewards': rewards, 'scale_rewards': scale} for rewards in ('one_flat_group', 'one_unscored')
                 for scale in ('group', 'batch', 'none')]
    variants += [
        {'old_logps': False}, {'old_logps': False, 'beta': 0.1}, {'epsilon_low': 0.05, 'epsilon_high': 0.1},
        {'beta': 0.04, 'bias_correction_kl': True}, {'delta': 1.15}, {'delta': 1.3, 'beta': 0.04, 'bias_correction_kl': True},
    ]
    for soft in ({'loss_type': 'cispo', 'epsilon_high': 1.2}, {'loss_type': 'sapo'}, {'loss_type': 'vespo'}):
        variants += [soft, {**soft, 'mask_truncated': True, 'beta': 0.04}, {**soft, 'old_logps': False}]
    variants += [
        {'top_entropy_quantile': 0.5}, {'top_entropy_quantile': 0.2, 'loss_type': 'grpo', 'beta': 0.04},
        {'top_entropy_quantile': 0.0}, {'top_entropy_quantile': 0.33, 'mask_truncated': True},
    ]
    sequence = {'importance': 'sequence', 'loss_type': 'grpo'}
    variants += [
        {**sequence, 'epsilon_low': 3e-4, 'epsilon_high': 4e-4}, {**sequence, 'epsilon_low': 0.1, 'epsilon_high': 0.15},
        {**sequence, 'epsilon_low': 0.1, 'epsilon_high': 0.15, 'beta': 0.04},
        {**sequence, 'epsilon_low': 0.1, 'epsilon_high': 0.15, 'beta': 0.04, 'bias_correction_kl': True},
        {**sequence, 'epsilon_low': 0.1, 'epsilon_high': 0.15, 'mask_truncated': True},
        {**sequence, 'epsilon_low': 0.3, 'epsilon_high': 0.3, 'old_logps': False},
        {**sequence, 'loss_type': 'luspo', 'epsilon_low': 0.1, 'epsilon_high': 0.15},
        {**sequence, 'loss_type': 'luspo', 'epsilon_low': 0.1, 'epsilon_high': 0.15, 'beta': 0.04, 'mask_truncated': True},
        {**sequence, 'loss_type': 'sapo'}, {**sequence, 'delta': 1.05, 'epsilon_low': 0.1, 'epsilon_high': 0.15},
        {**sequence, 'epsilon_low': 0.1, 'epsilon_high': 0.15, 'scale_rewards': 'none', 'rewards': 'one_flat_group'},
    ]
    cases = []
    for variant in variants:
        settings = {**base, **variant}
        used = advantages[settings['rewards']][settings['scale_rewards']]
        cases.append({'settings': settings, **policy_gradient_with_trl(case, used, settings)})
    return {'inputs': case, 'rewards': reward_sets, 'advantages': {'source': 'independent', **advantages}, 'cases': cases}


# --- The original's two objectives, under their true names ------------------------------------------------------

def original():
    logps = exact([-12.5, -8.25, -30.0, -4.75, -17.5, -9.0])
    reference = exact([-12.0, -9.25, -28.5, -5.0, -17.75, -9.5])
    rewards = [3.0, 9.0, -7.5, 1.5, 4.0, 0.0]
    policy = logps.clone().requires_grad_()
    clipped = torch.tensor(rewards, dtype=DOUBLE).clamp(-5, 5)
    baseline = -((clipped - clipped.mean()) * policy).mean()
    baseline.backward()
    weighted = []
    for temperature, kl in ((1.0, 0.0), (0.5, 0.1), (0.0, 0.0)):
        leaf = logps[:4].clone().requires_grad_()
        weights = torch.softmax(torch.tensor(rewards[:4], dtype=DOUBLE) / max(temperature, 1e-6), dim=0)
        loss = -(weights * leaf).sum() + kl * (leaf - reference[:4]).mean()
        loss.backward()
        weighted.append({
            'temperature': temperature, 'kl': kl, 'weights': weights, 'loss': loss.item(), 'gradient': leaf.grad,
        })
    return {
        'source': 'independent', 'logps': logps, 'reference_logps': reference, 'rewards': rewards,
        'reinforce_baseline': {'loss': baseline.item(), 'gradient': policy.grad},
        'reward_weighted': {'rows': 4, 'cases': weighted},
    }


# --- Token log-probabilities and the supervised loss --------------------------------------------------------------

def supervised():
    """Token-mean NLL by transformers' own causal-LM loss; a large constant on one row asks for a stable logsumexp."""
    from transformers.loss.loss_utils import ForCausalLMLoss

    generator = torch.Generator().manual_seed(3)
    rows, width, vocabulary = 3, 6, 11
    logits = exact(2 * torch.randn(rows, width, vocabulary, generator=generator, dtype=DOUBLE))
    logits[1] += 80
    ids = torch.randint(0, vocabulary, (rows, width), generator=generator)
    labels = ids.clone()
    labels[0, :3] = -100
    labels[1, 5:] = -100
    labels[2, :5] = -100
    cases = []
    for items in (None, 20):
        leaf = logits.to(torch.float32).requires_grad_()
        loss = ForCausalLMLoss(leaf, labels, vocabulary, num_items_in_batch=items)
        loss.backward()
        cases.append({'num_items_in_batch': items, 'loss': loss.item(), 'gradient': leaf.grad})
    token_logps = torch.log_softmax(logits[:, :-1], -1).gather(-1, ids[:, 1:, None])[..., 0]
    return {
        'source': 'transformers (float32)', 'logits': logits, 'ids': ids, 'labels': labels,
        'token_logps': token_logps, 'cases': cases,
    }


def main():
    with contextlib.redirect_stderr(None):
        document = {'dpo': dpo(), 'policy_gradient': policy_gradient(), 'original': original(), 'sft': supervised()}
    write_json(FIXTURES / 'objectives.json', document, levels=3)


if __name__ == '__main__':
    main()
