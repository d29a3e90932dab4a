"""The peer of test/bench/works/kernels.ts: the same operators in PyTorch, eager, without gradients."""

import statistics
import time

from measure import read_settings, report

import torch
from torch.nn import functional

OPERATORS = {
    'softmax': (lambda x: torch.softmax(x, -1), 2),
    'norm': (lambda x: functional.rms_norm(x, x.shape[-1:], eps=1e-5), 2),
    'gate': (functional.silu, 2),
    'add': (lambda x: x + x, 2),
}


def usual(call, repeats):
    seconds = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


def product(case, repeats):
    rows, inner, columns = case['shape']
    a, b = torch.rand(rows, inner), torch.rand(columns, inner)
    seconds = usual(lambda: functional.linear(a, b), repeats)
    return f'{case["name"]} {" x ".join(map(str, case["shape"]))}, GFLOP/s', 2 * rows * inner * columns / seconds / 1e9


def streamed(case, chain, repeats):
    apply, passes = OPERATORS[case['kind']]
    start = torch.rand(*case['shape'])

    def call():
        x = start
        for _ in range(chain):
            x = apply(x)

    seconds = usual(call, repeats)
    size = 4 * start.numel() * passes * chain
    return f'{case["name"]} {" x ".join(map(str, case["shape"]))}, GB/s', size / seconds / 1e9


def main():
    settings = read_settings()
    torch.set_num_threads(settings['threads'])
    figures = {}
    with torch.inference_mode():
        for case in settings['cases']:
            if case['kind'] == 'product':
                name, value = product(case, settings['repeats'])
            else:
                name, value = streamed(case, settings['chain'], settings['repeats'])
            figures[name] = value
    report(figures, versions={'PyTorch': torch.__version__})


if __name__ == '__main__':
    main()
