"""Loads a GGUF file in llama.cpp and compares it with the same model in transformers: logits, token ids, a greedy answer.

    check_gguf.py FILE.gguf FOLDER [--adapter ADAPTER] [--tolerance 1e-2]

FOLDER is the Hugging Face folder that the file was made from, ADAPTER the PEFT folder that was merged into it. Needs
`llama-cpp-python`, which builds from PyPI in a few minutes. Not part of the fixtures: run by hand.
"""

import argparse

import reference  # noqa: F401  (one thread, offline)

import numpy
import torch
from llama_cpp import Llama
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = [
    'What is 47 plus 38? Answer: 85.',
    "I'm sure THEY'LL don't, it's 12345 and 6 7 89",
    '  two spaces,\ttabs\n\n\nand lines \n end  ',
    'naïve café 漢字かな 🙂🚀',
    '<|im_start|>user\nhi<|im_end|>\nthe cat',
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('gguf')
    parser.add_argument('folder')
    parser.add_argument('--adapter')
    parser.add_argument('--tolerance', type=float, default=1e-2)
    options = parser.parse_args()

    model = AutoModelForCausalLM.from_pretrained(options.folder, dtype=torch.float32)
    if options.adapter:
        model = PeftModel.from_pretrained(model, options.adapter)
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(options.folder)
    # The KV cache in f32 and no flash attention: what is compared is the file.
    llama = Llama(options.gguf, n_ctx=128, n_threads=1, logits_all=True, verbose=False, flash_attn=False, type_k=0, type_v=0)

    generator = numpy.random.default_rng(0)
    vocabulary = model.get_input_embeddings().weight.shape[0]
    assert llama.n_vocab() == vocabulary, (llama.n_vocab(), vocabulary)
    rows = [tokenizer(TEXTS[0], add_special_tokens=False)['input_ids'], generator.integers(3, vocabulary, 40).tolist()]
    worst = 0
    for row in rows:
        llama.reset()
        llama.eval(row)
        own = numpy.array(llama.scores[: len(row)])
        with torch.no_grad():
            other = model(torch.tensor([row])).logits[0].numpy()
        worst = max(worst, float(numpy.abs(own - other).max()))
        spread = float(other.std())
    print(f'logits: largest difference {worst:.3g} (standard deviation {spread:.3g})')

    wrong = 0
    for text in TEXTS:
        ids = llama.tokenize(text.encode(), add_bos=False, special=True)
        expected = tokenizer(text, add_special_tokens=False)['input_ids']
        if ids != expected:
            wrong += 1
            print(f'ids of {text!r}:\n  {ids}\n  {expected}')
    print(f'token ids: {len(TEXTS) - wrong} of {len(TEXTS)} texts alike')

    prompt = rows[0]
    with torch.no_grad():
        answer = model.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0)
    expected = answer[0, len(prompt):].tolist()
    llama.reset()
    own, tokens = [], list(prompt)
    llama.eval(tokens)
    for _ in range(len(expected)):
        own.append(int(numpy.argmax(llama.scores[llama.n_tokens - 1])))
        llama.eval([own[-1]])
    print(f'greedy: {sum(a == b for a, b in zip(own, expected))} of {len(expected)} tokens alike')
    return 0 if worst <= options.tolerance and wrong == 0 else 1


if __name__ == '__main__':
    raise SystemExit(main())
