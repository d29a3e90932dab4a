"""llama.cpp's side of test/bench/works/generate.ts: one prompt after another, from a GGUF file; greedy only."""

import os
import time

from measure import answer_figures, read_settings, report

import llama_cpp
import numpy as np


def quantised(file):
    """The file with its weights as q4_0, made by llama.cpp itself and kept beside it."""
    output = file.replace('fp16', 'q4_0')
    if not os.path.exists(output):
        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0
        failed = llama_cpp.llama_model_quantize(file.encode(), output.encode(), params)
        if failed:
            raise RuntimeError(f'llama_model_quantize ended with {failed}')
    return output


def main():
    settings = read_settings()
    file = quantised(settings['file']) if settings.get('q4_0') else settings['file']
    threads, prompts, tokens = settings['threads'], settings['prompts'], settings['tokens']
    longest = max(map(len, prompts))
    model = llama_cpp.Llama(
        file, n_ctx=longest + tokens + 8, n_batch=max(512, longest), n_ubatch=512, n_threads=threads,
        n_threads_batch=threads, verbose=False,
    )
    vocabulary = model.n_vocab()

    def best():
        scores = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        return int(np.ctypeslib.as_array(scores, (vocabulary,)).argmax())

    answers, seconds = [], []
    for _ in range(settings['repeats'] + 1):
        start = time.perf_counter()
        answers = []
        for prompt in prompts:
            model.reset()
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(model.ctx), True)
            model.eval(prompt)
            answer = [best()]
            while len(answer) < tokens:
                model.eval(answer[-1:])
                answer.append(best())
            answers.append(answer)
        seconds.append(time.perf_counter() - start)
    report(
        answer_figures(seconds, prompts, answers, tokens),
        versions={'llama-cpp-python': llama_cpp.__version__},
        answers=answers,
    )


if __name__ == '__main__':
    main()
