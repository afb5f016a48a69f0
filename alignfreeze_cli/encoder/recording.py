"""CUDA graphs: what a GPU does for a shape of batch is recorded once, and from then on played as a whole.

A step of training tells a GPU to do some 850 things, one after the other, which takes the processor longer than a fast
GPU needs to do them. Played from a recording they are two things, the encoder's forward and its backward pass, with the
same kernels, the same dropout and so the same result, bit for bit (docs/performance.md has what it gains).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import recursively_apply
from torch import Tensor, nn
from torch.func import functional_call

from alignfreeze_cli.encoder.blocks import parts_computed
from alignfreeze_cli.errors import AlignFreezeError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

COMPUTED_FIRST = 2
"""Batches of a shape that are computed as usual. Recording takes as long as three: it is for shapes that come back."""

MOST_SHAPES = 24
"""Shapes that are recorded; the inputs and the output of each, and its gradient, stay in the GPU's memory."""


@contextmanager
def recorded(model: PreTrainedModel, *, wanted: bool, device: torch.device, processes: int) -> Iterator[None]:
    """Inside, the encoder of `model` is recorded while it trains, on a CUDA device and in a single process.

    Elsewhere nothing changes: several processes exchange their gradients in the midst of a backward pass. Parameters
    must stay where they are in memory, and masks be whole (`batches.model_inputs`): of one number per position,
    transformers reads whether all are 1, and computes otherwise then. The encoder is the model's own again afterwards.
    A step that cannot be recorded raises AlignFreezeError.
    """
    if not wanted or device.type != "cuda" or processes > 1:
        yield
        return
    encoder = model.base_model
    encoder.forward = _Recorder(encoder)
    try:
        yield
    finally:
        del encoder.forward  # the class has its own


_off: ContextVar[bool] = ContextVar("recording_off", default=False)


@contextmanager
def not_recorded() -> Iterator[None]:
    """Inside, the encoder is computed: for several passes before one backward pass.

    A recording adds its gradients to those that are there already; torch adds those of all passes up first, which gives
    other roundings.
    """
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


@dataclass
class _Recording:
    """One shape. Its tensors stay where they are: that is what is recorded."""

    inputs: list[Tensor]
    outputs: dict[str, Tensor]  # without gradient
    output_gradients: list[Tensor]
    output_type: type
    gradients: list[tuple[nn.Parameter, Tensor]]  # of the parameters that it reaches; their sum is added up in here
    forward: torch.cuda.CUDAGraph
    backward: torch.cuda.CUDAGraph


class _Recorder:
    """The forward of an encoder, from a recording where there is one.

    All recordings share their memory, so one can be played only when the backward pass of the one before is through; a
    pass that comes earlier is computed.
    """

    def __init__(self, encoder: PreTrainedModel) -> None:
        self.encoder, self.usual = encoder, encoder.forward
        self.parameters = list(encoder.parameters())
        self.met: Counter[Any] = Counter()
        self.recordings: dict[Any, _Recording] = {}
        self.gradients: dict[str, Tensor] = {}
        self.memory = torch.cuda.graph_pool_handle()
        self.under_way = False  # a recording was played whose backward pass was not
        # Something that wants a gradient: without it torch would not ask for the backward pass.
        self.start = torch.zeros((), requires_grad=True, device=encoder.device)

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        """What the encoder's forward gives."""
        given = (arguments, more)
        training = torch.is_grad_enabled() and self.encoder.training
        # Where a decoder is given no mask, transformers makes another one while a recording is made.
        if not training or self.under_way or _off.get() or more.get("attention_mask") is None:
            return self.usual(*arguments, **more)
        key = self._key(given)
        self.met[key] += 1
        recording = self.recordings.get(key)
        if recording is None:
            if self.met[key] <= COMPUTED_FIRST or len(self.recordings) == MOST_SHAPES:
                return self.usual(*arguments, **more)
            recording = self.recordings[key] = self._record(given)
        for place, tensor in zip(recording.inputs, _tensors(given), strict=True):
            place.copy_(tensor, non_blocking=True)
        outputs = _Played.apply(self.start, self, recording)
        return recording.output_type(**dict(zip(recording.outputs, outputs, strict=True)))

    def _key(self, given: Any) -> tuple[Any, ...]:
        """What must be the same for a recording to fit: all that is given, shapes only of tensors; what is trained."""
        shapes = repr(recursively_apply(lambda tensor: (tuple(tensor.shape), tensor.dtype), given))
        trained = tuple(parameter.requires_grad for parameter in self.parameters)
        return shapes, parts_computed(self.encoder), trained

    def _record(self, given: Any) -> _Recording:
        """Compute a batch of this shape once more, with nothing kept of it but what the GPU was told."""
        arguments, more = recursively_apply(Tensor.clone, given)
        named = self.encoder.named_parameters()  # of the blocks that are computed now
        trained = {name: parameter for name, parameter in named if parameter.requires_grad}
        # The same memory by other names: the parameters' own nodes in the graph of a step that is still there would
        # have the recording wait for that step.
        leaves = {name: parameter.detach().requires_grad_() for name, parameter in trained.items()}

        def compute() -> Any:
            kind, on = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
            with torch.autocast("cuda", kind, on, cache_enabled=False):  # a kept copy of a weight would grow old
                return functional_call(self.encoder, leaves, arguments, more)

        def gradients(outputs: Mapping[str, Tensor], of_outputs: list[Tensor]) -> tuple[Tensor | None, ...]:
            with torch.autocast("cuda", enabled=False):  # as in training, where the forward pass alone is inside
                return torch.autograd.grad(list(outputs.values()), list(leaves.values()), of_outputs, allow_unused=True)

        random = torch.cuda.get_rng_state(self.encoder.device)
        del self.encoder.forward
        try:
            torch.cuda.synchronize()
            with torch.cuda.stream(torch.cuda.Stream()):  # once for what is only done the first time
                outputs = compute()
                used = gradients(outputs, [torch.zeros_like(output) for output in outputs.values()])
            torch.cuda.synchronize()
            reached = [name for name, gradient in zip(trained, used, strict=True) if gradient is not None]
            del outputs, used
            for name in reached:
                self.gradients.setdefault(name, torch.zeros_like(trained[name]))

            forward, backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
            # The next batch comes to the GPU from another thread meanwhile, hence thread_local.
            with torch.cuda.graph(forward, self.memory, capture_error_mode="thread_local"):
                outputs = compute()
            of_outputs = [torch.zeros_like(output) for output in outputs.values()]
            with torch.cuda.graph(backward, self.memory, capture_error_mode="thread_local"):
                found = [each for each in gradients(outputs, of_outputs) if each is not None]
                torch._foreach_add_([self.gradients[name] for name in reached], found)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise AlignFreezeError(
                f"The GPU's work could not be recorded: {reason}. --eager computes every step anew."
            ) from error
        finally:
            self.encoder.forward = self
        torch.cuda.set_rng_state(random, self.encoder.device)
        return _Recording(
            inputs=_tensors((arguments, more)),
            outputs={name: output.detach() for name, output in outputs.items()},
            output_gradients=of_outputs,
            output_type=type(outputs),
            gradients=[(trained[name], self.gradients[name]) for name in reached],
            forward=forward,
            backward=backward,
        )


class _Played(torch.autograd.Function):
    """A recording in the graph of a step."""

    @staticmethod
    def forward(ctx: Any, start: Tensor, recorder: _Recorder, recording: _Recording) -> tuple[Tensor, ...]:
        """Play the forward pass: the outputs."""
        ctx.recorder, ctx.recording = recorder, recording
        recorder.under_way = True
        recording.forward.replay()
        return tuple(output.detach() for output in recording.outputs.values())

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor) -> tuple[None, None, None]:
        """Play the backward pass, which adds to the gradients that the parameters have."""
        recording: _Recording = ctx.recording
        if fresh := [gradient for parameter, gradient in recording.gradients if parameter.grad is None]:
            torch._foreach_zero_(fresh)
        for parameter, gradient in recording.gradients:
            if parameter.grad is not None and parameter.grad is not gradient:
                gradient.copy_(parameter.grad)
            parameter.grad = gradient
        for place, tensor in zip(recording.output_gradients, of_outputs, strict=True):
            place.copy_(tensor)
        recording.backward.replay()
        ctx.recorder.under_way = False
        return None, None, None


def _tensors(given: Any) -> list[Tensor]:
    found: list[Tensor] = []
    recursively_apply(found.append, given)
    return found
