"""The peer of test/bench/works/step.ts, by hand on the model of transformers: no trainer, no metrics."""

import statistics
import time

from measure import read_settings, report

import torch
import transformers
from torch import nn
from torch.nn import functional


class Lora(nn.Module):
    def __init__(self, base, rank):
        super().__init__()
        self.base, self.scaling = base, 2.0
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=5**0.5)

    def forward(self, x):
        return self.base(x) + functional.linear(functional.linear(x, self.a), self.b) * self.scaling


def adapt(model, rank):
    names = ('q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj')
    model.requires_grad_(False)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if name in names:
                setattr(module, name, Lora(child, rank))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def main():
    settings = read_settings()
    torch.set_num_threads(settings['threads'])
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(settings['model'], dtype=torch.float32)
    model.config.use_cache = False
    trained = adapt(model, settings['rank'])
    model.train()
    optimizer = torch.optim.AdamW(trained, lr=settings['learning_rate'], weight_decay=0.0)
    ids = torch.tensor(settings['ids'])
    losses, seconds = [], []
    for _ in range(settings['steps'] + 1):
        start = time.perf_counter()
        logits = model(input_ids=ids[:, :-1]).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    usual = statistics.median(seconds[1:])
    report(
        {
            'time a step, s': usual,
            'first step beyond that, s': seconds[0] - usual,
            'loss of the first step': losses[0],
            'loss of the last step': losses[-1],
        },
        versions={'PyTorch': torch.__version__, 'transformers': transformers.__version__},
    )


if __name__ == '__main__':
    main()
