import torch

from mimic.sim.masking import assign_rows, select_rows


def test_a_mask_writes_the_rows_that_its_indices_would():
    values = torch.arange(24.0).view(8, 3)
    ids = torch.tensor([1, 4, 5])
    mask = torch.zeros(8, dtype=torch.bool).index_fill(0, ids, True)
    for value in (7.0, -values):
        by_index, by_mask = values.clone(), values.clone()
        assign_rows(by_index, ids, value[ids] if isinstance(value, torch.Tensor) else value)
        assign_rows(by_mask, mask, value)
        assert torch.equal(by_index, by_mask)
        assert not torch.equal(by_mask, values) and torch.equal(by_mask[~mask], values[~mask])


def test_a_mask_writes_integers_and_booleans_in_one_dimension():
    for start, value in ((torch.arange(4), 9), (torch.zeros(4, dtype=torch.bool), True)):
        changed = start.clone()
        assign_rows(changed, torch.tensor([False, True, False, False]), value)
        assert changed.dtype == start.dtype and changed[1] == value and torch.equal(changed[2:], start[2:])


def test_a_mask_never_reads_the_rows_that_are_not_chosen():
    target, value = torch.zeros(3, 2), torch.full((3, 2), float("nan"))
    value[1] = 5.0
    assign_rows(target, torch.tensor([False, True, False]), value)
    assert target.tolist() == [[0, 0], [5, 5], [0, 0]]


def test_select_rows_gives_the_indices_or_every_row():
    ids = torch.tensor([2, 0])
    assert select_rows(ids) is ids
    assert select_rows(torch.tensor([True, False])) == slice(None)
