"""TensorFlow's checkpoints, as OpenAI published GPT-2: model.ckpt.index, model.ckpt.data-..., hparams.json."""
