"""What only a GPU shows, part by part, and at the end a table: expected, measured.

A part that is done is not run again, so that a session that was cut goes on where it was; each takes ten minutes at
most, all together about forty. On a CPU, --try runs each part on two images, to see that it runs.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GREEN = 'configs/greenmim/greenmim_swin-{}_8xb256-amp-coslr-{}_in1k.py'
T, B = (GREEN.format(f'{size}-w7', '100e') for size in ('tiny', 'base'))
L = GREEN.format('large-w14', '800e')
SIMMIM_B = 'configs/simmim/simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px.py'
SIMMIM_L = 'configs/simmim/simmim_swin-large-w12_16xb128-amp-coslr-800e_in1k-192px.py'
OWN = 'configs/own_data/greenmim_swin-tiny-w7_b128-amp-10k_own-data.py'
DISTRIBUTED = 'tests/engine/runner/test_distributed.py'
#: Seconds that a part may take.
MOST = 600


@dataclass
class Part:
    """One thing to be seen.

    Attributes:
        expected: In words.
        command: Arguments of Python.
        images: Images a step, of the benchmark.
    """

    expected: str
    command: Sequence[str]
    images: int = 0


def benchmark(*words: str, images: int, expected: str) -> Part:
    return Part(expected, ('-m', 'mmgreen', 'benchmark', *words), images)


OFF, FIXED = 'model.cuda_graph=False', 'model.backbone.grouping=fixed'
PARTS = {
    'tests': Part('all pass', ('-m', 'pytest', '-q', '-m', 'gpu')),
    'steps': benchmark(
        *(T, B, L, SIMMIM_B, SIMMIM_L, '--profile', '--rounds', '1', '--steps', '20'),
        images=128,
        expected='14, 30, 50, 91, 209 ms; GreenMIM busy for 90 % of them; 1,000, 1,700, 1,650 kernels',
    ),
    'steps of 256': benchmark(
        *(B, SIMMIM_B, L, SIMMIM_L, '--rounds', '1', '--steps', '20'),
        images=256,
        expected='55, 181, 92, 415 ms: 3.3x and 4.5x',
    ),
    'steps of 512': benchmark(B, '--rounds', '1', '--steps', '20', images=512, expected='110 ms'),
    'groups': benchmark(
        *(B, OFF, 'model.backbone.grouping=tiles', B, OFF, FIXED, '--rounds', '2'),
        images=128,
        expected='the same to 1 %',
    ),
    'graph': benchmark(
        *(T, T, OFF, B, B, OFF, L, L, OFF, '--rounds', '2'),
        images=128,
        expected='14 and 70, 30 and 70, 50 and 87 ms',
    ),
    'a mask per sample': benchmark(
        *(word for n in (0, 1, 2) for word in (OWN, 'image_size=128', f'model.layout_workers={n}')),
        *('--rounds', '1'),
        images=1024,
        expected='150, 110, 100 ms',
    ),
    'compiled': benchmark(
        *(T, B, '--compile', '--rounds', '1', '--steps', '20'),
        images=128,
        expected='as fast as without, or faster',
    ),
    'detector': Part(
        'fewer waits, and no more time',
        ('-m', 'pytest', '-q', '-s', '-m', 'gpu', 'tests/models/test_gpu.py', '-k', 'waits'),
    ),
    'exported': Part(
        'onnxruntime and TensorRT find what a CPU finds (pip install onnxruntime-gpu tensorrt)',
        ('-m', 'pytest', '-q', '-s', '-m', 'gpu', 'tests/deploy/test_onnx_file.py'),
    ),
    'processes': Part(
        'one process with NCCL is killed and goes on to the same weights',
        ('-m', 'pytest', '-q', DISTRIBUTED, '-k', 'killed_costs or evaluates'),
    ),
}


def run(name: str, part: Part, folder: Path, small: bool) -> None:
    """Run a part, and keep what it printed and measured; a part that was cut begins anew."""
    log, rows = folder / f'{name}.log', folder / f'{name}.json'
    command = [sys.executable, *part.command]
    if part.images:
        command += ['--batch-size', str(part.images), '--out', str(rows)]
        # The last of options that stand there twice counts.
        command += (
            ['--batch-size', '2', '--rounds', '1', '--steps', '1'] if small else ['--amp', 'fp16']
        )
    print(f'{name}: {" ".join(command[1:])}', flush=True)
    start = time.monotonic()
    env = os.environ | dict(MMGREEN_TEST_PROCESSES='1')
    with log.open('w') as file:
        try:
            done = subprocess.run(
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, timeout=MOST, env=env
            ).returncode
        except subprocess.TimeoutExpired:
            done = None
    found = measured(log.read_text(), json.loads(rows.read_text())['rows'] if rows.exists() else [])
    if done is None:
        found = f'not done in {MOST} s. {found}'
    elif done and part.images:
        found = f'failed, see {log.name}. {found}'
    seconds = time.monotonic() - start
    (folder / f'{name}.done').write_text(json.dumps(dict(found=found, seconds=round(seconds))))


def measured(log: str, rows: list[dict[str, Any]]) -> str:
    """What a part has found: of the benchmark milliseconds, kernels and the share in which the GPU is busy."""
    if not rows:
        told = [line for line in log.splitlines() if line.startswith('MEASURED ')]
        lines = [line.strip('= ') for line in log.splitlines() if line.strip()]
        return '; '.join([line.removeprefix('MEASURED ') for line in told] + lines[-1:])
    steps = [row['step']['median'] for row in rows]
    found = ', '.join(f'{1e3 * seconds:.1f}' for seconds in steps) + ' ms'
    busy = [row for row in rows if 'busy' in row]
    if busy:
        shares = ', '.join(f'{row["busy"] / row["step"]["median"]:.0%}' for row in busy)
        kernels = ', '.join(f'{row["kernels"]:,}' for row in busy)
        found += f'; busy {shares}; {kernels} kernels'
    return found


def table(folder: Path) -> str:
    """Expected and measured of all parts, in Markdown."""
    lines = ['| part | expected | measured | s |', '|---|---|---|---|']
    for name, part in PARTS.items():
        path = folder / f'{name}.done'
        found = json.loads(path.read_text()) if path.exists() else dict(found='', seconds='')
        lines.append(f'| {name} | {part.expected} | {found["found"]} | {found["seconds"]} |')
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""example:
  %(prog)s --parts tests steps""",
    )
    parser.add_argument(
        '--parts', nargs='+', choices=PARTS, metavar='PART', help='run these, also if they are done'
    )
    parser.add_argument('--folder', type=Path, default=ROOT / 'work_dirs/gpu_check')
    parser.add_argument('--try', action='store_true', dest='small', help='two images, one step')
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.parts or PARTS:
        if args.parts or not (args.folder / f'{name}.done').exists():
            run(name, PARTS[name], args.folder, args.small)
    print(table(args.folder))


if __name__ == '__main__':
    main()
