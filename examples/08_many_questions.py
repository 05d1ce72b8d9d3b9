"""Serve many questions from one process: batches, threads, and memory that stays bounded.

python examples/08_many_questions.py
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

import saymask
from saymask.cli.demo import make_example

SENTENCES = ["the chairs at the round table", "the window", "the fridge", "the sink"]


def main() -> None:
    torch.set_num_threads(2)  # cores for one answer; the rest is for other threads
    model = saymask.load_model()  # weights are loaded once, and shared by all scenes
    scene = model.encode(make_example(Path("out")))

    together = scene.refer(SENTENCES)  # a list is one pass of the network
    print([len(masks) for masks in together], f"{scene.seconds['refer']:.2f} s")
    scene.refer(SENTENCES)  # the same again: from what the scene kept
    print(f"again: {scene.seconds['refer']:.4f} s")

    scene.forget()  # drop the answers, keep the encoding
    with ThreadPoolExecutor(2) as threads:  # several threads may ask one scene
        alone = list(threads.map(scene.refer, SENTENCES))
    assert [len(masks) for masks in alone] == [len(masks) for masks in together]


if __name__ == "__main__":
    main()
