"""AlignFreeze: realign multilingual encoders with frozen layers (arXiv 2502.12959)."""

__version__ = "0.1.0"
