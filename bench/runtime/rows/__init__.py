"""The rows of the runtime's table, one module each."""

from bench.rows.row import Row
from bench.runtime.device import Device
from bench.runtime.rows import chat, cost, cycles, drain, drop, edit, lora, mixed, start, swaps


def rows(device: Device) -> dict[str, Row]:
    """Return the rows for a device, in the order of the table."""
    found = [
        *(cost.row(device, shape) for shape in device.shapes),
        chat.row(device, device.shapes[0]),
        drop.row(device, device.adapted),
        swaps.row(device, device.adapted),
        cycles.row(device, device.shapes[0]),
        edit.ROW,
        mixed.row(device, device.adapted),
        start.row(device, device.shapes[0]),
        drain.row(device, device.shapes[0]),
        lora.row(device, device.adapted),
    ]
    return {row.name: row for row in found}
