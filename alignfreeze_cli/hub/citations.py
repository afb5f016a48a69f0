"""BibTeX of the method and of the data behind a folder."""

from __future__ import annotations

ALIGNFREEZE = """@inproceedings{bakos-etal-2025-alignfreeze,
  title = {{A}lign{F}reeze: Navigating the Impact of Realignment on the Layers of Multilingual Models Across Diverse
           Languages},
  author = {Bakos, Steve and Guzm{\\'a}n, David and More, Riddhi and Li, Kelly Chutong and Gaschi, F{\\'e}lix and
            Lee, En-Shiun Annie},
  booktitle = {Proceedings of the 2025 Conference of the Nations of the Americas Chapter of the Association for
               Computational Linguistics: Human Language Technologies (Volume 2: Short Papers)},
  year = {2025},
  pages = {562--586},
  doi = {10.18653/v1/2025.naacl-short.48},
  url = {https://aclanthology.org/2025.naacl-short.48/}
}"""

DATA = {
    "Helsinki-NLP/opus-100": """@inproceedings{zhang-etal-2020-improving,
  title = {Improving Massively Multilingual Neural Machine Translation and Zero-Shot Translation},
  author = {Zhang, Biao and Williams, Philip and Titov, Ivan and Sennrich, Rico},
  booktitle = {Proceedings of the 58th Annual Meeting of the Association for Computational Linguistics},
  year = {2020},
  pages = {1628--1639},
  doi = {10.18653/v1/2020.acl-main.148}
}""",
    "MUSE": """@inproceedings{conneau2018word,
  title = {Word Translation Without Parallel Data},
  author = {Conneau, Alexis and Lample, Guillaume and Ranzato, Marc'Aurelio and Denoyer, Ludovic and
            J{\\'e}gou, Herv{\\'e}},
  booktitle = {International Conference on Learning Representations},
  year = {2018}
}""",
}
"""By Hub id, or by the name that begins the description of the data."""
