"""The paper's own Tables 16 and 17: mean IoU over all layers of Llama-3 8B's masks, SparseGPT at 50%, three draws a
language.

Transcribed from the paper's text. There the rows of ffn.gate and ffn.down in Table 17 are garbled: these six numbers
are not known.
"""

MODEL = "Llama-3 8B"
METHOD = "sparsegpt"

WITHIN = {
    "q": {"de": 0.890, "en": 0.880, "zh": 0.874},
    "k": {"de": 0.891, "en": 0.880, "zh": 0.875},
    "v": {"de": 0.882, "en": 0.871, "zh": 0.865},
    "attn.out": {"de": 0.845, "en": 0.832, "zh": 0.825},
    "ffn.up": {"de": 0.875, "en": 0.863, "zh": 0.849},
    "ffn.gate": {"de": 0.873, "en": 0.862, "zh": 0.847},
    "ffn.down": {"de": 0.870, "en": 0.852, "zh": 0.843},
}
"""Table 16: component -> calibration language -> IoU of its three draws."""

BETWEEN = {
    "q": {("en", "de"): 0.886, ("zh", "de"): 0.855, ("zh", "en"): 0.857},
    "k": {("en", "de"): 0.886, ("zh", "de"): 0.855, ("zh", "en"): 0.857},
    "v": {("en", "de"): 0.879, ("zh", "de"): 0.846, ("zh", "en"): 0.848},
    "attn.out": {("en", "de"): 0.867, ("zh", "de"): 0.826, ("zh", "en"): 0.824},
    "ffn.up": {("en", "de"): 0.871, ("zh", "de"): 0.833, ("zh", "en"): 0.835},
}
"""Table 17: component -> pair of calibration languages -> IoU of their stable masks."""

LANGUAGES = ("de", "en", "zh")
PAIRS = (("en", "de"), ("zh", "de"), ("zh", "en"))
"""In the order of the tables' columns."""
