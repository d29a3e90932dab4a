"""What the peers' programs have in common: settings read, an outcome written as the last line of output."""

import json
import os
import statistics
import sys

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')
os.environ.setdefault('HF_HUB_OFFLINE', '1')
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')


def read_settings():
    with open(sys.argv[1], encoding='utf-8') as file:
        return json.load(file)


def report(figures, **rest):
    print(json.dumps({'figures': {**figures, 'peak memory, GB': peak_memory_bytes() / 1e9}, **rest}))


def answer_figures(seconds, prompts, answers, tokens):
    """Of answering `prompts` several times over, the first time for warming up; `tokens`: how many were asked of each."""
    usual = statistics.median(seconds[1:])
    read, generated = sum(map(len, prompts)), sum(map(len, answers))
    return {
        'time, s': usual,
        **({'prompt tokens/s': read / usual} if tokens == 1 else {'tokens/s': generated / usual}),
        'first time beyond that, s': seconds[0] - usual,
    }


def peak_memory_bytes():
    """Of this process. Linux counts what a process inherited in getrusage, and not in VmHWM."""
    try:
        with open('/proc/self/status', encoding='ascii') as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith('VmHWM:'))
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
