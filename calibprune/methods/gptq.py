"""GPTQ (Frantar et al. 2023): round column by column and let the columns still to come pay for each error.

SparseGPT came of it, so the Hessian, its damping and the sweep are one code: a weight becomes the nearest level of its
group's grid instead of zero.
"""

from calibprune.methods import sparsegpt
from calibprune.methods.base import Does

METHOD = sparsegpt.METHOD._replace(label="GPTQ", does=Does.ROUND)
