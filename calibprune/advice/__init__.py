"""Which calibration language to take: losses in each language, predicted from one walk over the dense model."""
