"""Loads a merged Hugging Face folder in transformers and compares its logits with those of the base and its PEFT adapter.

    check_merged.py MERGED BASE ADAPTER [--tolerance 1e-4]

Not part of the fixtures: run by hand.
"""

import argparse

import reference  # noqa: F401  (one thread, offline)

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('merged')
    parser.add_argument('base')
    parser.add_argument('adapter')
    parser.add_argument('--tolerance', type=float, default=1e-4)
    options = parser.parse_args()
    merged = AutoModelForCausalLM.from_pretrained(options.merged, dtype='auto').eval()
    base = AutoModelForCausalLM.from_pretrained(options.base, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, options.adapter).eval()
    vocabulary = base.get_input_embeddings().weight.shape[0]
    ids = torch.randint(3, vocabulary, (2, 48), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = adapted(ids).logits
        difference = (merged(ids).logits.float() - expected).abs().max().item()
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (options.merged, options.base)]
    text = 'What is 47 plus 38? <|im_start|>user\n'
    same = tokenizers[0](text)['input_ids'] == tokenizers[1](text)['input_ids']
    print(f'{merged.dtype}: largest difference of logits {difference:.3g} (standard deviation {expected.std().item():.3g}); '
          f'token ids {"alike" if same else "DIFFER"}')
    return 0 if difference <= options.tolerance and same else 1


if __name__ == '__main__':
    raise SystemExit(main())
