"""The laboratory: what its notebooks calculate with, and the check of its exercises."""

from calibbook.teaching.exercises import check

__all__ = ["check"]
