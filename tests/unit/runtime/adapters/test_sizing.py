"""How much room for adapters there is, where no flag says it."""

import pytest

from kaito.runtime.adapters.sizing import LoraSize, lora_size, slot_rank


@pytest.mark.parametrize(
    ("ranks", "together", "size"),
    [
        ((), False, LoraSize(64, 4, 32)),
        ((8, 16), False, LoraSize(64, 4, 32)),
        ((100,), False, LoraSize(128, 4, 32)),
        ((64, 64), True, LoraSize(128, 4, 32)),
        ((8,) * 6, True, LoraSize(64, 8, 32)),
        ((8,) * 40, False, LoraSize(64, 16, 32)),
        ((600,), False, LoraSize(512, 4, 32)),
    ],
)
def test_slots_have_room_for_what_is_there_and_for_more(ranks: tuple[int, ...], together: bool, size: LoraSize) -> None:
    assert lora_size(ranks, together=together) == size


@pytest.mark.parametrize(("rank", "slot"), [(1, 8), (8, 8), (9, 16), (257, 320), (512, 512), (600, 512)])
def test_a_slot_is_one_that_vllm_has(rank: int, slot: int) -> None:
    assert slot_rank(rank) == slot
