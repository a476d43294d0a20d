"""Stacked encoders: who sees whom, and that a row is encoded as if it were alone."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dlf.model.encoder import EncoderDropouts, Encoders, positions_of
from dlf.model.steps import Features, Sequences, Steps, separate, stacked

WIDTH = 8


def encoders(members: int = 1, layers: int = 2) -> Encoders:
    torch.manual_seed(0)
    return Encoders(WIDTH, 2, layers, EncoderDropouts(0, [0.0] * members, 0, 0)).eval()


def sequences(members: int, lengths: list[int], seed: int = 1) -> Steps:
    """Random sequences of some lengths, with garbage behind them, alike for all members."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(members, len(lengths), max(lengths) + 2, WIDTH, generator=generator)
    for i, length in enumerate(lengths):
        values[:, i, length:] = 99
    return Steps(values, torch.tensor([lengths] * members))


def moved(values: Tensor, step: int) -> Tensor:
    other = values.clone()
    other[:, :, step] += torch.linspace(0, 1, WIDTH)
    return other


def changed_steps(first: Tensor, second: Tensor) -> list[bool]:
    return (second - first).abs().amax(dim=(0, 1, 3)).gt(1e-7).tolist()


def valid_parts(steps: Steps) -> list[Tensor]:
    """Return the valid steps of all sequences of all members."""
    rows = zip(steps.values.flatten(0, 1), steps.lengths.flatten(), strict=True)
    return [values[:length] for values, length in rows]


def assert_all_close(first: list[Tensor], second: list[Tensor]) -> None:
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


class TestCausality:
    @pytest.mark.parametrize("steps", [1, 5, 21, 45])
    def test_a_step_sees_itself_and_earlier_ones(self, steps: int) -> None:
        encoder, lengths = encoders(), torch.tensor([[steps]])
        values = torch.randn(1, 1, steps, WIDTH)
        before = encoder(Steps(values, lengths)).values
        for step in {0, steps // 2, steps - 1}:
            after = encoder(Steps(moved(values, step), lengths)).values
            assert changed_steps(before, after) == [i >= step for i in range(steps)]

    @pytest.mark.parametrize(("queries", "keys"), [(3, 5), (5, 3), (4, 4), (18, 20), (40, 35)])
    def test_a_query_sees_keys_up_to_the_difference_of_lengths(
        self, queries: int, keys: int
    ) -> None:
        encoder = encoders()
        torch.manual_seed(1)
        query = Steps(torch.randn(1, 1, queries, WIDTH), torch.tensor([[queries]]))
        memory = Steps(torch.randn(1, 1, keys, WIDTH), torch.tensor([[keys]]))
        before = encoder(query, memory).values
        for key in {0, keys // 2, keys - 1}:
            after = encoder(query, memory._replace(values=moved(memory.values, key))).values
            seen = [key <= i + abs(keys - queries) for i in range(queries)]
            assert changed_steps(before, after) == seen

    def test_the_difference_is_that_of_a_clips_own_lengths(self) -> None:
        encoder = encoders()
        query, memory = sequences(1, [3, 6, 1]), sequences(1, [5, 2, 1], seed=2)
        together = encoder(query, memory)
        for i in range(3):
            alone = [
                Steps(x.values[:, i, None, : x.lengths[0, i]], x.lengths[:, i, None])
                for x in (query, memory)
            ]
            found = together.values[:, i, None, : query.lengths[0, i]]
            torch.testing.assert_close(encoder(*alone).values, found, rtol=1e-5, atol=1e-5)


class TestMembers:
    @pytest.mark.parametrize("across", [False, True])
    @pytest.mark.parametrize("members", [slice(0, 1), slice(1, 3), slice(2, 3)])
    def test_some_encode_as_all_do(self, members: slice, across: bool) -> None:
        encoder, query = encoders(members=3), sequences(3, [4, 7])
        memory = sequences(3, [5, 2], seed=2) if across else None
        everything = encoder(query, memory).values[members]
        some = [x and Steps(x.values[members], x.lengths[members]) for x in (query, memory)]
        torch.testing.assert_close(encoder(*some, members).values, everything)

    def test_each_has_parameters_of_its_own(self) -> None:
        values = sequences(1, [4])
        alike = Steps(values.values.expand(3, -1, -1, -1), values.lengths.expand(3, -1))
        first, second, third = encoders(members=3)(alike).values
        assert not torch.allclose(first, second)
        assert not torch.allclose(second, third)

    @pytest.mark.parametrize("steps", [(5, 6, 7), (2, 9, 30)])
    def test_stacked_or_separate_is_the_same(self, steps: tuple[int, ...]) -> None:
        torch.manual_seed(2)
        encoder = encoders(members=3)
        each = [Features(torch.randn(2, n, WIDTH), torch.tensor([n, 1])) for n in steps]
        as_chosen = stacked(each)
        apart: Sequences = tuple(Steps(values[None], lengths[None]) for values, lengths in each)
        found, expected = (separate(encoder.encode(x)) for x in (as_chosen, apart))
        assert_all_close(
            [part for x in found for part in valid_parts(x)],
            [part for x in expected for part in valid_parts(x)],
        )
        torch.testing.assert_close(encoder.summarise(as_chosen), encoder.summarise(apart))


class TestSummary:
    @pytest.mark.parametrize("layers", [1, 3])
    @pytest.mark.parametrize("lengths", [[1], [3, 1, 4], [20, 7, 1], [40, 2]])
    def test_is_the_last_valid_step(self, lengths: list[int], layers: int) -> None:
        encoder, given = encoders(members=2, layers=layers), sequences(2, lengths)
        whole = encoder.encode((given,))[0].last().squeeze(2)
        torch.testing.assert_close(encoder.summarise((given,)), whole, rtol=1e-5, atol=1e-5)
        last = encoder(given, last_only=True)
        assert last.values.shape == (2, len(lengths), 1, WIDTH)
        assert last.lengths.tolist() == [[1] * len(lengths)] * 2

    def test_has_the_same_gradients(self) -> None:
        encoder, given = encoders(layers=2), sequences(1, [5, 3])
        parameters = list(encoder.parameters())
        found = [
            torch.autograd.grad(summary.square().sum(), parameters)
            for summary in (
                encoder.summarise((given,)),
                encoder.encode((given,))[0].last().squeeze(2),
            )
        ]
        torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


class TestPositions:
    @pytest.mark.parametrize("width", [6, 7])
    def test_sines_before_cosines_from_one(self, width: int) -> None:
        values = torch.ones(1, 3, width)
        values[0, 1, 0] = 0
        positions = positions_of(values)[0]
        assert not positions[1].any()
        for step in (0, 2):
            angles = (step + 1) * np.exp(-np.arange(3) * np.log(10000) / 2)
            expected = np.concatenate([np.sin(angles), np.cos(angles), np.zeros(width - 6)])
            np.testing.assert_allclose(positions[step], expected, atol=1e-6)

    def test_are_added_to_what_is_scaled(self) -> None:
        """Steps that are alike are told apart, and a step of zeros is one of padding."""
        encoder = encoders()
        alike = Steps(torch.ones(1, 1, 3, WIDTH), torch.tensor([[3]]))
        first, second, third = encoder(alike).values[0, 0]
        assert not torch.allclose(first, second)
        assert not torch.allclose(second, third)


def test_dropout_of_attention_is_a_members_own() -> None:
    torch.manual_seed(0)
    dropouts = EncoderDropouts(0, [0.0, 0.5, 0.0], 0, 0)
    encoder, given = Encoders(WIDTH, 2, 1, dropouts), sequences(3, [6, 6, 6, 6])
    trained, evaluated = encoder.train()(given), encoder.eval()(given)
    same = [torch.equal(x, y) for x, y in zip(trained.values, evaluated.values, strict=True)]
    assert same == [True, False, True]


def test_keys_and_values_are_dropped_apart() -> None:
    """A step of the memory is lost where both of its two embeddings are."""
    torch.manual_seed(0)
    encoder = Encoders(WIDTH, 2, 1, EncoderDropouts(0.5, [0.0], 0, 0)).train()
    query = Steps(torch.randn(1, 40, 9, WIDTH), torch.full((1, 40), 9))
    memory = Steps(torch.randn(1, 40, 9, WIDTH, requires_grad=True), query.lengths)
    encoder(query, memory).values.square().sum().backward()
    assert memory.values.grad is not None
    lost = (memory.values.grad[:, :, :-1] == 0).float().mean()
    assert float(lost) == pytest.approx(0.25, abs=0.05)


def test_both_residuals_are_dropped() -> None:
    """With nearly all of both dropped, what a layer gives is what it was given."""
    torch.manual_seed(0)
    encoder = Encoders(WIDTH, 2, 1, EncoderDropouts(0, [0.0], 0, 1.0)).train()
    given = Steps(torch.randn(1, 8, 20, WIDTH), torch.full((1, 8), 20))
    embedded = positions_of(given.values) + WIDTH**0.5 * given.values
    expected = torch.nn.functional.layer_norm(embedded, (WIDTH,))
    same = (encoder(given).values - expected).abs().amax(dim=-1) < 1e-4
    assert float(same.float().mean()) > 0.8
