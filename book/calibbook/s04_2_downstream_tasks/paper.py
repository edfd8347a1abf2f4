"""The paper's own scores, as far as its text has them: what Sections 4.2 and 4.4 state, Table 3, Table 15.

Table 3 is token F1 on MKQA at 50% sparsity; the row of Aya-23 8B pruned by SparseGPT with Chinese calibration is
missing in the text. Table 15 is accuracy with weights of 8 bits in groups of 128; its ARC is the hard set, in English
the easy one as well. Of Table 2 the text gives in how many columns the target language does best. The
example of a change of order comes without the method and the calibration language. Tables 2, 4, 7 and 8 are
pictures, and Table 14 is garbled in the text.
"""

from pathlib import Path

from calibbook.shared.paper import Numbers

NUMBERS = Numbers(Path(__file__).with_name("paper.csv"))
