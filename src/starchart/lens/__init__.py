"""What the numbers of a run mean: logit lens, contributions to a logit, ablation, patching. Functions over `tap`."""

from starchart.lens.ablation import ablate_feed_forward, ablate_heads
from starchart.lens.contributions import contributions
from starchart.lens.logit_lens import logit_lens
from starchart.lens.patching import patch_residual

__all__ = ["ablate_feed_forward", "ablate_heads", "contributions", "logit_lens", "patch_residual"]
