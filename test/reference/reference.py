"""What the scripts share: where the fixtures lie, how they are written, and the tiny checkpoints' names.

FLOW_REFERENCE_OUT names another folder to write to, for comparing with what is committed.
"""

import json
import math
import os
import pathlib

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')
os.environ.setdefault('HF_HUB_OFFLINE', '1')
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')

import torch  # noqa: E402

torch.set_num_threads(1)

COMMITTED = pathlib.Path(__file__).resolve().parent.parent / 'fixtures' / 'reference'
FIXTURES = pathlib.Path(os.environ.get('FLOW_REFERENCE_OUT', COMMITTED))
MODELS = FIXTURES / 'models'
ADAPTERS = FIXTURES / 'adapters'


def plain(value, digits=9):
    """Tensors and numpy values to JSON values; floats to `digits` significant digits (9 hold a float32 exactly)."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().tolist()
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        rounded = float(f'{value:.{digits}g}')
        return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e9 else rounded
    if isinstance(value, dict):
        return {key: plain(entry, digits) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, digits) for entry in value]
    raise TypeError(f'{type(value)} has no JSON form here')


def _line(value):
    return json.dumps(value, separators=(',', ':'), ensure_ascii=False)


def _layout(value, depth, levels):
    """Objects and lists open up to `levels` deep, one entry a line; whatever lies below stays on its line."""
    if depth >= levels or not isinstance(value, (dict, list)) or not value:
        return _line(value)
    pad, end = ' ' * (depth + 1), ' ' * depth
    if isinstance(value, dict):
        body = [f'{pad}{_line(str(key))}: {_layout(entry, depth + 1, levels)}' for key, entry in value.items()]
        return '{\n' + ',\n'.join(body) + f'\n{end}}}'
    body = [pad + _layout(entry, depth + 1, levels) for entry in value]
    return '[\n' + ',\n'.join(body) + f'\n{end}]'


def write_json(path, value, digits=9, levels=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_layout(plain(value, digits), 0, levels) + '\n', encoding='utf-8')
    print(f'{path.relative_to(FIXTURES)}: {path.stat().st_size} bytes')
