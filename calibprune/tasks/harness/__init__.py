"""Runs tasks of the Evaluation Harness on a model in memory: documents, prompts and metrics are the harness's own, the
model's answers are not.

Why not its own class for transformers' models, `HFLM`, which a study could use as it is? For speed on a CPU: the
answers to one question share the context, which `HFLM` reads again for each of them, and its batches are filled with
padding. `Scorer` reads a shared context once. Measured by benchmarks/tasks.py on Gemma 3 270M and two CPU cores, it
answers 8.2 times as many questions a second as `HFLM` with its default batch size of 1 where endings of messages are
chosen, 10.0 times where endings of long passages are, 4.6 times where letters are. And for precision: `HFLM` rounds
each log-likelihood and their sum to the model's dtype, so that in 16 bits answers often tie.

bridge.py: from tasks to scores. scorer.py: the harness's requests. shared_context.py: log-likelihoods. generation.py:
generated answers. exported.py: the harness's own classes, for models that are larger than a device's memory.
"""
