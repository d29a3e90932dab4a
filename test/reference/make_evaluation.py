"""What transformers, sacrebleu and rouge_score measure.

evaluation.json  `perplexity`: texts through overlapping windows of the tiny models, each token counted once;
                 `overlap`: pairs of texts with ROUGE-1, ROUGE-2, ROUGE-L (no stemming) and the BLEU of all together
"""

import math
import random

from reference import ADAPTERS, FIXTURES, MODELS, write_json

import sacrebleu
import torch
from peft import PeftModel
from rouge_score import rouge_scorer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

TEXTS = [
    'What is the capital of France? The capital of France is Paris.',
    'A cat sat on the mat and watched the rain. ' * 9,
    'Caf\u00e9 \u2014 na\u00efve \U0001f600 \u6f22\u5b57, 47 plus 38 is 85.',
]
WORDS = 'The the cat sat on a mat, while rain fell: 12 3.5 dogs bark at night quietly! (or so) well-known'.split()


def windowed(model, ids, window, stride):
    """The loop of transformers' guide on perplexity: sum of the negative log-likelihoods, and how many."""
    total = count = reached = 0
    for start in range(0, len(ids), stride):
        end = min(start + window, len(ids))
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids[start:end]])).logits[0, :-1].double()
        targets = torch.tensor(ids[start + 1:end])
        logps = logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0]
        fresh = logps[max(0, reached - start - 1):]
        total -= fresh.sum().item()
        count += len(fresh)
        reached = end
        if end == len(ids):
            break
    return total, count


def perplexity():
    tokenizer = PreTrainedTokenizerFast.from_pretrained(MODELS / 'qwen2')
    base = AutoModelForCausalLM.from_pretrained(MODELS / 'qwen2', dtype=torch.float32).eval()
    adapted = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(MODELS / 'qwen2', dtype=torch.float32), ADAPTERS / 'qwen2'
    ).eval()
    cases = []
    for adapter, model in ((None, base), ('qwen2', adapted)):
        for window, stride in ((128, 128), (128, 64), (40, 7)):
            sums = [windowed(model, tokenizer(text)['input_ids'], window, stride) for text in TEXTS]
            total, tokens = (sum(column) for column in zip(*sums))
            cases.append({
                'adapter': adapter, 'window': window, 'stride': stride, 'tokens': tokens, 'nll': total / tokens,
                'perplexity': math.exp(total / tokens),
                'bits_per_byte': total / math.log(2) / sum(len(text.encode()) for text in TEXTS),
            })
    return {'model': 'qwen2', 'texts': TEXTS, 'cases': cases}


def overlap():
    draw = random.Random(5)
    text = lambda: ' '.join(draw.choice(WORDS) for _ in range(draw.randint(1, 30)))  # noqa: E731
    scorer = rouge_scorer.RougeScorer(['rouge1', 'rouge2', 'rougeL'], use_stemmer=False)
    pairs = [(text(), text()) for _ in range(40)]
    rows = []
    for candidate, reference in pairs:
        scores = scorer.score(reference, candidate)
        rows.append({
            'candidate': candidate, 'reference': reference,
            'rouge': [scores[name].fmeasure for name in ('rouge1', 'rouge2', 'rougeL')],
        })
    candidates, references = zip(*pairs)
    return {'rows': rows, 'bleu': sacrebleu.corpus_bleu(candidates, [references]).score}


if __name__ == '__main__':
    write_json(FIXTURES / 'evaluation.json', {'perplexity': perplexity(), 'overlap': overlap()}, levels=3)
