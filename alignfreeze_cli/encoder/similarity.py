"""How alike word vectors are, before and after or across two languages: the mathematics, on plain tensors.

`before` and `after`, or `source` and `target`, are (words, hidden), row i of both belonging together. `sentence` is
(words,), long: the number of the sentence that a word is of. `samples` is (samples, sentences), ones and zeros, and
says which sentences are in which sample (`half_samples.py`); what is computed for samples is (samples,).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from alignfreeze_cli.encoder.half_samples import by_sentence, sample_means

NEIGHBOURS = 10
"""Of a word's neighbourhood in CSLS, as in arXiv 1710.04087."""

_FEWEST_WORDS = 4  # of HSIC: it is divided by the words less three


def cosine_drift(before: Tensor, after: Tensor, centred: bool = False) -> Tensor:
    """1 - the cosine between every word's two vectors, (words,), from 0 (same direction) to 2 (opposite).

    `centred` takes the mean of all words off first, each model's own. Vectors of an encoder share a large common part,
    which hides how the words move against each other.
    """
    if centred:
        before, after = before - before.mean(0), after - after.mean(0)
    return 1 - F.cosine_similarity(before, after, dim=1)


def debiased_cka(before: Tensor, after: Tensor, sentence: Tensor, samples: Tensor) -> Tensor:
    """Linear CKA (Kornblith et al. 2019, arXiv 1905.00414) from unbiased estimates of HSIC, (samples,).

    It compares which words are alike among `before` with which are alike among `after`: 1 if they are the same up to
    rotation, scale and shift, about 0 (and as often below) if the two have nothing to do with each other. Estimated
    with HSIC_1 of Song et al. (2012, equation 5), which leaves out every word's likeness to itself; the usual estimate
    is too high where there are few words for the width of the vectors. Large changes of few directions weigh most
    (arXiv 2210.16156), so it is read beside the drift. NaN in samples of fewer than four words.
    """
    kept = samples.T[sentence]  # (words, samples)

    def over_sample(matrix: Tensor) -> Tensor:
        """The sum of every row over the words of a sample, (words, samples), zero for words that are not in it."""
        return kept * (by_sentence(matrix, sentence, samples.shape[1]).T @ samples.T)

    grams = [_similarities(each.to(samples.dtype)) for each in (before, after)]
    rows = [over_sample(each) for each in grams]
    words = kept.sum(0)  # (samples,)
    between, own, other = (
        _hsic(over_sample(grams[first] * grams[second]).sum(0), rows[first], rows[second], words)
        for first, second in ((0, 1), (0, 0), (1, 1))
    )
    return between / (own * other).sqrt()


def _similarities(vectors: Tensor) -> Tensor:
    """Inner products of all pairs of words, (words, words), zero for a word with itself.

    The mean is taken off first: it makes no difference to HSIC, and sums of large numbers lose digits.
    """
    vectors = vectors - vectors.mean(0)
    return (vectors @ vectors.T).fill_diagonal_(0)


def _hsic(together: Tensor, rows: Tensor, columns: Tensor, words: Tensor) -> Tensor:
    """HSIC_1 of two matrices of similarities with zeros on the diagonal, in samples of so many `words`: (samples,).

    `together`, (samples,): the sum of their products, element by element. `rows` and `columns`, (words, samples): the
    sums of each of the first's and of the second's rows.
    """
    product = rows.sum(0) * columns.sum(0) / ((words - 1) * (words - 2))
    crossed = 2 * (rows * columns).sum(0) / (words - 2)
    hsic = (together + product - crossed) / (words * (words - 3))
    return hsic.where(words >= _FEWEST_WORDS, torch.nan)


def csls_hits(source: Tensor, target: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """Whether a word finds its translation and is found by it: 1, 0.5 (one of both) or 0 for every row, (words,).

    Nearest by CSLS (Conneau et al. 2018, arXiv 1710.04087, section 2.3): twice the cosine, less the mean cosine of each
    of the two words to its nearest `neighbours` of the other language, so that words that are near to everything do
    not win everywhere. The candidates are all rows; every word should be there once. With fewer candidates than
    `neighbours`, all of them are the neighbourhood.
    """
    cosines = F.normalize(source, dim=1) @ F.normalize(target, dim=1).T  # (source words, target words)
    nearest = min(neighbours, len(cosines))
    of_source = cosines.topk(nearest, dim=1).values.mean(1)  # (source words,)
    of_target = cosines.topk(nearest, dim=0).values.mean(0)  # (target words,)
    csls = 2 * cosines - of_source.unsqueeze(1) - of_target
    own = torch.arange(len(csls), device=csls.device)
    return ((csls.argmax(1) == own).double() + (csls.argmax(0) == own).double()) / 2


def neuron_correlation(source: Tensor, target: Tensor, sentence: Tensor, samples: Tensor) -> Tensor:
    """Average neuron-wise correlation, ANC (Del and Fishel 2022, arXiv 2212.01924), (samples,), from -1 to 1.

    The mean over the vectors' components of the correlation of a component in the source words with the same component
    in their translations. Unlike CKA it asks for the same components, as a head that was trained on one language and
    reads another one does. Components that do not vary in a sample are left out of its mean; NaN if none varies.
    """
    x, y = (each.to(samples.dtype) - each.to(samples.dtype).mean(0) for each in (source, target))
    terms = torch.stack([x, y, x * x, y * y, x * y], 1)  # (words, 5, hidden)
    mean_x, mean_y, squares_x, squares_y, products = sample_means(terms, sentence, samples).unbind(1)
    variances = (squares_x - mean_x**2) * (squares_y - mean_y**2)  # (samples, hidden)
    smallest = torch.finfo(samples.dtype).eps * squares_x * squares_y  # what rounding leaves of a constant
    correlations = (products - mean_x * mean_y) / variances.clamp(min=0).sqrt()
    return correlations.where(variances > smallest, torch.nan).nanmean(1)


def relative_change(change: Tensor, size: Tensor, sentence: Tensor, samples: Tensor) -> Tensor:
    """The length of all changes together over the length of what is changed, (samples,).

    Both are squared lengths of the words' vectors, (words,), so this is a quotient of two Frobenius norms.
    """
    changed, whole = (sample_means(each, sentence, samples) for each in (change, size))
    return (changed / whole).sqrt()
